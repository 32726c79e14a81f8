/** The main job on real input: upload a notebook, run all of it, take it away, and find what Jupyter itself computes. */
import { execFile } from "node:child_process";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Exported, joined, launch, ROOT, type Server, screenshot, signIn, startServer, waitForSync } from "./support";

const EXAMPLES = ["data-analysis", "image-filters", "digits-classifier"];
const run = promisify(execFile);

let server: Server;
let browser: Browser;
let folder: string;

beforeAll(async () => {
  // For kernels and nbclient alike: on few cores, threads of small matrix products only wait for each other.
  process.env.OMP_NUM_THREADS = "1";
  [server, browser, folder] = await Promise.all([startServer(), launch("chromium"), mkdtemp(join(tmpdir(), "collab-examples-"))]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each(EXAMPLES)("%s", (name) => {
  it("uploads, runs and downloads with the outputs nbclient gives", { timeout: 180_000 }, async () => {
    const original = join(ROOT, "examples", `${name}.ipynb`);
    const { cells } = JSON.parse(await readFile(original, "utf8")) as Exported;
    const page = await upload(original);
    await waitForSync(page, cells.length);

    await page.locator('::-p-aria([name="Run all"][role="button"])').click();
    const code = cells.flatMap((cell, index) => (cell.cell_type === "code" ? [index] : []));
    await eventually("every code cell has finished", async () => (await states(page, code)).every((state) => state.endsWith(", finished")), 90_000);
    await screenshot(page, `example-${name}`);
    const shown = await readThrough(page);
    expect(shown).toEqual({ ...shown, images: imagesIn(cells), brokenFormulas: [] });
    expect(shown.formulas).toBeGreaterThan(10);

    const downloaded = await download(page, `${name}.ipynb`);
    // Compares with a run by nbclient, output by output, and validates the file with nbformat.
    const { stdout } = await run(join(ROOT, ".venv/bin/python"), [join(import.meta.dirname, "same_as_nbclient.py"), downloaded, original]);
    expect(stdout.trim()).toBe("same");
    await page.close();
  });
});

async function upload(file: string): Promise<Page> {
  const page = await signIn(browser, server, "/");
  const input = await eventually("the upload field", () => page.$("input[type=file]"));
  await input.uploadFile(file);
  await eventually("the notebook opens", async () => page.url().includes("/n/"));
  return page;
}

/** The accessible names of cells, such as "Cell 3, code, finished". A failed cell ends the wait with what it says. */
async function states(page: Page, indices: number[]): Promise<string[]> {
  const names = await page.$$eval('[role="list"][aria-label="Cells"] > li', (items) => items.map((item) => item.getAttribute("aria-label") ?? ""));
  const failed = names.find((name) => name.includes("failed"));
  if (failed) expect.fail(`${failed}: ${await page.$eval(".output-error", (output) => output.textContent ?? "")}`);
  return indices.map((index) => names[index] ?? "");
}

interface Shown {
  images: number;
  formulas: number;
  brokenFormulas: string[];
}

/** Scrolls from the first cell to the last, waits for each to be drawn, and says what there was to see. */
async function readThrough(page: Page): Promise<Shown> {
  for (const cell of await page.$$('[role="list"][aria-label="Cells"] > li')) {
    await cell.scrollIntoView();
    await eventually("the cell is drawn, its images loaded", () =>
      cell.evaluate((item) => {
        const images = [...item.querySelectorAll("img")];
        const text = item.getAttribute("aria-label")?.includes("text") ? item.querySelector('[aria-label^="Text of cell"]')?.textContent : "code";
        return Boolean(text) && images.every((image) => image.complete && image.naturalWidth > 0);
      }),
    );
  }
  return page.evaluate(() => ({
    images: document.querySelectorAll('[aria-label^="Output of cell"] img').length,
    formulas: document.querySelectorAll(".katex").length,
    brokenFormulas: [...document.querySelectorAll(".tex-error")].map((item) => `${item.textContent}: ${item.getAttribute("title")}`),
  }));
}

/** The notebooks show each figure by one call at the end of a line, of `show` or of `gallery`, outside of a function. */
function imagesIn(cells: Exported["cells"]): number {
  return cells.filter((cell) => cell.cell_type === "code").flatMap((cell) => joined(cell.source).match(/^(?:show|gallery)\(/gm) ?? []).length;
}

/** File, Download, .ipynb; returns the path of the file that the browser saved. */
async function download(page: Page, file: string): Promise<string> {
  const session = await browser.target().createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder, browserContextId: page.browserContext().id });
  await page.locator('::-p-aria([name="File"][role="menuitem"])').click();
  await page.locator('::-p-aria([name="Download"][role="menuitem"])').click();
  await page.locator('::-p-aria([name=".ipynb"][role="menuitem"])').click();
  // Until it is whole, the browser gives it another name.
  const path = join(folder, file);
  await eventually("the file is saved", () => access(path).then(() => true));
  await session.detach();
  return path;
}
