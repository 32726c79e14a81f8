/** Below a table: which rows these are, the pages beside them, how many a page has, and columns further right. */

import type { Page } from "./page";

export interface Pager {
  readonly dom: HTMLElement;
  /** The next page (1) or the one before (-1). */
  turn(direction: 1 | -1): void;
  update(page: Page, count: number): void;
}

interface Options {
  readonly onTurn: (start: number) => void;
  readonly onCount: (rows: number) => void;
  readonly onColumns: (first: number) => void;
}

const COUNTS = [10, 25, 50, 100, 200];

export function createPager({ onTurn, onCount, onColumns }: Options): Pager {
  let page: Page | null = null;
  let count = 25;
  const last = (): number => (page === null ? 0 : Math.max(0, Math.floor((page.found - 1) / count) * count));
  const go = (to: number): void => {
    const start = Math.max(0, Math.min(to, last()));
    if (page !== null && start !== page.start) onTurn(start);
  };
  const where = document.createElement("span");
  const first = arrow("«", "First page", () => go(0));
  const back = arrow("‹", "Previous page", () => go((page?.start ?? 0) - count));
  const on = arrow("›", "Next page", () => go((page?.start ?? 0) + count));
  const end = arrow("»", "Last page", () => go(last()));
  const counts = document.createElement("select");
  counts.setAttribute("aria-label", "Rows per page");
  counts.addEventListener("change", () => onCount(Number(counts.value)));
  const columns = document.createElement("span");
  const left = arrow("‹", "Columns before", () =>
    onColumns(Math.max(0, (page?.first ?? 0) - (page?.columns.length ?? 0))),
  );
  const right = arrow("›", "Further columns", () => onColumns((page?.first ?? 0) + (page?.columns.length ?? 0)));
  const wide = document.createElement("div");
  wide.className = "table-wide";
  wide.append(columns, left, right);
  const dom = document.createElement("div");
  dom.className = "table-pager";
  dom.append(counts, where, first, back, on, end, wide);

  return {
    dom,
    turn: (direction) => go((page?.start ?? 0) + direction * count),
    update(next, rows) {
      page = next;
      if (rows !== count || counts.options.length === 0) {
        count = rows;
        const all = [...new Set([...COUNTS, rows])].sort((a, b) => a - b);
        counts.replaceChildren(...all.map((each) => new Option(`${each} rows`, String(each), false, each === rows)));
      }
      const shown = next.rows.length;
      where.textContent =
        shown === 0
          ? "No rows"
          : `${(next.start + 1).toLocaleString()}–${(next.start + shown).toLocaleString()} of ${next.found.toLocaleString()}`;
      disable(first, next.start === 0);
      disable(back, next.start === 0);
      disable(on, next.start + shown >= next.found);
      disable(end, next.start + shown >= next.found);
      const isWide = next.columns.length < next.width;
      wide.hidden = !isWide;
      columns.textContent = `Columns ${next.first + 1}–${next.first + next.columns.length} of ${next.width.toLocaleString()}`;
      disable(left, next.first === 0);
      disable(right, next.first + next.columns.length >= next.width);
      // All on one page: nothing to turn.
      for (const button of [first, back, on, end]) button.hidden = next.found <= count && next.start === 0;
    },
  };
}

/** Disabled without `disabled`, which would take the focus away from under the finger. */
function disable(button: HTMLButtonElement, isOff: boolean): void {
  button.setAttribute("aria-disabled", String(isOff));
}

function arrow(sign: string, name: string, act: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "save";
  button.textContent = sign;
  button.setAttribute("aria-label", name);
  button.title = name;
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") act();
  });
  return button;
}
