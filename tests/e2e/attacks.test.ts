/**
 * Attacks (outputs.md 11): one notebook holds what attackers write, runs once, and is looked at by its author, another
 * editor and a viewer in both browsers, live and after saving and opening it again. Nothing may fire, everything must arrive.
 */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Evil, startEvil } from "./evil";
import { launchSeparateFirefox } from "./firefox";
import { ATTACHMENTS, FRAMES, type FramePayload, METADATA, STREAMS, TEXTS } from "./payloads";
import { type BrowserName, create, type Exported, eventually, exported, launch, outputText, press, type Server, saved, signIn, sourceOf, startServer, typeInto, visit, waitForSync } from "./support";

const NAMES = ["chromium", "firefox"] as const;
const ROLES = ["author", "editor", "viewer"] as const;
const CELLS = FRAMES.length + STREAMS.length + TEXTS.length + 1;
const HOSTILE_NAME = "<img src=x onerror=__canary=1>";

let server: Server;
let evil: Evil;
const browsers = new Map<BrowserName, Browser>();

beforeAll(async () => {
  const [started, listening, ...launched] = await Promise.all([startServer(), startEvil(), ...NAMES.map((name) => launch(name))]);
  [server, evil] = [started, listening];
  for (const [at, name] of NAMES.entries()) browsers.set(name, launched[at] as Browser);
});

afterAll(async () => {
  await Promise.all([...browsers.values()].map((browser) => browser.close()));
  await Promise.all([server?.close(), evil?.close()]);
});

const html = (text: string): string => `from IPython.display import HTML\nHTML(${JSON.stringify(text)})`;

/** The words in a payload that stand for addresses. In scripts they are texts. */
function written(source: string, target: string, page = server.url): string {
  const replace = (text: string, word: string, value: string): string =>
    text.replaceAll(`${word} + `, `'${value}' + `).replaceAll(`${word}.`, `'${value}'.`).replaceAll(`URL(${word})`, `URL('${value}')`).replaceAll(word, value);
  return replace(replace(source, "EVIL", evil.url), "PAGE", page).replaceAll("TARGET", target);
}

async function openAs(browser: Browser, role: (typeof ROLES)[number], notebook: string, url = server.url): Promise<Page> {
  const token = role === "author" ? server.token : (await server.api<{ token: string }>("POST", `/api/notebooks/${notebook}/links`, { role })).token;
  const page = await (await browser.createBrowserContext()).newPage();
  page.setDefaultNavigationTimeout(60_000);
  await page.setViewport({ width: 1280, height: 6_000 });
  await page.evaluateOnNewDocument(() => {
    Object.assign(window, { __canary: null, __violations: [] as string[] });
    document.addEventListener("securitypolicyviolation", (event) => {
      (Reflect.get(window, "__violations") as string[]).push(event.effectiveDirective);
    });
  });
  page.on("dialog", (dialog) => {
    void page.evaluate(() => Object.assign(window, { __canary: "dialog" }));
    void dialog.dismiss();
  });
  await page.goto(`${url}/n/${notebook}?${role === "author" ? "token" : "link"}=${token}`);
  await eventually("the cells", () => page.$('[role="list"][aria-label="Cells"] > li'), 60_000);
  return page;
}

/** Waits until the payloads in frames show. */
async function arrived(page: Page, name: BrowserName, who: string, payloads: readonly FramePayload[]): Promise<void> {
  for (const [at, payload] of payloads.entries()) {
    const shows = name === "chromium" ? (payload.showsInChromium ?? payload.shows) : payload.shows;
    const n = at + 1;
    let last = "";
    await eventually(
      `${payload.rule}: ${shows}`,
      async () => {
        const height = await page.evaluate((label) => document.querySelector(`iframe[title="${label}"]`)?.getBoundingClientRect().height ?? 0, `Output of cell ${n}`);
        const text = await outputText(page, n);
        last = `${height} px, ${text}`;
        if (shows === "drawn") return height > 10 && !/Output (?:stopped|removed)/.test(text);
        return typeof shows === "number" ? height >= shows && height < shows + 20 : shows.test(text);
      },
      60_000,
    ).catch((error: unknown) => {
      throw new Error(`${who}: ${String(error)}; last: ${last}`);
    });
  }
}

/** Waits until every payload shows in `page`; then nothing of it may have done anything. */
async function survived(page: Page, name: BrowserName, role: string, title: string): Promise<void> {
  await waitForSync(page, CELLS);
  const who = `${name}, ${role}, ${title}`;
  await arrived(page, name, who, FRAMES);
  for (const [at, { rule, shows }] of STREAMS.entries()) await eventually(rule, async () => (await outputText(page, FRAMES.length + at + 1)).includes(shows));
  const words = TEXTS.map((text) => text.split(" ")[0] ?? "");
  await eventually("the texts are drawn", () => page.evaluate((all) => all.every((word) => [...document.querySelectorAll('[aria-label^="Text of cell"]')].some((text) => text.textContent?.trim().startsWith(word))), words));
  await eventually("TeX is drawn", () => page.evaluate(() => document.querySelector('[aria-label^="Text of cell"] .katex') !== null));
  const found = await page.evaluate(async () => {
    const bad: string[] = [];
    for (const element of document.querySelectorAll("body *")) {
      for (const { name: key, value } of element.attributes) {
        const isHandler = key.startsWith("on") || key === "formaction" || key === "accesskey" || key === "popovertarget";
        // The editor's own text boxes are ours.
        const isEditable = key === "contenteditable" && !element.closest(".cm-editor");
        if (isHandler || isEditable || /^\s*(?:javascript|vbscript):|^data:(?!image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*$|font)/i.test(value)) bad.push(`${element.tagName} ${key}=${value}`);
      }
    }
    const texts = [...document.querySelectorAll('[aria-label^="Text of cell"]')];
    const inTexts = (selector: string): number => texts.reduce((sum, text) => sum + text.querySelectorAll(selector).length, 0);
    return {
      bad,
      forbidden: inTexts("script, style, iframe, form, button, video, svg:not(.katex *), x-y, [data-action], [data-commandlinker-command], [data-tip], .cell, .toasts, [style*='fixed']"),
      names: texts.flatMap((text) => [...text.querySelectorAll("[id], [name]")].map((element) => element.id || element.getAttribute("name") || "")).filter((id) => !id.startsWith("user-content-")),
      links: [...document.querySelectorAll<HTMLAnchorElement>('[aria-label^="Output of cell"] pre a')].map(({ href, rel, textContent }) => `${href} ${rel} ${textContent}`),
      canary: Reflect.get(window, "__canary") as unknown,
      violations: [...new Set(Reflect.get(window, "__violations") as string[])].filter((directive) => directive !== "frame-src" && !directive.startsWith("style-src")), // frames that leave; markdown with styles of its own
      title: document.title,
      polluted: Reflect.get({}, "polluted") ?? null,
      me: (await fetch("/api/me")).status,
      isVisible: document.body.getBoundingClientRect().height > 0,
    };
  });
  expect({ who, ...found }).toEqual({ who, bad: [], forbidden: 0, names: [], links: ["https://example.org/ noopener noreferrer good"], canary: null, violations: [], title, polluted: null, me: 200, isVisible: true });
  expect((await page.browserContext().pages()).length).toBeLessThanOrEqual(1);
}

/** All roles in both browsers. Firefox draws only the page in front, so one comes after the other there. */
async function lookAt(notebook: string, title: string): Promise<Page[]> {
  const look = async (name: BrowserName, role: (typeof ROLES)[number]): Promise<Page> => {
    const page = await openAs(browsers.get(name) as Browser, role, notebook);
    const url = page.url();
    // A23: what others are shown of one's name.
    if (role === "editor") await page.evaluate((to) => fetch("/api/me", { method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: to }) }), HOSTILE_NAME);
    await survived(page, name, role, title);
    expect(page.url()).toBe(url);
    return page;
  };
  const inTurn = async (name: BrowserName): Promise<Page[]> => {
    const pages: Page[] = [];
    for (const role of ROLES) pages.push(await look(name, role));
    return pages;
  };
  const [chromium, firefox] = await Promise.all([Promise.all(ROLES.map((role) => look("chromium", role))), inTurn("firefox")]);
  return [...chromium, ...firefox];
}

describe("attacks", () => {
  it("reach nothing: neither page nor cookies nor kernel, in any role and browser, live or stored", { timeout: 240_000 }, async () => {
    const target = await create(server, ["1"], "Target");
    const probe = "import os\nprint(os.path.exists('pwned'), os.path.exists('/tmp/pwned'))";
    const sources = [...FRAMES, ...STREAMS.slice(0, -1)].map(({ source }) => written(source, target));
    const last = written(STREAMS.at(-1)?.source ?? "", target);
    const texts = TEXTS.map((text) => ({ markdown: written(text, target) }));
    const notebook = await create(server, [...sources, last, ...texts, probe], "Attacks");
    await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "run_cells", cells: [...sources, last].map((_, at) => `c${at + 1}`) });
    await eventually("all cells have run", async () => (await exported(server, notebook)).cells.slice(0, sources.length + 1).every((cell) => cell.execution_count), 60_000);
    const live = await lookAt(notebook, "Attacks");
    await eventually("a name is text", () => (live[0] as Page).evaluate((name) => document.body.innerHTML.includes(name.replaceAll("<", "&lt;").replaceAll(">", "&gt;")), HOSTILE_NAME));
    // Whether anything reached the kernel.
    await press(live[0] as Page, `Run cell ${CELLS}`);
    await eventually("the kernel tells", async () => outputText(live[0] as Page, CELLS).then((text) => text === "False False\n"));
    expect((await server.api<{ notebooks: { title: string }[] }>("GET", "/api/notebooks")).notebooks.map(({ title }) => title)).not.toContain("pwned");
    expect((await exported(server, target)).cells[0]?.execution_count ?? null).toBe(null);
    // The frames of a live run may ask anybody for anything, as ourselves nobody.
    expect(evil.hits.some(({ path }) => path.startsWith("/load/image"))).toBe(true);
    expect(evil.hits.filter(({ path, cookie }) => path.startsWith("/nav") || cookie !== "" || path.includes("markdown") || path.includes("vega"))).toEqual([]);
    await Promise.all(live.map((page) => page.browserContext().close()));

    evil.hits.length = 0;
    const copy = await server.api<{ id: string }>("POST", "/api/notebooks?title=Stored", hostile(await exported(server, notebook)));
    const stored = await lookAt(copy.id, "Stored");
    expect(evil.hits).toEqual([]);
    await Promise.all(stored.map((page) => page.browserContext().close()));
  });

  /** A21, A22: the file itself. */
  function hostile(book: Exported): Exported {
    const cells = book.cells.map((cell) => {
      const metadata = JSON.parse('{"__proto__": {"polluted": 1}, "tags": ["<img src=x onerror=__canary=1>"], "trusted": true}');
      return cell.cell_type === "markdown" ? { ...cell, metadata, attachments: ATTACHMENTS } : { ...cell, metadata };
    });
    const [first, second] = cells;
    if (first === undefined || second === undefined) throw new Error("no cells");
    first.id = "__proto__";
    second.id = "constructor";
    return { ...book, metadata: METADATA, cells };
  }
});

describe.each(NAMES)("in %s", (name) => {
  it("[A8] the keyboard stays where its person types, whether the output means harm or not", async () => {
    const harmless = "<input id=thief autofocus><script>setInterval(() => { thief.blur(); thief.focus() }, 50)</script>";
    const hostile = `<input id=thief><iframe hidden id=clean></iframe><script>{ const { focus } = clean.contentWindow.HTMLElement.prototype;
      onmessage = () => 1; setInterval(() => { thief.blur(); focus.call(thief) }, 50) }</script>`;
    const notebook = await create(server, [html(harmless), html(hostile), ""], `Focus in ${name}`);
    const page = await signIn(browsers.get(name) as Browser, server, `/n/${notebook}`);
    await waitForSync(page, 3);
    await typeInto(page, 3, "a");
    await press(page, "Run cell 1");
    await eventually("the output is there", async () => (await page.$('iframe[title="Output of cell 1"]')) !== null);
    await typeInto(page, 3, "");
    await page.keyboard.type("bcdefghijklmnopqrstuvwxyz", { delay: 20 });
    await eventually("no key is lost", async () => (await sourceOf(page, 3)) === "abcdefghijklmnopqrstuvwxyz", 5_000);
    expect(await outputText(page, 1)).not.toContain("stopped");
    await press(page, "Run cell 2");
    await typeInto(page, 3, "");
    await eventually("the thief is stopped while somebody types", async () => {
      await page.keyboard.type(".");
      return (await outputText(page, 2)).includes("kept taking the keyboard");
    });
    await page.keyboard.type("0123456789", { delay: 10 });
    await saved(page);
    expect(await sourceOf(page, 3)).toMatch(/0123456789$/);
    await page.browserContext().close();
  });

  it("[A5, A6, W13] the kernel is called where the cell was run, elsewhere after a click, and by no viewer or saved output", async () => {
    const functions = "from google.colab import output\nfrom IPython.display import HTML, display\ndef called(who):\n    open(f'called-{who}', 'w').close()\noutput.register_callback('called', called)\n";
    // 100 px high; 200 when it may call, 300 when its call was answered, 400 when what stood in place of a name was none.
    const look = `<div id=box style="height:100px"></div><script>{ let done = false; const { kernel } = google.colab;
      const look = async () => { if (done || !kernel.accessAllowed) return;
        done = true; box.style.height = '200px'; await kernel.invokeFunction('called', ['page'], {}); box.style.height = '300px';
        await kernel.invokeFunction("f','{}','{}') or __import__('os').system('touch called-pwned') or ('", ["'''", '"', "\\\\"], {}).catch(() => { box.style.height = '400px' }) };
      look(); setInterval(look, 100) }</script>`;
    const cells = [`${functions}display(HTML(${JSON.stringify(look)}))`, "import os\nprint(sorted(name for name in os.listdir('.') if name.startswith('called')))"];
    const notebook = await create(server, cells, `Access in ${name}`);
    const browser = browsers.get(name) as Browser;
    const author = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(author, 2);
    await press(author, "Run cell 1");
    const height = (page: Page): Promise<number> => page.evaluate(() => Math.floor((document.querySelector("iframe")?.getBoundingClientRect().height ?? 0) / 100));
    await eventually("the author's own output calls the kernel", async () => (await height(author)) === 4);
    await press(author, "Run cell 2");
    await eventually("what was called", async () => (await outputText(author, 2)) === "['called-page']\n");
    const isIn = (page: Page): Promise<boolean> => page.evaluate(() => document.activeElement?.tagName === "IFRAME");
    for (const role of ["editor", "viewer"]) {
      const { page } = await visit(browser, server, notebook, role);
      await waitForSync(page, 2);
      await eventually(`the output is drawn for the ${role}`, async () => (await height(page)) === 1);
      await clickInto(page);
      if (role === "editor") await eventually("a click lets it call the kernel", async () => (await height(page)) === 4);
      else await eventually("the click has arrived", () => isIn(page));
      if (role === "viewer") expect(await height(page)).toBe(1);
      await page.browserContext().close();
    }
    const copy = await server.api<{ id: string }>("POST", "/api/notebooks?title=Saved", await exported(server, notebook));
    const opened = await signIn(browser, server, `/n/${copy.id}`);
    await waitForSync(opened, 2);
    await eventually("the saved output is drawn", async () => (await height(opened)) === 1);
    await clickInto(opened);
    await eventually("the click has arrived", () => isIn(opened));
    expect(await height(opened)).toBe(1);
    expect((await server.api<{ runtime: { status: string } }>("GET", `/api/notebooks/${copy.id}`)).runtime.status).toBe("none");
    await Promise.all([author, opened].map((page) => page.browserContext().close()));
  });

  it("[C1] a saved output loads from other hosts only when its reader says so", async () => {
    const output = { output_type: "display_data", metadata: {}, data: { "text/html": `<img src="${evil.url}/load/pixel-${name}"><b>saved</b>` } };
    const cell = { cell_type: "code", id: "c1", source: "1", metadata: {}, execution_count: 1, outputs: [output] };
    const made = await server.api<{ id: string }>("POST", "/api/notebooks?title=Remote", { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [cell] });
    const page = await signIn(browsers.get(name) as Browser, server, `/n/${made.id}`);
    await waitForSync(page, 1);
    const { host } = new URL(evil.url);
    await eventually("the page offers it", async () => (await outputText(page, 1)).includes(`This saved output wants to load content from ${host}.`));
    const pixels = (): Evil["hits"] => evil.hits.filter(({ path }) => path === `/load/pixel-${name}`);
    expect(pixels()).toEqual([]);
    await pressIn(page, "Load remote content");
    await eventually("it is loaded, as nobody", async () => pixels().length > 0);
    expect(pixels()[0]?.cookie).toBe("");
    expect(await outputText(page, 1)).not.toContain("wants to load");
    await page.browserContext().close();
  });

  it("[A9] nothing is saved without a question, and under no name but a file's", async () => {
    const names = ["../../.bashrc", "a\r\nX: y", "invoice\u202Efdp.exe", "n".repeat(10_000)];
    const code = `<button id=go style="position:fixed;inset:0">save</button><div style="height:60px"></div><script>go.onclick = () => { for (let i = 0; i < 50; i++) for (const download of ${JSON.stringify(names)})
      { const a = Object.assign(document.createElement('a'), {href: URL.createObjectURL(new Blob(['x'])), download}); if (i % 2) document.body.append(a); a.click(); a.remove(); URL.revokeObjectURL(a.href) } }</script>`;
    const notebook = await create(server, [html(code)], `Downloads in ${name}`);
    const page = await signIn(browsers.get(name) as Browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    await eventually("the output is drawn", () => page.evaluate(() => (document.querySelector("iframe")?.getBoundingClientRect().height ?? 0) > 60));
    // What the page itself would save.
    await page.evaluate(() => {
      const files: string[] = [];
      Object.assign(window, { files });
      HTMLAnchorElement.prototype.click = function () {
        files.push(this.download);
      };
    });
    await clickInto(page);
    await eventually("the question", async () => (await outputText(page, 1)).includes("Cell 1 wants to save bashrc (1 bytes)"));
    const files = (): Promise<string[]> => page.evaluate(() => Reflect.get(window, "files") as string[]);
    expect(await files()).toEqual([]);
    for (let asked = 0; asked < 4; asked++) {
      await pressIn(page, "Save");
      await eventually("saved", async () => (await files()).length === asked + 1);
    }
    expect(await files()).toEqual(["bashrc", "aX_ y", "invoicefdp.exe", "n".repeat(200)]);
    await pressIn(page, "Cancel all");
    expect(await outputText(page, 1)).not.toContain("wants to save");
    await page.browserContext().close();
  });
});

/** Where frames come from, besides {label}.localhost: the page's address, the template, and what the sandbox leaves them. */
const DEPLOYMENTS = [
  { what: "the page's own host", page: "http://127.0.0.1", template: "none", frames: /^http:\/\/127\.0\.0\.1:\d+$/, keeps: false },
  { what: "a second domain", page: "http://notes.test", template: "http://{label}.usercontent.test", frames: /^http:\/\/[a-z2-7]{32}\.usercontent\.test:\d+$/, keeps: true },
  { what: "the page's own domain", page: "http://notes.test", template: "http://{label}.out.notes.test", frames: /^http:\/\/[a-z2-7]{32}\.out\.notes\.test:\d+$/, keeps: false },
];

it("reach nothing from frames of another origin either", { timeout: 240_000 }, async () => {
  const payloads = FRAMES.filter(({ rule }) => /^(?:A1 |A2|A3 location|A4 what|A10|what a browser|L2|L5)/.test(rule));
  const [deployed, browser] = await Promise.all([startServer(), launch("chromium", ["--host-resolver-rules=MAP *.test 127.0.0.1"])]);
  try {
    const local = deployed.url;
    const { port } = new URL(local);
    const target = await create(deployed, ["1"], "Target");
    // Kernels outlive the server, and what they showed stays live.
    const run = async (url: string): Promise<string> => {
      const notebook = await create(deployed, payloads.map(({ source }) => written(source, target, url)), "Deployed");
      await deployed.api("POST", `/api/notebooks/${notebook}/commands`, { type: "run_cells", cells: payloads.map((_, at) => `c${at + 1}`) });
      await eventually("all cells have run", async () => (await exported(deployed, notebook)).cells.every((cell) => cell.execution_count), 60_000);
      return notebook;
    };
    const pages = [...new Set(DEPLOYMENTS.map(({ page }) => page))];
    const notebooks = new Map(await Promise.all(pages.map(async (page) => [page, await run(`${page}:${port}`)] as const)));
    for (const { what, page: address, template, frames, keeps } of DEPLOYMENTS) {
      await deployed.kill();
      const url = `${address}:${port}`;
      await deployed.start(template === "none" ? { COLLAB_OUTPUT_ORIGIN: template } : { COLLAB_OUTPUT_ORIGIN: `${template}:${port}`, COLLAB_PUBLIC_URL: url });
      deployed.url = local;
      const page = await openAs(browser, "author", notebooks.get(address) ?? "", url);
      await waitForSync(page, payloads.length);
      await arrived(page, "chromium", what, payloads);
      const [src, sandbox] = await page.$eval("iframe", (frame) => [frame.src, frame.getAttribute("sandbox")]);
      expect(new URL(src ?? "").origin).toMatch(frames);
      expect(new URL(src ?? "").pathname).toBe("/_out/live/frame.html");
      expect(sandbox).toBe(`allow-scripts allow-forms allow-pointer-lock${keeps ? " allow-same-origin" : ""}`);
      const found = await page.evaluate(async () => ({ canary: Reflect.get(window, "__canary") as unknown, title: document.title, me: (await fetch("/api/me")).status }));
      expect(found).toEqual({ canary: null, title: "Deployed", me: 200 });
      await page.browserContext().close();
    }
    expect((await deployed.api<{ notebooks: { title: string }[] }>("GET", "/api/notebooks")).notebooks.map(({ title }) => title)).not.toContain("pwned");
    expect(evil.hits.filter(({ path, cookie }) => path.startsWith("/nav") || cookie !== "")).toEqual([]);
  } finally {
    await Promise.all([browser.close(), deployed.close()]);
  }
});

it("[A7] an output that hangs freezes nobody, can be stopped, and takes no other with it", { timeout: 150_000 }, async () => {
  const hang = "<div style='height:100px'></div><script>setTimeout(() => { debugger; for (;;); }, 500)</script>";
  const separate = await launchSeparateFirefox();
  const busy = async (browser: Browser): Promise<void> => {
    const notebook = await create(server, [html("<div style='height:150px'></div>"), html(hang), ""], "Busy");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 3);
    await typeInto(page, 3, "");
    await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "run_cells", cells: ["c1", "c2"] });
    await eventually("both are there", async () => (await page.$$("iframe")).length === 2);
    // Until somebody presses Stop it hangs; meanwhile the page takes keys and saves them.
    await eventually("the page asks", async () => /does not respond/.test((await outputText(page, 1)) + (await outputText(page, 2))), 40_000);
    await page.keyboard.type("typed");
    await eventually("they are there", async () => (await sourceOf(page, 3)) === "typed");
    await saved(page);
    // The last that was active is accused first; whoever else hangs is asked about next.
    await eventually("the culprit is gone", async () => {
      if (/does not respond/.test((await outputText(page, 1)) + (await outputText(page, 2)))) await pressIn(page, "Stop");
      return (await outputText(page, 2)).includes("Output stopped: it did not respond.");
    }, 40_000);
    // Where the pointer came to lie the innocent may have been taken for it.
    if ((await outputText(page, 1)).includes("Output stopped")) await pressIn(page, "Draw again");
    await eventually("the other one is back", () => page.evaluate(() => (document.querySelector('iframe[title="Output of cell 1"]')?.getBoundingClientRect().height ?? 0) > 150));
    await page.browserContext().close();
  };
  try {
    await Promise.all([busy(browsers.get("chromium") as Browser), busy(separate.browser)]);
  } finally {
    await separate.close();
  }
});

it("[rule 7] what came with a file never runs as the kernel's own, also while its cell runs again", async () => {
  const output = { output_type: "display_data", metadata: {}, data: { "text/html": "<b>from the file</b><script>1</script>" } };
  const cell = { cell_type: "code", id: "c1", source: "input('go')", metadata: {}, execution_count: 1, outputs: [output] };
  const made = await server.api<{ id: string }>("POST", "/api/notebooks?title=Stale", { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [cell] });
  const page = await signIn(browsers.get("chromium") as Browser, server, `/n/${made.id}`);
  await waitForSync(page, 1);
  await page.waitForSelector("iframe");
  const paths = await page.evaluateHandle(() => {
    const seen = new Set<string>();
    const look = (): void => {
      for (const frame of document.querySelectorAll("iframe")) seen.add(new URL(frame.src).pathname);
    };
    look();
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
    return seen;
  });
  await press(page, "Run cell 1");
  await page.waitForSelector(".input-question");
  expect(await page.evaluate((seen) => [...seen], paths)).toEqual(["/_out/stored/frame.html"]);
  await page.browserContext().close();
});

/** A button beside an output. */
async function pressIn(page: Page, label: string): Promise<void> {
  await page.evaluate((text) => [...document.querySelectorAll<HTMLElement>(".output-notice button")].find((button) => button.textContent === text)?.click(), label);
}

/** A person's click into the first frame. */
async function clickInto(page: Page): Promise<void> {
  const box = await (await page.$("iframe"))?.boundingBox();
  await page.mouse.click((box?.x ?? 0) + 40, (box?.y ?? 0) + 40);
}
