/** Draws one data output by its type. What is heavy is loaded when it is first needed. */
import { imageElement, plainElement, rasterData } from "../src/outputs/drawing";
import { insertHtml, runScript } from "./html";
import { jsonTree } from "./json";
import type { FrameOutput, LogLevel } from "./protocol";

export interface DrawContext {
  isLive: boolean;
  saveFile(name: string, bytes: ArrayBuffer): void;
  log(level: LogLevel, text: string): void;
}

type DataOutput = Extract<FrameOutput, { kind: "data" }>;

/** Resolves when the output is drawn, its scripts included. `parent` is empty. */
export async function drawData(parent: HTMLElement, output: DataOutput, context: DrawContext): Promise<void> {
  const { mime, value, plain } = output;
  const metadata = parseFields(output.metadata);
  switch (mime) {
    case "text/html":
      parent.classList.add("output-html");
      return insertHtml(parent, value);
    case "application/javascript":
      return runScript(parent, value);
    case "image/svg+xml":
      parent.classList.add("output-svg");
      await insertHtml(parent, value);
      describeSvg(parent, plain);
      return;
    case "text/latex": {
      const { drawLatex } = await import("./latex");
      return drawLatex(parent, value);
    }
    case "text/markdown": {
      parent.classList.add("output-markdown");
      const { renderMarkdown } = await import("../src/outputs/markdown");
      return renderMarkdown(parent, value, new Map(), { remoteImages: true });
    }
    case "application/pdf":
      parent.append(pdfButton(value, context));
      return;
    case "text/plain":
      parent.append(plainElement(value));
      return;
    default: {
      const source = rasterData(mime, value);
      if (source !== null) {
        parent.append(imageElement(source, mime, plain, metadata));
      } else if (mime === "application/json" || mime.endsWith("+json")) {
        const own = fieldsOf(metadata.get(mime));
        const isOpen = own.get("expanded") ?? metadata.get("expanded");
        const root = own.get("root") ?? metadata.get("root");
        parent.append(
          jsonTree(value, isOpen === true, typeof root === "string" ? root : "root") ?? plainElement(value),
        );
      } else {
        parent.append(plainElement(plain === "" ? value : plain));
      }
    }
  }
}

function describeSvg(parent: HTMLElement, plain: string): void {
  const svg = parent.querySelector("svg");
  if (svg === null || svg.hasAttribute("aria-label") || svg.querySelector("title") !== null) return;
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", plain === "" ? "Image" : plain);
}

function pdfButton(base64: string, context: DrawContext): HTMLElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "save";
  button.textContent = "Save PDF";
  button.addEventListener("click", () => {
    const binary = atob(base64.replace(/\s+/g, ""));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    context.saveFile("output.pdf", bytes.buffer);
  });
  return button;
}

function parseFields(text: string): Map<string, unknown> {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return new Map();
  }
}

function fieldsOf(value: unknown): Map<string, unknown> {
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
}
