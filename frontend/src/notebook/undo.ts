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
  const structure = structureUndo(nb);
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

/** Brings cells back whole. What somebody set in a cell while it was being deleted went with it, and Yjs brings nothing
 * back that it came after: the cell would be without its position or type, which the server refuses. */
class CellsUndo extends Y.UndoManager {
  override undo(): ReturnType<Y.UndoManager["undo"]> {
    return this.whole("undoing", () => super.undo());
  }

  override redo(): ReturnType<Y.UndoManager["redo"]> {
    return this.whole("redoing", () => super.redo());
  }

  /** In one transaction, as nobody is to see a cell that lacks something. */
  private whole(flag: "undoing" | "redoing", step: () => ReturnType<Y.UndoManager["undo"]>): ReturnType<typeof step> {
    try {
      return this.doc.transact((transaction) => {
        const popped = step();
        if (popped !== null) complete(transaction, popped.deletions);
        // Yjs asks when the transaction is over, to know which stack it belongs on.
        this[flag] = true;
        return popped;
      }, this);
    } finally {
      this[flag] = false;
    }
  }
}

function complete(transaction: Y.Transaction, deletions: Parameters<typeof Y.isDeleted>[0]): void {
  const missing: Y.Item[] = [];
  Y.iterateDeletedStructs(transaction, deletions, (item) => {
    if (item instanceof Y.Item && item.parentSub !== null && item.redone === null) missing.push(item);
  });
  for (const { parent, parentSub, content } of missing) {
    const heir = parent instanceof Y.AbstractType ? heirOf(transaction, parent) : null;
    if (heir === null || parentSub === null || heir.has(parentSub) || content instanceof Y.ContentType) continue;
    heir.set(parentSub, content.getContent()[0]);
  }
}

/** What a deleted map came back as. */
function heirOf(transaction: Y.Transaction, map: Y.AbstractType<unknown>): Y.Map<unknown> | null {
  let item = map._item;
  if (item === null || item.redone === null) return null;
  while (item?.redone) item = Y.getItem(transaction.doc.store, item.redone);
  const type = item === null || item.deleted ? null : typeOf(item);
  return type instanceof Y.Map ? type : null;
}

/** Undoing an insertion takes the cell away only while nobody else has written in it: their words are not ours to undo. */
function structureUndo(nb: Notebook): Y.UndoManager {
  // What was made together with each cell: if the cell stays, so does the text it came with.
  const madeWith = new WeakMap<Y.Item, Parameters<typeof Y.isDeleted>[0]>();
  const own = new Set<number>();
  // Undoing a deletion brings others' words back under our own client id: they are theirs all the same.
  const theirs: { readonly client: number; readonly from: number; readonly to: number }[] = [];

  const isForeign = ({ id }: Y.Item): boolean =>
    !own.has(id.client) ||
    theirs.some(({ client, from, to }) => id.client === client && id.clock >= from && id.clock < to);

  const hasForeignText = (cell: Y.Item): boolean => {
    const map = typeOf(cell);
    const source: unknown = map instanceof Y.Map ? map.get("source") : null;
    if (!(source instanceof Y.Text)) return false;
    const made = madeWith.get(cell);
    for (let item = source._start; item !== null; item = item.right) {
      if (item.deleted || !isForeign(item)) continue;
      // Redoing a deletion takes away again what undoing it brought back, but not what was written since.
      if (!structure.redoing || made === undefined || !Y.isDeleted(made, item.id)) return true;
    }
    return false;
  };

  const mayDelete = (item: Y.Item): boolean => {
    const cell = cellItem(nb, item);
    if (cell === null) return true;
    if (item === cell) return !hasForeignText(cell);
    // A cell without its type or position is none. Putting an old value back replaces the new one by itself.
    if (item.parent === typeOf(cell)) return false;
    const made = madeWith.get(cell);
    return made === undefined || !Y.isDeleted(made, item.id) || !hasForeignText(cell);
  };

  const structure = new CellsUndo([nb.cells], {
    trackedOrigins: new Set([STRUCTURE]),
    captureTimeout: 0,
    deleteFilter: mayDelete,
  });
  structure.on("stack-item-added", ({ stackItem, changedParentTypes }) => {
    own.add(nb.doc.clientID); // Yjs may take another one
    for (const events of changedParentTypes.values()) {
      const event = events.find(({ target }) => target === nb.cells);
      if (!(event instanceof Y.YMapEvent)) continue;
      for (const id of event.keysChanged) {
        const cell = nb.cells.get(id);
        if (cell instanceof Y.Map && cell._item !== null) madeWith.set(cell._item, stackItem.insertions);
      }
    }
  });
  structure.on("stack-item-popped", ({ stackItem }) => {
    nb.doc.transact((transaction) => {
      Y.iterateDeletedStructs(transaction, stackItem.deletions, (item) => {
        if (!(item instanceof Y.Item) || item.redone === null || !isForeign(item)) return;
        const { client, clock } = item.redone;
        theirs.push({ client, from: clock, to: clock + item.length });
      });
    });
  });
  return structure;
}

/** The item that holds the cell which this item is, or is part of. */
function cellItem(nb: Notebook, item: Y.Item): Y.Item | null {
  let inner: Y.Item | null = item;
  while (inner !== null) {
    const parent: Y.Item["parent"] = inner.parent;
    if (!(parent instanceof Y.AbstractType)) return null;
    if (parent === nb.cells) return inner;
    inner = parent._item;
  }
  return null;
}

function typeOf(item: Y.Item): Y.AbstractType<unknown> | null {
  return item.content instanceof Y.ContentType ? item.content.type : null;
}
