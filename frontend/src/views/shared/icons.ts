/** The signs of the page, drawn here: strokes on a 24 by 24 grid. */

export const ICONS = {
  play: "M8 5.5v13l10.5-6.5z",
  stop: "M7 7h10v10H7z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  cross: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  bar: "M5.5 12h13",
  keyboard: "M3.5 7h17v10h-17zM7 10.5h.01M10.3 10.5h.01M13.7 10.5h.01M17 10.5h.01M8.5 14h7",
  up: "M12 19V5.5M6 11.5l6-6 6 6",
  down: "M12 5v13.5M6 12.5l6 6 6-6",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 10.5v5.5M14 10.5v5.5",
  more: "M12 5.5h.01M12 12h.01M12 18.5h.01",
  plus: "M12 5v14M5 12h14",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  leave: "M13.5 4.5h-8v15h8M9.5 12h10.5M16 8l4 4-4 4",
  pencil: "M4.5 19.5l1-4.5L15.5 5l3.5 3.5L9 18.5z",
  search: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15 15l5 5",
  share: "M9.5 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3.5 19.5c0-3.5 2.5-5.5 6-5.5s6 2 6 5.5M18.5 8.5v6M15.5 11.5h6",
  upload: "M12 16V4.5M7 9l5-4.5L17 9M4.5 15v4.5h15V15",
  download: "M12 4.5V16M7 11.5l5 4.5 5-4.5M4.5 15.5v4h15v-4",
  expand: "M4.5 9.5v-5h5M14.5 4.5h5v5M19.5 14.5v5h-5M9.5 19.5h-5v-5",
  scroll: "M5.5 6h13M5.5 18h13M12 9v6M9.5 11l2.5-2.5 2.5 2.5M9.5 13l2.5 2.5 2.5-2.5",
  chevron: "M7 10l5 5 5-5",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7L12 17",
  restore: "M4.5 12a7.5 7.5 0 1 1 2.3 5.4M4.5 18.5v-4.5H9",
  copy: "M8.5 8.5h11v11h-11zM15.5 8.5v-4h-11v11h4",
  cloud: "M7 18.5a4 4 0 0 1-.5-8 5.5 5.5 0 0 1 10.7-1.2A4.6 4.6 0 0 1 17 18.5z",
  warning: "M12 4.5l8.5 15h-17zM12 10v4.5M12 17h.01",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.8h.01",
  refresh: "M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 5.5V10H15",
  text: "M5 6.5h14M12 6.5v12M9 18.5h6",
  code: "M9 7l-5 5 5 5M15 7l5 5-5 5",
  eyeOff:
    "M4 4l16 16M9.9 5.8A9.8 9.8 0 0 1 12 5.5c5 0 8.5 4.5 9.5 6.5-.4.8-1.3 2.2-2.7 3.5M6.5 7.5C4.5 8.9 3.1 10.9 2.5 12c1 2 4.5 6.5 9.5 6.5 1.5 0 2.9-.4 4.1-1",
  notebook:
    "M6.5 3.5h11a1 1 0 0 1 1 1v15a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1v-15a1 1 0 0 1 1-1zM9 3.5v17M3.5 8h3M3.5 12h3M3.5 16h3",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3 2",
  gear: "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M5.6 18.4l2.2-2.2M16.2 7.8l2.2-2.2",
} as const;

export type IconName = keyof typeof ICONS;

const SVG = "http://www.w3.org/2000/svg";

/** For the imperative parts; React draws the same with `<Icon>`. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
