/** Undo and redo: of the text while its editor has the focus, of the cells in command mode; and showing what changed. */

import { orderedIds } from "../notebook/schema.ts";
import { only } from "./selection.ts";
import { setSelection, type Workbench } from "./workbench.ts";

export function step(bench: Workbench, direction: "undo" | "redo"): void {
  const { session, view } = bench;
  const { selection, mode } = view.getState();
  const isDone =
    mode === "edit" && selection.active !== null
      ? session.undo.text(selection.active)?.[direction]() != null
      : stepCells(bench, direction);
  if (!isDone) bench.say(`There is nothing of yours to ${direction}.`);
}

function stepCells(bench: Workbench, direction: "undo" | "redo"): boolean {
  const { notebook, undo } = bench.session;
  const touched = new Set<string>();
  const note: Parameters<typeof notebook.cells.observeDeep>[0] = (events) => {
    for (const event of events) {
      const [id] = event.path;
      for (const key of id === undefined ? event.keys.keys() : [String(id)]) touched.add(key);
    }
  };
  notebook.cells.observeDeep(note);
  const done = undo.structure[direction]();
  notebook.cells.unobserveDeep(note);
  const first = orderedIds(notebook).find((id) => touched.has(id));
  if (first !== undefined) {
    setSelection(bench, only(first));
    bench.cells.focus(first);
  }
  return done !== null;
}
