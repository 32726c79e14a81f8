/** What people see of the runtime that they share: its meters, its panes, its reset, its death. One server, real kernels. */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrowserName, create, eventually, launch, outputText, press, type Server, screenshot, signIn, startServer, visit, waitForSync } from "./support";

let server: Server;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server?.close();
});

const MIB = 1024 ** 2;
const CELLS = [
  "open('kept.txt', 'w').write('here')\nmine = 1",
  `import time\nblock = bytearray(300 * ${MIB})\nblock[::4096] = b'1' * (len(block) // 4096)\nwhile True:\n    time.sleep(0.1)`,
  "import os\nprint('mine' in globals(), os.path.exists('kept.txt'))",
  "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
];

const CHIP = ".runtime-chip";

/** Of the chip's exact numbers: the RAM in MiB. */
async function ram(page: Page): Promise<number | null> {
  const tip = await page.$eval(CHIP, (chip) => chip.getAttribute("data-tip") ?? "");
  const found = /^RAM: ([\d.]+) (?:(MiB|GiB) )?of [\d.]+ (MiB|GiB)/m.exec(tip);
  if (!found) return null;
  return Number(found[1]) * ((found[2] ?? found[3]) === "GiB" ? 1024 : 1);
}

const bar = (page: Page): Promise<number> => page.$eval(`${CHIP} .meter-bar`, (element) => Number((element as HTMLElement).style.getPropertyValue("--part")));

const state = (page: Page, word: string): Promise<unknown> => eventually(`Runtime: ${word}`, () => page.$(`button[aria-label="Runtime: ${word}"]`));

/** From the chip's own menu. */
async function pick(page: Page, title: string): Promise<void> {
  await page.click(CHIP);
  const item = await eventually(title, async () =>
    (await page.evaluateHandle((words) => [...document.querySelectorAll('[role="menuitem"]')].find((each) => each.textContent === words) ?? null, title)).asElement(),
  );
  await (item as Awaited<ReturnType<Page["$"]>>)?.click();
}

const ran = (page: Page, n: number, words: string): Promise<unknown> =>
  eventually(`cell ${n} is ${words}`, () => page.$(`li[aria-label^="Cell ${n} of"][aria-label*="${words}"]`));

const text = (page: Page, selector: string): Promise<string> => page.$eval(selector, (element) => element.textContent ?? "");

describe.each<BrowserName>(["chromium", "firefox"])("in %s", (name) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch(name);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it("the chip moves with what a cell takes, panes tell whose it was, reset gives it back, and a death has its cause", async () => {
    const notebook = await create(server, CELLS, "Runtime");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, CELLS.length);
    await press(page, "Run cell 1");
    await ran(page, 1, "finished");
    const before = await eventually("the chip has meters", () => ram(page));
    const low = await bar(page);
    await press(page, "Run cell 2");
    await eventually("the chip shows 300 MiB more", async () => ((await ram(page)) ?? 0) > before + 250);
    expect(await bar(page)).toBeGreaterThan(low);
    // The same numbers for who reaches it by keyboard or listens.
    await page.focus(CHIP);
    expect(await page.$eval(CHIP, (chip) => chip.getAttribute("aria-description"))).toMatch(/RAM: \d/);

    await pick(page, "Resources");
    await eventually("charts", () => page.$('aside[aria-label="Resources"] .chart-line'));
    await eventually("the pane has the focus", () => page.evaluate(() => document.activeElement?.textContent === "Resources"));
    await eventually("it says what runs, and whose it is", async () => /Cell 2\s*Owner/.test(await text(page, ".run-now")));
    await eventually("and what that took", async () => /Cell 2Owner.*3\d\d MiB/.test(await text(page, ".pane-list")));
    await eventually("the numbers of now", () => page.$('[aria-label="Look back"][aria-valuetext^="Now: RAM "][aria-valuetext$="cell 2"]'));
    await page.focus('[aria-label="Look back"]');
    await page.keyboard.press("Home");
    await eventually("before its start nothing was measured", () => page.$('[aria-label="Look back"][aria-valuetext="5 min ago: not measured"]'));
    await page.keyboard.press("End");
    await screenshot(page, `resources-${name}`);
    await page.click(".run-now .button");
    await ran(page, 2, "failed");

    await pick(page, "Reset to original state…");
    await eventually("the safe button has the focus", () => page.evaluate(() => document.activeElement?.closest('[role="alertdialog"]') !== null && document.activeElement?.textContent === "Cancel"));
    await page.click('[role="alertdialog"] input[type="checkbox"]');
    await page.click('[role="alertdialog"] .button-danger');
    await eventually("cell 1 ran in an earlier start", () => page.$('li[aria-label^="Cell 1 of"][aria-label*="earlier runtime start"]'));
    await state(page, "idle");
    await press(page, "Run cell 3");
    await eventually("variables and files are gone", async () => (await outputText(page, 3)).trim() === "False False");

    await press(page, "Run cell 4");
    await state(page, "stopped");
    await eventually("the notice names the cause", async () => /The runtime is not running: .*signal 9.*Cell 4 was running/.test(await text(page, ".notices")));
    await screenshot(page, `stopped-${name}`);

    await pick(page, "Executed code");
    await eventually("four runs, newest first", async () => (await page.$$eval(".runs li", (runs) => runs.map((run) => run.querySelector(".cell-link")?.textContent).join())) === "Cell 4,Cell 3,Cell 2,Cell 1");
    await eventually("how each ended", async () => (await page.$$eval(".runs .run-outcome", (runs) => runs.map((run) => run.textContent).join())) === "failed,finished,interrupted,finished");
    await screenshot(page, `executed-${name}`);
    await page.$$eval(".runs li .button", (buttons) => (buttons.at(-1) as HTMLElement).click());
    await waitForSync(page, CELLS.length + 1);

    const { page: viewer } = await visit(browser, server, notebook, "viewer");
    await waitForSync(viewer, CELLS.length + 1);
    await viewer.click(CHIP);
    const offered = await eventually("the menu", async () => {
      const items = await viewer.$$eval('[role="menu"] [role="menuitem"]', (each) => each.map((item) => item.textContent ?? ""));
      return items.length > 0 && items;
    });
    expect(offered).toEqual(["Resources", "Executed code", "Go to the last run cell"]);
    await Promise.all([page.close(), viewer.close()]);
  });
});
