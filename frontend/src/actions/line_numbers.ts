/** Whether lines are numbered: everywhere, kept in this browser, but for single cells the other way round. */

import { createStore } from "zustand/vanilla";

const KEY = "collab.line-numbers";

interface LineNumbers {
  readonly all: boolean;
  /** Cells that are not like all. */
  readonly others: ReadonlySet<string>;
}

export const lineNumbersStore = createStore<LineNumbers>(() => ({ all: stored(), others: new Set<string>() }));

export function hasLineNumbers(id: string): boolean {
  const { all, others } = lineNumbersStore.getState();
  return all !== others.has(id);
}

export function toggleAllLineNumbers(): void {
  const all = !lineNumbersStore.getState().all;
  lineNumbersStore.setState({ all, others: new Set<string>() });
  try {
    localStorage.setItem(KEY, all ? "on" : "off");
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
}

/** All of them on, or all off when all are on. */
export function toggleLineNumbers(ids: readonly string[]): void {
  const on = !ids.every(hasLineNumbers);
  const { all, others } = lineNumbersStore.getState();
  const next = new Set(others);
  for (const id of ids) {
    if (on === all) next.delete(id);
    else next.add(id);
  }
  lineNumbersStore.setState({ others: next });
}

function stored(): boolean {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}
