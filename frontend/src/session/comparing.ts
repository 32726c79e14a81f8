/** Every few seconds the server is told what this page shows of some cells, and says if it has something else (crdt.md D11).
 *
 * It never should: under one state there is one text. What would make it so is a fault nobody knows of yet.
 */
import { toBase64 } from "lib0/buffer";
import * as Y from "yjs";
import { type Notebook, orderedIds } from "../notebook/schema.ts";
import type { Command } from "./commands.ts";

const EVERY_MS = 10_000;
const MOST_CELLS = 50;

export interface Comparing {
  close(): void;
}

export interface ComparingOptions {
  readonly notebook: Notebook;
  /** Whether all that was written here is saved, and what others wrote is here. */
  isQuiet(): boolean;
  digests(ids: readonly string[]): Promise<Record<string, string>>;
  send(command: Command): void;
}

/** Goes round all cells, a portion at a time. */
export function createComparing({ notebook, isQuiet, digests, send }: ComparingOptions): Comparing {
  let at = 0;
  const beat = async (): Promise<void> => {
    if (!isQuiet()) return;
    const ids = orderedIds(notebook);
    if (at >= ids.length) at = 0;
    const portion = ids.slice(at, at + MOST_CELLS);
    at += MOST_CELLS;
    const state = toBase64(Y.encodeStateVector(notebook.doc));
    const sources = await digests(portion);
    if (isQuiet() && state === toBase64(Y.encodeStateVector(notebook.doc))) send({ type: "compare", state, sources });
  };
  const timer = setInterval(() => void beat(), EVERY_MS);
  return { close: () => clearInterval(timer) };
}
