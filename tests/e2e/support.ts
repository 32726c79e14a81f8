/** What every browser test needs: a real server in a folder of its own, real browsers, and the page found as a screen reader finds it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import puppeteer, { type Browser, type ElementHandle, type Page } from "puppeteer-core";

export const ROOT = resolve(import.meta.dirname, "../..");
export const PYTHON = join(ROOT, ".venv/bin/python");
export const MOD = "Control";

export type BrowserName = "chromium" | "firefox";

export interface Server {
  /** `http://127.0.0.1:PORT` */
  url: string;
  token: string;
  data: string;
  /** kill -9, as a power switch would. */
  kill(): Promise<void>;
  /** Starts again on the same port and data, with these variables besides. */
  start(variables?: Record<string, string>): Promise<void>;
  /** Ends server, gateway and kernels and removes the data. */
  close(): Promise<void>;
  api<T>(method: string, path: string, body?: unknown, token?: string): Promise<T>;
}

/** `folder` is for what a test has to say about the disk; it is emptied at the end. */
export async function startServer(folder?: string): Promise<Server> {
  const data = folder ?? (await mkdtemp(join(tmpdir(), "collab-e2e-")));
  let child: ChildProcess | undefined;
  let port = "0";
  const server: Server = {
    url: "",
    token: "e2e-token-with-enough-letters",
    data,
    async start(variables = {}) {
      const started = spawn(PYTHON, ["-m", "collab.cli", "--no-browser", "--port", port, "--data", data], {
        cwd: ROOT,
        env: { ...process.env, COLLAB_TOKEN: server.token, ...variables },
        stdio: ["ignore", "pipe", "inherit"],
      });
      child = started;
      server.url = await new Promise((found, failed) => {
        let text = "";
        started.stdout?.on("data", (chunk: Buffer) => {
          text += chunk.toString();
          const match = /(http:\/\/[^\s/]+)\//.exec(text);
          if (match?.[1]) found(match[1]);
        });
        started.once("exit", (code) => failed(new Error(`collab ended with ${code}: ${text}`)));
      });
      port = new URL(server.url).port;
    },
    async kill() {
      await end(child, "SIGKILL");
    },
    async close() {
      // Ctrl+C also ends the gateway, which a SIGTERM leaves running for the next server.
      await end(child, "SIGINT");
      await rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
    async api(method, path, body, token = server.token) {
      const init: RequestInit = { method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } };
      if (body !== undefined) init.body = typeof body === "string" ? body : JSON.stringify(body);
      const answer = await fetch(server.url + path, init);
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text;
    },
  };
  await server.start();
  return server;
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill(signal);
  await gone;
}

/** `flags` are for Chromium. */
export async function launch(name: BrowserName, flags: readonly string[] = []): Promise<Browser> {
  if (name === "firefox") {
    return puppeteer.launch({
      browser: "firefox",
      executablePath: "/usr/bin/firefox-esr",
      headless: true,
      extraPrefsFirefox: { "browser.download.folderList": 2, "datareporting.policy.dataSubmissionEnabled": false },
    });
  }
  return puppeteer.launch({
    executablePath: "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-dev-shm-usage",
      ...flags,
    ],
  });
}

/** A page with its own cookies, signed in with `token`, at `path`. */
export async function signIn(browser: Browser, server: Server, path: string, token = server.token): Promise<Page> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  page.on("pageerror", (error) => console.error(`page error: ${error instanceof Error ? error.message : String(error)}`));
  await page.goto(`${server.url}${path}${path.includes("?") ? "&" : "?"}token=${token}`);
  return page;
}

/** A guest's page by a link of `role`. */
export async function visit(browser: Browser, server: Server, notebook: string, role: string): Promise<{ page: Page; token: string }> {
  const link = await server.api<{ token: string; url: string }>("POST", `/api/notebooks/${notebook}/links`, { role });
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(`${server.url}/n/${notebook}?link=${link.token}`);
  return { page, token: link.token };
}

export async function create(server: Server, cells: readonly (string | { markdown: string })[], title = "Test"): Promise<string> {
  const made = await server.api<{ id: string }>("POST", `/api/notebooks?title=${encodeURIComponent(title)}`, {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: cells.map((cell, index) =>
      typeof cell === "string"
        ? { cell_type: "code", id: `c${index + 1}`, source: cell, metadata: {}, outputs: [], execution_count: null }
        : { cell_type: "markdown", id: `c${index + 1}`, source: cell.markdown, metadata: {} },
    ),
  });
  return made.id;
}

export interface Exported {
  nbformat: number;
  nbformat_minor: number;
  metadata: Record<string, unknown>;
  cells: {
    id: string;
    cell_type: string;
    source: string | string[];
    execution_count?: number | null;
    outputs?: Record<string, unknown>[];
  }[];
}

export async function exported(server: Server, notebook: string): Promise<Exported> {
  return server.api<Exported>("GET", `/api/notebooks/${notebook}/export?format=ipynb`);
}

export const joined = (source: string | string[]): string => (Array.isArray(source) ? source.join("") : source);

/** The text that the notebook's outputs of a cell show. */
export function textOf(outputs: Record<string, unknown>[] | undefined): string {
  return (outputs ?? [])
    .map((output) => {
      const data = output.data;
      const plain = typeof data === "object" && data !== null && "text/plain" in data ? data["text/plain"] : "";
      return joined((output.text ?? plain ?? "") as string | string[]);
    })
    .join("");
}

/** Waits until `check` gives something; fails with `what` after `ms`. */
export async function eventually<T>(what: string, check: () => Promise<T | null | undefined | false>, ms = 20_000): Promise<T> {
  const until = Date.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > until) throw new Error(`not within ${ms} ms: ${what}${last ? ` (${String(last)})` : ""}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

export async function waitForSync(page: Page, cells: number): Promise<void> {
  await eventually(`${cells} cells on the page`, async () => (await page.$$('[role="list"][aria-label="Cells"] > li')).length === cells);
  await saved(page);
}

export async function saved(page: Page, word = "Saved"): Promise<void> {
  await eventually(`the page says ${word}`, () => page.evaluate((text) => [...document.querySelectorAll('[role="status"]')].some((item) => item.textContent?.trim() === text), word));
}

/** The live editor of cell `n`, made by a click on the cell's source. */
export async function editor(page: Page, n: number): Promise<ElementHandle<Element>> {
  const label = `Source of cell ${n}`;
  return eventually(`editor of cell ${n}`, async () => {
    const live = await page.$(`[role="textbox"][aria-label="${label}"]`);
    if (live) return live;
    const placeholder = await page.$(`[aria-label="${label}"]`);
    await placeholder?.click();
    return null;
  });
}

export async function typeInto(page: Page, n: number, text: string): Promise<void> {
  const box = await editor(page, n);
  await box.click();
  await page.keyboard.down(MOD);
  await page.keyboard.press("End");
  await page.keyboard.up(MOD);
  await page.keyboard.type(text);
}

export async function sourceOf(page: Page, n: number): Promise<string> {
  return page.evaluate((label) => {
    const box = document.querySelector(`[aria-label="${label}"]`);
    if (!box) return "";
    const lines = box.querySelectorAll(".cm-line");
    return lines.length ? [...lines].map((line) => line.textContent ?? "").join("\n") : (box.textContent ?? "");
  }, `Source of cell ${n}`);
}

export async function press(page: Page, name: string): Promise<void> {
  const button = await eventually(`button ${name}`, () => page.$(`button[aria-label="${name}"]:not([disabled])`));
  await button.click();
}

export async function outputText(page: Page, n: number): Promise<string> {
  return page.evaluate((label) => document.querySelector(`[role="region"][aria-label="${label}"]`)?.textContent ?? "", `Output of cell ${n}`);
}

export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(import.meta.dirname, "artifacts");
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${join(folder, name)}.png` as `${string}.png` });
}

/** A new epoch for a notebook of a server that is not running, with some sources changed in it. */
export async function rebuild(server: Server, notebook: string, changed: Record<string, string>): Promise<void> {
  const done = spawnSync(PYTHON, ["-c", REBUILD, join(server.data, "collab.sqlite"), notebook, JSON.stringify(changed)], {
    cwd: ROOT,
    encoding: "utf8",
  });
  if (done.stderr !== "") throw new Error(done.stderr);
}

const REBUILD = `
import asyncio, json, sys
from pathlib import Path
from collab import notebook
from collab.compaction import rebuilt
from collab.room import load_doc
from collab.store.sqlite import open_sqlite

async def main(database, id, changed):
    async with open_sqlite(Path(database)) as store:
        found = await store.load(id)
        doc = await load_doc(found.updates)
        end = doc.get_update()
        for cell in notebook.order(doc):
            source = notebook.cell_source(doc, cell)
            if source in changed:
                notebook.replace_by_diff(notebook.roots(doc).cells[cell]["source"], changed[source])
        assert await store.rebase(id, found.epoch, found.seq, end, rebuilt(doc))

asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
`;
