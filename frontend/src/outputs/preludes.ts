/**
 * Libraries whose script comes with the output of one cell and is needed by those of others: each cell has a frame of
 * its own, so the script runs in each that needs it. Pure, over the document.
 */
import { type Notebook, type Output, orderedIds, outputsOf, runOf } from "../notebook/schema";
import { isExec, isLoad } from "./mimes";

export type DataOutput = Extract<Output, { kind: "data" }>;

/** Outputs of one kind: what one of them is, and what brings its library. */
interface Family {
  needs(output: DataOutput): boolean;
  brings(output: DataOutput): boolean;
}

const ITABLES = /\bwindow\._itables_\d+_\d+_\d+\b/;

const FAMILIES: readonly Family[] = [
  // bokeh's output_notebook() and show(), panel's and holoviews' extension() and display
  {
    needs: (output) => mimes(output).some(isExec),
    brings: (output) => mimes(output).some(isLoad),
  },
  // itables' init_notebook_mode() without a CDN: a module in one output, which a small one after it waits for
  {
    needs: (output) => {
      const html = output.data.get("text/html");
      return html === undefined ? output.blobs.has("text/html") : ITABLES.test(html) && html.includes("<table");
    },
    brings: (output) => {
      const html = output.data.get("text/html");
      return html !== undefined && ITABLES.test(html) && !html.includes("<table");
    },
  },
];

/** Whether an output may need what another cell shows; `preludeOf` finds it. */
export function mayNeedPrelude(output: DataOutput): boolean {
  return FAMILIES.some((family) => family.needs(output));
}

/**
 * The outputs to run in the frame of `cellId` before it shows `output`: of the cell that brought its library last.
 * `session` is the running kernel's for live outputs, and null for stored ones, which never meet those (outputs.md 1.7).
 */
export function preludeOf(
  notebook: Notebook,
  cellId: string,
  output: DataOutput,
  session: string | null,
): DataOutput[] {
  const family = FAMILIES.find((each) => each.needs(output));
  if (family === undefined) return [];
  let newest: { started: number; outputs: DataOutput[] } | null = null;
  for (const id of orderedIds(notebook)) {
    const outputs = outputsOf(notebook, id).filter((each) => each.kind === "data");
    if (!outputs.some((each) => family.brings(each))) continue;
    // What the cell itself shows runs in its frame anyway.
    if (id === cellId) return [];
    const run = runOf(notebook, id);
    const isLive = run !== null && run.session !== "" && run.session === session && !run.isStale;
    if (isLive !== (session !== null)) continue;
    const started = run?.started ?? 0;
    if (newest === null || started >= newest.started) newest = { started, outputs };
  }
  return newest?.outputs.filter((each) => isScript(each, family)) ?? [];
}

/** Beside the script there may be a logo or a greeting: those stay in their own cell. */
function isScript(output: DataOutput, family: Family): boolean {
  if (mimes(output).some(isLoad)) return true;
  return family.brings(output) || output.blobs.has("text/html");
}

function mimes(output: DataOutput): string[] {
  return [...output.data.keys(), ...output.blobs.keys()];
}
