/** Keys that mean something to the page are handed back to it: leaving the frame, saving, moving the cell. */
import type { FrameKey } from "./protocol";

export function returnKeys(send: (key: FrameKey) => void): void {
  document.addEventListener("keydown", (event) => {
    if (!event.isTrusted || event.defaultPrevented) return;
    const key = frameKey(event);
    if (key === null) return;
    if (key !== "Escape") event.preventDefault();
    send(key);
  });
}

function frameKey(event: KeyboardEvent): FrameKey | null {
  if (event.key === "Escape") return "Escape";
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") return "save";
  if (!event.altKey || event.ctrlKey || event.metaKey) return null;
  if (event.key === "ArrowUp") return "moveUp";
  return event.key === "ArrowDown" ? "moveDown" : null;
}
