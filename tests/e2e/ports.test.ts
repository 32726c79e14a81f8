/** Servers that run in a kernel, in an output: `serve_kernel_port_as_iframe`, for whoever may run code. */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { create, eventually, launch, press, type Server, signIn, startServer, visit, waitForSync } from "./support";

const CODE = `import http.server, threading
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Type", "text/html"); self.end_headers()
        self.wfile.write(b"<h1>From the kernel</h1><script>fetch('/more').then(r => r.text()).then(t => document.body.append(t.length + ' bytes'))</script>")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
threading.Thread(target=server.serve_forever, daemon=True).start()
from google.colab import output
output.serve_kernel_port_as_iframe(server.server_port)
output.serve_kernel_port_as_window(server.server_port, anchor_text="in a tab")`;

let server: Server;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launch("chromium")]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** What a document of the browser says in which `words` stand, wherever it is framed. */
async function document_(words: string): Promise<{ url: string; text: string } | null> {
  for (const target of browser.targets()) {
    if (!/^http:\/\/\w{32}\.localhost:\d+\/$/.test(target.url())) continue;
    const session = await target.createCDPSession();
    const { result } = await session.send("Runtime.evaluate", { expression: "document.body.innerText", returnByValue: true });
    await session.detach();
    if (String(result.value).includes(words)) return { url: target.url(), text: String(result.value) };
  }
  return null;
}

it("shows the server in the output of who ran it, on a host of its own, and not to viewers", async () => {
  const notebook = await create(server, [CODE]);
  const page: Page = await signIn(browser, server, `/n/${notebook}`);
  await waitForSync(page, 1);
  await press(page, "Run cell 1");
  const shown = await eventually("the server's page", () => document_("From the kernel"), 60_000);
  await eventually("what its script asked of it", () => document_("bytes"));
  const frame = await page.$eval('iframe[title="Output of cell 1"]', (element) => new URL((element as HTMLIFrameElement).src).host);
  expect(new URL(shown.url).host).not.toBe(frame);
  expect(new URL(shown.url).host).not.toBe(new URL(server.url).host);

  const { page: viewer } = await visit(browser, server, notebook, "viewer");
  await waitForSync(viewer, 1);
  await viewer.waitForSelector('iframe[title="Output of cell 1"]');
  const hosts = await viewer.evaluate(async (id) => (await fetch(`/api/notebooks/${id}/ports`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"port": 5000}' })).status, notebook);
  expect(hosts).toBe(403);
});
