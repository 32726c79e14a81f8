/** plotly.v1: figures as JSON, drawn by our copy of the library. A figure of the default template follows the theme. */
import type { Drawn } from "./draw";
import { loadLibrary } from "./load";
import { currentTheme, followTheme, themeColor } from "./theme";

type Fields = Record<string, unknown>;

/** The part of the library that we call. */
interface Plotly {
  newPlot(root: HTMLElement, data: unknown, layout: unknown, config: unknown): Promise<unknown>;
  addFrames(root: HTMLElement, frames: unknown): Promise<unknown>;
  relayout(root: HTMLElement, update: unknown): Promise<unknown>;
  purge(root: HTMLElement): void;
}

export async function drawPlotly(parent: HTMLElement, text: string): Promise<Drawn> {
  const figure: unknown = JSON.parse(text);
  await loadLibrary("plotly");
  const plotly: unknown = Reflect.get(window, "Plotly");
  if (!isPlotly(plotly) || !isFields(figure)) throw new Error("A plotly figure has data and a layout.");
  const root = document.createElement("div");
  root.className = "output-plotly";
  parent.append(root);
  const layout = isFields(figure.layout) ? figure.layout : {};
  const template = layout.template;
  const isDefault = isDefaultTemplate(template);
  const config = isFields(figure.config) ? figure.config : {};
  await plotly.newPlot(
    root,
    figure.data,
    { ...layout, ...(isDefault ? { template: themed(template) } : {}) },
    { responsive: true, displaylogo: false, ...config },
  );
  if (Array.isArray(figure.frames)) await plotly.addFrames(root, figure.frames);
  describe(root, layout);
  const unfollow = isDefault
    ? followTheme(() => void plotly.relayout(root, { template: themed(template) }))
    : () => undefined;
  return {
    destroy() {
      unfollow();
      plotly.purge(root);
    },
  };
}

/** Nobody chose a look: plotly.express and Figure() without a template come with the one on light blue. */
function isDefaultTemplate(template: unknown): boolean {
  if (template === undefined || template === null) return true;
  if (!isFields(template) || !isFields(template.layout)) return isFields(template);
  const { plot_bgcolor, paper_bgcolor } = template.layout;
  return String(plot_bgcolor).toUpperCase() === "#E5ECF6" && paper_bgcolor === "white";
}

function themed(template: unknown): unknown {
  if (currentTheme() === "light") return template ?? {};
  const base = isFields(template) ? template : {};
  const layout = isFields(base.layout) ? base.layout : {};
  const paper = themeColor("--jp-layout-color1");
  const ground = themeColor("--jp-layout-color2");
  const grid = themeColor("--jp-border-color2");
  const line = themeColor("--jp-border-color1");
  const axis = (of: unknown): Fields => ({
    ...(isFields(of) ? of : {}),
    gridcolor: grid,
    linecolor: line,
    zerolinecolor: line,
  });
  const part = (of: unknown, change: Fields): Fields => ({ ...(isFields(of) ? of : {}), ...change });
  const scene = part(layout.scene, {});
  const sceneAxis = (of: unknown): Fields => ({ ...axis(of), backgroundcolor: ground });
  const { polar, ternary, geo } = layout;
  return {
    ...base,
    layout: {
      ...layout,
      paper_bgcolor: paper,
      plot_bgcolor: ground,
      font: part(layout.font, { color: themeColor("--jp-content-font-color1") }),
      xaxis: axis(layout.xaxis),
      yaxis: axis(layout.yaxis),
      scene: { ...scene, xaxis: sceneAxis(scene.xaxis), yaxis: sceneAxis(scene.yaxis), zaxis: sceneAxis(scene.zaxis) },
      polar: part(polar, { bgcolor: ground, angularaxis: axis(null), radialaxis: axis(null) }),
      ternary: part(ternary, { bgcolor: ground, aaxis: axis(null), baxis: axis(null), caxis: axis(null) }),
      geo: part(geo, { bgcolor: paper, landcolor: ground, lakecolor: paper, subunitcolor: line }),
      mapbox: part(layout.mapbox, { style: "dark" }),
      map: part(layout.map, { style: "carto-darkmatter" }),
    },
  };
}

function describe(root: HTMLElement, layout: Fields): void {
  const { title } = layout;
  const text = isFields(title) ? title.text : title;
  root.setAttribute("role", "figure");
  root.setAttribute("aria-label", typeof text === "string" && text !== "" ? text.replace(/<[^>]*>/g, "") : "Chart");
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPlotly(value: unknown): value is Plotly {
  return typeof value === "object" && value !== null && "newPlot" in value && "addFrames" in value && "purge" in value;
}
