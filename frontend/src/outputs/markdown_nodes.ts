/**
 * Draws markdown written by users into the page: parsed, sanitised by DOMPurify under Trusted Types, then TeX and
 * attached images put in as nodes. Nothing in it can run, load from elsewhere, or take a name of ours.
 * Raw HTML of outputs never comes here: that is the frame's.
 */
import DOMPurify from "dompurify";
import { safeLink } from "../../frame/protocol";
import { ID_PREFIX } from "./heading";
import type { Attachments, MarkdownOptions } from "./markdown";
import { markClasses, markdownToHtml } from "./markdown_parser";
import { renderTex, type TexTarget } from "./math";
import { isRaster } from "./mimes";

const LONGEST_SOURCE = 1_000_000;

const TAGS =
  "a abbr address article aside b bdi bdo blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption figure font h1 h2 h3 h4 h5 h6 header footer hr i img ins kbd li main mark ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr".split(
    " ",
  );
const ATTRIBUTES =
  "abbr align alt cite class color colspan datetime dir height href hreflang id lang open reversed rowspan scope span src start title type valign value width".split(
    " ",
  );

const ADDRESSES = ["href", "src", "cite"];

/** Replaces what `parent` shows. Text is there before the first await; resolves when TeX is drawn as well. */
export async function markdownInto(
  parent: HTMLElement,
  source: string,
  attachments: Attachments,
  options: MarkdownOptions,
): Promise<void> {
  if (source.length > LONGEST_SOURCE) {
    parent.replaceChildren(document.createTextNode(source));
    return;
  }
  const nonce = crypto.randomUUID().replaceAll("-", "");
  const classes = markClasses(nonce);
  const content = sanitise(markdownToHtml(source, nonce), new Set(Object.values(classes)));
  const targets: TexTarget[] = [];
  for (const element of content.querySelectorAll<HTMLElement>("span")) {
    const display = element.classList.contains(classes.display);
    if (display || element.classList.contains(classes.inline)) {
      element.className = display ? "tex tex-display" : "tex";
      targets.push({ node: element, tex: element.textContent ?? "", display });
    } else if (element.classList.contains(classes.task)) {
      element.replaceWith(taskBox(element.textContent === "x"));
    }
  }
  for (const image of content.querySelectorAll("img")) placeImage(image, attachments, options.remoteImages === true);
  for (const link of content.querySelectorAll("a")) guardLink(link);
  for (const table of content.querySelectorAll("table")) wrapTable(table);
  parent.replaceChildren(content);
  await renderTex(targets);
}

function sanitise(html: string, ownClasses: Set<string>): DocumentFragment {
  DOMPurify.removeAllHooks();
  DOMPurify.addHook("uponSanitizeAttribute", (_node, data) => {
    if (data.attrName !== "class") return;
    const kept = data.attrValue
      .split(/\s+/)
      .filter((name) => ownClasses.has(name) || /^language-[\w+#.-]{1,40}$/.test(name));
    data.attrValue = kept.join(" ");
    data.keepAttr = kept.length > 0;
  });
  return DOMPurify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    SANITIZE_NAMED_PROPS: true,
    // The expression below is for addresses; everything else it would take for a bad one and drop.
    ADD_URI_SAFE_ATTR: ATTRIBUTES.filter((name) => !ADDRESSES.includes(name)),
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|attachment:|data:image\/(?:png|jpeg|gif|webp);|#)/i,
  });
}

function taskBox(done: boolean): HTMLInputElement {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = done;
  box.disabled = true;
  box.className = "task";
  box.setAttribute("aria-label", done ? "Done" : "Not done");
  return box;
}

function guardLink(link: HTMLAnchorElement): void {
  const target = link.getAttribute("href") ?? "";
  if (target.startsWith("#")) {
    // Links inside the document meet the prefixed names.
    link.setAttribute("href", `#${ID_PREFIX}${decode(target.slice(1))}`);
    return;
  }
  const url = safeLink(target);
  if (url === null) {
    link.removeAttribute("href");
    return;
  }
  link.href = url.href;
  link.rel = "noopener noreferrer";
  link.target = "_blank";
}

function placeImage(image: HTMLImageElement, attachments: Attachments, remoteImages: boolean): void {
  const source = image.getAttribute("src") ?? "";
  image.removeAttribute("srcset");
  image.loading = "lazy";
  if (/^data:image\/(?:png|jpeg|gif|webp);base64,/i.test(source)) return;
  if (source.toLowerCase().startsWith("attachment:")) {
    const data = attachedImage(decode(source.slice("attachment:".length)), attachments);
    if (data !== null) image.src = data;
    else image.replaceWith(missingImage(image.alt, "attachment not found"));
    return;
  }
  const url = safeLink(source);
  if (url !== null && url.protocol !== "mailto:" && remoteImages) return;
  if (url === null || url.protocol === "mailto:") {
    image.replaceWith(missingImage(image.alt, "image not available"));
    return;
  }
  const link = document.createElement("a");
  link.className = "remote-image";
  link.href = url.href;
  link.textContent = `Image${image.alt === "" ? "" : `: ${image.alt}`} (${url.host})`;
  // An image inside a link: a link in a link is no markup, so the outer one keeps its target.
  if (image.closest("a") === null) image.replaceWith(link);
  else image.replaceWith(missingImage(image.alt, `image at ${url.host}`));
}

function missingImage(alt: string, reason: string): HTMLElement {
  const note = document.createElement("span");
  note.className = "missing-image";
  note.textContent = alt === "" ? `[${reason}]` : `[${alt}: ${reason}]`;
  return note;
}

/** A data URL of an attached raster image; the type is one of ours whatever the document says. */
export function attachedImage(name: string, attachments: Attachments): string | null {
  const bundle = parseBundle(attachments.get(name));
  for (const [mime, data] of bundle) {
    const text = Array.isArray(data) ? data.join("") : data;
    if (!isRaster(mime) || typeof text !== "string") continue;
    const base64 = text.replace(/\s+/g, "");
    if (/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return `data:${mime};base64,${base64}`;
  }
  return null;
}

function parseBundle(value: unknown): [string, unknown][] {
  let bundle = value;
  if (typeof value === "string") {
    try {
      bundle = JSON.parse(value);
    } catch {
      return [];
    }
  }
  return typeof bundle === "object" && bundle !== null ? Object.entries(bundle) : [];
}

function wrapTable(table: HTMLTableElement): void {
  const box = document.createElement("div");
  box.className = "table-box";
  table.replaceWith(box);
  box.append(table);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
