/** How high a cell will be, roughly, before it has been drawn once: the scrollbar and far jumps go by it. Pure. */

import { cellOf, type Notebook, type Output, outputsOf } from "../../notebook/schema.ts";

const FRAME_PX = 72;
const CODE_LINE_PX = 21;
const TEXT_LINE_PX = 18;
const OUTPUT_LINE_PX = 20;
const PICTURE_PX = 320;
const LONGEST_PX = 600;

export function guessHeight(notebook: Notebook, id: string): number {
  const cell = cellOf(notebook, id);
  if (cell === null) return FRAME_PX;
  const source = lines(cell.source.toString()) * (cell.type === "markdown" ? TEXT_LINE_PX : CODE_LINE_PX);
  const outputs = cell.type === "code" ? outputsOf(notebook, id) : [];
  return FRAME_PX + source + outputs.reduce((sum, output) => sum + outputHeight(output), 0);
}

function outputHeight(output: Output): number {
  switch (output.kind) {
    case "stream":
      return Math.min(LONGEST_PX, lines(output.text) * OUTPUT_LINE_PX);
    case "error":
      return Math.min(LONGEST_PX, lines(output.traceback.join("\n")) * OUTPUT_LINE_PX);
    case "data": {
      const isText = output.blobs.size === 0 && output.data.size === 1 && output.data.has("text/plain");
      return isText ? Math.min(LONGEST_PX, lines(output.data.get("text/plain") ?? "") * OUTPUT_LINE_PX) : PICTURE_PX;
    }
  }
}

function lines(text: string): number {
  let count = 1;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
