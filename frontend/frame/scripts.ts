/**
 * Runs the scripts of an output: re-created one by one in document order, `<script src>` and modules awaited,
 * `document.currentScript` set, what they expect of a notebook page brought before (`amd.ts`, `jquery.ts`).
 */
import { guardDefine, provideAmd, usesAmd } from "./amd";
import { TAB_SCRIPTS } from "./colab/tabs";
import { provideJquery, usesJquery } from "./jquery";
import { loadLibrary } from "./load";
import { localCopy, localLibrary } from "./local_copies";

const SCRIPT_WITHIN_MS = 20_000;
/** A module may wait at its top level for something that never comes. */
const AWAITS_WITHIN_MS = 5_000;
const CLASSIC = new Set(["", "text/javascript", "application/javascript", "text/ecmascript", "application/ecmascript"]);
const USES_PLOTLY = /\bPlotly\s*\.\s*(?:newPlot|react|plot)\s*\(/;
/** Scripts this long are libraries themselves. */
const LIBRARY_LENGTH = 200_000;

/** `scripts` stand in the document and have not run, as they came from `innerHTML`. */
export async function runScripts(scripts: readonly HTMLScriptElement[], parent: HTMLElement): Promise<void> {
  const missing: string[] = [];
  for (const inert of scripts) {
    // A script before may have thrown this one away.
    if (inert.isConnected && isRunnable(inert)) await run(inert, (copy) => inert.replaceWith(copy), parent, missing);
  }
  if (missing.length > 0 && isBlank(parent)) explainMissing(parent, missing);
}

/** A script of our own making, at the end of `parent`. */
export async function startScript(script: HTMLScriptElement, parent: HTMLElement): Promise<void> {
  await run(script, (copy) => Element.prototype.append.call(parent, copy), parent, []);
}

function isRunnable(script: HTMLScriptElement): boolean {
  const type = (script.getAttribute("type") ?? "").trim().toLowerCase();
  return CLASSIC.has(type) || type === "module" || type === "importmap";
}

/** plotly's own text, which its renderers put into a notebook: ours is the same and need not be read again. */
function isPlotlyItself(code: string): boolean {
  const version =
    code.length > LIBRARY_LENGTH ? /^\s*\/\*\*\s*\* plotly\.js v(\d+\.\d+\.\d+)/.exec(code.slice(0, 100)) : null;
  return version !== null && localLibrary(`https://cdn.plot.ly/plotly-${version[1]}.min.js`) !== null;
}

/** Runs a copy of `inert` where `place` puts it. */
async function run(
  inert: HTMLScriptElement,
  place: (script: HTMLScriptElement) => void,
  parent: HTMLElement,
  missing: string[],
): Promise<void> {
  await provideFor(inert);
  if (isPlotlyItself(inert.text)) {
    await loadLibrary("plotly");
    return;
  }
  if (TAB_SCRIPTS.test(inert.getAttribute("src") ?? "")) return;
  const script = copyScript(inert);
  const isModule = inert.type.trim().toLowerCase() === "module";
  if (!script.hasAttribute("src") && !isModule) {
    showErrors(parent, () => place(script));
    return;
  }
  // Scripts made by scripts are async unless told otherwise.
  const waits = !inert.hasAttribute("async");
  script.async = !waits;
  const source = inert.getAttribute("src");
  const loaded = new Promise<void>((resolve) => {
    script.addEventListener("load", () => resolve());
    script.addEventListener("error", () => {
      if (source !== null) missing.push(source);
      resolve();
    });
    setTimeout(resolve, SCRIPT_WITHIN_MS);
  });
  if (!waits || source !== null) {
    place(script);
    if (waits) await loaded;
    return;
  }
  const ran = moduleRan(script);
  place(script);
  script.after(ran.marker);
  await ran.done;
}

let modules = 0;

/**
 * An inline module tells nobody when it has run. Its last line does so for it, which comes after what it awaits; a
 * second module stands behind it, which runs when it and all it imports have been loaded, whatever came of that.
 */
function moduleRan(script: HTMLScriptElement): { marker: HTMLScriptElement; done: Promise<void> } {
  const name = `module-ran-${modules++}`;
  const marker = document.createElement("script");
  marker.type = "module";
  marker.async = false;
  marker.textContent = `window.dispatchEvent(new Event("${name}-loaded"))`;
  script.append(`\n;window.dispatchEvent(new Event("${name}"))`);
  const done = new Promise<void>((resolve) => {
    const listening = new AbortController();
    const { signal } = listening;
    const end = (): void => {
      listening.abort();
      marker.remove();
      resolve();
    };
    window.addEventListener(name, end, { signal });
    // What it throws, also after an await, is reported to the window.
    window.addEventListener("error", end, { signal });
    script.addEventListener("error", end, { signal });
    window.addEventListener(`${name}-loaded`, () => setTimeout(end, AWAITS_WITHIN_MS), { signal });
    setTimeout(end, SCRIPT_WITHIN_MS);
  });
  return { marker, done };
}

async function provideFor(script: HTMLScriptElement): Promise<void> {
  const source = script.getAttribute("src");
  if (source !== null) {
    if (localLibrary(source) === "requirejs" || /\/require(?:js)?(?:\.min)?\.js(?:$|[?#])/.test(source)) guardDefine();
    return;
  }
  const code = script.text;
  if (usesJquery(code)) await provideJquery();
  if (usesAmd(code)) await provideAmd();
  if (code.length < LIBRARY_LENGTH && USES_PLOTLY.test(code) && Reflect.get(window, "Plotly") === undefined) {
    await loadLibrary("plotly");
  }
}

function copyScript(inert: HTMLScriptElement): HTMLScriptElement {
  const script = document.createElement("script");
  for (const { name, value } of inert.attributes) {
    if (name !== "src") script.setAttribute(name, value);
  }
  script.textContent = inert.textContent;
  const source = inert.getAttribute("src");
  if (source !== null) {
    if (/\/require(?:js)?(?:\.min)?\.js(?:$|[?#])/.test(source)) script.dataset.requirecontext = "_";
    script.src = source;
  }
  return script;
}

/** From now on a script that asks a CDN for what we have gets our copy, also when code makes it. */
export function redirectScripts(): void {
  const { prototype } = HTMLScriptElement;
  const own = Object.getOwnPropertyDescriptor(prototype, "src");
  const { get, set } = own ?? {};
  if (own === undefined || get === undefined || set === undefined) return;
  const redirect = (script: HTMLScriptElement, url: string): string => {
    const copy = localCopy(url);
    if (copy === null) return url;
    // Of another file, and for another server.
    script.removeAttribute("integrity");
    script.removeAttribute("crossorigin");
    return copy;
  };
  Object.defineProperty(prototype, "src", {
    ...own,
    set(this: HTMLScriptElement, url: unknown) {
      set.call(this, redirect(this, String(url)));
    },
  });
  prototype.setAttribute = function setAttribute(name: string, value: string): void {
    const isSource = String(name).toLowerCase() === "src";
    Element.prototype.setAttribute.call(this, name, isSource ? redirect(this, String(value)) : value);
  };
}

/** Inline scripts run at once: what they throw is shown where they are. */
function showErrors(parent: HTMLElement, act: () => void): void {
  const onError = (event: ErrorEvent): void => {
    const note = document.createElement("pre");
    note.className = "output-error";
    note.textContent = `JavaScript: ${event.message}`;
    Element.prototype.append.call(parent, note);
  };
  window.addEventListener("error", onError);
  act();
  window.removeEventListener("error", onError);
}

function isBlank(parent: HTMLElement): boolean {
  return parent.querySelector(".output-error") !== null || parent.getBoundingClientRect().height < 24;
}

function explainMissing(parent: HTMLElement, missing: readonly string[]): void {
  const note = document.createElement("p");
  note.className = "output-note";
  const names = [...new Set(missing.map((url) => url.slice(0, 200)))].slice(0, 3).join(", ");
  note.textContent = `This output needs ${names}, which could not be loaded.`;
  Element.prototype.append.call(parent, note);
}
