/**
 * Draws terminal text into an element as text nodes, classes and (for exact colours) CSSOM styles; never as markup.
 * Used by the page and by the frame. Growing text costs only what is new: the last line is redrawn, the rest stays.
 */
import { ANSI_START, type AnsiState, readAnsi, type Segment } from "./ansi";

export interface TerminalText {
  /** Shows `text`. Text that continues, or only rewrites the last line of, what is shown keeps the lines before. */
  set(text: string): void;
}

export function terminalText(element: HTMLElement): TerminalText {
  // Whole lines that are drawn, the reader's state after them, and the last node that belongs to them.
  let lines = "";
  let state: AnsiState = ANSI_START;
  let lastNode: ChildNode | null = null;
  let shown = "";

  const dropLastLine = (): void => {
    while (element.lastChild !== null && element.lastChild !== lastNode) element.lastChild.remove();
  };

  return {
    set(text) {
      // A final carriage return only says where the terminal's cursor stands.
      const next = text.endsWith("\r") ? text.slice(0, -1) : text;
      if (next === shown) return;
      shown = next;
      if (!next.startsWith(lines)) {
        lines = "";
        state = ANSI_START;
        lastNode = null;
      }
      dropLastLine();
      const end = next.lastIndexOf("\n") + 1;
      if (end > lines.length) {
        const read = readAnsi(next.slice(lines.length, end), state);
        state = read.state;
        lines = next.slice(0, end);
        appendSegments(element, read.segments);
        lastNode = element.lastChild;
      }
      // A last line in its own span, so that redrawing it leaves the text before untouched.
      if (end < next.length) {
        const line = document.createElement("span");
        appendSegments(line, readAnsi(next.slice(end), state).segments);
        element.append(line);
      }
    },
  };
}

export function appendTerminalText(element: HTMLElement, text: string): void {
  appendSegments(element, readAnsi(text).segments);
}

function appendSegments(element: HTMLElement, segments: Segment[]): void {
  for (const segment of segments) element.append(segmentNode(segment));
}

function segmentNode({ text, style }: Segment): Node {
  const classes: string[] = [];
  let [foreground, background] = [style.foreground, style.background];
  if (style.inverse) {
    [foreground, background] = [background, foreground];
    if (foreground === null) classes.push("ansi-fg-inverse");
    if (background === null) classes.push("ansi-bg-inverse");
  }
  // Bold text in one of the eight basic colours is drawn bright, as terminals do.
  if (style.bold && typeof foreground === "number" && foreground < 8 && !style.inverse) foreground += 8;
  if (typeof foreground === "number") classes.push(`ansi-fg-${foreground}`);
  if (typeof background === "number") classes.push(`ansi-bg-${background}`);
  if (style.bold) classes.push("ansi-bold");
  if (style.dim) classes.push("ansi-dim");
  if (style.italic) classes.push("ansi-italic");
  if (style.underline) classes.push("ansi-underline");
  if (style.strike) classes.push("ansi-strike");
  if (style.hidden) classes.push("ansi-hidden");
  // Exact grounds come without a text colour that fits them.
  if (foreground === null && typeof background === "string")
    classes.push(isPale(background) ? "ansi-on-pale" : "ansi-on-deep");
  const exact = typeof foreground === "string" || typeof background === "string";
  if (classes.length === 0 && !exact && style.link === null) return document.createTextNode(text);
  const element = style.link === null ? document.createElement("span") : linkElement(style.link);
  if (classes.length > 0) element.className = classes.join(" ");
  // On a ground of its own an exact colour is taken as it is; on ours it has to stay readable.
  if (typeof foreground === "string" && background === null && !classes.includes("ansi-bg-inverse")) {
    element.classList.add("ansi-fg-exact");
    element.style.setProperty("--ansi-exact", foreground);
  } else if (typeof foreground === "string") element.style.color = foreground;
  if (typeof background === "string") element.style.backgroundColor = background;
  element.textContent = text;
  return element;
}

function isPale(colour: string): boolean {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\d+/g) ?? []).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}

function linkElement(url: string): HTMLAnchorElement {
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}
