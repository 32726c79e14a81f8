/** Notebooks of several people in one process, for tests: cells in, words out, and updates carried by hand. */
import * as Y from "yjs";
import { insertCell } from "./edits.ts";
import { type CellType, cellOf, json, type Notebook, openNotebook, orderedIds } from "./schema.ts";

export function fresh(clientId?: number): Notebook {
  const doc = new Y.Doc();
  if (clientId !== undefined) doc.clientID = clientId;
  return openNotebook(doc);
}

/** A notebook with these sources as code cells. */
export function notebookOf(...sources: string[]): Notebook {
  const nb = fresh();
  for (const source of sources) insertCell(nb, { type: "code", source });
  return nb;
}

/** What one has and the other lacks goes over, both ways. */
export function sync(one: Notebook, other: Notebook): void {
  const there = Y.encodeStateAsUpdate(one.doc, Y.encodeStateVector(other.doc));
  const back = Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(one.doc));
  Y.applyUpdate(other.doc, there, "remote");
  Y.applyUpdate(one.doc, back, "remote");
}

/** A second person's notebook with the same content. */
export function joined(nb: Notebook, clientId?: number): Notebook {
  const other = fresh(clientId);
  sync(nb, other);
  return other;
}

export const sourcesOf = (nb: Notebook): string[] =>
  orderedIds(nb).map((id) => cellOf(nb, id)?.source.toString() ?? "(no cell)");

export interface PlainCell {
  readonly id: string;
  readonly type: CellType;
  readonly source: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly attachments: Readonly<Record<string, unknown>>;
}

/** All cells in order, without their positions. */
export function plain(nb: Notebook): PlainCell[] {
  return orderedIds(nb).map((id) => {
    const cell = cellOf(nb, id);
    if (cell === null) throw new Error(`'${id}' is in the order but is no cell.`);
    const values = (map: Y.Map<unknown>) =>
      Object.fromEntries([...map.entries()].map(([key, value]) => [key, json(value)]));
    return {
      id,
      type: cell.type,
      source: cell.source.toString(),
      metadata: values(cell.metadata),
      attachments: values(cell.attachments),
    };
  });
}

/** Typing, as an editor does it: of another origin than structural edits. */
export function type(nb: Notebook, id: string, at: number, text: string, remove = 0): void {
  nb.doc.transact(() => {
    const source = cellOf(nb, id)?.source;
    if (remove > 0) source?.delete(at, remove);
    source?.insert(at, text);
  }, TYPING);
}

export const TYPING = Symbol("typing");
