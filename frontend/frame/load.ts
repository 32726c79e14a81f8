/** Loads our copies of libraries as the classic scripts they are, each once. */
import { type LibraryName, libraryUrl } from "./libraries";

const loading = new Map<string, Promise<void>>();

/** Resolves when the library's global is there. Rejects with a sentence when it cannot be fetched. */
export function loadLibrary(name: LibraryName): Promise<void> {
  const known = loading.get(name);
  if (known !== undefined) return known;
  const loaded = new Promise<void>((resolve, reject) => {
    const script = document.createElement("script");
    script.async = false;
    script.addEventListener("load", () => resolve());
    script.addEventListener("error", () => {
      loading.delete(name);
      reject(new Error(`${name} could not be loaded from this server.`));
    });
    // The loader defines `define` itself, so it must see what it has set (`amd.ts`).
    if (name === "requirejs") script.dataset.requirecontext = "_";
    script.src = libraryUrl(name);
    document.head.append(script);
  });
  loading.set(name, loaded);
  return loaded;
}
