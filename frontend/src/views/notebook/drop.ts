/** Files dropped beside an editor: the browser would leave the notebook for them. */

import type { Workbench } from "../../actions/workbench";

export function guardDrops(bench: Workbench): () => void {
  const guard = (event: DragEvent): void => {
    if (event.defaultPrevented || event.dataTransfer?.types.includes("Files") !== true) return;
    event.preventDefault();
    if (event.type === "drop") bench.say("Files are uploaded in the Library: drop notebooks there.");
  };
  document.addEventListener("dragover", guard);
  document.addEventListener("drop", guard);
  return () => {
    document.removeEventListener("dragover", guard);
    document.removeEventListener("drop", guard);
  };
}
