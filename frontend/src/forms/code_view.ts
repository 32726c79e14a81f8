/** What every page has to know of forms before the rest of them is loaded: whether there is one, and who sees the code. */

import { type Cell, json } from "../notebook/schema.ts";

const MARKED = /^[^\n]*#\s*@(?:title|param|markdown)(?![\p{L}\p{N}_])/mu;
const FORM_ONLY = /^\s*#+\s*@title[^\n]*\bdisplay-mode["']?\s*:\s*["']?form\b/m;

/** Errs towards yes: the parser has the last word. */
export function mayHaveForm(cell: Cell): boolean {
  return cell.type === "code" && json(cell.metadata.get("cellView")) !== "code" && MARKED.test(cell.source.toString());
}

/** Whether the notebook shows this cell's form in place of its code. Each person may look all the same. */
export function hidesCode(cell: Cell | null): boolean {
  if (cell === null || !mayHaveForm(cell)) return false;
  const chosen = json(cell.metadata.get("cellView"));
  return chosen === "form" || (chosen === undefined && FORM_ONLY.test(cell.source.toString()));
}
