/** Draws one data output by its type. What is heavy is loaded when it is first needed. */
import { imageElement, plainElement, rasterData } from "../src/outputs/drawing";
import { isLoad, isVega } from "../src/outputs/mimes";
import { insertHtml, runModule, runScript } from "./html";
import { jsonTree } from "./json";
import { runLoad } from "./load_script";
import type { FrameOutput, LogLevel } from "./protocol";
import { offerTable } from "./tables/offer";

export interface DrawContext {
  isLive: boolean;
  saveFile(name: string, bytes: ArrayBuffer): void;
  openLink(url: string): void;
  log(level: LogLevel, text: string): void;
}

/** What has to end when the output goes. */
export interface Drawn {
  destroy(): void;
}

export type DataOutput = Extract<FrameOutput, { kind: "data" }>;

/** Resolves when the output is drawn, its scripts included. `parent` is empty. */
export async function drawData(parent: HTMLElement, output: DataOutput, context: DrawContext): Promise<Drawn | null> {
  const { mime, value, plain } = output;
  const metadata = parseFields(output.metadata);
  const own = fieldsOf(metadata.get(mime));
  switch (mime) {
    case "text/html":
      parent.classList.add("output-html");
      await insertHtml(parent, value);
      return offerTable(parent, metadata, context);
    case "application/vnd.collab.table+json": {
      const { drawTable } = await import("./tables/open");
      const drawn = drawTable(parent, value, context);
      if (drawn === null) parent.append(plainElement(plain));
      return drawn;
    }
    case "application/javascript":
      await runScript(parent, value);
      return null;
    case "application/vnd.google.colaboratory.module+javascript":
      await runModule(parent, value);
      return null;
    case "application/vnd.jupyter.widget-view+json": {
      const model = parseFields(value).get("model_id");
      const { drawWidget } = await import("./widgets");
      return drawWidget(parent, typeof model === "string" ? model : "", context);
    }
    case "application/vnd.plotly.v1+json": {
      const { drawPlotly } = await import("./plotly");
      return drawPlotly(parent, value);
    }
    case "application/geo+json": {
      const { drawGeoJson } = await import("./geojson");
      return drawGeoJson(parent, value, own, context);
    }
    case "image/svg+xml":
      parent.classList.add("output-svg");
      await insertHtml(parent, value);
      describeSvg(parent, plain);
      return null;
    case "text/latex": {
      const { drawLatex } = await import("./latex");
      await drawLatex(parent, value);
      return null;
    }
    case "text/markdown": {
      parent.classList.add("output-markdown");
      const { renderMarkdown } = await import("../src/outputs/markdown");
      await renderMarkdown(parent, value, new Map(), { remoteImages: true });
      return null;
    }
    case "application/pdf": {
      const { pdfButton } = await import("./media");
      parent.append(pdfButton(value, context));
      return null;
    }
    case "text/plain":
      parent.append(plainElement(value));
      return null;
    default:
      return drawOther(parent, output, metadata, own, context);
  }
}

async function drawOther(
  parent: HTMLElement,
  { mime, value, plain }: DataOutput,
  metadata: Map<string, unknown>,
  own: Map<string, unknown>,
  context: DrawContext,
): Promise<Drawn | null> {
  if (isVega(mime)) {
    const { drawVega } = await import("./vega");
    return drawVega(parent, mime, value, own, context);
  }
  if (isLoad(mime)) {
    await runLoad(parent, value);
    return null;
  }
  const [family] = mime.split("/");
  if (family === "audio" || family === "video") {
    const { mediaElement } = await import("./media");
    parent.append(mediaElement(mime, value, plain));
    return null;
  }
  const source = rasterData(mime, value);
  if (source !== null) {
    parent.append(imageElement(source, mime, plain, metadata));
  } else if (mime === "application/json" || mime.endsWith("+json")) {
    const isOpen = own.get("expanded") ?? metadata.get("expanded");
    const root = own.get("root") ?? metadata.get("root");
    parent.append(jsonTree(value, isOpen === true, typeof root === "string" ? root : "root") ?? plainElement(value));
  } else {
    parent.append(plainElement(plain === "" ? value : plain));
  }
  return null;
}

function describeSvg(parent: HTMLElement, plain: string): void {
  const svg = parent.querySelector("svg");
  if (svg === null || svg.hasAttribute("aria-label") || svg.querySelector("title") !== null) return;
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", plain === "" ? "Image" : plain);
}

function parseFields(text: string): Map<string, unknown> {
  return fieldsOf(parseJson(text));
}

/** null for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export function fieldsOf(value: unknown): Map<string, unknown> {
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
}
