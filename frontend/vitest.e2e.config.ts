import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

// Browser tests live in tests/e2e; their packages are this folder's.
const module_ = (name: string) => ({
  find: new RegExp(`^${name}$`),
  replacement: resolve(import.meta.dirname, "node_modules", name),
});

export default defineConfig({
  root: resolve(import.meta.dirname, ".."),
  resolve: { alias: ["puppeteer-core", "ws", "yjs"].map(module_) },
  test: {
    include: ["tests/e2e/**/*.test.ts"],
    testTimeout: 90_000,
    hookTimeout: 60_000,
    // Each file has servers and browsers of its own, and waits for them most of the time.
    maxWorkers: 2,
    // A browser may be held up once; what passes only then is marked in the report, and is a bug to mend.
    retry: 1,
    reporters: ["verbose"],
  },
});
