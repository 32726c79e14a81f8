/** Which form of a bundle is shown, and whether the page draws it itself or leaves it to the cell's frame. Pure. */

/** Drawn by the page: nothing in them can run. */
const RASTER = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** First one present wins. Types that we cannot draw yet are absent, so that the next form of the bundle is taken. */
const ORDER = [
  "text/html",
  "application/javascript",
  "application/geo+json",
  "application/json",
  "text/latex",
  "text/markdown",
  "image/svg+xml",
  ...RASTER,
  "application/pdf",
  "text/plain",
];

const BASE64 = new Set([...RASTER, "application/pdf"]);

export function isRaster(mime: string): boolean {
  return RASTER.includes(mime);
}

/** Whether the value of this type is base64 in a notebook, not text. */
export function isBase64(mime: string): boolean {
  return BASE64.has(mime);
}

/** The form to show, or null when the bundle holds none that we know. */
export function chooseMime(mimes: Iterable<string>): string | null {
  const present = new Set(mimes);
  return ORDER.find((mime) => present.has(mime)) ?? firstJson(present);
}

function firstJson(mimes: Set<string>): string | null {
  for (const mime of mimes) if (mime.endsWith("+json")) return mime;
  return null;
}

/** Whether a form has to be drawn in the cell's frame. */
export function needsFrame(mime: string): boolean {
  return mime !== "text/plain" && !isRaster(mime);
}
