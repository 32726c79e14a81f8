/** DataFrames as tables, and what people do with outputs: take them away, enlarge, read, clear and not keep them. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Inside, inside } from "./inside";
import { type BrowserName, create, eventually, exported, launch, outputText, press, type Server, signIn, startServer, visit, waitForSync } from "./support";

let server: Server;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launch("chromium")]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const FRAME = `import pandas as pd, numpy as np
df = pd.DataFrame({"n": np.arange(400_000), "odd": np.arange(400_000) % 2, "word": ["zwei", "drei"] * 200_000})
df`;

const TEXT = (selector: string): string => `document.querySelector(${JSON.stringify(selector)})?.textContent`;
const CLICK = (name: string): string => `[...document.querySelectorAll("button")].find((button) => (button.getAttribute("aria-label") ?? button.textContent) === ${JSON.stringify(name)}).click()`;
/** The first row's cells, joined. */
const ROW = `[...(document.querySelector(".table-grid tbody tr")?.children ?? [])].map((cell) => cell.textContent).join(" ")`;
const TYPE = (selector: string, text: string): string =>
  `(() => { const input = document.querySelector(${JSON.stringify(selector)}); input.value = ${JSON.stringify(text)}; input.dispatchEvent(new Event("input")); input.dispatchEvent(new Event("change")); return true; })()`;

async function walk(table: Inside): Promise<void> {
  await table.until("the first row", `${ROW} === "0 0 0 zwei"`);
  await table.value(`(${CLICK("Last page")}, true)`);
  await table.until("the last page", `${ROW} === "399975 399975 1 drei"`);
  await table.value(`(document.querySelector('thead [data-column="0"] button').click(), true)`);
  await table.value(`(document.querySelector('thead [data-column="0"] button').click(), true)`);
  await table.until("sorted downwards", `${ROW} === "399999 399999 1 drei" && document.querySelector('[data-column="0"]').getAttribute("aria-sort") === "descending"`);
  await table.value(TYPE('[aria-label="Filter odd"]', "0"));
  await table.until("filtered", `${ROW} === "399998 399998 0 zwei" && ${TEXT(".table-status")}.startsWith("200,000 found in 400,000 rows")`);
  await table.value(TYPE('[type="search"]', "DREI"));
  await table.until("nothing found", `${TEXT(".table-pager")}.includes("No rows")`);
  await table.value(TYPE('[type="search"]', ""));
  await table.until("all of it again", `${ROW} === "399998 399998 0 zwei"`);
}

/** A real click, at the place where the element is on the screen. */
async function clickInside(page: Page, frame: Inside, n: number, selector: string): Promise<void> {
  const at = await frame.value<{ x: number; y: number }>(`(({ left, top, width, height }) => ({ x: left + width / 2, y: top + height / 2 }))(document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect())`);
  const box = await page.$eval(`iframe[title="Output of cell ${n}"]`, (iframe) => {
    const { left, top } = iframe.getBoundingClientRect();
    return { left, top };
  });
  await page.mouse.click(box.left + at.x, box.top + at.y);
}

describe.each(["chromium", "firefox"] as const)("a DataFrame in %s", (name: BrowserName) => {
  let own: Browser;

  beforeAll(async () => {
    own = name === "chromium" ? browser : await launch(name);
  });

  afterAll(async () => {
    if (own !== browser) await own?.close();
  });

  it("becomes a table for who asks: sorted, searched, filtered and paged by the kernel", async () => {
    const notebook = await create(server, [FRAME], "Frame");
    const page = await signIn(own, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    const frame = inside(name, own, page, 1);
    await frame.until("the offer", `document.querySelector(".table-offer")`);
    await frame.until("pandas' own table", `document.querySelector("table.dataframe").getClientRects().length > 0`);
    await frame.value(`(${CLICK("Interactive table")}, true)`);
    await walk(frame);
    await frame.until("not pandas' table as well", `document.querySelector("table.dataframe").getClientRects().length === 0`);
    // The keys of a grid, once somebody is in it.
    await eventually("a cell has the focus", async () => {
      await clickInside(page, frame, 1, ".table-grid tbody td");
      return frame.value("document.activeElement.textContent === '399998'");
    });
    for (const [keys, cell] of [
      [["ArrowDown"], "399996"],
      [["ArrowRight", "End"], "zwei"],
      [["Home"], "399996"],
    ] as const) {
      for (const key of keys) await page.keyboard.press(key);
      await frame.until(`${cell} after ${keys.join(" ")}`, `document.activeElement.textContent === ${JSON.stringify(cell)}`);
    }
    await frame.value(`(${CLICK("Save as CSV")}, true)`);
    await eventually("the question whether to save", async () => /wants to save table\.csv \([\d.]+ MB\)/.test(await outputText(page, 1)));
    await frame.value(`(${CLICK("Plain table")}, true)`);
    await frame.until("pandas' table is back", `document.querySelector("table.dataframe").getClientRects().length > 0`);
    await page.close();
  });
});

describe("a table in the output", () => {
  it("shows its first rows to viewers and in copies, and all of them to who may ask", async () => {
    const notebook = await create(server, [`%load_ext google.colab.data_table\n${FRAME}`], "Loaded");
    const page = await signIn(browser, server, `/n/${notebook}`);
    const { page: viewer } = await visit(browser, server, notebook, "viewer");
    await Promise.all([waitForSync(page, 1), waitForSync(viewer, 1)]);
    await press(page, "Run cell 1");
    const mine = inside("chromium", browser, page, 1);
    await mine.until("the first row", `${ROW} === "0 0 0 zwei"`);
    await mine.value(`(${CLICK("Last page")}, true)`);
    await mine.until("the last page", `${ROW} === "399975 399975 1 drei"`);
    const seen = inside("chromium", browser, viewer, 1);
    await seen.until("the first row", `${ROW} === "0 0 0 zwei"`);
    await seen.value(`(document.querySelector('thead [data-column="0"] button').click(), document.querySelector('thead [data-column="0"] button').click(), true)`);
    await seen.until("sorted among those that are here", `${ROW} === "999 999 1 drei" && ${TEXT(".table-status")}.includes("the first 1000 of 400,000 rows")`);
    const copy = await server.api<{ id: string }>("POST", "/api/notebooks?title=Stored", await exported(server, notebook));
    const stored = await signIn(browser, server, `/n/${copy.id}`);
    await inside("chromium", browser, stored, 1).until("the first row", `${ROW} === "0 0 0 zwei"`);
    await Promise.all([page.close(), viewer.close(), stored.close()]);
  });
});

const PLOT = `from IPython.display import Image, HTML, display
import base64
print("printed")
display(Image(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="), alt="A dot"))`;

const act = async (page: Page, n: number, name: string): Promise<void> => {
  await (await eventually(`the output of cell ${n}`, () => page.$(`[role="region"][aria-label="Output of cell ${n}"]`))).hover();
  const button = await eventually(`${name} of cell ${n}`, () => page.$(`[role="toolbar"][aria-label="Output actions for cell ${n}"] button[aria-label="${name}"]`));
  await button.evaluate((element) => (element as HTMLElement).click());
};

describe("outputs", () => {
  it("are copied, downloaded, enlarged, read as text and cleared where they are", async () => {
    const downloads = await mkdtemp(join(tmpdir(), "collab-downloads-"));
    const notebook = await create(server, [PLOT, "for i in range(300): print(i)", 'HTML("<p>one</p><p>two</p>")'], "Outputs");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await page.browserContext().overridePermissions(server.url, ["clipboard-read", "clipboard-write", "clipboard-sanitized-write"]);
    const cdp = await page.createCDPSession();
    await cdp.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads, browserContextId: page.browserContext().id ?? "" });
    await waitForSync(page, 3);
    await page.bringToFront();
    for (const n of [1, 2, 3]) await press(page, `Run cell ${n}`);
    await eventually("all have run", async () => (await exported(server, notebook)).cells.every((cell) => cell.execution_count));
    await eventually("it was said once that the last one is ready", () => page.evaluate(() => /^Cell 3: output ready, finished/.test(document.querySelector('[data-live="runs"]')?.textContent ?? "")));

    await act(page, 1, "Copy output");
    await eventually("the picture is on the clipboard", () => page.evaluate(async () => (await navigator.clipboard.read())[0]?.types.includes("image/png")));
    await act(page, 2, "Copy output");
    await eventually("the text is on the clipboard", () => page.evaluate(async () => (await navigator.clipboard.readText()).startsWith("0\n1\n2\n")));
    await act(page, 1, "Download output");
    await eventually("the picture is a file", async () => (await readdir(downloads)).includes("Outputs cell 1.png"));
    await act(page, 2, "Download output");
    await eventually("the text is a file", async () => (await readFile(join(downloads, "Outputs cell 2.txt"), "utf8")).endsWith("\n299\n"));

    const height = (): Promise<number> => page.$eval('[aria-label="Output of cell 2"]', (output) => output.getBoundingClientRect().height);
    const before = await height();
    await act(page, 2, "Scroll output");
    await eventually("it is lower", async () => (await height()) < before);
    await act(page, 2, "Scroll output");
    await eventually("it is whole", async () => (await height()) > 300 * 15);

    await act(page, 3, "Read output as text");
    await eventually("its text", async () => (await page.$eval(".output-as-text", (text) => text.textContent)) === "<IPython.core.display.HTML object>\n");
    await act(page, 3, "Output full screen");
    await eventually("it fills the screen", () => page.evaluate(() => document.fullscreenElement?.getAttribute("aria-label") === "Output of cell 3"));
    await page.evaluate(() => document.exitFullscreen());
    await eventually("it is in its place again", () => page.evaluate(() => document.fullscreenElement === null));

    // By keyboard: from the cell on to its output.
    await page.$$eval('[aria-label="Cells"] > li', (cells) => (cells[0] as HTMLElement).focus());
    for (const key of ["Enter", "Escape", "Tab", "Tab"] as const) await page.keyboard.press(key);
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Copy output");
    expect(await page.$eval('[aria-label="Output actions for cell 1"]', (bar) => getComputedStyle(bar).opacity)).toBe("1");
    for (let step = 0; step < 5; step++) await page.keyboard.press("ArrowRight");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Clear output");
    await page.keyboard.press("Enter");
    await eventually("it is gone, and it alone", async () => {
      const { cells } = await exported(server, notebook);
      return cells[0]?.outputs?.length === 0 && cells[1]?.outputs?.length === 1;
    });
    await page.close();
    await rm(downloads, { recursive: true });
  });

  it("are not kept where the notebook says so, and everyone is told", async () => {
    const notebook = await create(server, ["print('secret')"], "Omitted");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    await eventually("it is exported", async () => (await exported(server, notebook)).cells[0]?.outputs?.length === 1);
    await page.keyboard.press("F1");
    await (await eventually("the palette", () => page.$('[role="combobox"][aria-label="Search commands"]'))).type("Omit outputs");
    await page.keyboard.press("Enter");
    await eventually("the notice", () => page.evaluate(() => document.querySelector(".notices")?.textContent?.includes("This notebook saves no outputs")));
    expect((await exported(server, notebook)).cells[0]?.outputs).toEqual([]);
    expect(await outputText(page, 1)).toBe("secret\n");
    await page.close();
  });
});
