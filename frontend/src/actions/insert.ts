/** Rows of the Insert menu. A new cell opens for writing, except in command mode, as in Jupyter. */

import { insertCell } from "../notebook/edits.ts";
import { orderedIds } from "../notebook/schema.ts";
import { type Action, cell, command } from "./action.ts";
import type { Workbench } from "./workbench.ts";

type Type = "code" | "markdown" | "raw";

/** Inserts beside the selection and opens the new cell. */
export function insertBeside(bench: Workbench, side: "above" | "below", type: Type, source = ""): string {
  const { notebook } = bench.session;
  const { ids } = bench.view.getState().selection;
  const order = orderedIds(notebook);
  const last = ids.at(-1);
  const below = last === undefined ? null : (order[order.indexOf(last) + 1] ?? null);
  return insertCell(notebook, { type, source, before: side === "above" ? (ids[0] ?? null) : below });
}

function insertAndShow(bench: Workbench, side: "above" | "below", type: Type, source = ""): void {
  const { mode } = bench.view.getState();
  const id = insertBeside(bench, side, type, source);
  if (mode === "edit" || type === "markdown") bench.cells.edit(id, "end");
  else bench.cells.focus(id);
}

export const insertActions: readonly Action[] = [
  {
    id: "insert.codeAbove",
    title: "Code cell above",
    role: "editor",
    keys: [...command("A"), ...cell("Leader A")],
    run: (bench) => insertAndShow(bench, "above", "code"),
  },
  {
    id: "insert.codeBelow",
    title: "Code cell below",
    role: "editor",
    keys: [...command("B"), ...cell("Leader B")],
    run: (bench) => insertAndShow(bench, "below", "code"),
  },
  {
    id: "insert.markdownAbove",
    title: "Text cell above",
    role: "editor",
    keys: [],
    run: (bench) => insertAndShow(bench, "above", "markdown"),
  },
  {
    id: "insert.markdownBelow",
    title: "Text cell below",
    role: "editor",
    keys: [],
    run: (bench) => insertAndShow(bench, "below", "markdown"),
  },
  {
    id: "insert.headingAbove",
    title: "Heading above",
    role: "editor",
    keys: command("Shift+A"),
    run: (bench) => insertAndShow(bench, "above", "markdown", "# "),
  },
  {
    id: "insert.headingBelow",
    title: "Heading below",
    role: "editor",
    keys: command("Shift+B"),
    run: (bench) => insertAndShow(bench, "below", "markdown", "# "),
  },
  {
    id: "insert.raw",
    title: "Raw cell",
    role: "editor",
    keys: [],
    run: (bench) => insertAndShow(bench, "below", "raw"),
  },
];
