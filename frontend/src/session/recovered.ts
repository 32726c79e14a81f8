/** Work that the server will not take any more, kept in this browser as plain text until its person has taken it.
 *
 * Pure but for the storage it is given. The newest few are kept, within a bound.
 */
import { type CellType, cellOf, isCellType, isRecord, type Notebook, orderedIds, titleOf } from "../notebook/schema.ts";
import type { TextStorage } from "./text_storage.ts";

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

const MOST = 3;
const MOST_CHARS = 2 << 20;

const keyOf = (keptAs: string): string => `collab.recovered.${keptAs}`;

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
export function readRecovered(storage: TextStorage | null, keptAs: string): Recovered[] {
  try {
    const value: unknown = JSON.parse(storage?.getItem(keyOf(keptAs)) ?? "[]");
    return Array.isArray(value) ? value.map(parse).filter((item) => item !== null) : [];
  } catch {
    return [];
  }
}

/** Keeps as many of them as there is room for, newest first; gives those it kept for this page in any case. */
export function keepRecovered(
  storage: TextStorage | null,
  keptAs: string,
  items: readonly Recovered[],
): readonly Recovered[] {
  const kept = items.slice(0, MOST);
  try {
    if (kept.length === 0) storage?.removeItem(keyOf(keptAs));
    for (let count = kept.length; count > 0; count -= 1) {
      const text = JSON.stringify(kept.slice(0, count));
      if (text.length > MOST_CHARS && count > 1) continue;
      storage?.setItem(keyOf(keptAs), text);
      break;
    }
  } catch {
    // Storage is full or forbidden: it lasts as long as the page does, which says so.
  }
  return kept;
}

const noteOf = (keptAs: string, epoch: number): string => `collab.unsaved.${keptAs}.${epoch}`;
const ALL = "all";
const MOST_NOTED = 1_000;

/** So that a later visit knows which cells of this epoch's copy hold what the server has not; null: none does. */
export function noteUnsaved(
  storage: TextStorage | null,
  keptAs: string,
  epoch: number,
  cells: ReadonlySet<string> | null,
): void {
  try {
    if (cells === null) storage?.removeItem(noteOf(keptAs, epoch));
    else storage?.setItem(noteOf(keptAs, epoch), cells.size > MOST_NOTED ? ALL : JSON.stringify([...cells]));
  } catch {
    // Storage is full or forbidden; then so is the copy.
  }
}

/** The cells that were noted, or all of the copy's; null when all was saved. */
export function readUnsaved(
  storage: TextStorage | null,
  keptAs: string,
  epoch: number,
): ReadonlySet<string> | "all" | null {
  try {
    const note = storage?.getItem(noteOf(keptAs, epoch)) ?? null;
    if (note === null) return null;
    const cells: unknown = note === ALL ? null : JSON.parse(note);
    return Array.isArray(cells) ? new Set(cells.map(String)) : ALL;
  } catch {
    return ALL;
  }
}

/** Their text, as `recover`. */
export function recoverNoted(
  nb: Notebook,
  noted: ReadonlySet<string> | "all",
  reason: string,
  at: number,
): Recovered | null {
  return recover(nb, noted === ALL ? new Set(orderedIds(nb)) : noted, reason, at);
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
