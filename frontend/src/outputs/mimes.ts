/** Which form of a bundle is shown, and whether the page draws it itself or leaves it to the cell's frame. Pure. */

/** Drawn by the page: nothing in them can run. */
const RASTER = ["image/png", "image/jpeg", "image/gif", "image/webp"];

const VEGA = /^application\/vnd\.vega(?:lite)?\.v\d+(?:\+json|\.json)$/;
const LOAD = /^application\/vnd\.(?:bokehjs|holoviews)_load\.v\d+\+json$/;
const EXEC = /^application\/vnd\.(?:bokehjs|holoviews)_exec\.v\d+\+json$/;

/**
 * First one present wins. Absent are types that only accompany another form: `…_exec` says of the script or HTML beside
 * it that it needs what a `…_load` of the notebook brought.
 */
const ORDER: readonly (string | RegExp)[] = [
  "application/vnd.collab.table+json",
  "application/vnd.google.colaboratory.module+javascript",
  "application/vnd.jupyter.widget-view+json",
  "application/vnd.plotly.v1+json",
  VEGA,
  LOAD,
  "text/html",
  "application/javascript",
  "application/geo+json",
  "application/json",
  "text/latex",
  "text/markdown",
  "image/svg+xml",
  ...RASTER,
  "application/pdf",
  /^(?:audio|video)\//,
];

const BASE64 = new Set([...RASTER, "application/pdf"]);

export function isRaster(mime: string): boolean {
  return RASTER.includes(mime);
}

export function isVega(mime: string): boolean {
  return VEGA.test(mime);
}

/** Scripts that bring a library for the outputs of other cells. */
export function isLoad(mime: string): boolean {
  return LOAD.test(mime);
}

/** Says of a bundle that its script needs such a library. */
export function isExec(mime: string): boolean {
  return EXEC.test(mime);
}

/** Whether the value of this type is base64 in a notebook, not text. */
export function isBase64(mime: string): boolean {
  return BASE64.has(mime) || /^(?:audio|video)\//.test(mime);
}

/** The form to show, or null when the bundle holds none that we know. */
export function chooseMime(mimes: Iterable<string>): string | null {
  const present = [...mimes];
  for (const wanted of ORDER) {
    const found = present.find((mime) => (typeof wanted === "string" ? mime === wanted : wanted.test(mime)));
    if (found !== undefined) return found;
  }
  // Of what nobody knows the text says most; JSON is at least a tree.
  return (
    present.find((mime) => mime === "text/plain") ??
    present.find((mime) => mime.endsWith("+json")) ??
    firstText(present)
  );
}

function firstText(mimes: readonly string[]): string | null {
  return mimes.find((mime) => mime.startsWith("text/")) ?? null;
}

/** Whether a form has to be drawn in the cell's frame. */
export function needsFrame(mime: string): boolean {
  return mime !== "text/plain" && !isRaster(mime);
}
