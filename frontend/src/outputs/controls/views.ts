/** How a person looks at the outputs of a cell. */

import { type Cell, json } from "../../notebook/schema.ts";

/** In a box that scrolls, in full length, or as the text that stands for them. Otherwise: long texts scroll, all else is whole. */
export type OutputView = "scrolled" | "whole" | "text";

/** As the file says, where it says something: `scrolled` of nbformat. */
export function viewOf(cell: Cell | null, chosen: OutputView | undefined): OutputView | null {
  if (chosen !== undefined) return chosen;
  const scrolled = cell === null ? undefined : json(cell.metadata.get("scrolled"));
  return scrolled === true ? "scrolled" : scrolled === false ? "whole" : null;
}
