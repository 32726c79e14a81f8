/** Follows the address of a cell, `#cell=ID`: when the notebook is there, and whenever the address changes. */

import type { Workbench } from "../../actions/workbench";
import { cellOf } from "../../notebook/schema";

export function followCellLink(bench: Workbench): () => void {
  const { notebook, store } = bench.session;
  const go = (): void => {
    const id = /^#cell=(.+)$/.exec(location.hash)?.[1];
    if (id === undefined) return;
    const cell = decodeURIComponent(id);
    if (cellOf(notebook, cell) === null) {
      bench.say("The cell of this link is not in the notebook any more.");
      return;
    }
    bench.cells.focus(cell);
    bench.cells.scrollTo(cell);
  };
  let isOpen = store.getState().phase === "synced";
  if (isOpen) go();
  const stop = store.subscribe(({ phase }) => {
    if (isOpen || phase !== "synced") return;
    isOpen = true;
    // The list draws what came with the same change first.
    requestAnimationFrame(go);
  });
  window.addEventListener("hashchange", go);
  return () => {
    stop();
    window.removeEventListener("hashchange", go);
  };
}
