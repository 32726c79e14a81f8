/** What scripts of outputs may rely on (outputs.md section 8), in outputs that came with a file: no kernel, no network. */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inside } from "./inside";
import { eventually, launch, type Server, signIn, startServer, waitForSync } from "./support";

type Bundle = Record<string, unknown>;

const shown = (data: Bundle, metadata: Bundle = {}): Bundle => ({ output_type: "display_data", data: { "text/plain": "plain", ...data }, metadata });
const html = (text: string): Bundle => shown({ "text/html": text });
const js = (text: string): Bundle => shown({ "application/javascript": text });
const printed = (text: string): Bundle => ({ output_type: "stream", name: "stdout", text });

const CHART = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  data: { values: [{ a: 1 }] },
  mark: "point",
  encoding: { x: { field: "a", type: "quantitative" } },
};

interface Case {
  name: string;
  outputs: Bundle[];
  expression: string;
}

const CASES: Case[] = [
  {
    name: "runs scripts of one cell in one global scope, in order",
    outputs: [js("function said() { return 'hello' } var first = 1;"), js("element.append(said() + ' ' + first); element.html(element.html() + '!');")],
    expression: "document.querySelectorAll('.output')[1]?.innerText.trim() === 'hello 1!'",
  },
  {
    name: "tells a script which element it is, and awaits a script with src before the next",
    outputs: [html("<p id=before></p><script>document.currentScript.previousElementSibling.id = 'found'</script><script src='https://cdn.jsdelivr.net/npm/vega@6'></script><script>found.textContent = typeof vega</script>")],
    expression: "document.getElementById('found').textContent === 'object'",
  },
  {
    name: "awaits modules, and draws on after one that fails",
    outputs: [
      html("<script type=module>await import(URL.createObjectURL(new Blob(['globalThis.step = 1'], { type: 'text/javascript' }))); globalThis.done = step + 1 // last</script><script>element.append('done ' + done)</script>"),
      html("<script type=module>throw new Error('no')</script><b id=after>after</b>"),
      html("<script>boom()</script>"),
      html("<b id=last>last</b>"),
    ],
    expression: "document.body.innerText.includes('done 2') && document.getElementById('after') && document.querySelector('.output-error').textContent.includes('boom') && document.getElementById('last')",
  },
  {
    name: "runs the ES modules that Colab's libraries send",
    outputs: [shown({ "application/vnd.google.colaboratory.module+javascript": "const word = await Promise.resolve('module'); element.append(word);" })],
    expression: "document.body.innerText.includes('module')",
  },
  {
    name: "brings require.js on first sight, and hides it from libraries that set a global",
    outputs: [
      js("require(['jquery'], ($) => { $(element).append('<i id=amd>' + typeof define.amd + '</i>') })"),
      html("<script>(function (root, make) { if (typeof define === 'function' && define.amd) define([], make); else root.small = make() })(this, () => 'global')</script><script>element.append('small is ' + small)</script>"),
      html("<script src='https://cdn.jsdelivr.net/npm/vega@6?noext'></script><script>element.append('vega is ' + typeof window.vega)</script>"),
      html("<script>const s = document.createElement('script'); s.onload = () => { document.getElementById('lite').textContent = typeof vegaLite }; s.src = 'https://cdn.jsdelivr.net/npm/vega-lite@6.4.1'; document.head.append(s)</script><u id=lite></u>"),
    ],
    expression: "document.getElementById('amd')?.textContent === 'object' && document.body.innerText.includes('small is global') && document.body.innerText.includes('vega is object') && document.getElementById('lite').textContent === 'object'",
  },
  {
    name: "brings jQuery on first sight",
    outputs: [html("<div id=box></div><script>jQuery('#box').text('filled'); element.append($('<em>appended</em>'))</script>")],
    expression: "document.getElementById('box').textContent === 'filled' && document.querySelector('em')",
  },
  {
    name: "writes what document.write writes where the script stands",
    outputs: [html("<p>one</p><script>document.write('<b id=written>two</b><script>document.write(`<i id=deep>three</i>`)</scr' + 'ipt>')</script><p>four</p>")],
    expression: "document.getElementById('output-body').innerText.replace(/\\s+/g, ' ').trim() === 'one two three four' || document.querySelector('#written ~ p') !== null && document.getElementById('deep') !== null",
  },
  {
    name: "draws streams after a script in the frame, in order",
    outputs: [printed("in the page\n"), js("element.append('script')"), printed("in the frame\n"), html("<b>html</b>")],
    expression: "[...document.querySelectorAll('.output')].map((each) => each.innerText.trim()).join() === 'script,in the frame,html'",
  },
  {
    name: "is as high as bare text beside the outputs needs",
    outputs: [html("<div id=block style='height:40px'></div><script>document.body.append('bare text')</script>")],
    expression: "innerHeight >= 60 && document.body.lastChild.data === 'bare text'",
  },
  {
    name: "says which script is missing",
    outputs: [html("<script src='https://nowhere.invalid/lib.js'></script>")],
    expression: "document.querySelector('.output-note').textContent.includes('https://nowhere.invalid/lib.js')",
  },
  {
    name: "says which file is beside the kernel",
    outputs: [html("<img src='plots/a.png'><video src='b.mp4'></video><iframe src='c.html'></iframe><img id=kept src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>")],
    expression: "[...document.querySelectorAll('.output-note code')].map((each) => each.textContent).join() === 'Image(filename=\"plots/a.png\"),Video(\"b.mp4\", embed=True),HTML(open(\"c.html\").read())' && document.getElementById('kept')",
  },
  {
    name: "draws altair's HTML with our own copies",
    outputs: [
      html(
        `<div id="vis"></div><script>(async (spec) => { for (const lib of ["vega@6", "vega-lite@6", "vega-embed@7"]) await new Promise((resolve, reject) => { const s = document.createElement("script"); s.src = "https://cdn.jsdelivr.net/npm/" + lib; s.onload = resolve; s.onerror = reject; document.head.append(s) }); await vegaEmbed("#vis", spec) })(${JSON.stringify(CHART)})</script>`,
      ),
    ],
    expression: "document.querySelector('#vis canvas, #vis svg.marks')",
  },
  {
    name: "[A16] interprets a chart's expressions, loads nothing private and runs nothing of its options",
    outputs: [
      shown({
        "application/vnd.vegalite.v6+json": {
          ...CHART,
          transform: [{ filter: "scale(event.view.setTimeout, 'window.hacked = 1')" }, { calculate: "({ toString: window.alert })", as: "b" }],
          usermeta: { embedOptions: { ast: false, actions: { editor: true, source: true }, patch: "https://nowhere.invalid/p.json", tooltip: { sanitize: "x" }, defaultStyle: "</style><img src=x onerror=window.hacked=2>" } },
        },
      }),
      shown({
        "application/vnd.vegalite.v6+json": {
          ...CHART,
          data: { values: [{ a: 1, url: "javascript:window.hacked = 3", tip: "<img src=x onerror='window.hacked = 4'>" }] },
          mark: { type: "point", size: 4000, filled: true },
          encoding: { ...CHART.encoding, href: { field: "url" }, tooltip: { field: "tip" } },
        },
      }),
      shown({ "application/vnd.vegalite.v6+json": { ...CHART, data: { url: "http://169.254.169.254/latest/meta-data.json" } } }),
      shown({ "application/vnd.vegalite.v6+json": { ...CHART, data: { url: "cars.json" } } }),
    ],
    expression:
      "window.hacked === undefined && document.querySelectorAll('.output-vega').length === 4 && document.querySelectorAll('.output-note').length === 2 && document.querySelectorAll('.vega-actions a').length > 0 && ![...document.querySelectorAll('.vega-actions a')].some((each) => /source|editor/i.test(each.textContent))",
  },
  {
    name: "draws a map without asking anybody for tiles",
    outputs: [shown({ "application/geo+json": { type: "Point", coordinates: [10, 45] } })],
    expression: "document.querySelector('.output-map path.leaflet-interactive') && document.querySelectorAll('.leaflet-tile').length === 0",
  },
  {
    name: "plays sound and film, offers a PDF, and shows unknown types as text or as a tree",
    outputs: [
      shown({ "audio/wav": "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=" }),
      shown({ "video/mp4": "AAAA" }),
      shown({ "application/pdf": "JVBERi0xLjQK" }),
      shown({ "application/vnd.nobody.v9+json": { key: 1 }, "text/plain": "said plainly" }),
      { output_type: "display_data", data: { "application/vnd.nobody.v9+json": { key: 1 } }, metadata: {} },
      { output_type: "display_data", data: { "text/x-poem": "a rose" }, metadata: {} },
    ],
    expression:
      "document.querySelector('audio[controls][src^=blob]') && document.querySelector('video[controls]') && document.querySelector('button.save').textContent.startsWith('Save PDF') && document.body.innerText.includes('said plainly') && document.querySelector('.json-tree') && document.body.innerText.includes('a rose')",
  },
  {
    name: "gives libraries every hook of the theme that they look at",
    outputs: [html("<p id=themed style='color: var(--jp-content-font-color1)'>x</p>")],
    expression:
      "document.documentElement.getAttribute('theme') === 'light' && document.documentElement.dataset.theme === 'light' && document.body.dataset.jpThemeLight === 'true' && ['layout-color0', 'layout-color4', 'content-font-color3', 'ui-font-color0', 'border-color3', 'border-width', 'brand-color0', 'success-color1', 'warn-color2', 'error-color3', 'info-color1', 'accent-color0', 'content-font-family', 'content-font-size3', 'ui-font-size0', 'code-font-family', 'code-font-size', 'cell-editor-background', 'rendermime-table-row-background', 'rendermime-table-row-hover-background'].every((each) => getComputedStyle(document.documentElement).getPropertyValue('--jp-' + each) !== '')",
  },
];

let server: Server;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launch("chromium")]);
  const made = await server.api<{ id: string }>("POST", "/api/notebooks?title=Scripts", {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: CASES.map(({ name, outputs }, index) => ({ cell_type: "code", id: `c${index + 1}`, source: `# ${name}`, metadata: {}, execution_count: 1, outputs })),
  });
  page = await signIn(browser, server, `/n/${made.id}`);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  await waitForSync(page, CASES.length);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const cell = (n: number) => inside("chromium", browser, page, n);

describe("an output", () => {
  it.each(CASES.map((each, index) => ({ ...each, n: index + 1 })))("$name", async ({ n, expression }) => {
    await cell(n).until("holds", expression);
  });

  it("opens a link that a script clicks outside of the document, through the page, and saves what it makes", async () => {
    const n = CASES.length;
    await cell(n).until("is drawn", "document.getElementById('themed')");
    const bars = (): Promise<string> => page.evaluate(() => [...document.querySelectorAll(".output-notice")].map((bar) => bar.textContent ?? "").join("\n"));
    await cell(n).value("(Object.assign(document.createElement('a'), { href: 'https://example.org/page', target: '_blank' }).dispatchEvent(new MouseEvent('click')), true)");
    await eventually("the page asks about the link", async () => (await bars()).includes("example.org"));
    expect(await cell(n).value<boolean>("(Object.assign(document.createElement('a'), { href: 'javascript:window.hacked = 5' }).click(), window.hacked === undefined)")).toBe(true);
  });
});
