/** Structural edits of a Notebook: each is one transaction of origin STRUCTURE, computed first and written after. */
import * as Y from "yjs";
import { between, betweenMany } from "./positions.ts";
import { type Cell, type CellType, cellOf, json, type Notebook, orderedIds } from "./schema.ts";
import { STRUCTURE } from "./undo.ts";

/** A cell outside of any Doc, as cut and copied. Values of `metadata` and `attachments` are JSON texts. */
export interface CellData {
  readonly type: CellType;
  readonly source: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly attachments: Readonly<Record<string, string>>;
}

const ID_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz";

/** A fresh id: never that of another cell (12 random characters). */
export function newCellId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => ID_DIGITS.charAt(byte % ID_DIGITS.length)).join("");
}

/** Puts a new cell before another, or at the end for null; gives its id. */
export function insertCell(
  nb: Notebook,
  cell: { readonly type: CellType; readonly source?: string; readonly before?: string | null },
): string {
  const data: CellData = { type: cell.type, source: cell.source ?? "", metadata: {}, attachments: {} };
  const [id] = pasteCells(nb, [data], cell.before ?? null);
  return id ?? "";
}

export function deleteCells(nb: Notebook, ids: readonly string[]): void {
  rearrange(nb, () => {
    for (const id of ids) nb.cells.delete(id);
  });
}

/** Moves cells, in display order, before another, or to the end for null. Nothing is written when they stand there. */
export function moveCells(nb: Notebook, ids: readonly string[], before: string | null): void {
  const moving = new Set(ids);
  const order = orderedIds(nb);
  const moved = order.filter((id) => moving.has(id));
  const rest = order.filter((id) => !moving.has(id));
  const target = before !== null && moving.has(before) ? nextOf(order, before, moving) : before;
  const at = target === null ? -1 : rest.indexOf(target);
  const next = at < 0 ? [...rest, ...moved] : [...rest.slice(0, at), ...moved, ...rest.slice(at)];
  if (next.every((id, place) => id === order[place])) return;
  rearrange(nb, () => {
    const keys = room(nb, rest, target, moved.length);
    moved.forEach((id, index) => {
      const cell = nb.cells.get(id);
      const key = keys[index];
      if (cell instanceof Y.Map && key !== undefined) cell.set("position", key);
    });
  });
}

function nextOf(order: readonly string[], from: string, skip: ReadonlySet<string>): string | null {
  const at = order.indexOf(from);
  return at < 0 ? null : (order.slice(at).find((id) => !skip.has(id)) ?? null);
}

/** Splits at a UTF-16 offset of the source; the part after it becomes a new cell below, whose id is given. Both have the
 * metadata, and the new one those attachments that it shows. */
export function splitCell(nb: Notebook, id: string, offset: number): string {
  const cell = cellOf(nb, id);
  if (cell === null) return id;
  const source = cell.source.toString();
  const at = boundary(source, offset);
  const tail = source.slice(at).replace(/^\n/, "");
  const head = source.slice(0, at).replace(/\n$/, "");
  const order = orderedIds(nb);
  const attachments = Object.entries(texts(cell.attachments)).filter(([name]) => tail.includes(`attachment:${name}`));
  const below: CellData = {
    type: cell.type,
    source: tail,
    metadata: texts(cell.metadata),
    attachments: Object.fromEntries(attachments),
  };
  let made = "";
  transact(nb, () => {
    if (head.length < source.length) cell.source.delete(head.length, source.length - head.length);
    const next = order[order.indexOf(id) + 1] ?? null;
    [made = ""] = pasteCells(nb, [below], next);
  });
  return made;
}

/** Joins cells with a line break between into the first of them, whose id is given. Its type and metadata stay. */
export function mergeCells(nb: Notebook, ids: readonly string[]): string {
  const [first, ...others] = orderedIds(nb)
    .filter((id) => ids.includes(id))
    .map((id) => cellOf(nb, id))
    .filter((cell) => cell !== null);
  if (first === undefined) return ids[0] ?? "";
  if (others.length === 0) return first.id;
  const attachments = new Map(Object.entries(texts(first.attachments)));
  const added = others.map((cell) => `\n${withAttachments(cell, attachments)}`).join("");
  rearrange(nb, () => {
    first.source.insert(first.source.length, added);
    for (const [name, value] of attachments) if (!first.attachments.has(name)) first.attachments.set(name, value);
    for (const cell of others) nb.cells.delete(cell.id);
  });
  return first.id;
}

/** The cell's source once its attachments are among `all`: one whose name another has already gets a fresh name. */
function withAttachments(cell: Cell, all: Map<string, string>): string {
  let source = cell.source.toString();
  for (const [name, value] of Object.entries(texts(cell.attachments))) {
    let free = name;
    for (let nth = 1; all.has(free) && all.get(free) !== value; nth += 1) free = `${nth}-${name}`;
    all.set(free, value);
    if (free !== name) source = source.replaceAll(`attachment:${name}`, () => `attachment:${free}`);
  }
  return source;
}

export function setType(nb: Notebook, id: string, type: CellType): void {
  const cell = nb.cells.get(id);
  if (!(cell instanceof Y.Map) || cell.get("type") === type) return;
  transact(nb, () => cell.set("type", type));
}

/** Copies below the last of them, in order; gives the new ids. */
export function duplicateCells(nb: Notebook, ids: readonly string[]): string[] {
  const order = orderedIds(nb);
  const last = order.filter((id) => ids.includes(id)).at(-1);
  if (last === undefined) return [];
  return pasteCells(nb, copyCells(nb, ids), order[order.indexOf(last) + 1] ?? null);
}

/** The cells in display order, without their outputs. */
export function copyCells(nb: Notebook, ids: readonly string[]): CellData[] {
  return orderedIds(nb)
    .filter((id) => ids.includes(id))
    .map((id) => cellOf(nb, id))
    .filter((cell) => cell !== null)
    .map((cell) => ({
      type: cell.type,
      source: cell.source.toString(),
      metadata: texts(cell.metadata),
      attachments: texts(cell.attachments),
    }));
}

export function pasteCells(nb: Notebook, data: readonly CellData[], before: string | null): string[] {
  const ids = data.map(() => newCellId());
  rearrange(nb, () => {
    const keys = room(nb, orderedIds(nb), before, data.length);
    data.forEach((cell, index) => {
      const id = ids[index];
      if (id !== undefined) nb.cells.set(id, sharedCell(cell, keys[index] ?? ""));
    });
  });
  return ids;
}

export function setTitle(nb: Notebook, title: string): void {
  transact(nb, () => nb.meta.set("title", title));
}

/** Sets one key of a cell's metadata to a JSON value; undefined removes it. */
export function setCellMetadata(nb: Notebook, id: string, key: string, value: unknown): void {
  const cell = cellOf(nb, id);
  if (cell === null) return;
  transact(nb, () => {
    if (value === undefined) cell.metadata.delete(key);
    else cell.metadata.set(key, JSON.stringify(value));
  });
}

function transact(nb: Notebook, write: () => void): void {
  nb.doc.transact(write, STRUCTURE);
}

/** The same for what changes the order: observers hear of it when the outermost transaction ends, but the next edit
 * inside it must not read the old one. */
function rearrange(nb: Notebook, write: () => void): void {
  transact(nb, () => {
    write();
    nb.order.ids = null;
  });
}

function sharedCell(data: CellData, position: string): Y.Map<unknown> {
  const cell = new Y.Map<unknown>();
  cell.set("type", data.type);
  cell.set("source", new Y.Text(data.source.toWellFormed().replace(/\r\n?/g, "\n")));
  cell.set("position", position);
  // Colab's own id of a cell belongs to that one.
  cell.set("metadata", new Y.Map(Object.entries(data.metadata).filter(([key]) => key !== "id")));
  cell.set("attachments", new Y.Map(Object.entries(data.attachments)));
  return cell;
}

/** `count` ascending keys before a cell of `order`. Equal neighbours are parted first (crdt.md S2): the later gets a new key. */
function room(nb: Notebook, order: readonly string[], before: string | null, count: number): string[] {
  const found = before === null ? -1 : order.indexOf(before);
  const at = found < 0 ? order.length : found;
  const key = (index: number) => {
    const id = order[index];
    return id === undefined ? "" : (cellOf(nb, id)?.position ?? "");
  };
  const low = key(at - 1);
  if (low !== "" && key(at) === low) {
    let last = at;
    while (last + 1 < order.length && key(last + 1) === low) last += 1;
    for (let index = last; index >= at; index -= 1) {
      const cell = nb.cells.get(order[index] ?? "");
      if (cell instanceof Y.Map) cell.set("position", between(low, key(index + 1)));
    }
  }
  return betweenMany(count, low, key(at));
}

/** Values as JSON texts. Those that are stay as they are: reading and writing one again may change its numbers. */
function texts(map: Y.Map<unknown>): Record<string, string> {
  return Object.fromEntries([...map.entries()].map(([key, value]) => [key, jsonText(value)]));
}

function jsonText(value: unknown): string {
  const parsed = json(value);
  return typeof value === "string" && parsed !== value ? value : (JSON.stringify(parsed) ?? "null");
}

/** The offset itself, or the one before it when it lies inside a surrogate pair (crdt.md U2). */
export function boundary(text: string, offset: number): number {
  const at = Math.max(0, Math.min(offset, text.length));
  const code = text.charCodeAt(at);
  const before = text.charCodeAt(at - 1);
  return code >= 0xdc00 && code <= 0xdfff && before >= 0xd800 && before <= 0xdbff ? at - 1 : at;
}
