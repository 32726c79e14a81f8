/** Live editors: only near the viewport or in use, about forty; everywhere else the source stands as plain text.
 *
 * Never taken away: the editor with the focus and those near the viewport. The model outlives them all.
 */

import { hasLineNumbers } from "../../actions/line_numbers.ts";
import { type CellEditor, createEditor } from "../../editor/editor.ts";
import { renderPlaceholder } from "../../editor/placeholder.ts";
import { cellOf } from "../../notebook/schema.ts";
import type { Session } from "../../session/session.ts";

const MOST_LIVE = 40;
const GRACE_MS = 5000;

export interface Editors {
  /** The cell's editor, made now if need be; null when the cell is gone. */
  ensure(id: string): CellEditor | null;
  live(id: string): CellEditor | null;
  /** The cell came near the viewport or went away from it. */
  near(id: string, isNear: boolean): void;
  /** The source changed while it may stand as plain text. */
  refresh(id: string): void;
  /** The cell has another number now. */
  relabel(id: string): void;
  drop(id: string): void;
  destroy(): void;
}

interface Options {
  readonly session: Session;
  readonly nonce: string;
  /** Where the cell's editor stands; null when the cell has no shell. */
  readonly slot: (id: string) => HTMLElement | null;
  /** False for text cells that are shown rendered. */
  readonly wanted: (id: string) => boolean;
  readonly number: (id: string) => number;
  readonly onEscape: (id: string) => void;
  readonly onLeave: (id: string, direction: -1 | 1) => void;
}

interface Live {
  readonly editor: CellEditor;
  readonly type: string;
  /** A cell that was deleted and brought back has another one; writing in the old one would be lost (crdt.md S6). */
  readonly source: object;
  /** When it was last near the viewport or used, in ms. */
  used: number;
}

export function createEditors(options: Options): Editors {
  const { session, nonce, slot } = options;
  const live = new Map<string, Live>();
  const nearby = new Set<string>();

  const label = (id: string): string => `Source of cell ${options.number(id)}`;

  const place = (id: string): void => {
    const parent = slot(id);
    const cell = cellOf(session.notebook, id);
    if (parent === null || cell === null) return;
    renderPlaceholder(parent, cell.source.toString(), cell.type, label(id), hasLineNumbers(id));
  };

  const remove = (id: string): void => {
    live.get(id)?.editor.destroy();
    live.delete(id);
  };

  const ensure = (id: string): CellEditor | null => {
    const cell = cellOf(session.notebook, id);
    const parent = slot(id);
    if (cell === null || parent === null) return null;
    const existing = live.get(id);
    if (existing !== undefined) {
      existing.used = Date.now();
      if (existing.type === cell.type && existing.source === cell.source) return existing.editor;
      remove(id);
    }
    parent.replaceChildren();
    const editor = createEditor({
      session,
      cellId: id,
      parent,
      nonce,
      label: label(id),
      onEscape: () => options.onEscape(id),
      onLeave: (direction) => options.onLeave(id, direction),
    });
    live.set(id, { editor, type: cell.type, source: cell.source, used: Date.now() });
    return editor;
  };

  const trim = (): void => {
    if (live.size <= MOST_LIVE) return;
    const now = Date.now();
    const idle = [...live]
      .filter(([id, entry]) => {
        const inUse = slot(id)?.contains(document.activeElement) === true;
        return !nearby.has(id) && !inUse && now - entry.used > GRACE_MS;
      })
      .sort(([, a], [, b]) => a.used - b.used);
    for (const [id] of idle.slice(0, live.size - MOST_LIVE)) {
      remove(id);
      place(id);
    }
  };
  const timer = setInterval(trim, GRACE_MS);

  return {
    ensure,
    live: (id) => live.get(id)?.editor ?? null,
    near(id, isNear) {
      const entry = live.get(id);
      if (entry !== undefined) entry.used = Date.now();
      if (!isNear) {
        nearby.delete(id);
        return;
      }
      nearby.add(id);
      if (options.wanted(id)) ensure(id);
    },
    refresh(id) {
      const entry = live.get(id);
      const cell = cellOf(session.notebook, id);
      if (entry === undefined) place(id);
      else if (cell !== null && (cell.type !== entry.type || cell.source !== entry.source)) {
        const focused = slot(id)?.contains(document.activeElement) === true;
        const fresh = ensure(id);
        if (focused) fresh?.focus("end");
      }
    },
    relabel(id) {
      const entry = live.get(id);
      if (entry === undefined) slot(id)?.firstElementChild?.setAttribute("aria-label", label(id));
      else entry.editor.setLabel(label(id));
    },
    drop(id) {
      remove(id);
      nearby.delete(id);
    },
    destroy() {
      clearInterval(timer);
      for (const id of [...live.keys()]) remove(id);
    },
  };
}
