/**
 * Attacks (outputs.md 11): one notebook holds what attackers write, runs once, and is looked at by its author, another
 * editor and a viewer in both browsers, live and after saving and opening it again. Nothing may fire, everything must arrive.
 */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Evil, startEvil } from "./evil";
import { ATTACHMENTS, FRAMES, METADATA, STREAMS, TEXTS } from "./payloads";
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
function written(source: string, target: string): string {
  const replace = (text: string, word: string, value: string): string =>
    text.replaceAll(`${word} + `, `'${value}' + `).replaceAll(`${word}.`, `'${value}'.`).replaceAll(`URL(${word})`, `URL('${value}')`).replaceAll(word, value);
  return replace(replace(source, "EVIL", evil.url), "PAGE", server.url).replaceAll("TARGET", target);
}

async function openAs(browser: Browser, role: (typeof ROLES)[number], notebook: string): Promise<Page> {
  const token = role === "author" ? server.token : (await server.api<{ token: string }>("POST", `/api/notebooks/${notebook}/links`, { role })).token;
  const page = await (await browser.createBrowserContext()).newPage();
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
  await page.goto(`${server.url}/n/${notebook}?${role === "author" ? "token" : "link"}=${token}`);
  await waitForSync(page, CELLS);
  return page;
}

/** Waits until every payload shows in `page`; then nothing of it may have done anything. */
async function survived(page: Page, name: BrowserName, role: string, title: string): Promise<void> {
  const who = `${name}, ${role}, ${title}`;
  for (const [at, payload] of FRAMES.entries()) {
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
      30_000,
    ).catch((error: unknown) => {
      throw new Error(`${who}: ${String(error)}; last: ${last}`);
    });
  }
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

/** All roles in both browsers, at once. */
async function lookAt(notebook: string, title: string): Promise<Page[]> {
  const lookers = NAMES.flatMap((name) => ROLES.map((role) => ({ name, role })));
  return Promise.all(
    lookers.map(async ({ name, role }) => {
      const browser = browsers.get(name) as Browser;
      const page = await openAs(browser, role, notebook);
      const url = page.url();
      // A23: what others are shown of one's name.
      if (role === "editor") await page.evaluate((to) => fetch("/api/me", { method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: to }) }), HOSTILE_NAME);
      await survived(page, name, role, title);
      expect(page.url()).toBe(url);
      return page;
    }),
  );
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
});
