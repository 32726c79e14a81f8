import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "vite";
import { LIBRARIES, type LibraryName, libraryFile } from "./frame/libraries.ts";
import { importMap } from "./frame/local_copies.ts";

const PACKAGES = resolve(import.meta.dirname, "node_modules");

/** A library as its package ships it: minified already, and too big to go through a bundler at every build. */
function librarySource(name: LibraryName): string {
  const { package: folder, version, source } = LIBRARIES[name];
  const installed: unknown = JSON.parse(readFileSync(resolve(PACKAGES, folder, "package.json"), "utf8"));
  if (typeof installed !== "object" || installed === null || Reflect.get(installed, "version") !== version) {
    throw new Error(`frame/libraries.ts names ${folder} ${version}, which is not what is installed; change it there.`);
  }
  // Their source maps are not served.
  return readFileSync(resolve(PACKAGES, folder, source), "utf8").replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n");
}

// The output frame: one document for live and one for stored outputs (they differ in their headers), shared assets.
// It is served from the output origin under /_out/, apart from the page's own bundle.
export default defineConfig({
  root: "frame",
  base: "/_out/",
  build: {
    outDir: resolve(import.meta.dirname, "../collab/static/_out"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    rolldownOptions: { input: resolve(import.meta.dirname, "frame/frame.html") },
  },
  plugins: [
    {
      name: "one-document-per-class",
      enforce: "post",
      transformIndexHtml: () => [
        {
          tag: "script",
          attrs: { type: "importmap" },
          children: JSON.stringify(importMap()),
          injectTo: "head-prepend",
        },
      ],
      generateBundle(_options, bundle) {
        const document = bundle["frame.html"];
        if (document?.type !== "asset") return;
        for (const kind of ["live", "stored"]) {
          this.emitFile({ type: "asset", fileName: `${kind}/frame.html`, source: document.source });
        }
        delete bundle["frame.html"];
      },
    },
    {
      name: "libraries-as-they-are",
      generateBundle() {
        for (const name of Object.keys(LIBRARIES)) {
          if (!isLibrary(name)) continue;
          this.emitFile({ type: "asset", fileName: libraryFile(name), source: librarySource(name) });
        }
      },
    },
  ],
});

function isLibrary(name: string): name is LibraryName {
  return name in LIBRARIES;
}
