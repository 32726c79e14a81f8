/**
 * What outputs cost the people in a notebook: two browsers have it open, one types in another cell all the while.
 * Started by `python -m bench.outputs`; `BENCH_QUICK=1` does a little of everything.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, it } from "vitest";
import { create, eventually, exported, launch, type Server, saved, signIn, startServer, typeInto, waitForSync } from "../../tests/e2e/support";
import { startLab } from "./jupyterlab";
import { heapMb, probe, probed, quantile } from "./probe";

const QUICK = process.env.BENCH_QUICK === "1";
const ONLY = (process.env.BENCH_ONLY ?? "").split(",").filter((word) => word !== "");
const SECONDS = QUICK ? 3 : 60;
const KEYS_PER_S = 8;
const ROUNDS = QUICK ? 1 : 5;
const SHOWN = QUICK ? 5 : 30;
const rows: string[][] = [["what", "keystroke to frame p50 / p95, ms", "frames over 50 ms: typing page, other page", "longest, ms", "heap, MB", "document, KB", "seen"]];
const pixels: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };

let server: Server;
let browsers: Browser[] = [];

beforeAll(async () => {
  server = await startServer();
  browsers = await Promise.all([launch("chromium"), launch("chromium")]);
});

afterAll(async () => {
  await Promise.all(browsers.map((browser) => browser.close()));
  await server.close();
  const lines = rows.length > 1 ? [table(rows)] : [];
  if (pixels.ours.length > 0) {
    const [ours, theirs] = [quantile(pixels.ours, 0.5), quantile(pixels.theirs, 0.5)];
    lines.push(`display() to pixels: ${ours.toFixed(0)} ms here, ${theirs.toFixed(0)} ms in JupyterLab: ${(ours / theirs).toFixed(2)} times (goal 0.7), medians of ${ROUNDS} rounds`);
  }
  process.stdout.write(`\n${lines.join("\n\n")}\n`);
});

function table(cells: string[][]): string {
  const [head = [], ...rest] = cells;
  return [head, head.map(() => "---"), ...rest].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

const measured = (name: string): boolean => ONLY.length === 0 || ONLY.includes(name);

/** Two pages with one notebook: `code` is in its first cell, and the first page types in the second. */
async function crowd(name: string, code: string, seconds: number, more: string[] = [], seen: (page: Page) => Promise<string> = async () => ""): Promise<void> {
  const notebook = await create(server, [code, "# ", ...more], name);
  const pages = await Promise.all(browsers.map((browser) => signIn(browser, server, `/n/${notebook}`)));
  const [typing, other] = pages as [Page, Page];
  for (const page of pages) await waitForSync(page, 2 + more.length);
  await typeInto(typing, 2, "warm");
  await saved(typing);
  for (const page of pages) await probe(page);
  await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "run_cells", cells: "all" });
  const until = Date.now() + 1_000 * seconds;
  do {
    await typing.keyboard.type("x", { delay: 0 });
    await new Promise((wake) => setTimeout(wake, 1_000 / KEYS_PER_S));
  } while (Date.now() < until || !(await isOver(notebook)));
  const [mine, theirs] = [await probed(typing), await probed(other)];
  const heaps = await Promise.all(pages.map(heapMb));
  rows.push([
    name,
    `${quantile(mine.keys, 0.5).toFixed(1)} / ${quantile(mine.keys, 0.95).toFixed(1)}`,
    `${mine.frames.length}, ${theirs.frames.length}`,
    Math.max(0, ...mine.frames, ...theirs.frames).toFixed(0),
    Math.max(...heaps).toFixed(0),
    (await documentKb(notebook)).toFixed(0),
    await seen(other),
  ]);
  for (const page of pages) await page.browserContext().close();
  await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "shut_down_runtime" });
}

async function isOver(notebook: string): Promise<boolean> {
  const { cells } = await exported(server, notebook);
  return cells.every((cell) => cell.source.length < 3 || Boolean(cell.execution_count));
}

/** Of the database: what all notebooks of this run have left in it, packed or not. */
async function documentKb(notebook: string): Promise<number> {
  const text = await server.api<unknown>("GET", `/api/notebooks/${notebook}/export?format=ipynb`);
  const { size } = await stat(join(server.data, "collab.sqlite")).catch(() => ({ size: 0 }));
  return size > 0 ? size / 1024 : JSON.stringify(text).length / 1024;
}

const PICTURES = `import io, time
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt
from IPython.display import Image, clear_output, display
pictures = []
for step in range(20):
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.plot([(i * step) % 17 for i in range(40)])
    buffer = io.BytesIO(); figure.savefig(buffer, format="png"); plt.close(figure)
    pictures.append(buffer.getvalue())
`;

it.skipIf(!measured("animation"))("an animated plot", async () => {
  const code = `${PICTURES}began = time.monotonic()
for step in range(${20 * SECONDS}):
    clear_output(wait=True)
    display(Image(pictures[step % 20]), metadata={"image/png": {"width": 300 + step}})
    time.sleep(max(0, began + (step + 1) / 20 - time.monotonic()))
`;
  const seen = async (page: Page): Promise<string> => `${Object.keys((await probed(page)).shown).length} of ${20 * SECONDS} pictures`;
  await crowd(`animated plot, 20 a second for ${SECONDS} s`, code, SECONDS, [], seen);
});

it.skipIf(!measured("html"))("html of 5 MB", async () => {
  const code = `from IPython.display import HTML, display\ndisplay(HTML("<table>" + "<tr><td>a cell with some text</td><td>1234567890</td></tr>" * ${Math.round((QUICK ? 100_000 : 5_000_000) / 58)} + "</table>"))`;
  await crowd("5 MB of html", code, QUICK ? 2 : 15);
});

it.skipIf(!measured("plots"))("many plots", async () => {
  const many = QUICK ? 10 : 200;
  const more = Array.from({ length: many }, (_, n) => `display(Image(pictures[${n % 20}]))`);
  await crowd(`${many} plots in one notebook`, PICTURES, QUICK ? 2 : 15, more, async (page) => {
    await probe(page);
    // Once through all of it, as with a wheel.
    await page.evaluate(async () => {
      const pane = [...document.querySelectorAll<HTMLElement>("*")].find((element) => element.scrollHeight > element.clientHeight + 2_000 && getComputedStyle(element).overflowY !== "visible") ?? document.documentElement;
      for (let top = 0; top < pane.scrollHeight; top += 120) {
        pane.scrollTop = top;
        await new Promise((wake) => requestAnimationFrame(wake));
      }
    });
    return `${(await probed(page)).frames.length} frames over 50 ms in a full scroll`;
  });
});

it.skipIf(!measured("tqdm"))("a progress bar", async () => {
  const updates = 1_000 * (QUICK ? 2 : 20);
  const code = `import time\nfrom tqdm import tqdm\nfor _ in tqdm(range(${updates}), mininterval=0, miniters=1): time.sleep(0.001)`;
  await crowd("tqdm, 1,000 updates a second", code, QUICK ? 2 : 20);
});

it.skipIf(!measured("pixels"))("display() to pixels, beside JupyterLab", async () => {
  const code = `${PICTURES}sent = []
for number in range(${SHOWN}):
    sent.append(time.time() * 1000)
    display(Image(pictures[number % 20]), metadata={"image/png": {"width": 300 + number}})
    time.sleep(0.2)
print(sent)
`;
  const [browser] = browsers as [Browser, Browser];
  const lab = await startLab();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const who of round % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const)) {
        const page = who === "ours" ? await signIn(browser, server, `/n/${await create(server, [code])}`) : await lab.open(browser, code);
        if (who === "ours") await waitForSync(page, 1);
        await probe(page);
        if (who === "ours") await page.click('button[aria-label^="Run cell"]');
        else await lab.run(page);
        const printed = await eventually("the times at which it was displayed", () => page.evaluate(() => /\[\d{13}[\d., ]*\]/.exec(document.body.innerText)?.[0]), 120_000);
        const sent = JSON.parse(printed) as number[];
        const { shown } = await probed(page);
        pixels[who].push(quantile(sent.flatMap((at, number) => (shown[300 + number] ? [(shown[300 + number] ?? 0) - at] : [])), 0.5));
        await page.browserContext().close();
      }
    }
  } finally {
    await lab.close();
  }
});
