/** Edits of a cell's source that a form makes: steps of the cell's own history, as if they were typed. */

import { cellOf } from "../notebook/schema.ts";
import type { Session } from "../session/session.ts";
import type { Change } from "./change.ts";

const FORM = Symbol("form");

export function editSource(session: Session, cellId: string, { at, remove, insert }: Change): void {
  const { notebook, undo } = session;
  const cell = cellOf(notebook, cellId);
  if (cell === null) return;
  undo.text(cellId)?.addTrackedOrigin(FORM);
  notebook.doc.transact(() => {
    if (remove > 0) cell.source.delete(at, remove);
    if (insert !== "") cell.source.insert(at, insert);
  }, FORM);
}
