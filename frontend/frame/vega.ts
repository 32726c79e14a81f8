/**
 * Vega and Vega-Lite specs, by our copies of the libraries. Expressions of a spec are interpreted, never compiled; what
 * it loads and links to is restricted; and of the options that a spec carries for its host only harmless ones count (A16).
 */
import type { DrawContext, Drawn } from "./draw";
import { isRelative } from "./kernel_files";
import { loadLibrary } from "./load";
import { safeLink } from "./protocol";
import { isPublicHttp } from "./public_url";
import { currentTheme, followTheme, themeColor } from "./theme";

type Fields = Record<string, unknown>;

interface Loader {
  load(uri: string, options?: unknown): Promise<string>;
  sanitize(uri: string, options?: unknown): Promise<unknown>;
}

interface Embedded {
  finalize(): void;
}

type Embed = (root: HTMLElement, spec: Fields, options: Fields) => Promise<Embedded>;

const NO_EDITOR = { export: true, source: false, compiled: false, editor: false };

export async function drawVega(
  parent: HTMLElement,
  mime: string,
  text: string,
  metadata: Map<string, unknown>,
  context: DrawContext,
): Promise<Drawn> {
  const spec: unknown = JSON.parse(text);
  if (!isFields(spec)) throw new Error("A Vega spec is a JSON object.");
  await loadLibrary("vega");
  await loadLibrary("vega-lite");
  await loadLibrary("vega-embed");
  const root = document.createElement("div");
  root.className = "output-vega";
  root.toggleAttribute("data-fills", spec.width === "container");
  parent.append(root);
  const { usermeta, ...bare } = spec;
  const asked = {
    ...harmless(isFields(usermeta) ? usermeta.embedOptions : undefined),
    ...harmless(metadata.get("embed_options")),
  };
  let embedded: Embedded | null = null;
  const draw = async (): Promise<void> => {
    embedded?.finalize();
    embedded = await embedder()(root, bare, {
      actions: NO_EDITOR,
      ...asked,
      ...(currentTheme() === "dark" && asked.theme === undefined ? { config: darkConfig() } : {}),
      mode: mime.includes("vegalite") ? "vega-lite" : "vega",
      ast: true,
      loader: createLoader(parent, context),
    });
  };
  await draw();
  const unfollow = followTheme(() => void draw());
  return {
    destroy() {
      unfollow();
      embedded?.finalize();
    },
  };
}

/** What a spec may ask of its host: nothing that loads, compiles or writes HTML. */
function harmless(options: unknown): Fields {
  if (!isFields(options)) return {};
  const chosen: Fields = {};
  const { actions, renderer, theme, scaleFactor, width, height, padding, formatLocale, timeFormatLocale } = options;
  if (typeof actions === "boolean") chosen.actions = actions ? NO_EDITOR : false;
  if (isFields(actions)) chosen.actions = { ...NO_EDITOR, export: actions.export !== false };
  if (renderer === "svg" || renderer === "canvas") chosen.renderer = renderer;
  if (typeof theme === "string") chosen.theme = theme;
  for (const [name, value] of Object.entries({ scaleFactor, width, height, padding })) {
    if (typeof value === "number") chosen[name] = value;
  }
  if (isFields(formatLocale)) chosen.formatLocale = formatLocale;
  if (isFields(timeFormatLocale)) chosen.timeFormatLocale = timeFormatLocale;
  return chosen;
}

function createLoader(parent: HTMLElement, context: DrawContext): Loader {
  const vega: unknown = Reflect.get(window, "vega");
  const create: unknown = isFields(vega) ? vega.loader : undefined;
  const base: unknown = typeof create === "function" ? create() : undefined;
  if (!isLoader(base)) throw new Error("Vega could not be loaded.");
  return {
    ...base,
    async sanitize(uri, options) {
      const isLink = isFields(options) && options.context === "href";
      if (isLink) {
        const url = safeLink(uri);
        if (url === null) throw new Error("Charts link to http, https and mailto only.");
        return { href: url.href, target: "_blank", rel: "noopener noreferrer" };
      }
      if (isRelative(uri)) {
        const sentence = `${uri} is a file where the code ran, which a chart cannot load: give it the data itself.`;
        note(parent, sentence);
        throw new Error(sentence);
      }
      if (/^data:/i.test(uri)) return { href: uri };
      if (!context.isLive || !isPublicHttp(uri)) {
        const sentence = `This chart's data at ${uri.slice(0, 200)} is not loaded.`;
        note(parent, sentence);
        throw new Error(sentence);
      }
      return { href: uri };
    },
  };
}

function note(parent: HTMLElement, sentence: string): void {
  const dom = document.createElement("p");
  dom.className = "output-note";
  dom.textContent = sentence;
  Element.prototype.append.call(parent, dom);
}

function darkConfig(): Fields {
  const text = themeColor("--jp-content-font-color1");
  const soft = themeColor("--jp-content-font-color2");
  const grid = themeColor("--jp-border-color2");
  const line = themeColor("--jp-border-color1");
  return {
    background: themeColor("--jp-layout-color1"),
    title: { color: text, subtitleColor: soft },
    style: { "guide-label": { fill: soft }, "guide-title": { fill: text }, "group-title": { fill: text } },
    axis: { domainColor: line, gridColor: grid, tickColor: line },
    header: { labelColor: soft, titleColor: text },
    view: { stroke: grid },
    text: { color: text },
    rule: { color: soft },
  };
}

function embedder(): Embed {
  const embed: unknown = Reflect.get(window, "vegaEmbed");
  if (!isEmbed(embed)) throw new Error("Vega could not be loaded.");
  return embed;
}

function isEmbed(value: unknown): value is Embed {
  return typeof value === "function";
}

function isLoader(value: unknown): value is Loader {
  return isFields(value) && typeof value.load === "function" && typeof value.sanitize === "function";
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
