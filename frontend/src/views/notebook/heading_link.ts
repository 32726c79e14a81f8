/** Follows a link to a heading whose cell is not drawn yet: text cells far from the viewport have no headings to find. */

import type { Workbench } from "../../actions/workbench";
import { cellOf, orderedIds } from "../../notebook/schema";
import { ID_PREFIX } from "../../outputs/heading";
import { cellWithHeading } from "./headings";

const DRAWN_WITHIN_MS = 2_000;

export function followHeadingLinks(bench: Workbench): () => void {
  const click = (event: MouseEvent): void => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const hash = link?.getAttribute("href") ?? "";
    if (event.button !== 0 || !hash.startsWith(`#${ID_PREFIX}`)) return;
    const name = hash.slice(1);
    if (document.getElementById(name) !== null) return;
    const texts = orderedIds(bench.session.notebook).flatMap((id) => {
      const cell = cellOf(bench.session.notebook, id);
      return cell?.type === "markdown" ? [{ id, source: cell.source.toString() }] : [];
    });
    const cell = cellWithHeading(texts, name.slice(ID_PREFIX.length));
    if (cell === null) {
      bench.say("No heading of this name is in the notebook.");
      return;
    }
    event.preventDefault();
    bench.cells.scrollTo(cell);
    // It is drawn within the next frames, now that it is in view.
    const until = performance.now() + DRAWN_WITHIN_MS;
    const look = (): void => {
      const heading = document.getElementById(name);
      if (heading !== null) heading.scrollIntoView();
      else if (performance.now() < until) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  };
  document.addEventListener("click", click);
  return () => document.removeEventListener("click", click);
}
