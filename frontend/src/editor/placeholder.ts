/** Source as plain text, where no editor lives: the same metrics, so that nothing jumps when one comes. */
import type { CellType } from "../notebook/schema.ts";
import { METRICS } from "./theme.ts";

export function renderPlaceholder(parent: HTMLElement, source: string, type: CellType, label: string): void {
  const existing = parent.firstElementChild;
  const pre = existing instanceof HTMLPreElement ? existing : document.createElement("pre");
  if (pre !== existing || parent.childElementCount !== 1) parent.replaceChildren(pre);
  pre.className = "source-plain";
  pre.dataset["type"] = type;
  pre.setAttribute("aria-label", label);
  Object.assign(pre.style, METRICS);
  pre.style.margin = "0";
  pre.style.whiteSpace = type === "code" ? "pre" : "pre-wrap";
  // A last empty line has no height of its own in a pre.
  const text = source === "" || source.endsWith("\n") ? `${source}\u200b` : source;
  if (pre.textContent !== text) pre.textContent = text;
}
