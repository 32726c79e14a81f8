import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The page. The server puts a fresh nonce in place of __NONCE__ in every answer.
export default defineConfig({
  base: "/",
  plugins: [react()],
  html: { cspNonce: "__NONCE__" },
  resolve: { dedupe: ["yjs", "@codemirror/state", "@codemirror/view", "react", "react-dom"] },
  build: {
    outDir: "../collab/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    assetsInlineLimit: 0, // the page's policy takes fonts from files only
    rolldownOptions: {
      input: ["index.html", "src/offline/worker.ts"],
      // A worker reaches no further up than the address it comes from.
      output: { entryFileNames: ({ name }) => (name === "worker" ? "worker.js" : "assets/[name]-[hash].js") },
    },
  },
  test: { include: ["src/**/*.test.ts", "frame/**/*.test.ts"], testTimeout: 20_000 },
});
