/** What a frame is to show: one output of the document, and whether it is the one that was shown. Pure. */
import type { FrameOutput } from "../../frame/protocol";

/** An output and, when its value is a blob, where the value is. */
export interface FrameItem {
  output: FrameOutput;
  blob: { sha256: string; mime: string } | null;
  /** Items of other cells whose scripts run before this one is drawn, each once in a document (`preludes.ts`). */
  before: (() => readonly FrameItem[]) | null;
}

/** How many items at the front stay as they are. */
export function keptItems(before: readonly FrameItem[], after: readonly FrameItem[]): number {
  let kept = 0;
  for (const [index, item] of before.entries()) {
    const next = after[index];
    if (next === undefined || !isSameItem(item, next)) break;
    kept++;
  }
  return kept;
}

export function isSameItem(a: FrameItem, b: FrameItem): boolean {
  if (a === b) return true;
  if (a.blob?.sha256 !== b.blob?.sha256) return false;
  const [x, y] = [a.output, b.output];
  if (x.kind === "stream" && y.kind === "stream") return x.name === y.name && x.text === y.text;
  if (x.kind === "error" && y.kind === "error") {
    return x.ename === y.ename && x.evalue === y.evalue && x.traceback.join("\n") === y.traceback.join("\n");
  }
  if (x.kind !== "data" || y.kind !== "data") return false;
  return x.mime === y.mime && x.value === y.value && x.plain === y.plain && x.metadata === y.metadata;
}

/** What a stream grew by from `a` to `b`; null when it did something else. */
export function appendedText(a: FrameItem, b: FrameItem): string | null {
  const [x, y] = [a.output, b.output];
  if (x.kind !== "stream" || y.kind !== "stream" || x.name !== y.name || !y.text.startsWith(x.text)) return null;
  return y.text.slice(x.text.length);
}

/** Whether drawing the item may have run code in the frame. Errs towards yes. */
export function mayRun({ output, blob }: FrameItem): boolean {
  if (output.kind !== "data") return false;
  if (INERT.has(output.mime)) return false;
  if (!MARKUP.has(output.mime)) return true;
  return blob !== null || /<\s*(?:script|iframe|object|embed|frame)|javascript:|[\s"'/]on\w+\s*=/i.test(output.value);
}

const INERT = new Set([
  "text/plain",
  "text/latex",
  "application/json",
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "application/pdf",
]);
const MARKUP = new Set(["text/html", "image/svg+xml", "text/markdown"]);
