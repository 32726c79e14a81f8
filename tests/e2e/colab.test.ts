/** A notebook in Colab's style, run and clicked through in both browsers (outputs.md section 10). What the server refuses is in tests/collab/test_colab.py. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, ElementHandle, Frame, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrowserName, create, eventually, launch, outputText, press, screenshot, type Server, signIn, startServer, visit, waitForSync } from "./support";

const CELLS = {
  eval: `IN_COLAB = 'google.colab' in str(get_ipython())
from google.colab import output
from IPython.display import HTML, JSON, Javascript, display
display(HTML('<b id=before>before</b>'))
print(IN_COLAB, output.eval_js('document.querySelector("#before").textContent'))
print(output.eval_js('new Promise((done) => setTimeout(() => done({a: [1, null]}), 20))'))
try: output.eval_js('(() => { throw new Error("broken") })()')
except Exception as error: print(type(error).__name__, error)
display(Javascript('element.append("by element")'))`,
  bare: `print(output.eval_js('document.body.append("from nowhere"); 1 + 1'))`,
  callback: `count = 0
def add(by, times=1):
    global count
    count += by * times
    print('added', by)
    return JSON({'count': count})
def fail(): raise ValueError('it\\'s "broken"')
output.register_callback('notebook.add', add)
output.register_callback('notebook.fail', fail)
display(HTML('''<button id=add>Add</button> <button id=fail>Fail</button> <output id=count>-</output>
<script>
const call = async (name, args, kwargs) => {
  try { count.textContent = JSON.stringify((await google.colab.kernel.invokeFunction(name, args, kwargs)).data['application/json']); }
  catch (error) { count.textContent = error.message; }
};
add.onclick = () => call('notebook.add', [2], {times: 3});
fail.onclick = () => call('notebook.fail', [], {});
document.body.dataset.allowed = google.colab.kernel.accessAllowed;
</script>'''))`,
  upload: `from google.colab import files
uploaded = files.upload()
print({name: len(data) for name, data in uploaded.items()}, open('letters.bin', 'rb').read() == uploaded['letters.bin'])`,
  download: `with open('table.csv', 'wb') as file: file.write(bytes(range(256)) * 10_000)
files.download('table.csv')`,
  secret: `from google.colab import userdata
print('a secret of', len(userdata.get('API_KEY')), 'letters')`,
  places: `from google.colab import widgets
tabs = widgets.TabBar(['first', 'second'])
with tabs.output_to('first'): print('in the first')
with tabs.output_to('second', select=False): print('in the second')
grid = widgets.Grid(2, 2, header_row=True)
with grid.output_to(0, 0): print('heading')
with grid.output_to(1, 1): display(HTML('<i id=inner>in the grid</i>'))
with grid.output_to(1, 0): print('cleared')
grid.clear_cell(1, 0)
with output.to_footer_area(): print('at the foot')
with output.use_tags('passing'): print('passing')
output.clear(output_tags='passing')
print('at the end')`,
  saved: `display(HTML('''<script src="/nbextensions/google.colab/tabbar_main.min.js"></script><div id=bar></div>'''))
display(Javascript('window.bar1 = colab_lib.createTabBar({location: "top", elementId: "bar", initialSelection: 0, tabNames: ["one", "<i>two</i>"]});'))
display(Javascript('bar1.setSelectedTabIndex(1); google.colab.output.setActiveOutputArea(document.querySelector("#bar_content_1"))'))
print('in two')`,
  line: `!cat`,
  comm: `def opened(comm, message):
    comm.send({'size': 2_500_000}, buffers=[bytes(range(250)) * 10_000])
    comm.on_msg(lambda answer: print('heard', answer['content']['data'], len(answer['buffers'][0])))
get_ipython().kernel.comm_manager.register_target('bytes', opened)
display(HTML('''<output id=bytes>-</output><script>
(async () => {
  if (!google.colab.kernel.accessAllowed) return;
  const comm = await google.colab.kernel.comms.open('bytes', {}, []);
  for await (const {data, buffers} of comm.messages) {
    const [buffer] = buffers, view = new Uint8Array(buffer.buffer ?? buffer);
    bytes.textContent = data.size + ' ' + view.length + ' ' + view[249];
    await comm.send({got: true}, {buffers: [new Uint8Array([1, 2, 3]).buffer]});
    break;
  }
})();
</script>'''))`,
  element: `from google.colab import html
box = html.Element('input', attributes={'type': 'range', 'max': '10'}, properties={'value': '3'})
box.add_event_listener('change', lambda event: print('changed to', box.get_property('value')))
display(box)
print(box.get_property('value'), box.call('matches', 'input'))`,
};

type CellName = keyof typeof CELLS;
const NAMES = Object.keys(CELLS) as CellName[];

let server: Server;
let folder: string;
const browsers = new Map<BrowserName, Browser>();

beforeAll(async () => {
  const [started, chromium, firefox, made] = await Promise.all([startServer(), launch("chromium"), launch("firefox"), mkdtemp(join(tmpdir(), "colab-e2e-"))]);
  server = started;
  folder = made;
  browsers.set("chromium", chromium).set("firefox", firefox);
});

afterAll(async () => {
  await Promise.all([...browsers.values()].map((browser) => browser.close()));
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

const at = (name: CellName): number => NAMES.indexOf(name) + 1;

/** The frame of a cell, once it shows `selector`. */
function shows(page: Page, name: CellName, selector: string): Promise<Frame> {
  return eventually(`the frame of ${name} shows ${selector}`, async () => {
    const element = await page.$(`iframe[title="Output of cell ${at(name)}"]`);
    const frame = await element?.contentFrame();
    return frame && (await frame.$(selector)) ? frame : null;
  });
}

const textOf = (frame: Frame, selector = "body"): Promise<string> => frame.$eval(selector, (element) => (element as HTMLElement).innerText);

/** Wherever it is: what is to be seen is what follows. */
const click = (frame: Frame, selector: string): Promise<void> => frame.$eval(selector, (element) => (element as HTMLElement).click());

const says = (frame: Frame, text: string, selector = "body"): Promise<string> =>
  eventually(`the frame says ${text}`, async () => {
    const found = await textOf(frame, selector);
    return found.includes(text) ? found : null;
  });

const inPage = (page: Page, name: CellName, text: string): Promise<unknown> => eventually(`the page says ${text} below ${name}`, async () => (await outputText(page, at(name))).includes(text));

/** A button of the page by what it says. */
const button = (page: Page, text: string): Promise<ElementHandle<Element>> =>
  eventually(`a button ${text}`, async () => {
    for (const each of await page.$$("button")) {
      if ((await each.evaluate((element) => element.textContent?.trim())) === text && (await each.isVisible())) return each;
    }
    return null;
  });

/** An entry of a menu, or of the menu bar. */
const menuItem = (page: Page, text: string): Promise<ElementHandle<Element>> =>
  eventually(`the menu's ${text}`, async () => {
    for (const each of await page.$$('[role^="menuitem"]')) {
      const words = await each.evaluate((element) => element.querySelector(".menu-title")?.textContent ?? element.textContent?.trim());
      if (words === text && (await each.isVisible())) return each;
    }
    return null;
  });

describe.each(["chromium", "firefox"] as const)("a notebook written for Colab, in %s", (browser) => {
  let page: Page;
  let notebook: string;

  /** Wherever its button is: in Firefox a click lands on what lies above it. */
  const run = (name: CellName): Promise<void> =>
    eventually(`the button that runs ${name}`, () =>
      page.evaluate((label) => {
        const found = document.querySelector<HTMLElement>(`button[aria-label="${label}"]:not([disabled])`);
        found?.scrollIntoView({ block: "center" });
        found?.click();
        return found !== null;
      }, `Run cell ${at(name)}`),
    ).then(() => undefined);

  beforeAll(async () => {
    const opened = browsers.get(browser);
    if (opened === undefined) throw new Error(`There is no ${browser}.`);
    notebook = await create(server, Object.values(CELLS), `Colab ${browser}`);
    page = await signIn(opened, server, `/n/${notebook}`);
    await waitForSync(page, NAMES.length);
  });

  it("evaluates scripts where the cell's outputs are", async () => {
    await run("eval");
    const frame = await shows(page, "eval", "#before");
    const text = await says(frame, "by element");
    expect(text.split("\n").filter((line) => line !== "")).toEqual(["before", "True before", "{'a': [1, None]}", "MessageError Error: broken", "by element"]);
    await run("bare");
    await inPage(page, "bare", "2");
    await eventually("the frame of a cell that shows nothing else", async () => {
      const element = await page.$(`iframe[title="Output of cell ${at("bare")}"]`);
      return (await (await element?.contentFrame())?.evaluate(() => document.body.innerText))?.includes("from nowhere");
    });
  });

  it("calls functions of the kernel, which print into the cell", async () => {
    await run("callback");
    const frame = await shows(page, "callback", "#add");
    expect(await frame.evaluate(() => document.body.dataset.allowed)).toBe("true");
    await click(frame, "#add");
    await says(frame, '{"count":6}', "#count");
    await says(frame, "added 2");
    await click(frame, "#fail");
    await says(frame, `ValueError: it's "broken"`, "#count");
  });

  it("lets nobody call who may not run", async () => {
    const opened = browsers.get(browser);
    if (opened === undefined) return;
    const { page: viewer } = await visit(opened, server, notebook, "viewer");
    const frame = await shows(viewer, "callback", "#add");
    expect(await frame.evaluate(() => document.body.dataset.allowed)).toBe("false");
    await click(frame, "#add");
    await says(frame, "may not call the kernel", "#count");
    await viewer.close();
  });

  it("uploads files in pieces and downloads them", async () => {
    const file = join(folder, "letters.bin");
    const bytes = Buffer.from(Array.from({ length: 1_250_000 }, (_, index) => (index * 7 + (index >> 8)) & 255));
    await writeFile(file, bytes);
    await run("upload");
    const frame = await shows(page, "upload", "input[type=file]");
    const input = (await frame.$("input[type=file]")) as ElementHandle<HTMLInputElement>;
    await input.uploadFile(file);
    await says(frame, "{'letters.bin': 1250000} True");
    expect(await readFile(join(server.data, "files", notebook, "letters.bin"))).toEqual(bytes);

    await run("download");
    const saved = await eventually("the page offers the file", () =>
      page.evaluate(() => [...document.querySelectorAll(".output-notice")].map((notice) => notice.textContent ?? "").find((text) => text.includes("table.csv"))),
    );
    expect(saved).toContain("wants to save table.csv (2.6 MB)");
    await (await button(page, "Cancel")).click();
  });

  it("reads a secret once the person allows it", async () => {
    if (browser === "chromium") {
      await (await menuItem(page, "View")).click();
      await (await menuItem(page, "Secrets")).click();
      await (await button(page, "Add a secret")).click();
      await page.type(".secret-form input:not([type])", "API_KEY");
      await page.type('.secret-form input[type="password"]', "sixteen letters!");
      await (await button(page, "Save")).click();
      await eventually("it is listed", () => page.$('button[aria-label="Change API_KEY"]'));
      await screenshot(page, "secrets-pane");
      await press(page, "Close Secrets");
    } else await server.api("PUT", "/api/secrets/API_KEY", { value: "sixteen letters!" });
    await run("secret");
    const allow = await button(page, "Allow for this notebook");
    await screenshot(page, `secret-question-${browser}`);
    await allow.click();
    await inPage(page, "secret", "a secret of 16 letters");
  });

  it("puts outputs into tabs, tables and areas, and clears those with a tag", async () => {
    await run("places");
    const frame = await shows(page, "places", "#inner");
    await says(frame, "at the end");
    expect(await textOf(frame, "[role=tabpanel]:not([hidden])")).toContain("in the first");
    await click(frame, "[role=tab]:nth-child(2)");
    expect(await textOf(frame, "[role=tabpanel]:not([hidden])")).toContain("in the second");
    expect((await textOf(frame, "table")).replace(/\s+/g, " ").trim()).toBe("heading in the grid");
    expect(await textOf(frame, "#output-footer")).toContain("at the foot");
    expect(await textOf(frame)).not.toMatch(/cleared|passing/);
    await screenshot(page, `colab-places-${browser}`);
  });

  it("shows tabs as Colab's own package makes them", async () => {
    await run("saved");
    const frame = await shows(page, "saved", "[role=tab]");
    await says(frame, "in two", "#bar_content_1");
    expect((await textOf(frame)).replace(/\s+/g, " ").trim()).toBe("one <i>two</i> in two");
    await click(frame, "[role=tab]");
    expect(await frame.$eval("#bar_content_1", (content) => (content as HTMLElement).hidden)).toBe(true);
  });

  it("types into a running command", async () => {
    await run("line");
    const field = await eventually("the line to type into", () => page.$(`input[aria-label="Input for cell ${at("line")}"]`));
    await field.type("hello");
    await field.press("Enter");
    await inPage(page, "line", "hello\nhello");
    await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "interrupt" });
    await eventually("the command has ended", async () => (await page.$(`input[aria-label="Input for cell ${at("line")}"]`)) === null);
  });

  it("opens comms with bytes in both directions", async () => {
    await run("comm");
    const frame = await shows(page, "comm", "#bytes");
    await says(frame, "2500000 2500000 249", "#bytes");
    await says(frame, "heard {'got': True} 3");
  });

  it("asks, and listens to, an element", async () => {
    await run("element");
    const frame = await shows(page, "element", "input[type=range]");
    await says(frame, "3 True");
    await frame.$eval("input[type=range]", (input) => {
      (input as HTMLInputElement).value = "7";
      input.dispatchEvent(new Event("change"));
    });
    await says(frame, "changed to 7");
  });
});
