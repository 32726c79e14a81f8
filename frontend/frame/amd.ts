/**
 * `require` and `define` for outputs that expect the classic notebook's loader: it comes at the first script that names
 * them. Libraries that could register with it set their global instead, or nobody would find them: while such a script
 * runs, `define` is not there.
 */
import { libraryUrl } from "./libraries";
import { loadLibrary } from "./load";

const USES_AMD = /\brequire(?:js)?\s*(?:\(|\.config\b|\.undef\b|\[)|\bdefine\s*\(/;
/** A library's question whether there is a loader, which wants none. */
const ASKS_FOR_AMD = /\btypeof\s+define\b[^;]{0,80}\bdefine\.amd\b/;
const LIBRARY_LENGTH = 50_000;

/** What `require([…])` finds without being told where. */
const MODULES = ["jquery", "plotly", "vega", "vega-lite", "vega-embed"] as const;

let isThere: Promise<void> | null = null;

export function usesAmd(code: string): boolean {
  return !isLibrary(code) && USES_AMD.test(code);
}

function isLibrary(code: string): boolean {
  return code.length >= LIBRARY_LENGTH || ASKS_FOR_AMD.test(code);
}

/** Does nothing when the frame has a loader, ours or another's. */
export function provideAmd(): Promise<void> {
  if (Reflect.get(window, "requirejs") !== undefined) return Promise.resolve();
  isThere ??= load();
  return isThere;
}

async function load(): Promise<void> {
  guardDefine();
  await loadLibrary("requirejs");
  const requirejs: unknown = Reflect.get(window, "requirejs");
  if (typeof requirejs !== "function") return;
  const config: unknown = Reflect.get(requirejs, "config");
  // A path without its ending is what the loader calls a module.
  const paths = MODULES.map((name) => [name, new URL(libraryUrl(name).replace(/\.js$/, ""), location.href).href]);
  if (typeof config === "function") config.call(requirejs, { paths: Object.fromEntries(paths), waitSeconds: 30 });
}

let isGuarded = false;

/** Whoever brings a loader: `define` shows only to scripts that mean it. */
export function guardDefine(): void {
  if (isGuarded) return;
  isGuarded = true;
  let value: unknown = Reflect.get(window, "define");
  Object.defineProperty(window, "define", {
    configurable: true,
    enumerable: true,
    get: () => (isLibraryRunning() ? undefined : value),
    set: (next: unknown) => {
      value = next;
    },
  });
}

function isLibraryRunning(): boolean {
  const script = document.currentScript;
  if (!(script instanceof HTMLScriptElement)) return false;
  // What the loader itself asked for carries its mark.
  if (script.src !== "") return !script.hasAttribute("data-requirecontext");
  return isLibrary(script.text);
}
