/** geo+json as a map. Tiles come from elsewhere, so only what the running kernel made asks for them. */
import { circleMarker, map as createMap, geoJSON, type Layer, type LeafletMouseEvent, tileLayer } from "leaflet";
import "./map_styles";
import { plainElement } from "../src/outputs/drawing";
import type { DrawContext, Drawn } from "./draw";
import { jsonTree } from "./json";

const TILES = "https://tile.openstreetmap.org/{z}/{x}/{y}.png";
const CREDIT = "© OpenStreetMap contributors";
const MOST_PROPERTIES = 30;
const HIGHEST_ZOOM = 18;

export function drawGeoJson(
  parent: HTMLElement,
  text: string,
  metadata: Map<string, unknown>,
  context: DrawContext,
): Drawn {
  const root = document.createElement("div");
  root.className = "output-map";
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Map");
  parent.append(root);
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = createMap(root, {
    scrollWheelZoom: false,
    attributionControl: context.isLive,
    zoomAnimation: !isCalm,
    fadeAnimation: !isCalm,
    markerZoomAnimation: !isCalm,
  });
  try {
    const shapes = geoJSON(JSON.parse(text), {
      style: (feature) => styleOf(feature?.properties),
      // The library's own marker is an image under a path of its own.
      pointToLayer: (feature, at) => circleMarker(at, { radius: 7, weight: 2, ...styleOf(feature.properties) }),
      onEachFeature: (feature, layer) => describe(feature.properties, layer),
    }).addTo(map);
    const bounds = shapes.getBounds();
    if (bounds.isValid()) map.fitBounds(bounds.pad(0.1), { maxZoom: 12, animate: false });
    else map.setView([0, 0], 1);
  } catch {
    map.remove();
    root.replaceWith(jsonTree(text, false, "root") ?? plainElement(text));
    return { destroy: () => undefined };
  }
  if (context.isLive) {
    const url = metadata.get("url_template");
    const options = metadata.get("layer_options");
    tileLayer(typeof url === "string" ? url : TILES, {
      maxZoom: HIGHEST_ZOOM,
      attribution: CREDIT,
      referrerPolicy: "origin",
      ...(typeof options === "object" && options !== null ? options : {}),
    }).addTo(map);
  }
  // Zooming with the wheel would catch the reader who scrolls past; a click says that the map is meant.
  map.on("click", (_event: LeafletMouseEvent) => map.scrollWheelZoom.enable());
  map.on("mouseout", () => map.scrollWheelZoom.disable());
  return { destroy: () => void map.remove() };
}

/** simplestyle's names, as GitHub and geojson.io read them. */
function styleOf(properties: unknown): Record<string, string | number> {
  const style: Record<string, string | number> = {};
  if (typeof properties !== "object" || properties === null) return style;
  const names: [string, string][] = [
    ["stroke", "color"],
    ["marker-color", "color"],
    ["stroke-width", "weight"],
    ["stroke-opacity", "opacity"],
    ["fill", "fillColor"],
    ["fill-opacity", "fillOpacity"],
  ];
  for (const [name, option] of names) {
    const value: unknown = Reflect.get(properties, name);
    if (typeof value === "string" || typeof value === "number") style[option] = value;
  }
  return style;
}

function describe(properties: unknown, layer: Layer): void {
  if (typeof properties !== "object" || properties === null) return;
  const entries = Object.entries(properties).slice(0, MOST_PROPERTIES);
  if (entries.length === 0) return;
  const list = document.createElement("dl");
  list.className = "map-properties";
  for (const [name, value] of entries) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = typeof value === "string" ? value : JSON.stringify(value);
    list.append(term, text);
  }
  layer.bindPopup(list);
}
