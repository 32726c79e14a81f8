/** The main job on real input: upload a notebook, run all of it, take it away, and find what Jupyter itself computes. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Exported, exported, launch, ROOT, type Server, screenshot, signIn, startServer, waitForSync } from "./support";

const EXAMPLES = ["data-analysis", "image-filters", "digits-classifier"];
const run = promisify(execFile);

let server: Server;
let browser: Browser;
let folder: string;

beforeAll(async () => {
  [server, browser, folder] = await Promise.all([startServer(), launch("chromium"), mkdtemp(join(tmpdir(), "collab-examples-"))]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each(EXAMPLES)("%s", (name) => {
  it("uploads, runs and downloads with the outputs nbclient gives", { timeout: 180_000 }, async () => {
    const file = join(ROOT, "examples", `${name}.ipynb`);
    const cells = JSON.parse(await readFile(file, "utf8")) as Exported;
    const page = await upload(file);
    await waitForSync(page, cells.cells.length);
    const notebook = /\/n\/([^/?#]+)/.exec(page.url())?.[1] ?? "";
    await page.evaluate(() => [...document.querySelectorAll("button")].find((button) => button.textContent?.trim() === "Run all" || button.ariaLabel === "Run all")?.click());
    const codeCells = cells.cells.filter((cell) => cell.cell_type === "code").length;
    const ours = await eventually(
      "every cell has run",
      async () => {
        const now = await exported(server, notebook);
        return now.cells.filter((cell) => cell.execution_count).length === codeCells ? now : null;
      },
      120_000,
    );
    await screenshot(page, `example-${name}`);
    const downloaded = join(folder, `${name}.ipynb`);
    await writeFile(downloaded, JSON.stringify(ours));
    // Compares with a run by nbclient, output by output, and validates the file with nbformat.
    const { stdout } = await run(join(ROOT, ".venv/bin/python"), [join(import.meta.dirname, "same_as_nbclient.py"), downloaded, file], { cwd: ROOT });
    expect(stdout.trim()).toBe("same");
    await page.close();
  });
});

async function upload(file: string): Promise<Page> {
  const page = await signIn(browser, server, "/");
  const input = await eventually("the upload field", () => page.$('input[type="file"]'));
  await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(file);
  await eventually("the notebook opens or is listed", async () => {
    if (page.url().includes("/n/")) return true;
    const link = await page.$('[role="list"][aria-label="Notebooks"] a');
    await link?.click();
    return false;
  });
  return page;
}
