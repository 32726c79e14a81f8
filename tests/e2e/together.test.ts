/** Two people in two browsers: they edit, run and see the same notebook. */
import { createHash } from "node:crypto";
import { WebSocket } from "ws";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as Y from "yjs";
import {
  create,
  editor,
  eventually,
  exported,
  joined,
  launch,
  outputText,
  press,
  type Server,
  saved,
  screenshot,
  signIn,
  sourceOf,
  startServer,
  textOf,
  typeInto,
  visit,
  waitForSync,
} from "./support";

let server: Server;
let chromium: Browser;
let firefox: Browser;

beforeAll(async () => {
  [server, chromium, firefox] = await Promise.all([startServer(), launch("chromium"), launch("firefox")]);
});

afterAll(async () => {
  await Promise.all([chromium?.close(), firefox?.close()]);
  await server?.close();
});

async function pair(notebook: string, cells: number): Promise<[Page, Page]> {
  const pages = await Promise.all([signIn(chromium, server, `/n/${notebook}`), visit(firefox, server, notebook, "editor").then((v) => v.page)]);
  await Promise.all(pages.map((page) => waitForSync(page, cells)));
  return pages;
}

describe("two browsers", () => {
  it("type into the same cell at once and converge, and the server agrees", async () => {
    const notebook = await create(server, ["start "], "Converge");
    const [one, two] = await pair(notebook, 1);
    await Promise.all([typeInto(one, 1, "chromium-writes-here "), typeInto(two, 1, "firefox-writes-there ")]);
    const text = await eventually("both pages equal", async () => {
      const [a, b] = await Promise.all([sourceOf(one, 1), sourceOf(two, 1)]);
      return a === b && a.length === "start chromium-writes-here firefox-writes-there ".length ? a : null;
    });
    expect([...text].sort().join("")).toBe([..."start chromium-writes-here firefox-writes-there "].sort().join(""));
    await Promise.all([saved(one), saved(two)]);
    expect(joined((await exported(server, notebook)).cells[0]?.source ?? "")).toBe(text);
    await Promise.all([screenshot(one, "converge-chromium"), screenshot(two, "converge-firefox")]);
  });

  it("see the output of what one of them runs, and who ran it", async () => {
    const notebook = await create(server, ["print('hello from the kernel')", "21 * 2"], "Run");
    const [one, two] = await pair(notebook, 2);
    await press(two, "Run cell 1");
    for (const page of [one, two]) await eventually("output", async () => (await outputText(page, 1)).includes("hello from the kernel"));
    const box = await editor(one, 2);
    await box.click();
    await one.keyboard.down("Shift");
    await one.keyboard.press("Enter");
    await one.keyboard.up("Shift");
    for (const page of [one, two]) await eventually("result", async () => (await outputText(page, 2)).includes("42"));
  });

  it("share one namespace, and one answers the other's input()", async () => {
    const notebook = await create(server, ["name = input('Who? ')", "print('Hello,', name)"], "Input");
    const [one, two] = await pair(notebook, 2);
    await press(one, "Run cell 1");
    const prompt = await eventually("the prompt in the other browser", () => two.$('[aria-label="Input for cell 1"]'));
    await prompt.type("Ada");
    await two.keyboard.press("Enter");
    await eventually("the run is over", async () => textOf((await exported(server, notebook)).cells[0]?.outputs) !== undefined && (await exported(server, notebook)).cells[0]?.execution_count === 1);
    await press(two, "Run cell 2");
    await eventually("the value", async () => (await outputText(one, 2)).includes("Hello, Ada"));
  });

  it("keep rich output in a frame of another origin", async () => {
    const notebook = await create(server, ["from IPython.display import HTML\nHTML('<b id=rich>rich</b><script>document.title=location.origin</script>')"], "Frame");
    const [one, two] = await pair(notebook, 1);
    await press(one, "Run cell 1");
    for (const page of [one, two]) {
      const frame = await eventually("the frame shows it", async () => {
        for (const candidate of page.frames().slice(1)) {
          if (await candidate.$("#rich").catch(() => null)) return candidate;
        }
        return null;
      });
      const origin = new URL(frame.url()).origin;
      expect(origin).toMatch(/^http:\/\/[a-z2-7]{32}\.localhost:\d+$/);
      expect(new URL(page.url()).origin).toBe(server.url);
      await screenshot(page, `frame-${page === one ? "chromium" : "firefox"}`);
    }
  });
});

describe("a viewer", () => {
  it("sees everything and can neither type nor run in the page", async () => {
    const notebook = await create(server, ["print(1)"], "Viewed");
    const { page } = await visit(firefox, server, notebook, "viewer");
    await waitForSync(page, 1);
    const run = await page.$('button[aria-label="Run cell 1"]');
    expect(await run?.evaluate((button) => button.hasAttribute("disabled") || button.getAttribute("aria-disabled") === "true")).toBe(true);
    const box = await page.$('[aria-label="Source of cell 1"]');
    await box?.click();
    await page.keyboard.type("intruder");
    await new Promise((wake) => setTimeout(wake, 500));
    expect(joined((await exported(server, notebook)).cells[0]?.source ?? "")).toBe("print(1)");
    await screenshot(page, "viewer-firefox");
  });

  it("can do neither with hand-made frames", async () => {
    const notebook = await create(server, ["print(1)"], "Guarded");
    const link = await server.api<{ token: string }>("POST", `/api/notebooks/${notebook}/links`, { role: "viewer" });
    const doc = new Y.Doc();
    const socket = await connect(notebook, link.token);
    const first = await socket.until((frame) => frame[0] === 0 && frame[1] === 0);
    expect(first).toBeTruthy();
    socket.send(Buffer.from([0, 0, ...varbytes(Y.encodeStateVector(doc))]));
    const step2 = await socket.until((frame) => frame[0] === 0 && frame[1] === 1);
    Y.applyUpdate(doc, readVarbytes(step2.subarray(2)));
    const digest = createHash("sha256").update("print(1)").digest("hex");
    const id = [...doc.getMap("cells").keys()][0] ?? "";
    const command = JSON.stringify({ type: "run_cells", request: 7, cells: [id], sources: { [id]: digest } });
    socket.send(Buffer.from([100, ...varbytes(Buffer.from(command))]));
    const refused = await socket.until((frame) => frame[0] === 101 && Buffer.from(frame).toString().includes('"refused"'));
    expect(Buffer.from(refused).toString()).toContain("runner");
    const before = Y.encodeStateVector(doc);
    const cell = doc.getMap<Y.Map<unknown>>("cells").get(id);
    const source = cell?.get("source");
    if (source instanceof Y.Text) source.insert(0, "intruder ");
    socket.send(Buffer.from([0, 2, ...varbytes(Y.encodeStateAsUpdate(doc, before))]));
    expect(await socket.closed).toBe(4403);
    expect(joined((await exported(server, notebook)).cells[0]?.source ?? "")).toBe("print(1)");
    expect((await exported(server, notebook)).cells[0]?.outputs).toEqual([]);
  });
});

function varbytes(data: Uint8Array): Uint8Array {
  const head: number[] = [];
  let length = data.length;
  while (length > 127) {
    head.push(128 | (length & 127));
    length >>>= 7;
  }
  head.push(length);
  return Uint8Array.from([...head, ...data]);
}

function readVarbytes(data: Uint8Array): Uint8Array {
  let length = 0;
  let at = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = data[at++] ?? 0;
    length |= (byte & 127) << shift;
    if (byte < 128) return data.subarray(at, at + length);
  }
}

interface Socket {
  send(frame: Uint8Array): void;
  until(wanted: (frame: Uint8Array) => boolean): Promise<Uint8Array>;
  closed: Promise<number>;
}

async function connect(notebook: string, token: string): Promise<Socket> {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/api/notebooks/${notebook}/socket`, { headers: { authorization: `Bearer ${token}` } });
  const frames: Uint8Array[] = [];
  socket.on("message", (data: Buffer) => frames.push(new Uint8Array(data)));
  const closed = new Promise<number>((done) => socket.on("close", done));
  await new Promise<void>((open, failed) => {
    socket.once("open", () => open());
    socket.once("error", failed);
  });
  return {
    send: (frame) => socket.send(frame),
    until: (wanted) => eventually("frame", async () => frames.find(wanted), 10_000),
    closed,
  };
}
