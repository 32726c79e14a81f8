/** Rows that make the selection longer or shorter. */

import { orderedIds } from "../notebook/schema.ts";
import { type Action, command } from "./action.ts";
import { extend, neighbour } from "./selection.ts";
import { setSelection, type Workbench } from "./workbench.ts";

function extendTo(bench: Workbench, id: string | null): void {
  if (id === null) return;
  setSelection(bench, extend(orderedIds(bench.session.notebook), bench.view.getState().selection, id));
  bench.cells.scrollTo(id);
}

function extendBy(bench: Workbench, steps: number): void {
  extendTo(bench, neighbour(orderedIds(bench.session.notebook), bench.view.getState().selection, steps));
}

export const extendActions: readonly Action[] = [
  {
    id: "select.extendUp",
    title: "Extend selection up",
    role: "viewer",
    keys: command("Shift+ArrowUp", "Shift+K"),
    run: (bench) => extendBy(bench, -1),
  },
  {
    id: "select.extendDown",
    title: "Extend selection down",
    role: "viewer",
    keys: command("Shift+ArrowDown", "Shift+J"),
    run: (bench) => extendBy(bench, 1),
  },
  {
    id: "select.extendFirst",
    title: "Extend selection to the first cell",
    role: "viewer",
    keys: command("Shift+Home"),
    run: (bench) => extendTo(bench, orderedIds(bench.session.notebook)[0] ?? null),
  },
  {
    id: "select.extendLast",
    title: "Extend selection to the last cell",
    role: "viewer",
    keys: command("Shift+End"),
    run: (bench) => extendTo(bench, orderedIds(bench.session.notebook).at(-1) ?? null),
  },
];
