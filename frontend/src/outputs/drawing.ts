/** Outputs in which nothing can run, as nodes: streams, errors, plain text, raster images. For the page and the frame. */
import { isRaster } from "./mimes";
import { appendTerminalText, type TerminalText, terminalText } from "./terminal";

export interface StreamView {
  dom: HTMLElement;
  set(text: string): void;
}

export function streamView(name: string): StreamView {
  const dom = preformatted(`output-stream output-${name === "stderr" ? "stderr" : "stdout"}`);
  const content: TerminalText = terminalText(dom);
  let isFirst = true;
  return {
    dom,
    set(text) {
      // A reader at the end of a growing text stays at its end; one who scrolled up is left alone.
      const follows = !isFirst && dom.scrollHeight - dom.scrollTop - dom.clientHeight < 8;
      isFirst = false;
      content.set(text);
      if (follows) dom.scrollTop = dom.scrollHeight;
    },
  };
}

export function errorElement(ename: string, evalue: string, traceback: readonly string[]): HTMLElement {
  const dom = preformatted("output-error");
  const text = traceback.join("\n");
  appendTerminalText(dom, text === "" ? `${ename}: ${evalue}` : text);
  return dom;
}

export function plainElement(text: string): HTMLElement {
  const dom = preformatted("output-plain");
  appendTerminalText(dom, text);
  return dom;
}

/**
 * `source` is a URL of our own making: `rasterData(...)` or a blob's. `metadata` is the output's: size and text stand
 * in it under the type, as IPython writes them, or at the top. Without such a text `plain` stands for the picture.
 */
export function imageElement(source: string, mime: string, plain: string, metadata: unknown): HTMLElement {
  const top = fieldsOf(metadata);
  const own = fieldsOf(top.get(mime));
  const field = (name: string): unknown => own.get(name) ?? top.get(name);
  const dom = document.createElement("div");
  dom.className = "output-image";
  const image = document.createElement("img");
  const alt = field("alt");
  image.alt = typeof alt === "string" && alt !== "" ? alt : plain;
  const [across, down] = [sizeOf(field("width")), sizeOf(field("height"))];
  if (across !== null) image.width = across;
  if (down !== null) image.height = down;
  image.src = source;
  dom.append(image);
  return dom;
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  if (value instanceof Map) return value;
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
}

/** A data URL of a raster image, or null when it is none. */
export function rasterData(mime: string, base64: string): string | null {
  if (!isRaster(mime)) return null;
  const data = base64.replace(/\s+/g, "");
  return /^[A-Za-z0-9+/]*={0,2}$/.test(data) ? `data:${mime};base64,${data}` : null;
}

function sizeOf(value: unknown): number | null {
  const size = typeof value === "string" ? Number(value) : value;
  return typeof size === "number" && size >= 1 && size <= 20_000 ? Math.round(size) : null;
}

function preformatted(className: string): HTMLElement {
  const dom = document.createElement("pre");
  dom.className = className;
  return dom;
}
