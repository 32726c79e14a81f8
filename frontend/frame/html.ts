/**
 * Puts HTML of an output into the frame so that its scripts run as in a page: re-created one by one in document order,
 * `<script src>` awaited, `document.currentScript` and `window.element` set, modules left modules.
 */

const SCRIPT_WITHIN_MS = 20_000;
const CLASSIC = new Set(["", "text/javascript", "application/javascript", "text/ecmascript", "application/ecmascript"]);

export async function insertHtml(parent: HTMLElement, html: string): Promise<void> {
  setElement(parent);
  const template = document.createElement("template");
  template.innerHTML = html;
  const scripts = [...template.content.querySelectorAll("script")];
  parent.append(template.content);
  for (const inert of scripts) {
    // A script before may have thrown this one away.
    if (inert.isConnected && isRunnable(inert)) await replaceScript(inert, parent);
  }
}

/** application/javascript: a classic script in the frame's global scope, so that later outputs find its functions. */
export async function runScript(parent: HTMLElement, code: string): Promise<void> {
  const inert = document.createElement("script");
  inert.textContent = code;
  const template = document.createElement("template");
  template.content.append(inert);
  setElement(parent);
  const script = copyScript(inert);
  showErrors(parent, () => parent.append(script));
}

function isRunnable(script: HTMLScriptElement): boolean {
  const type = (script.getAttribute("type") ?? "").trim().toLowerCase();
  return CLASSIC.has(type) || type === "module" || type === "importmap";
}

async function replaceScript(inert: HTMLScriptElement, parent: HTMLElement): Promise<void> {
  const script = copyScript(inert);
  if (!script.hasAttribute("src")) {
    showErrors(parent, () => inert.replaceWith(script));
    return;
  }
  // Scripts made by scripts are async unless told otherwise.
  const waits = !inert.hasAttribute("async");
  script.async = !waits;
  const loaded = new Promise<void>((resolve) => {
    script.addEventListener("load", () => resolve());
    script.addEventListener("error", () => resolve());
    setTimeout(resolve, SCRIPT_WITHIN_MS);
  });
  inert.replaceWith(script);
  if (waits) await loaded;
}

function copyScript(inert: HTMLScriptElement): HTMLScriptElement {
  const script = document.createElement("script");
  for (const { name, value } of inert.attributes) script.setAttribute(name, value);
  script.textContent = inert.textContent;
  return script;
}

/** Inline scripts run at once: what they throw is shown where they are. */
function showErrors(parent: HTMLElement, act: () => void): void {
  const onError = (event: ErrorEvent): void => {
    const note = document.createElement("pre");
    note.className = "output-error";
    note.textContent = `JavaScript: ${event.message}`;
    parent.append(note);
  };
  window.addEventListener("error", onError);
  act();
  window.removeEventListener("error", onError);
}

/** The area of the output being drawn, with the few jQuery-like names that notebook code expects of `element`. */
function setElement(parent: HTMLElement): void {
  const append = (...content: unknown[]): HTMLElement => {
    for (const piece of content) {
      if (piece instanceof Node) Element.prototype.append.call(parent, piece);
      else parent.insertAdjacentHTML("beforeend", String(piece));
    }
    return parent;
  };
  const element = Object.assign(parent, {
    0: parent,
    length: 1,
    append,
    get: () => parent,
    html: (html?: string) => {
      if (html === undefined) return parent.innerHTML;
      parent.innerHTML = html;
      return parent;
    },
    text: (text?: string) => {
      if (text === undefined) return parent.textContent;
      parent.textContent = text;
      return parent;
    },
    empty: () => {
      parent.replaceChildren();
      return parent;
    },
  });
  Object.assign(window, { element });
}

/** After loading, `document.write` would erase the frame; libraries mean "here". */
export function writeIntoArea(): void {
  const write = (...texts: string[]): void => {
    const area = Reflect.get(window, "element");
    if (area instanceof HTMLElement) void insertHtml(area, texts.join(""));
  };
  Object.assign(document, { write, writeln: write });
}
