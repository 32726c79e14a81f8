/** Cells as people name them: by their number on the page. */

import { orderedIds } from "../../notebook/schema.ts";
import type { Session } from "../../session/session.ts";

/** From 1; 0 for a cell that is not there any more. */
export function placeOf(session: Session, cell: string): number {
  return orderedIds(session.notebook).indexOf(cell) + 1;
}
