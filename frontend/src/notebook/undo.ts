/** Undo and redo of one's own edits only: one stack for the structure, one for the text of each cell. */
import * as Y from "yjs";
import { cellOf, type Notebook } from "./schema.ts";

/** Origin of structural edits: insert, delete, move, split, merge, change of type. */
export const STRUCTURE = Symbol("structure");

export interface Undo {
  /** The cell's own stack; it outlives its editors. Null when the cell is gone. */
  text(id: string): Y.UndoManager | null;
  readonly structure: Y.UndoManager;
  destroy(): void;
}

export function createUndo(nb: Notebook): Undo {
  const texts = new Map<string, { readonly source: Y.Text; readonly manager: Y.UndoManager }>();
  const structure = new Y.UndoManager([nb.cells], { trackedOrigins: new Set([STRUCTURE]), captureTimeout: 0 });
  return {
    structure,
    text(id) {
      const cell = cellOf(nb, id);
      const known = texts.get(id);
      if (known !== undefined && known.source === cell?.source) return known.manager;
      known?.manager.destroy();
      texts.delete(id);
      if (cell === null) return null;
      // y-codemirror adds its own origin to the tracked ones.
      const manager = new Y.UndoManager(cell.source, { trackedOrigins: new Set(), captureTimeout: 500 });
      texts.set(id, { source: cell.source, manager });
      return manager;
    },
    destroy() {
      structure.destroy();
      for (const { manager } of texts.values()) manager.destroy();
      texts.clear();
    },
  };
}
