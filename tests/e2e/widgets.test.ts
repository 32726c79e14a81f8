/** Widgets shared by everyone in a notebook (outputs.md section 9), in Chromium and Firefox at once. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Inside, inside, middleOf, pointIn } from "./inside";
import { type BrowserName, create, eventually, exported, launch, outputText, screenshot, type Server, signIn, startServer, visit, waitForSync } from "./support";

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

const SLIDER = ".widget-slider .noUi-handle";

/** A page, and the documents of its cells' outputs. */
interface Tab {
  page: Page;
  cell(n: number): Inside;
}

function tabOf(name: BrowserName, page: Page): Tab {
  const cells = new Map<number, Inside>();
  return {
    page,
    cell(n) {
      const known = cells.get(n) ?? inside(name, name === "firefox" ? firefox : chromium, page, n);
      cells.set(n, known);
      return known;
    },
  };
}

/** Waits for the text, or an attribute, of what `selector` finds in the frame of cell `n`. */
async function becomes(tab: Tab, n: number, selector: string, wanted: RegExp, attribute?: string): Promise<void> {
  const found = `document.querySelector(${JSON.stringify(selector)})`;
  const text = attribute === undefined ? `${found}?.textContent` : `${found}?.getAttribute(${JSON.stringify(attribute)})`;
  await tab.cell(n).until(`${selector} becomes ${wanted}`, `${wanted}.test(${text} ?? "")`);
}

const value = (tab: Tab, n: number, wanted: number): Promise<void> => becomes(tab, n, SLIDER, new RegExp(`^${wanted}(\\.0)?$`), "aria-valuenow");

async function click(tab: Tab, n: number, selector: string): Promise<void> {
  await tab.cell(n).until(`${selector} is there`, `document.querySelector(${JSON.stringify(selector)})`);
  const { x, y } = await pointIn(tab.page, tab.cell(n), n, middleOf(selector));
  await tab.page.mouse.click(x, y);
}

async function keys(tab: Tab, n: number, ...names: ("ArrowRight" | "ArrowLeft" | "End" | "Home")[]): Promise<void> {
  await click(tab, n, SLIDER);
  for (const name of names) await tab.page.keyboard.press(name);
}

/** As the button of the toolbar does. */
const runAll = (notebook: string): Promise<unknown> => server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "run_cells", cells: "all", sources: {} });

async function open(name: BrowserName, notebook: string, cells: number): Promise<Tab> {
  const page = await signIn(name === "firefox" ? firefox : chromium, server, `/n/${notebook}`);
  await waitForSync(page, cells);
  return tabOf(name, page);
}

async function guest(name: BrowserName, notebook: string, role: string): Promise<Tab> {
  const { page } = await visit(name === "firefox" ? firefox : chromium, server, notebook, role);
  await waitForSync(page, 1);
  return tabOf(name, page);
}

describe("widgets", { timeout: 150_000 }, () => {
  it("one slider is driven in two browsers, clamps for both, shows whose hand is on it, and a viewer only watches", async () => {
    const notebook = await create(server, [
      "import ipywidgets as w\ns = w.IntSlider(max=50, description='Speed')\nt = w.Text(description='Name')\nl = w.Label()\n" +
        "s.observe(lambda c: setattr(l, 'value', f'kernel has {c.new}'), 'value')\ndef far(c):\n  if c.new == 'far': s.value = 999\nt.observe(far, 'value')\ndisplay(w.VBox([s, t, l]))",
    ]);
    const ada = await open("chromium", notebook, 1);
    const bo = await guest("firefox", notebook, "editor");
    await runAll(notebook);
    await keys(ada, 1, "ArrowRight", "ArrowRight");
    await Promise.all([value(ada, 1, 2), value(bo, 1, 2)]);
    await keys(bo, 1, "ArrowRight");
    await Promise.all([value(ada, 1, 3), value(bo, 1, 3)]);
    await Promise.all([ada, bo].map((tab) => becomes(tab, 1, ".widget-label:last-child", /^kernel has 3$/)));

    await click(ada, 1, "input[type=text]");
    await ada.page.keyboard.type("far");
    await Promise.all([value(ada, 1, 50), value(bo, 1, 50)]);

    const viewer = await guest("chromium", notebook, "viewer");
    await value(viewer, 1, 50);
    await becomes(viewer, 1, ".widget-note", /^View only/);
    await keys(viewer, 1, "Home", "ArrowLeft");
    await keys(bo, 1, "ArrowLeft");
    const ring = ada.cell(1).until("Bo's name is on the slider", "document.querySelector('.widget-slider[data-hand]')");
    await Promise.all([value(ada, 1, 49), value(bo, 1, 49), value(viewer, 1, 49), ring]);
    await screenshot(viewer.page, "widget-viewer");
  });

  it("a slider moves for others while the kernel is busy, and a page that joins or reloads meanwhile shows it", async () => {
    const notebook = await create(server, [
      "import ipywidgets as w\ns = w.IntSlider(max=50)\ndisplay(s)",
      "import os, time\nwhile not os.path.exists('go-on'): time.sleep(0.02)",
      "print(s.value)",
    ]);
    const ada = await open("chromium", notebook, 3);
    await runAll(notebook);
    await value(ada, 1, 0);
    await keys(ada, 1, "ArrowRight", "ArrowRight", "ArrowRight");
    const bo = await open("firefox", notebook, 3);
    await value(bo, 1, 3);
    await keys(ada, 1, "ArrowRight");
    await value(bo, 1, 4);
    await keys(bo, 1, "ArrowRight");
    await value(ada, 1, 5);
    await ada.page.reload();
    await value(ada, 1, 5);
    await writeFile(join(server.data, "files", notebook, "go-on"), "");
    await eventually("the kernel has the last value", async () => (await outputText(ada.page, 3)).trim() === "5");
    await Promise.all([value(ada, 1, 5), value(bo, 1, 5)]);
  });

  it("Output widgets capture, clear and show widgets; interact and callbacks work; printed words stand in the cell", async () => {
    const notebook = await create(server, [
      "import ipywidgets as w\nfrom IPython.display import clear_output\nout = w.Output()\ndisplay(out)\nwith out:\n  print('first')\n  clear_output(wait=True)\n  print('second')\n  display(w.HTML('<b class=deep>deep</b>'))",
      "@w.interact(x=(0, 10))\ndef f(x=3):\n  print('x is', x)",
      "b = w.Button(description='Go')\nb.on_click(lambda _: print('clicked'))\nb",
    ]);
    const ada = await open("chromium", notebook, 3);
    const bo = await open("firefox", notebook, 3);
    await runAll(notebook);
    for (const tab of [ada, bo]) {
      await becomes(tab, 1, ".widget-output", /^second\s*deep$/);
      await becomes(tab, 2, ".widget-output", /^x is 3\s*$/);
    }
    await keys(bo, 2, "ArrowRight");
    for (const tab of [ada, bo]) await becomes(tab, 2, ".widget-output", /^x is 4\s*$/);
    await click(bo, 3, "button");
    for (const tab of [ada, bo]) await becomes(tab, 3, "#output-body", /clicked/);
  });

  it("tqdm runs on while no tab is open, and the finished bar survives saving, restarting and reopening without a kernel", async () => {
    const notebook = await create(server, [
      "import os, time\nfrom tqdm.notebook import tqdm\nfor n in tqdm(range(500), desc='work'):\n  if n == 20:\n    while not os.path.exists('closed'): time.sleep(0.01)\nprint('done')",
      "import ipywidgets as w\nw.IntSlider(value=7, description='Kept')",
    ]);
    const ada = await open("chromium", notebook, 2);
    await runAll(notebook);
    await becomes(ada, 1, ".widget-html-content", /work/);
    await ada.page.close();
    await writeFile(join(server.data, "files", notebook, "closed"), "");
    await eventually("the run is over", async () => (await exported(server, notebook)).cells[1]?.execution_count);
    const bo = await open("firefox", notebook, 2);
    await becomes(bo, 1, "#output-body", /work:\s100%.*500\/500/s);

    const file = await server.api<Record<string, unknown>>("GET", `/api/notebooks/${notebook}/export?format=ipynb`);
    expect(JSON.stringify(file)).toBe(JSON.stringify(await server.api("GET", `/api/notebooks/${notebook}/export?format=ipynb`)));
    const copy = await server.api<{ id: string }>("POST", "/api/notebooks", file);
    const again = await open("chromium", copy.id, 2);
    await becomes(again, 1, "#output-body", /work:\s100%.*500\/500/s);
    await value(again, 2, 7);
    await becomes(again, 2, ".widget-note", /^Not connected to a runtime/);
    await screenshot(again.page, "widget-stored");

    await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "restart" });
    await becomes(bo, 2, ".widget-note", /^Not connected to a runtime/);
    await value(bo, 2, 7);
  });

  it("custom widgets bring their code and style, send bytes both ways, and are driven from both browsers", async () => {
    const notebook = await create(server, [
      "import anywidget, traitlets as t\nclass Counter(anywidget.AnyWidget):\n" +
        "  _esm = '''export default {\n" +
        "    initialize({ model }) { model.set('ready', 'yes'); },\n" +
        "    render({ model, el }) {\n" +
        "      const button = document.createElement('button'), bytes = document.createElement('output');\n" +
        "      const draw = () => { button.textContent = `${model.get('ready')} ${model.get('n')}`; bytes.textContent = [...new Uint8Array(model.get('data').buffer)].join(); };\n" +
        "      model.on('change', draw); draw();\n" +
        "      model.on('msg:custom', (m, buffers) => { el.dataset.heard = `${m} ${new TextDecoder().decode(buffers[0])}`; });\n" +
        "      button.onclick = () => { model.set('n', model.get('n') + 1); model.set('data', new DataView(new Uint8Array([1, 2, model.get('n')]).buffer)); model.save_changes(); model.send('ping', null, [new TextEncoder().encode('pong').buffer]); };\n" +
        "      el.append(button, bytes);\n    } }'''\n" +
        "  _css = 'button { color: rgb(1, 2, 3) }'\n  n = t.Int(0).tag(sync=True)\n  data = t.Bytes(b'').tag(sync=True)\n  ready = t.Unicode('no').tag(sync=True)\n" +
        "c = Counter()\nc.on_msg(lambda widget, content, buffers: widget.send(content + '!', buffers=[bytes(buffers[0]).upper()]))\nc",
    ]);
    const ada = await open("chromium", notebook, 1);
    const bo = await open("firefox", notebook, 1);
    await runAll(notebook);
    for (const tab of [ada, bo]) await becomes(tab, 1, "button", /^yes 0$/);
    expect(await ada.cell(1).value("getComputedStyle(document.querySelector('button')).color")).toBe("rgb(1, 2, 3)");
    await click(ada, 1, "button");
    for (const tab of [ada, bo]) {
      await becomes(tab, 1, "button", /^yes 1$/);
      await becomes(tab, 1, "output", /^1,2,1$/);
      await becomes(tab, 1, ".widget-foreign", /^ping! PONG$/, "data-heard");
    }
    await click(bo, 1, "button");
    for (const tab of [ada, bo]) await becomes(tab, 1, "output", /^1,2,2$/);
  });
});
