/** JupyterLab with a server and kernels of its own, for the same code in the same browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { eventually, PYTHON } from "../../tests/e2e/support";

const TOKEN = "bench-token-with-enough-letters";
const CELL = ".jp-NotebookPanel .jp-Cell";

export interface Lab {
  /** A page with a notebook of one code cell, its kernel idle. */
  open(browser: Browser, code: string): Promise<Page>;
  run(page: Page): Promise<void>;
  close(): Promise<void>;
}

export async function startLab(): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), "jupyterlab-bench-"));
  const args = ["--allow-root", "--no-browser", "--port=0", `--ServerApp.root_dir=${folder}`, `--IdentityProvider.token=${TOKEN}`];
  args.push("--LabApp.extension_manager=readonly", "--LanguageServerManager.autodetect=False", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate");
  const child: ChildProcess = spawn(PYTHON, ["-m", "jupyterlab", ...args], { cwd: folder, env: { ...process.env, HOME: folder }, stdio: ["ignore", "pipe", "pipe"] });
  const url = await new Promise<string>((found, failed) => {
    let text = "";
    const read = (chunk: Buffer): void => {
      text += chunk.toString();
      const match = /(http:\/\/127\.0\.0\.1:\d+)\//.exec(text);
      if (match?.[1]) found(match[1]);
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("exit", (code) => failed(new Error(`JupyterLab ended with ${code}: ${text}`)));
  });
  return {
    async open(browser, code) {
      const cells = [{ cell_type: "code", id: "c1", source: code, metadata: {}, outputs: [], execution_count: null }];
      const metadata = { kernelspec: { name: "python3", display_name: "Python 3", language: "python" } };
      await writeFile(join(folder, "bench.ipynb"), JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata, cells }));
      const page = await (await browser.createBrowserContext()).newPage();
      await page.setViewport({ width: 1280, height: 900 });
      await page.goto(`${url}/lab/tree/bench.ipynb?reset&token=${TOKEN}`);
      const isIdle = (cell: string): boolean => document.querySelector(cell) !== null && document.querySelector("#jp-main-statusbar")?.textContent?.includes("| Idle") === true;
      await eventually("a notebook with an idle kernel", () => page.evaluate(isIdle, CELL), 120_000);
      return page;
    },
    async run(page) {
      const editor = await eventually("the cell", () => page.$(`${CELL} .cm-content`));
      await editor.click();
      await page.keyboard.down("Shift");
      await page.keyboard.press("Enter");
      await page.keyboard.up("Shift");
    },
    async close() {
      if (child.exitCode === null) {
        const gone = new Promise((done) => child.once("exit", done));
        child.kill("SIGTERM");
        await gone;
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
