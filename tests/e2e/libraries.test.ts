/** Real libraries in a real kernel, drawn in both browsers and used: the table of outputs.md section 8, row by row. */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inside, middleOf, pointIn } from "./inside";
import { type BrowserName, create, eventually, exported, launch, outputText, type Server, screenshot, signIn, startServer, waitForSync } from "./support";

interface Row {
  library: string;
  source: string;
  /** True in the cell's frame when the output is drawn. */
  drawn?: string;
  /** What the page itself shows, where no frame is needed. */
  text?: string;
}

/** Every cell stands for one row; what a row needs of the one before it is part of the row's meaning. */
const ROWS: Row[] = [
  { library: "matplotlib inline", source: "import matplotlib.pyplot as plt\nfigure = plt.figure(figsize=(3, 2))\nplt.plot([1, 3, 2])\nplt.show()" },
  {
    library: "pandas",
    source: "import pandas as pd\nframe = pd.DataFrame({f'column {i}': range(4) for i in range(20)})\npd.set_option('display.max_columns', 30)\nframe",
    // Wide tables scroll in their own place.
    drawn: "document.querySelectorAll('table.dataframe tbody tr').length === 4 && document.querySelector('.output').scrollWidth > document.querySelector('.output').clientWidth && document.documentElement.scrollWidth <= innerWidth",
  },
  {
    library: "pandas Styler",
    source: "frame.iloc[:, :3].style.background_gradient().set_caption('Shades')",
    drawn: "document.querySelector('caption')?.textContent === 'Shades' && new Set([...document.querySelectorAll('td')].map((cell) => getComputedStyle(cell).backgroundColor)).size > 2",
  },
  {
    library: "plotly",
    source: "import plotly.express as px\npx.scatter(x=[1, 2, 3], y=[3, 1, 2], title='Three points')",
    drawn: "document.querySelectorAll('.scatterlayer .point').length === 3 && document.querySelector('.output-plotly').getAttribute('aria-label') === 'Three points'",
  },
  {
    library: "plotly, by the renderer of the classic notebook",
    source: "import plotly.io as pio\npio.renderers.default = 'notebook_connected'\npx.line(x=[1, 2], y=[2, 1]).show()\npio.renderers.default = 'plotly_mimetype'",
    drawn: "document.querySelectorAll('.scatterlayer .lines').length === 1",
  },
  {
    library: "altair, as HTML",
    source: "import altair as alt\nbars = alt.Chart(pd.DataFrame({'a': ['x', 'y'], 'b': [3, 1]})).mark_bar().encode(x='a', y='b', tooltip=['a', 'b']).properties(width=200, height=120)\nbars",
    drawn: "document.querySelector('.vega-embed canvas, .vega-embed svg.marks')",
  },
  { library: "altair, as JSON", source: "alt.renderers.enable('mimetype')\nbars", drawn: "document.querySelector('.output-vega canvas, .output-vega svg.marks')" },
  {
    library: "bokeh, loaded in one cell",
    source: "from bokeh.io import output_notebook, show\nfrom bokeh.plotting import figure as new_figure\nfrom bokeh.resources import INLINE\noutput_notebook(resources=INLINE)",
    drawn: "document.body.innerText.includes('successfully loaded')",
  },
  {
    library: "bokeh, shown in the next",
    source: "plot = new_figure(width=320, height=220)\nplot.scatter([1, 2, 3], [3, 1, 2], size=12)\nshow(plot)",
    drawn: "window.Bokeh?.documents[0]?.is_idle && Bokeh.documents[0].roots().length === 1",
  },
  { library: "folium", source: "import folium\nfolium.Map([45, 10])", drawn: "document.querySelector('iframe[srcdoc]')?.getBoundingClientRect().height > 200" },
  { library: "tqdm", source: "from tqdm import tqdm\nfor _ in tqdm(range(3)):\n    pass", text: "3/3" },
  {
    library: "itables, brought by one cell",
    source: "import itables, warnings\nwarnings.simplefilter('ignore')\nitables.init_notebook_mode(all_interactive=False, connected=False)",
    drawn: "Object.keys(window).some((name) => name.startsWith('_itables_'))",
  },
  { library: "itables, shown in the next", source: "itables.show(pd.DataFrame({'n': [2, 3, 1]}))", drawn: "document.querySelectorAll('table.dataTable tbody tr').length === 3" },
  {
    library: "pyvis",
    source: "from pyvis.network import Network\nnetwork = Network(notebook=True, cdn_resources='in_line')\nnetwork.add_node(1)\nnetwork.show('network.html')",
    drawn: "document.querySelector('.output-note').textContent.includes('HTML(open(\"network.html\").read())')",
  },
  {
    library: "pyvis, as told",
    source: "from IPython.display import *\nHTML(open('network.html').read())",
    drawn: "document.querySelector('#mynetwork canvas')",
  },
  {
    library: "scikit-learn",
    source: "from sklearn.linear_model import LinearRegression\nLinearRegression()",
    drawn: "document.querySelector('.sk-top-container')?.checkVisibility()",
  },
  { library: "SymPy", source: "import sympy\nsympy.Integral(sympy.Symbol('x') ** 2)", drawn: "document.querySelector('.output-latex .katex')" },
  {
    library: "SciPy",
    source: "import scipy.linalg\nsympy.Matrix(scipy.linalg.inv([[2, 0], [0, 4]]))",
    drawn: "document.querySelector('.output-latex .katex')?.textContent.includes('0.25')",
  },
  {
    library: "an animation as JavaScript and HTML",
    source: "import matplotlib.animation as animation\nfigure, axes = plt.subplots(figsize=(3, 2))\nline, = axes.plot([0, 1])\nmoves = animation.FuncAnimation(figure, lambda i: line.set_ydata([0, i]), frames=3)\nplt.close()\nHTML(moves.to_jshtml())",
    drawn: "document.querySelector('.animation img')?.naturalWidth > 100 && document.fonts.check('900 16px \"Font Awesome 7 Free\"')",
  },
  {
    library: "IPython.display: sound, a tree, code",
    source: "display(Audio([0, .1, .2] * 4000, rate=8000))\ndisplay(JSON({'list': [1, {'deep': None}]}, expanded=True))\ndisplay(Code('x = 1', language='python'))\ndisplay(ProgressBar(10))",
    drawn: "document.querySelector('audio')?.duration > 1 && document.querySelectorAll('.json-tree details[open]').length === 3 && document.querySelector('.highlight') && document.querySelector('progress')",
  },
  {
    library: "IPython.display: Markdown, Latex, SVG",
    source: "display(Markdown('# Head\\n\\n$x^2$\\n\\n|a|b|\\n|-|-|\\n|1|2|'))\ndisplay(Latex(r'with $\\alpha$ in it'))\ndisplay(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\"><circle cx=\"20\" cy=\"20\" r=\"15\"/></svg>'))",
    drawn: "document.querySelector('h1') && document.querySelectorAll('.katex').length === 2 && document.querySelector('td') && document.querySelector('svg[role=img][aria-label] circle')",
  },
  {
    library: "IPython.display: GeoJSON",
    source: "GeoJSON({'type': 'Feature', 'properties': {'name': 'here'}, 'geometry': {'type': 'Point', 'coordinates': [10, 45]}})",
    drawn: "document.querySelector('.output-map path.leaflet-interactive')",
  },
  {
    library: "IPython.display: Javascript with lib and css",
    source: "Javascript('element.append(`vega ${vega.version}`)', lib='https://cdn.jsdelivr.net/npm/vega@6')",
    drawn: "document.body.innerText.includes('vega 6.')",
  },
  {
    library: "IPython.display: files by name",
    source: "display(Image(url='a.png'))\ndisplay(FileLink('network.html'))\ndisplay(IFrame('other.html', 300, 100))\ndisplay(YouTubeVideo('abc'))",
    drawn: "document.querySelectorAll('.output-note').length === 2 && document.querySelector('iframe[src*=youtube]')",
  },
  {
    library: "clear_output and display_id",
    source: "print('gone')\nclear_output(wait=True)\nhandle = display(HTML('<b id=swap>before</b>'), HTML('<i id=stays>stays</i>'), display_id='pair')\nhandle = display(HTML('<b id=one>1</b>'), display_id=True)\nhandle.update(HTML('<b id=one>2</b>'))",
    drawn: "document.getElementById('one')?.textContent === '2' && document.getElementById('stays') && !document.body.innerText.includes('gone')",
  },
  { library: "jQuery", source: "HTML('<ul id=list></ul><script>$(\"#list\").append(`<li>${$.fn.jquery}</li>`); element.append($(\"<p>appended</p>\"))</script>')", drawn: "document.querySelector('#list li')?.textContent.startsWith('3.') && document.body.innerText.includes('appended')" },
  {
    library: "require.js",
    source: "Javascript('require.config({paths: {}}); require([\"jquery\"], ($) => { $(element).append(`<p id=amd>${define.amd !== undefined}</p>`) })')",
    drawn: "document.getElementById('amd')?.textContent === 'true'",
  },
];

const cellOf = (library: string): number => {
  const at = ROWS.findIndex((row) => row.library === library);
  if (at === -1) throw new Error(`no row ${library}`);
  return at + 1;
};

let server: Server;
let notebook: string;

beforeAll(async () => {
  server = await startServer();
  notebook = await create(
    server,
    ROWS.map((row) => row.source),
    "Libraries",
  );
  const { cells } = await exported(server, notebook);
  await server.api("POST", `/api/notebooks/${notebook}/commands`, { type: "run_cells", cells: cells.map((cell) => cell.id) });
}, 120_000);

afterAll(() => server?.close());

describe.each<BrowserName>(["chromium", "firefox"])("in %s", (name) => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await launch(name);
    page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, ROWS.length);
    await eventually("every cell has run", async () => (await exported(server, notebook)).cells.every((cell) => cell.execution_count), 120_000);
  }, 150_000);

  afterAll(() => browser?.close());

  const cell = (library: string) => inside(name, browser, page, cellOf(library));

  /** Moves the real pointer to the middle of what `selector` finds in the frame. */
  const pointAt = async (library: string, selector: string): Promise<{ x: number; y: number }> => {
    const point = await pointIn(page, cell(library), cellOf(library), middleOf(selector));
    await page.mouse.move(point.x, point.y, { steps: 3 });
    return point;
  };

  it.each(ROWS.map((row, index) => ({ ...row, n: index + 1 })))("draws $library", async ({ n, drawn, text }) => {
    if (drawn !== undefined) {
      await inside(name, browser, page, n).until("is drawn", drawn);
    } else if (text !== undefined) {
      await eventually(`cell ${n} shows ${text}`, async () => (await outputText(page, n)).includes(text));
    } else {
      await page.evaluate((at) => document.querySelectorAll('[role="list"][aria-label="Cells"] > li')[at]?.scrollIntoView(), n - 1);
      await eventually(`cell ${n} shows a picture`, () => page.evaluate((label) => (document.querySelector<HTMLImageElement>(`[role="region"][aria-label="${label}"] img`)?.naturalWidth ?? 0) > 50, `Output of cell ${n}`));
    }
  });

  it("lets a plotly figure be read, zoomed and saved", async () => {
    const plot = cell("plotly");
    await plot.until("is drawn", "document.querySelectorAll('.scatterlayer .point').length === 3");
    await eventually("the value under the pointer", async () => {
      await pointAt("plotly", ".scatterlayer .point:nth-child(2)");
      return plot.value("document.querySelector('.hoverlayer .hovertext')?.textContent.includes('x=2')");
    });
    const range = "document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range.join()";
    const before = await plot.value<string>(range);
    const from = await pointAt("plotly", ".nsewdrag");
    await page.mouse.down();
    await page.mouse.move(from.x + 80, from.y + 50, { steps: 5 });
    await page.mouse.up();
    await plot.until("shows less than before", `${range} !== ${JSON.stringify(before)}`);
    await plot.value("(document.querySelector('.modebar-btn[data-title^=Download]').click(), true)");
    await eventually("the page asks", () => page.evaluate(() => [...document.querySelectorAll('.output-notice')].some((bar) => bar.textContent?.includes("three-points.png"))));
  });

  it("lets a chart of altair be read", async () => {
    await cell("altair, as JSON").until("is drawn", "document.querySelector('.output-vega canvas, .output-vega svg.marks')");
    await eventually("the tooltip", async () => {
      const chart = await pointIn(page, cell("altair, as JSON"), cellOf("altair, as JSON"), middleOf(".output-vega canvas, .output-vega svg.marks"));
      await page.mouse.move(chart.x - 40, chart.y + 30, { steps: 3 });
      await page.mouse.move(chart.x - 42, chart.y + 32);
      return cell("altair, as JSON").value("document.querySelector('#vg-tooltip-element.visible')?.textContent.includes('x')");
    });
  });

  it("lets a plot of bokeh be moved", async () => {
    const plot = cell("bokeh, shown in the next");
    await plot.until("is drawn", "window.Bokeh?.documents[0]?.is_idle");
    const range = "Bokeh.documents[0].roots()[0].x_range.start";
    const before = await plot.value<number>(range);
    // A browser that is busy may take a drag for a click: then again, with the plot where it is by now.
    await eventually("the plot has moved", async () => {
      const point = await pointIn(page, plot, cellOf("bokeh, shown in the next"), "(() => { const box = document.querySelector('[data-root-id]').firstElementChild.getBoundingClientRect(); return [box.left + 150, box.top + 100] })()");
      await page.mouse.move(point.x, point.y);
      await page.mouse.down();
      await page.mouse.move(point.x - 40, point.y, { steps: 5 });
      await page.mouse.up();
      return plot.value(`Math.abs(${range} - ${before}) > 0.05`);
    });
  });

  it("lets a table of itables be sorted and an animation be played", async () => {
    const table = cell("itables, shown in the next");
    await table.until("is drawn", "document.querySelectorAll('table.dataTable tbody tr').length === 3");
    const header = await pointAt("itables, shown in the next", "table.dataTable thead .dt-column-order");
    await page.mouse.click(header.x, header.y);
    await table.until("is sorted", "[...document.querySelectorAll('table.dataTable tbody td')].map((each) => each.textContent.trim()).join() === '1,2,3'");
    const movie = cell("an animation as JavaScript and HTML");
    await movie.until("is drawn", "document.querySelector('.animation img')?.naturalWidth > 100");
    const step = await pointAt("an animation as JavaScript and HTML", ".anim-buttons button[title='Next frame']");
    const frameNow = await movie.value<string>("document.querySelector('.anim-slider').value");
    await page.mouse.click(step.x, step.y);
    await movie.until("goes on", `document.querySelector('.anim-slider').value !== ${JSON.stringify(frameNow)}`);
  });

  it("takes figures of the default look into the dark, and back, where they stand", async () => {
    const plot = cell("plotly");
    const chart = cell("altair, as JSON");
    await plot.until("is drawn", "document.querySelector('.main-svg')");
    const paper = "document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor";
    const light = await plot.value<string>(paper);
    await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
    await plot.until("is dark", `${paper} !== ${JSON.stringify(light)} && getComputedStyle(document.documentElement).backgroundColor === ${paper}`);
    await screenshot(page, `library-${name}-dark-plotly`);
    await chart.until("is dark", "document.documentElement.dataset.theme === 'dark' && document.querySelector('.output-vega canvas, .output-vega svg.marks')");
    await screenshot(page, `library-${name}-dark-altair`);
    await page.evaluate(() => document.documentElement.setAttribute("data-theme", "light"));
    await plot.until("is light again", `${paper} === ${JSON.stringify(light)}`);
  });
});

describe("reopened from a file, where nothing may be loaded and no kernel runs", () => {
  const STORED = ["pandas Styler", "plotly", "altair, as HTML", "altair, as JSON", "bokeh, shown in the next", "itables, shown in the next", "an animation as JavaScript and HTML", "IPython.display: GeoJSON"];
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const copy = await server.api<{ id: string }>("POST", "/api/notebooks?title=Stored", await exported(server, notebook));
    browser = await launch("chromium");
    page = await signIn(browser, server, `/n/${copy.id}`);
    await waitForSync(page, ROWS.length);
  });

  afterAll(() => browser?.close());

  it.each(STORED)("draws %s", async (library) => {
    const n = cellOf(library);
    await inside("chromium", browser, page, n).until("is drawn", ROWS[n - 1]?.drawn ?? "false");
    expect(await page.$eval(`iframe[title="Output of cell ${n}"]`, (frame) => new URL((frame as HTMLIFrameElement).src).pathname)).toContain("/stored/");
  });
});
