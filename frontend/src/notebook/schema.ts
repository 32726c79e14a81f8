/** The schema of a Notebook as readers see it (ARCHITECTURE.md, "Schema of a Notebook"). A read never writes. */
import * as Y from "yjs";

export type CellType = "code" | "markdown" | "raw";

export interface Notebook {
  readonly doc: Y.Doc;
  readonly meta: Y.Map<unknown>;
  readonly cells: Y.Map<unknown>;
  readonly outputs: Y.Map<unknown>;
  readonly runs: Y.Map<unknown>;
  /** Display order until the next change of it; read it through `orderedIds`. */
  readonly order: { ids: readonly string[] | null };
}

export interface Cell {
  readonly id: string;
  readonly type: CellType;
  readonly source: Y.Text;
  readonly position: string;
  readonly metadata: Y.Map<unknown>;
  readonly attachments: Y.Map<unknown>;
}

export type RunState = "queued" | "running" | "finished" | "failed" | "cancelled";

/** Who ran a cell, when and how it ended. Times are ms since 1970, null when it has not come to that. */
export interface RunMark {
  readonly state: RunState;
  readonly count: number | null;
  readonly user: string;
  readonly userId: string;
  readonly requested: number | null;
  readonly started: number | null;
  readonly finished: number | null;
  readonly sourceSha256: string;
  /** The kernel process it ran in; empty for marks that came with a file. */
  readonly session: string;
  readonly status: string;
  /** The outputs there are still those of the run before. */
  readonly isStale: boolean;
  readonly prompt: { readonly text: string; readonly password: boolean } | null;
}

export interface BlobRef {
  readonly sha256: string;
  readonly size: number;
}

export type Output =
  | {
      readonly kind: "stream";
      readonly name: "stdout" | "stderr";
      readonly text: string;
      readonly blobs: ReadonlyMap<string, BlobRef>;
    }
  | { readonly kind: "error"; readonly ename: string; readonly evalue: string; readonly traceback: readonly string[] }
  | {
      readonly kind: "data";
      readonly executeResult: boolean;
      readonly count: number | null;
      readonly data: ReadonlyMap<string, string>;
      readonly metadata: Readonly<Record<string, unknown>>;
      readonly displayId: string | null;
      readonly blobs: ReadonlyMap<string, BlobRef>;
    };

export const SCHEMA_VERSION = 1;

/** The four roots of a Doc under their one type each. */
export function openNotebook(doc: Y.Doc): Notebook {
  const cells = doc.getMap<unknown>("cells");
  const order: Notebook["order"] = { ids: null };
  cells.observeDeep((events) => {
    for (const event of events) {
      if (event.path.length === 0 || (event.path.length === 1 && event.keys.has("position"))) order.ids = null;
    }
  });
  return {
    doc,
    meta: doc.getMap<unknown>("meta"),
    cells,
    outputs: doc.getMap<unknown>("outputs"),
    runs: doc.getMap<unknown>("runs"),
    order,
  };
}

/** Cell ids in display order: by position, then id, both compared by code unit. */
export function orderedIds(nb: Notebook): readonly string[] {
  nb.order.ids ??= [...nb.cells.keys()]
    .map((id) => ({ id, position: positionOf(nb, id) }))
    .sort((a, b) => compare(a.position, b.position) || compare(a.id, b.id))
    .map(({ id }) => id);
  return nb.order.ids;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function positionOf(nb: Notebook, id: string): string {
  const cell = nb.cells.get(id);
  return cell instanceof Y.Map ? text(cell.get("position")) : "";
}

/** The cell, or null when it is gone. Resolve at every use: an undone delete brings back other shared types. */
export function cellOf(nb: Notebook, id: string): Cell | null {
  const cell = nb.cells.get(id);
  if (!(cell instanceof Y.Map)) return null;
  const source: unknown = cell.get("source");
  const metadata: unknown = cell.get("metadata");
  const attachments: unknown = cell.get("attachments");
  if (!(source instanceof Y.Text)) return null;
  return {
    id,
    type: cellType(cell.get("type")),
    source,
    position: text(cell.get("position")),
    metadata: metadata instanceof Y.Map ? metadata : new Y.Map<unknown>(),
    attachments: attachments instanceof Y.Map ? attachments : new Y.Map<unknown>(),
  };
}

export function isCellType(value: unknown): value is CellType {
  return value === "code" || value === "markdown" || value === "raw";
}

function cellType(value: unknown): CellType {
  return isCellType(value) ? value : "raw";
}

export function titleOf(nb: Notebook): string {
  return text(nb.meta.get("title")) || "Untitled";
}

export function languageOf(nb: Notebook): string {
  return text(nb.meta.get("language")) || "python";
}

export function runOf(nb: Notebook, id: string): RunMark | null {
  const mark = nb.runs.get(id);
  const get = reader(mark);
  if (get === null) return null;
  const state = get("state");
  if (!isRunState(state)) return null;
  return {
    state,
    count: number(get("count")),
    user: text(get("user")),
    userId: text(get("user_id")),
    requested: number(get("requested")),
    started: number(get("started")),
    finished: number(get("finished")),
    sourceSha256: text(get("source_sha256")),
    session: text(get("session")),
    status: text(get("status")),
    isStale: get("stale") === true,
    prompt: promptOf(get("prompt")),
  };
}

function isRunState(value: unknown): value is RunState {
  return (
    value === "queued" || value === "running" || value === "finished" || value === "failed" || value === "cancelled"
  );
}

function promptOf(value: unknown): RunMark["prompt"] {
  const prompt = record(json(value));
  if (prompt === null) return null;
  return { text: text(prompt.text), password: prompt.password === true };
}

export function outputsOf(nb: Notebook, id: string): Output[] {
  const list = nb.outputs.get(id);
  const items: unknown[] = list instanceof Y.Array ? list.toArray() : Array.isArray(list) ? list : [];
  return items.map(outputOf).filter((output) => output !== null);
}

function outputOf(value: unknown): Output | null {
  const get = reader(value);
  if (get === null) return null;
  switch (get("output_type")) {
    case "stream":
      return {
        kind: "stream",
        name: get("name") === "stderr" ? "stderr" : "stdout",
        text: text(get("text")),
        blobs: blobsOf(get("blobs")),
      };
    case "error":
      return {
        kind: "error",
        ename: text(get("ename")),
        evalue: text(get("evalue")),
        traceback: lines(json(get("traceback"))),
      };
    case "display_data":
    case "execute_result":
      return {
        kind: "data",
        executeResult: get("output_type") === "execute_result",
        count: number(get("count")),
        data: dataOf(get("data")),
        metadata: record(json(get("metadata"))) ?? {},
        displayId: text(get("display_id")) || null,
        blobs: blobsOf(get("blobs")),
      };
    default:
      return null;
  }
}

function dataOf(value: unknown): Map<string, string> {
  const data = new Map<string, string>();
  const entries: [string, unknown][] =
    value instanceof Y.Map ? [...value.entries()] : Object.entries(record(value) ?? {});
  for (const [mime, item] of entries) data.set(mime, item instanceof Y.Text ? item.toString() : asText(item));
  return data;
}

function blobsOf(value: unknown): Map<string, BlobRef> {
  const blobs = new Map<string, BlobRef>();
  for (const [mime, item] of Object.entries(record(json(value)) ?? {})) {
    const blob = record(item);
    if (blob !== null && typeof blob.sha256 === "string")
      blobs.set(mime, { sha256: blob.sha256, size: number(blob.size) ?? 0 });
  }
  return blobs;
}

/** A metadata or attachment value: stored as JSON text, taken as it stands when it is not. */
export function json(value: unknown): unknown {
  if (typeof value !== "string") return value instanceof Y.Map ? value.toJSON() : value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function reader(value: unknown): ((key: string) => unknown) | null {
  if (value instanceof Y.Map) return (key) => value.get(key);
  const plain = record(value);
  return plain === null ? null : (key) => (Object.hasOwn(plain, key) ? plain[key] : undefined);
}

function record(value: unknown): Record<string, unknown> | null {
  return isRecord(value) ? value : null;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : value instanceof Y.Text ? value.toString() : "";
}

function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join("");
  return JSON.stringify(value) ?? "";
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function lines(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
