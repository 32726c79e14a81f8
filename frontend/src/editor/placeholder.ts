/** Source as plain text, where no editor lives: the same metrics, so that nothing jumps when one comes. */
import type { CellType } from "../notebook/schema.ts";
import { widthOfNumbers } from "./line_numbers.ts";
import { METRICS } from "./theme.ts";

// As CodeMirror breaks lines and sets tabs.
const AS_IT_IS = { whiteSpace: "pre", overflowX: "auto", overflowWrap: "normal", wordBreak: "normal", tabSize: "4" };
const WRAPPED = {
  whiteSpace: "break-spaces",
  overflowX: "visible",
  overflowWrap: "anywhere",
  wordBreak: "break-word",
  tabSize: "4",
};

export function renderPlaceholder(
  parent: HTMLElement,
  source: string,
  type: CellType,
  label: string,
  isNumbered = false,
): void {
  const existing = parent.firstElementChild;
  const pre = existing instanceof HTMLPreElement ? existing : document.createElement("pre");
  if (pre !== existing || parent.childElementCount !== 1) parent.replaceChildren(pre);
  pre.className = "source-plain";
  pre.dataset["type"] = type;
  pre.setAttribute("aria-label", label);
  Object.assign(pre.style, METRICS);
  pre.style.margin = "0";
  Object.assign(pre.style, type === "code" ? AS_IT_IS : WRAPPED);
  // The numbers come with the editor; their place is kept.
  if (isNumbered) pre.style.paddingLeft = `calc(0.75rem + ${widthOfNumbers(source)})`;
  // A last empty line has no height of its own in a pre.
  const text = source === "" || source.endsWith("\n") ? `${source}\u200b` : source;
  if (pre.textContent !== text) pre.textContent = text;
}
