/** JupyterLab, as its own package ships it, on our gateway: `jupyter lab --gateway-url`. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { eventually, launch, ROOT, screenshot } from "./support";

const TOKEN = "jupyterlab-e2e-token";
const CELLS = [
  "x = 6 * 7\nx",
  "import time\nprint('running', flush=True)\nwhile True: time.sleep(0.1)",
  "print('x is there' if 'x' in globals() else 'x is gone')",
  "print(f'Hello, {input()}')",
];
let folder = "";
let browser: Browser;
let page: Page;
let address = "";
const started: ChildProcess[] = [];

/** A program of our environment, in a home of its own, once it has said where it listens. */
async function program(name: string, args: string[], variables: Record<string, string>, says: RegExp): Promise<string> {
  const env = { ...process.env, HOME: folder, PYTHONPATH: join(ROOT, "kernels"), ...variables };
  const child = spawn(join(ROOT, ".venv/bin/python"), ["-m", name, ...args], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  return new Promise((found, failed) => {
    let text = "";
    const read = (chunk: Buffer) => {
      text += chunk.toString();
      const match = says.exec(text);
      if (match?.[1]) found(match[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => failed(new Error(`${name} ended with ${code}: ${text}`)));
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jupyterlab-e2e-"));
  const notebooks = join(folder, "notebooks");
  await mkdir(notebooks);
  const cells = CELLS.map((source, index) => ({ cell_type: "code", id: `c${index}`, source, metadata: {}, outputs: [], execution_count: null }));
  const metadata = { kernelspec: { name: "python3", display_name: "Python 3", language: "python" } };
  await writeFile(join(notebooks, "lab.ipynb"), JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata, cells }));
  const gateway = await program("kernelhost.cli", ["--port", "0", "--root", notebooks], { KERNELHOST_TOKEN: TOKEN }, /Kernels at (\S+)/);
  const args = ["--allow-root", "--no-browser", "--port=0", `--ServerApp.root_dir=${notebooks}`, `--gateway-url=${gateway}`];
  args.push(`--IdentityProvider.token=${TOKEN}`, "--LabApp.extension_manager=readonly", "--LanguageServerManager.autodetect=False");
  args.push("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate");
  args.push("--LabApp.expose_app_in_browser=True");
  const url = program("jupyterlab", args, { JUPYTER_GATEWAY_AUTH_TOKEN: TOKEN }, /(http:\/\/127\.0\.0\.1:\d+)\//);
  [address, browser] = await Promise.all([url, launch("chromium")]);
  page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  page.on("dialog", (leave) => leave.accept());
  await page.goto(`${address}/lab/tree/lab.ipynb?reset&token=${TOKEN}`);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  for (const child of started.reverse()) {
    if (child.exitCode !== null) continue;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    await gone;
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

const cell = (n: number) => `.jp-NotebookPanel .jp-Cell:nth-of-type(${n})`;

async function output(n: number): Promise<string> {
  return page.evaluate((selector) => document.querySelector(`${selector} .jp-Cell-outputWrapper`)?.textContent ?? "", cell(n));
}

async function shows(n: number, text: string): Promise<void> {
  await eventually(`${text} below cell ${n}`, async () => (await output(n)).includes(text), 60_000);
}

async function run(n: number): Promise<void> {
  const editor = await eventually(`cell ${n}`, () => page.$(`${cell(n)} .cm-content`));
  await editor.click();
  await page.keyboard.down("Control");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Control");
}

afterEach(async (context) => {
  if (context.task.result?.state === "fail") await screenshot(page, "jupyterlab");
});

async function press(selector: string): Promise<void> {
  const button = await eventually(selector, () => page.$(selector), 60_000);
  await button.click();
}

/** What the status bar says of the kernel. */
async function state(word: string): Promise<void> {
  await eventually(`a kernel that is ${word}`, () => page.evaluate((text) => document.querySelector("#jp-main-statusbar")?.textContent?.includes(text), `| ${word}`), 60_000);
}

async function opened(): Promise<void> {
  await eventually("a notebook without the spinner that lies over it", () => page.evaluate(() => document.querySelector(".jp-NotebookPanel .jp-Cell") && !document.querySelector(".jp-MainAreaWidget > .jp-Spinner")), 60_000);
  await state("Idle");
}

it("opens a notebook, runs, interrupts, asks, comes back and restarts", async () => {
  await opened();
  await run(1);
  await shows(1, "42");
  await run(2);
  await shows(2, "running");
  await state("Busy");
  await press('.jp-NotebookPanel-toolbar [data-jp-item-name="interrupt"] :is(button, jp-button)');
  await shows(2, "KeyboardInterrupt");
  await state("Idle");
  await run(4);
  const answer = await eventually("a place for the answer", () => page.$(".jp-Stdin-input"));
  await answer.type("Ada");
  await page.keyboard.press("Enter");
  await shows(4, "Hello, Ada");
  await page.reload();
  await opened();
  await run(3);
  await shows(3, "x is there");
  await press('.jp-NotebookPanel-toolbar [data-jp-item-name="restart"] :is(button, jp-button)');
  await press(".jp-Dialog .jp-mod-accept");
  await eventually("no dialog", async () => !(await page.$(".jp-Dialog")));
  await run(3);
  await shows(3, "x is gone");
  expect(await page.$(".jp-Dialog")).toBeNull();
}, 180_000);

/** JupyterLab's own services package in the page, on a gateway of another origin: sessions, the v1 codec, terminals. */
it("lets a page of another origin have sessions and terminals", async () => {
  const root = await mkdtemp(join(folder, "direct-"));
  const args = ["--port", "0", "--root", root, "--terminals", "--allow-origin", address];
  const gateway = await program("kernelhost.cli", args, { KERNELHOST_TOKEN: TOKEN }, /Kernels at (\S+)/);
  const seen = await page.evaluate(
    async (url, token) => {
      const services = Reflect.get(window, "jupyterapp").serviceManager;
      const wsUrl = url.replace("http", "ws");
      const serverSettings = { ...services.serverSettings, baseUrl: `${url}/`, wsUrl: `${wsUrl}/`, token, appendToken: true };
      const kernelManager = new services.kernels.constructor({ serverSettings });
      const sessions = new services.sessions.constructor({ serverSettings, kernelManager });
      const session = await sessions.startNew({ path: "direct.ipynb", name: "direct", type: "notebook", kernel: { name: "python3" } });
      let printed = "";
      const future = session.kernel.requestExecute({ code: "print(6 * 7)" });
      future.onIOPub = (message: { content: { text?: string } }) => {
        printed += message.content.text ?? "";
      };
      const reply = await future.done;
      await session.setPath("moved.ipynb");
      await sessions.refreshRunning();
      const paths = [...sessions.running()].map((model: { path: string }) => model.path);
      await session.kernel.restart();
      const again = await session.kernel.requestExecute({ code: "1" }).done;
      await session.shutdown();
      const terminals = new services.terminals.constructor({ serverSettings });
      const terminal = await terminals.startNew();
      const shown = await new Promise((found) => {
        let text = "";
        terminal.messageReceived.connect((_: unknown, message: { type: string; content: string[] }) => {
          text += message.type === "stdout" ? message.content.join("") : "";
          if (text.includes("forty42")) found("forty42");
        });
        terminal.send({ type: "stdin", content: ["echo forty$((6*7))\r"] });
      });
      await terminal.shutdown();
      await terminals.refreshRunning();
      const left = [...terminals.running()].length;
      return { printed, status: reply.content.status, paths, again: again.content.execution_count, shown, left };
    },
    gateway,
    TOKEN,
  );
  expect(seen).toEqual({ printed: "42\n", status: "ok", paths: ["moved.ipynb"], again: 1, shown: "forty42", left: 0 });
}, 180_000);
