/** Making a cell a Markdown heading: the marks at the start of its first line. */

import { setType } from "../notebook/edits.ts";
import type { Notebook } from "../notebook/schema.ts";
import { cellOf } from "../notebook/schema.ts";
import { STRUCTURE } from "../notebook/undo.ts";

/** Length of the marks that stand before the words now: "## " is 3. */
export function marksLength(source: string): number {
  return /^ {0,3}#{1,6}(?:[ \t]+|$)/m.exec(source.split("\n", 1)[0] ?? "")?.[0].length ?? 0;
}

export function setHeading(notebook: Notebook, id: string, level: number): void {
  notebook.doc.transact(() => {
    const cell = cellOf(notebook, id);
    if (cell === null) return;
    if (cell.type !== "markdown") setType(notebook, id, "markdown");
    const text = cellOf(notebook, id)?.source;
    if (text === undefined) return;
    const old = marksLength(text.toString());
    if (old > 0) text.delete(0, old);
    text.insert(0, `${"#".repeat(level)} `);
  }, STRUCTURE);
}
