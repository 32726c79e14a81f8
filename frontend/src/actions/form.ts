/** Rows about forms: what the notebook holds, for everyone. Showing code to oneself is `view.toggleSource`. */

import { hidesCode, mayHaveForm } from "../forms/code_view.ts";
import { editSource } from "../forms/edit.ts";
import { setCellMetadata } from "../notebook/edits.ts";
import { type Cell, cellOf } from "../notebook/schema.ts";
import { STRUCTURE } from "../notebook/undo.ts";
import type { Action } from "./action.ts";
import type { Workbench } from "./workbench.ts";

function active(bench: Workbench): Cell | null {
  const { active: id } = bench.view.getState().selection;
  const cell = id === null ? null : cellOf(bench.session.notebook, id);
  return cell?.type === "code" ? cell : null;
}

const formed = (bench: Workbench): Cell[] =>
  bench.view
    .getState()
    .selection.ids.map((id) => cellOf(bench.session.notebook, id))
    .filter((cell) => cell !== null)
    .filter(mayHaveForm);

export const formActions: readonly Action[] = [
  {
    id: "insert.formField",
    title: "Form field",
    role: "editor",
    keys: [],
    when: (bench) => (active(bench) === null ? "no code cell is selected" : null),
    run: async (bench) => {
      const { addForm } = await import("../forms/add.ts");
      const cell = active(bench);
      if (cell !== null) editSource(bench.session, cell.id, addForm(cell.source.toString()));
    },
  },
  {
    id: "cell.formOnly",
    title: "Form without its code",
    role: "editor",
    keys: [],
    when: (bench) => (formed(bench).length === 0 ? "the cell has no form" : null),
    checked: (bench) => formed(bench).length > 0 && formed(bench).every(hidesCode),
    run: (bench) => {
      const cells = formed(bench);
      const view = cells.every(hidesCode) ? "both" : "form";
      const { notebook } = bench.session;
      notebook.doc.transact(() => {
        for (const { id } of cells) setCellMetadata(notebook, id, "cellView", view);
      }, STRUCTURE);
    },
  },
];
