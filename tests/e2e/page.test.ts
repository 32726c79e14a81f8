/** The notebook's page as its people use it: keys, menus, palette, dragging, narrow and dark. */
import type { Browser, ElementHandle, KeyInput, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrowserName, create, eventually, exported, joined, launch, outputText, press, type Server, saved, signIn, sourceOf, startServer, visit, waitForSync } from "./support";

let server: Server;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launch("chromium")]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const CELLS = '[role="list"][aria-label="Cells"] > li';

async function open(cells: Parameters<typeof create>[1], title: string, using = browser): Promise<{ page: Page; notebook: string }> {
  const notebook = await create(server, cells, title);
  const page = await signIn(using, server, `/n/${notebook}`);
  await waitForSync(page, cells.length);
  return { page, notebook };
}

/** As `waitForSync`, without a handle for each of many cells. */
async function synced(page: Page, cells: number): Promise<void> {
  await eventually(`${cells} cells`, async () => (await page.$$eval(CELLS, (list) => list.length)) === cells);
  await saved(page);
}

/** "Control+Shift+ArrowUp" */
async function keys(page: Page, ...chords: string[]): Promise<void> {
  for (const chord of chords) {
    const parts = chord.split("+") as KeyInput[];
    const last = parts.pop();
    for (const part of parts) await page.keyboard.down(part);
    if (last) await page.keyboard.press(last);
    for (const part of parts.reverse()) await page.keyboard.up(part);
  }
}

const sources = (page: Page): Promise<string[]> =>
  page.$$eval(CELLS, (cells) =>
    cells.map((cell) => {
      const box = cell.querySelector('[aria-label^="Source of cell"]');
      const lines = box?.querySelectorAll(".cm-line") ?? [];
      return lines.length > 0 ? [...lines].map((line) => line.textContent ?? "").join("\n") : (box?.textContent ?? "");
    }),
  );

const shows = (page: Page, wanted: string[]): Promise<unknown> =>
  eventually(`the cells are ${JSON.stringify(wanted)}`, async () => JSON.stringify(await sources(page)) === JSON.stringify(wanted));

const names = (page: Page): Promise<string[]> => page.$$eval(CELLS, (cells) => cells.map((cell) => cell.getAttribute("aria-label") ?? ""));

/** Which cell has the focus, from 1; 0 for none. In its editor counts when `inside`. */
const focused = (page: Page, inside = false): Promise<number> =>
  page.$$eval(CELLS, (cells, deep) => cells.findIndex((cell) => (deep ? cell.querySelector(".cm-editor")?.contains(document.activeElement) : cell === document.activeElement)) + 1, inside);

const named = (page: Page, role: string, text: string): Promise<ElementHandle<Element>> =>
  eventually(`${role} ${text}`, async () =>
    (
      await page.evaluateHandle(
        (wanted, words) => [...document.querySelectorAll(wanted === "button" ? "button, [role=button]" : `[role="${wanted}"]`)].find((element) => (element.getAttribute("aria-label") ?? element.textContent?.trim()) === words || element.querySelector(".menu-title")?.textContent === words) ?? null,
        role,
        text,
      )
    ).asElement() as ElementHandle<Element> | null,
  );

describe.each<BrowserName>(["chromium", "firefox"])("with keys alone, in %s", (name) => {
  let own: Browser;

  beforeAll(async () => {
    own = name === "chromium" ? browser : await launch(name);
  });

  afterAll(async () => {
    if (own !== browser) await own?.close();
  });

  it("cells are made, written, run, split, merged, moved, changed, deleted and brought back", async () => {
    const { page, notebook } = await open(["1"], "Keys", own);
    await page.$eval(CELLS, (cell) => (cell as HTMLElement).focus());
    await keys(page, "b", "Enter");
    await page.keyboard.type("x = 20");
    await keys(page, "Enter");
    await page.keyboard.type("x + 1");
    await keys(page, "Shift+Enter");
    await eventually("the output", async () => (await outputText(page, 2)).trim() === "21");
    await shows(page, ["1", "x = 20\nx + 1", ""]);
    expect(await focused(page, true)).toBe(3);
    await keys(page, "Escape", "k");
    expect(await focused(page)).toBe(2);
    await keys(page, "Enter", "Control+Home", "ArrowDown", "Control+Shift+Minus");
    await shows(page, ["1", "x = 20", "x + 1", ""]);
    await keys(page, "Escape", "Control+Shift+ArrowUp");
    await eventually("the cell has moved", async () => (await focused(page)) === 2);
    await shows(page, ["1", "x + 1", "x = 20", ""]);
    await keys(page, "Shift+ArrowDown", "Shift+M");
    await shows(page, ["1", "x + 1\nx = 20", ""]);
    await keys(page, "m");
    await eventually("it is text", async () => (await names(page))[1]?.startsWith("Cell 2 of 3, text"));
    await keys(page, "y", "d", "d");
    await shows(page, ["1", ""]);
    await keys(page, "z");
    await shows(page, ["1", "x + 1\nx = 20", ""]);
    expect((await names(page))[1]).toMatch(/^Cell 2 of 3, code/);
    await keys(page, "c", "v");
    await shows(page, ["1", "x + 1\nx = 20", "x + 1\nx = 20", ""]);
    await saved(page);
    expect((await exported(server, notebook)).cells.map((cell) => joined(cell.source))).toEqual(["1", "x + 1\nx = 20", "x + 1\nx = 20", ""]);
    await page.close();
  });
});

describe("the page", () => {
  it("says that a dialog could not be fetched, and fetches it when it is asked for again", async () => {
    const { page } = await open(["1"], "Late");
    const network = await page.createCDPSession();
    await network.send("Network.enable");
    await network.send("Network.setBypassServiceWorker", { bypass: true });
    await network.send("Network.setBlockedURLs", { urls: ["*/assets/ShareDialog-*.js"] });
    await (await named(page, "button", "Share")).click();
    await eventually("it says why there is none", () => page.evaluate(() => document.querySelector("dialog[open]")?.textContent?.includes("The server does not answer")));
    await page.keyboard.press("Escape");
    await eventually("no dialog", async () => !(await page.$("dialog[open]")));
    await network.send("Network.setBlockedURLs", { urls: [] });
    await (await named(page, "button", "Share")).click();
    await eventually("the dialog", () => page.evaluate(() => document.querySelector("dialog[open]")?.textContent?.includes("link")));
    await page.close();
  });

  it("keeps a run button under the pointer while a cell above it prints: a slow press is a click all the same", async () => {
    const { page } = await open(["import time\nfor i in range(2000):\n    print('line', i, flush=True)\n    time.sleep(0.05)", "'second'"], "Steady");
    await press(page, "Run cell 1");
    await eventually("it prints", async () => (await outputText(page, 1)).includes("line 3"));
    const button = (): Promise<{ x: number; y: number; isUnder: boolean }> =>
      page.$eval('[aria-label="Run cell 2"], [aria-label="Stop cell 2"]', (element) => {
        const box = element.getBoundingClientRect();
        return { x: box.x + box.width / 2, y: box.y + box.height / 2, isUnder: element.matches(":hover") };
      });
    const first = await eventually("the pointer is on the button", async () => {
      const { x, y } = await button();
      await page.mouse.move(x, y);
      const there = await button();
      return there.isUnder && there;
    });
    await page.mouse.down();
    const before = (await outputText(page, 1)).split("\n").length;
    await eventually("ten lines more", async () => (await outputText(page, 1)).split("\n").length > before + 10);
    const last = await button();
    await page.mouse.up();
    expect(Math.abs(last.y - first.y)).toBeLessThan(3);
    await eventually("it waits for its turn", async () => (await names(page))[1]?.includes("waiting"));
    await press(page, "Stop cell 1");
    await page.close();
  });

  it("asks for input as often as the code does, and takes it from the keyboard", async () => {
    const { page } = await open(["for i in range(3):\n    print('got', input('? '))"], "Input");
    await press(page, "Run cell 1");
    for (const word of ["one", "two", "three"]) {
      await eventually("the question has the focus, and is empty", () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") === "Input for cell 1" && (document.activeElement as HTMLInputElement).value === ""));
      await page.keyboard.type(word);
      await keys(page, "Enter");
      await eventually("the answer has come back", async () => (await outputText(page, 1)).includes(`got ${word}`));
    }
    await eventually("the cell has the focus again", async () => (await focused(page)) === 1);
    await page.close();
  });

  it("undoes only what its own person did", async () => {
    const { page, notebook } = await open(["mine", "theirs"], "Undo");
    const { page: other } = await visit(browser, server, notebook, "editor");
    await waitForSync(other, 2);
    await page.bringToFront();
    await page.$eval(CELLS, (cell) => (cell as HTMLElement).focus());
    await keys(page, "a");
    await shows(other, ["", "mine", "theirs"]);
    await other.bringToFront();
    await other.$$eval(CELLS, (cells) => (cells[2] as HTMLElement).focus());
    await keys(other, "d", "d");
    await shows(page, ["", "mine"]);
    await page.bringToFront();
    await keys(page, "z");
    await shows(page, ["mine"]);
    await shows(other, ["mine"]);
    await Promise.all([page.close(), other.close()]);
  });

  it("has one table of actions behind menus, toolbar, palette and shortcuts", async () => {
    const { page } = await open(["1 + 1"], "Actions");
    await (await named(page, "menuitem", "Insert")).click();
    await (await named(page, "menuitem", "Text cell below")).click();
    await eventually("a text cell", async () => (await names(page))[1]?.startsWith("Cell 2 of 2, text"));
    await keys(page, "Escape", "Control+Shift+P");
    const search = await eventually("the palette", () => page.$('[role="combobox"][aria-label="Search commands"]'));
    await search.type("code below");
    expect(await page.$eval('[role="listbox"][aria-label="Results"] [aria-selected="true"]', (row) => row.textContent)).toContain("Code cell below");
    await keys(page, "Enter");
    await eventually("a code cell", async () => (await names(page))[2]?.startsWith("Cell 3 of 3, code"));
    expect(await page.$("dialog[open]")).toBe(null);
    await (await named(page, "button", "Run all")).click();
    await eventually("the output", async () => (await outputText(page, 1)).trim() === "2");
    await keys(page, "Escape", "h");
    await eventually("the shortcuts", () => page.$eval("dialog[open]", (dialog) => dialog.textContent?.includes("Run cell and go on")));
    await keys(page, "Escape");
    expect(await page.$("dialog[open]")).toBe(null);
    await page.close();
  });

  it("takes cells along by their handle", async () => {
    const { page } = await open(["one", "two", "three"], "Drag");
    await page.hover(CELLS);
    const handle = await (await named(page, "button", "Move cell 1")).boundingBox();
    const last = await (await page.$$(CELLS))[2]?.boundingBox();
    if (!handle || !last) throw new Error("no handle");
    await page.mouse.move(handle.x + 8, handle.y + 8);
    await page.mouse.down();
    await page.mouse.move(handle.x + 8, last.y + 5, { steps: 4 });
    await page.mouse.move(handle.x + 8, last.y + last.height, { steps: 4 });
    await eventually("the line where it will be", () => page.$eval(".drop-line", (line) => !(line as HTMLElement).hidden));
    await page.mouse.up();
    await shows(page, ["two", "three", "one"]);
    await page.close();
  });

  it("says that nothing else was deleted by anybody when its own person deletes", async () => {
    const { page, notebook } = await open(["one", "two"], "Deleting");
    const { page: other } = await visit(browser, server, notebook, "editor");
    await waitForSync(other, 2);
    await other.$eval(CELLS, (cell) => (cell as HTMLElement).focus());
    await page.bringToFront();
    await page.$eval(CELLS, (cell) => (cell as HTMLElement).focus());
    await keys(page, "d", "d");
    const said = (of: Page): Promise<string> => of.$eval('[data-live="polite"]', (region) => region.textContent ?? "");
    await eventually("the other is told", async () => (await said(other)) === "The cell you were in was deleted by somebody else.");
    expect(await said(page)).toMatch(/^Cell deleted/);
    await Promise.all([page.close(), other.close()]);
  });

  it("follows a link to a heading far below, whose cell is not drawn yet", async () => {
    const code = Array.from({ length: 80 }, (_, n) => Array.from({ length: 12 }, (_, line) => `value_${line} = ${n}`).join("\n"));
    const cells = [{ markdown: "[What follows](#What-follows)" }, ...code, { markdown: "Words first.\n\n## What *follows*" }];
    const notebook = await create(server, cells, "Contents");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await synced(page, 82);
    const link = await eventually("the link", () => page.$('a[href="#user-content-What-follows"]'));
    expect(await page.$("#user-content-What-follows")).toBeNull();
    await link.click();
    await eventually("the heading is in view", () =>
      page.evaluate(() => {
        const box = document.getElementById("user-content-What-follows")?.getBoundingClientRect();
        return box !== undefined && box.top > 0 && box.bottom < innerHeight;
      }),
    );
    await page.close();
  });

  it("goes to a person in a far cell of a thousand", async () => {
    const cells = Array.from({ length: 1_000 }, (_, n) => Array.from({ length: 12 }, (_, line) => `value_${line} = ${n}`).join("\n"));
    const notebook = await create(server, cells, "Thousand");
    const there = await signIn(browser, server, `/n/${notebook}`);
    await synced(there, 1_000);
    const { page } = await visit(browser, server, notebook, "editor");
    await synced(page, 1_000);
    const inView = (at: number): Promise<boolean> =>
      page.$$eval(
        CELLS,
        (list, n) => {
          const box = list[n]?.getBoundingClientRect();
          return box !== undefined && box.top > 100 && box.bottom < innerHeight;
        },
        at,
      );
    await there.bringToFront();
    await there.$$eval(CELLS, (list) => (list[900] as HTMLElement).focus());
    await page.bringToFront();
    // The address of a cell leads there as well.
    await page.evaluate(() => location.assign("#cell=c501"));
    await eventually("cell 501 has the focus and is in view", async () => (await focused(page)) === 501 && inView(500));
    const person = await eventually("their picture", () => page.$('[aria-label="People"] button:not([data-tip$="owner"])'));
    await eventually("where they are", async () => (await page.$$eval(CELLS, (list) => list[900]?.getAttribute("aria-label") ?? "")).endsWith("here"));
    await person.click();
    await eventually("their cell is in view", () => inView(900));
    expect(await page.$$eval(".cm-editor", (editors) => editors.length)).toBeLessThan(80);
    await page.$$eval(CELLS, (list) => (list[900] as HTMLElement).focus());
    await keys(page, "Enter");
    const slowest = await page.evaluate(async () => {
      const times: number[] = [];
      for (let n = 0; n < 40; n++) {
        const start = performance.now();
        document.execCommand("insertText", false, "x");
        await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 0)));
        times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b)[30] ?? 0;
    });
    expect(slowest).toBeLessThan(100);
    await Promise.all([page.close(), there.close()]);
  });

  it("fits 400 px without scrolling sideways, and is dark when the system is", async () => {
    const wide = `${"word ".repeat(60)}\n\n| a | b |\n|---|---|\n| ${"cell".repeat(40)} | x |\n\n$$${"x + ".repeat(60)}x$$`;
    const { page, notebook } = await open([`print("${"long".repeat(60)}")\nimport numpy as np\nnp.zeros((3, 40))`, { markdown: wide }], "A title that is longer than a narrow window is wide, and goes on");
    await press(page, "Run cell 1");
    await eventually("the output", async () => (await outputText(page, 1)).includes("array"));
    await page.setViewport({ width: 400, height: 800 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
    await eventually("text is drawn", () => page.$('[aria-label="Text of cell 2"] .katex'));
    const { across, ground, cut } = await page.evaluate(() => ({
      across: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      ground: getComputedStyle(document.body).backgroundColor,
      cut: [...document.querySelectorAll('[role="toolbar"][aria-label="Notebook"] button, header button, header input')].filter((element) => element.getBoundingClientRect().right > innerWidth).length,
    }));
    expect({ across, cut }).toEqual({ across: 0, cut: 0 });
    expect(ground.match(/\d+/g)?.slice(0, 3).every((part) => Number(part) < 60)).toBe(true);
    expect(await sourceOf(page, 1)).toContain("np.zeros");
    await page.setViewport({ width: 400, height: 800 });
    await page.goto(`${server.url}/`);
    await eventually("the Library", () => page.$(`a[href="/n/${notebook}"]`));
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
    await page.close();
  });

  it("tells a viewer, somebody without access, and somebody not signed in what they can do", async () => {
    const notebook = await create(server, ["1"], "Refused");
    const { page, token } = await visit(browser, server, notebook, "viewer");
    await waitForSync(page, 1);
    expect(await page.$eval("main", (main) => main.textContent)).toContain("View only");
    const links = await server.api<{ links: { id: string }[] }>("GET", `/api/notebooks/${notebook}/links`);
    for (const link of links.links) await server.api("DELETE", `/api/notebooks/${notebook}/links/${link.id}`);
    await eventually("access is gone", () => page.$eval("main", (main) => main.textContent?.includes("You no longer have access to this notebook")));
    expect(token).not.toBe("");
    await page.goto(`${server.url}/n/none`);
    await eventually("no such notebook", () => page.$eval("main", (main) => main.textContent?.includes("This notebook cannot be opened")));
    const stranger = await (await browser.createBrowserContext()).newPage();
    await stranger.goto(server.url);
    await eventually("not signed in", () => stranger.$eval("main", (main) => main.textContent?.includes("You are not signed in")));
    await Promise.all([page.close(), stranger.close()]);
  });

  it("never shows the sign-in token", async () => {
    const { page } = await open(["1"], "Token");
    expect(page.url()).not.toContain(server.token);
    await page.close();
  });
});
