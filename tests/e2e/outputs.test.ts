/** Outputs: frames of another origin, streams, errors, and what marks say of them. `attacks.test.ts` has what means harm. */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { create, eventually, exported, launch, outputText, press, type Server, signIn, startServer, typeInto, waitForSync } from "./support";

let server: Server;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launch("chromium")]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const html = (text: string): string => `from IPython.display import HTML\nHTML(${JSON.stringify(text)})`;

/** A frame's document, reached as a debugger reaches it: the page cannot, and puppeteer's own frames sometimes never answer. */
interface Inside {
  url: string;
  evaluate<T>(expression: string): Promise<T>;
}

/** The frame of cell `n`, once it shows `selector`. */
async function frameOf(page: Page, n: number, selector: string): Promise<Inside> {
  return eventually(`the frame of cell ${n} shows ${selector}`, async () => {
    const src = await page.$eval(`iframe[title="Output of cell ${n}"]`, (element) => (element as HTMLIFrameElement).src);
    const session = await browser.targets().find((target) => target.url() === src)?.createCDPSession();
    if (!session) return null;
    const evaluate = async <T>(expression: string): Promise<T> => {
      const { result } = await session.send("Runtime.evaluate", { expression, returnByValue: true });
      return result.value as T;
    };
    // A document that is being replaced answers nothing: ask again then.
    const shows = await Promise.race([evaluate<boolean>(`document.querySelector(${JSON.stringify(selector)}) !== null`), later(1_000)]);
    return shows ? { url: src, evaluate } : null;
  });
}

const later = (ms: number): Promise<null> => new Promise((wake) => setTimeout(() => wake(null), ms));

const runAll = (page: Page): Promise<void> => page.evaluate(() => [...document.querySelectorAll<HTMLElement>('[role="toolbar"] button')].find((button) => button.textContent === "Run all")?.click());

async function ran(notebook: string, cells: number[]): Promise<void> {
  await eventually(`cells ${cells.join(", ")} have run`, async () => {
    const now = await exported(server, notebook);
    return cells.every((n) => now.cells[n - 1]?.execution_count);
  });
}

const name = (page: Page, n: number): Promise<string> => page.$$eval('[role="list"][aria-label="Cells"] > li', (cells, at) => cells[at]?.getAttribute("aria-label") ?? "", n - 1);

/** Top of cell `n` in px from the top of the document. */
const top = (page: Page, n: number): Promise<number> => page.$$eval('[role="list"][aria-label="Cells"] > li', (cells, at) => (cells[at]?.getBoundingClientRect().top ?? 0) + scrollY, n - 1);

describe("frames", () => {
  it("come from an origin of their own, in a sandbox, with the class of their output", async () => {
    const notebook = await create(server, [html("<b id=rich>rich</b>")], "Placed");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    const frame = await frameOf(page, 1, "#rich");
    const [sandbox, allow] = await page.$eval("iframe", (element) => [element.getAttribute("sandbox"), element.getAttribute("allow")]);
    expect([sandbox, allow]).toEqual(["allow-scripts allow-forms allow-pointer-lock allow-same-origin", ""]);
    const { origin, pathname } = new URL(frame.url);
    expect(origin).toMatch(/^http:\/\/[a-z2-7]{32}\.localhost:\d+$/);
    expect(pathname).toBe("/_out/live/frame.html");
    const copy = await server.api<{ id: string }>("POST", "/api/notebooks?title=Stored", await exported(server, notebook));
    const stored = await signIn(browser, server, `/n/${copy.id}`);
    const url = new URL((await frameOf(stored, 1, "#rich")).url);
    expect(url.pathname).toBe("/_out/stored/frame.html");
    expect(url.host).not.toBe(new URL(origin).host);
    await Promise.all([page.close(), stored.close()]);
  });

  it("are as high as what they hold, and take the page's theme without loading again", async () => {
    const notebook = await create(server, [html("<div id=box style='height:123px'></div>"), "2"], "High");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await press(page, "Run cell 1");
    const frame = await frameOf(page, 1, "#box");
    const height = (): Promise<number> => page.$eval("iframe", (element) => element.getBoundingClientRect().height);
    const first = await eventually("the height of the content", async () => ((await height()) > 120 ? height() : null));
    await frame.evaluate("box.style.height = '323px'");
    await eventually("the frame grows by as much", async () => (await height()) === first + 200);
    // What a script puts beside the output counts, what floats above everything does not.
    await frame.evaluate("for (const style of ['height: 50px', 'height: 900px; position: fixed; top: 0']) document.body.append(Object.assign(document.createElement('div'), { style }))");
    await eventually("by what stands beside it as well", async () => (await height()) === first + 250);
    const born = await frame.evaluate<number>("performance.timeOrigin");
    await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
    await eventually("the frame is dark", () => frame.evaluate("document.documentElement.dataset.theme === 'dark' && getComputedStyle(document.documentElement).colorScheme === 'dark'"));
    expect(await frame.evaluate("performance.timeOrigin")).toBe(born);
    await page.close();
  });

  it("stay alive when their cell moves", async () => {
    const notebook = await create(server, [html("<b id=counter>0</b><script>setInterval(() => counter.textContent++, 20)</script>"), "2", "3"], "Moved");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 3);
    await press(page, "Run cell 1");
    const frame = await frameOf(page, 1, "#counter");
    const count = (): Promise<number> => frame.evaluate("Number(counter.textContent)");
    await eventually("it counts", async () => (await count()) > 10);
    const before = await count();
    await page.$$eval('[role="list"][aria-label="Cells"] > li', (cells) => cells[0]?.focus());
    await page.keyboard.down("Control");
    await page.keyboard.down("Shift");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.up("Shift");
    await page.keyboard.up("Control");
    await eventually("the frame is the second cell's", async () => (await page.$('iframe[title="Output of cell 2"]')) !== null);
    expect(await count()).toBeGreaterThanOrEqual(before);
    await eventually("it counts on", async () => (await count()) > before + 10);
    await page.close();
  });

  it("live near the viewport only, never more than 30 at once, and leave nothing jumping", async () => {
    const outputs = (n: number) => [{ output_type: "display_data", data: { "text/html": `<div style="height:300px">rich ${n}</div>` }, metadata: {} }];
    const cells = Array.from({ length: 60 }, (_, n) => ({ cell_type: "code", id: `c${n}`, source: "1", metadata: {}, execution_count: 1, outputs: outputs(n) }));
    const made = await server.api<{ id: string }>("POST", "/api/notebooks?title=Many", { nbformat: 4, nbformat_minor: 5, metadata: {}, cells });
    const page = await signIn(browser, server, `/n/${made.id}`);
    await waitForSync(page, 60);
    await frameOf(page, 1, "div[style]");
    expect((await page.$$("iframe")).length).toBeLessThan(20);
    let most = 0;
    for (let y = 0; y < 26_000; y += 1_500) {
      await page.evaluate((to) => scrollTo(0, to), y);
      await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 0))));
      most = Math.max(most, (await page.$$("iframe")).length);
    }
    expect(most).toBeGreaterThan(5);
    expect(most).toBeLessThanOrEqual(30);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await frameOf(page, 60, "div[style]");
    const last = await top(page, 60);
    await page.evaluate(() => scrollTo(0, 0));
    await frameOf(page, 1, "div[style]");
    expect(Math.abs((await top(page, 60)) - last)).toBeLessThan(2);
    await page.close();
  });
});

describe("text", () => {
  it("moves nothing while it streams, and a run that begins again keeps its place", async () => {
    const code = "import time\nfor i in range(30):\n    print('line', i, flush=True)\n    time.sleep(0.02)\nfor i in range(20):\n    print(f'\\r{i * 5} %', end='', flush=True)\n    time.sleep(0.02)";
    const notebook = await create(server, [code, "2"], "Streams");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await press(page, "Run cell 1");
    await ran(notebook, [1]);
    await eventually("the last state of the bar", async () => (await outputText(page, 1)).endsWith("line 29\n95 %"));
    const settled = await top(page, 2);
    await page.evaluate(() => {
      const [cell, below] = document.querySelectorAll('[role="list"][aria-label="Cells"] > li');
      const watch = { least: Number.POSITIVE_INFINITY, most: 0, changes: 0 };
      Object.assign(window, { watch });
      const look = (): void => {
        const y = (below?.getBoundingClientRect().top ?? 0) + scrollY;
        watch.least = Math.min(watch.least, y);
        watch.most = Math.max(watch.most, y);
        watch.changes++;
      };
      // After every change, painted or not.
      if (cell) new MutationObserver(look).observe(cell, { subtree: true, childList: true, attributes: true, characterData: true });
    });
    await press(page, "Run cell 1");
    await eventually("the page shows that the second run is over", () => page.$eval(".run-count", (count) => count.textContent === "[2]"));
    await eventually("its end is drawn", async () => (await outputText(page, 1)).endsWith("line 29\n95 %"));
    const seen = await page.evaluate(() => Reflect.get(window, "watch") as { least: number; most: number; changes: number });
    expect(seen.changes).toBeGreaterThan(5);
    expect({ least: Math.round(seen.least), most: Math.round(seen.most) }).toEqual({ least: Math.round(settled), most: Math.round(settled) });
    await page.close();
  });

  it("of a million lines is shortened, and all of it can be downloaded", async () => {
    const notebook = await create(server, ["for i in range(0, 1_000_000, 10_000): print('\\n'.join(f'line {n}' for n in range(i, i + 10_000)))"], "Million");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    const link = await eventually("the link to all of it", () => page.$("a.show-all"), 60_000);
    await ran(notebook, [1]);
    await eventually("the tail", async () => (await outputText(page, 1)).includes("line 999999"));
    expect((await outputText(page, 1)).length).toBeLessThan(500_000);
    const whole = await page.evaluate(async (a) => (await fetch((a as HTMLAnchorElement).href)).text(), (await page.$("a.show-all")) ?? link);
    expect(whole.length).toBe(Array.from({ length: 7 }, (_, n) => (n === 0 ? 10 : 9 * 10 ** n) * (n + 7)).slice(0, 6).reduce((sum, part) => sum + part, 0));
    expect(whole.slice(0, 7) + whole.slice(-12)).toBe("line 0\nline 999999\n");
    await page.close();
  });

  it("of an error is coloured, and errors queued behind it are cancelled", async () => {
    const notebook = await create(server, ["def f(n):\n    return 1 / n\nf(0)", "2"], "Error");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await runAll(page);
    await eventually("the names say so", async () => (await name(page, 1)).includes("failed") && (await name(page, 2)).includes("cancelled"));
    expect(await outputText(page, 1)).toContain("ZeroDivisionError: division by zero");
    expect(await page.$eval(".output-error [class*='ansi-fg']", (element) => getComputedStyle(element).color)).not.toBe(await page.$eval(".output-error", (element) => getComputedStyle(element).color));
    await page.close();
  });
});

describe("marks", () => {
  it("tell outputs whose source was edited since, or that an earlier runtime made", async () => {
    const notebook = await create(server, ["print(1)"], "Stale");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    await ran(notebook, [1]);
    await eventually("finished", async () => (await name(page, 1)) === "Cell 1 of 1, code, finished");
    await typeInto(page, 1, "#");
    await eventually("edited since run", async () => (await name(page, 1)) === "Cell 1 of 1, code, finished, edited since run");
    await page.keyboard.press("Backspace");
    await eventually("as it ran", async () => (await name(page, 1)) === "Cell 1 of 1, code, finished");
    await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "restart" });
    await eventually("earlier runtime", async () => (await name(page, 1)) === "Cell 1 of 1, code, finished, earlier runtime start");
    await page.close();
  });
});
