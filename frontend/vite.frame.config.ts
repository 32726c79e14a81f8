import { resolve } from "node:path";
import { defineConfig } from "vite";

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
      generateBundle(_options, bundle) {
        const document = bundle["frame.html"];
        if (document?.type !== "asset") return;
        for (const kind of ["live", "stored"]) {
          this.emitFile({ type: "asset", fileName: `${kind}/frame.html`, source: document.source });
        }
        delete bundle["frame.html"];
      },
    },
  ],
});
