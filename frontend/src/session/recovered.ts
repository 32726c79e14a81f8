/** Work that the server will not take any more, kept in this browser as plain text until its person has taken it.
 *
 * Pure but for the storage it is given. The newest few are kept, within a bound.
 */
import { type CellType, cellOf, isCellType, isRecord, type Notebook, orderedIds, titleOf } from "../notebook/schema.ts";

export interface RecoveredCell {
  readonly type: CellType;
  readonly source: string;
}

export interface Recovered {
  /** ms since 1970. */
  readonly at: number;
  readonly title: string;
  /** Why it could not be saved: one sentence. */
  readonly reason: string;
  readonly cells: readonly RecoveredCell[];
  /** Its person has downloaded it. */
  readonly taken: boolean;
}

/** The part of a browser's Storage that is used. */
export interface TextStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const MOST = 3;
const MOST_CHARS = 2 << 20;

const keyOf = (notebookId: string): string => `collab.recovered.${notebookId}`;

/** Null where storage is forbidden. */
export function browserStorage(): TextStorage | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

/** The text of these cells as it stands, in display order. */
export function recover(nb: Notebook, ids: ReadonlySet<string>, reason: string, at: number): Recovered | null {
  const cells = orderedIds(nb)
    .filter((id) => ids.has(id))
    .map((id) => cellOf(nb, id))
    .filter((cell) => cell !== null)
    .map(({ type, source }) => ({ type, source: source.toString() }))
    .filter(({ source }) => source.trim() !== "");
  return cells.length === 0 ? null : { at, title: titleOf(nb), reason, cells, taken: false };
}

/** Newest first; empty when nothing readable is kept. */
export function readRecovered(storage: TextStorage | null, notebookId: string): Recovered[] {
  try {
    const value: unknown = JSON.parse(storage?.getItem(keyOf(notebookId)) ?? "[]");
    return Array.isArray(value) ? value.map(parse).filter((item) => item !== null) : [];
  } catch {
    return [];
  }
}

/** Keeps as many of them as there is room for, newest first; gives those it kept for this page in any case. */
export function keepRecovered(
  storage: TextStorage | null,
  notebookId: string,
  items: readonly Recovered[],
): readonly Recovered[] {
  const kept = items.slice(0, MOST);
  try {
    if (kept.length === 0) storage?.removeItem(keyOf(notebookId));
    for (let count = kept.length; count > 0; count -= 1) {
      const text = JSON.stringify(kept.slice(0, count));
      if (text.length > MOST_CHARS && count > 1) continue;
      storage?.setItem(keyOf(notebookId), text);
      break;
    }
  } catch {
    // Storage is full or forbidden: it lasts as long as the page does, which says so.
  }
  return kept;
}

const flagOf = (notebookId: string, epoch: number): string => `collab.unsaved.${notebookId}.${epoch}`;

/** So that a later visit knows whether the copy of this epoch holds what the server has not. */
export function noteUnsaved(storage: TextStorage | null, notebookId: string, epoch: number, unsaved: boolean): void {
  try {
    if (unsaved) storage?.setItem(flagOf(notebookId, epoch), "yes");
    else storage?.removeItem(flagOf(notebookId, epoch));
  } catch {
    // Storage is full or forbidden; then so is the copy.
  }
}

export function wasUnsaved(storage: TextStorage | null, notebookId: string, epoch: number): boolean {
  try {
    return storage?.getItem(flagOf(notebookId, epoch)) === "yes";
  } catch {
    return false;
  }
}

/** As a notebook file that can be uploaded or opened anywhere. */
export function recoveredNotebook({ title, reason, cells }: Recovered): object {
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { title: `${title} (recovered)`, recovered_because: reason },
    cells: cells.map(({ type, source }, at) => ({
      id: `recovered-${String(at + 1)}`,
      cell_type: type,
      metadata: {},
      source,
      ...(type === "code" ? { execution_count: null, outputs: [] } : {}),
    })),
  };
}

function parse(value: unknown): Recovered | null {
  if (!isRecord(value) || !Array.isArray(value["cells"])) return null;
  const { at, title, reason, taken } = value;
  const cells = value["cells"].flatMap((cell: unknown): RecoveredCell[] => {
    if (!isRecord(cell)) return [];
    const { type, source } = cell;
    return isCellType(type) && typeof source === "string" ? [{ type, source }] : [];
  });
  if (typeof at !== "number" || typeof title !== "string" || cells.length === 0) return null;
  return { at, title, reason: typeof reason === "string" ? reason : "", cells, taken: taken === true };
}
