import { defineConfig } from "vitest/config";
import e2e from "./vitest.e2e.config";

// What is measured in browsers lives in bench/browser and is started by `python -m bench.outputs`.
export default defineConfig({
  ...e2e,
  test: {
    include: ["bench/browser/**/*.bench.ts"],
    testTimeout: 600_000,
    hookTimeout: 180_000,
    reporters: ["default"],
  },
});
