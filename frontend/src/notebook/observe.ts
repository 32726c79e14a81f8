/** Subscriptions to parts of a Notebook. Each gives back its unsubscribe function. */
import * as Y from "yjs";
import type { Notebook } from "./schema.ts";

type Unsubscribe = () => void;
type Events = Y.YEvent<Y.AbstractType<unknown>>[];

/** Cells came, went or moved. */
export function observeOrder(nb: Notebook, changed: () => void): Unsubscribe {
  return deep(nb.cells, (events) => {
    const moved = events.some(
      (event) => event.path.length === 0 || (event.path.length === 1 && keyChanged(event, "position")),
    );
    if (moved) changed();
  });
}

/** Source, type, metadata or attachments of one cell. */
export function observeCell(nb: Notebook, id: string, changed: () => void): Unsubscribe {
  return entry(nb.cells, id, changed);
}

export function observeRun(nb: Notebook, id: string, changed: () => void): Unsubscribe {
  return entry(nb.runs, id, changed);
}

/** The run of any cell. */
export function observeRuns(nb: Notebook, changed: () => void): Unsubscribe {
  return deep(nb.runs, changed);
}

export function observeOutputs(nb: Notebook, id: string, changed: () => void): Unsubscribe {
  return entry(nb.outputs, id, changed);
}

export function observeMeta(nb: Notebook, changed: () => void): Unsubscribe {
  return deep(nb.meta, changed);
}

/** One observer of each root serves all its entries: a thousand cells must not mean a thousand deep observers. */
const listeners = new WeakMap<Y.Map<unknown>, Map<string, Set<() => void>>>();

function entry(root: Y.Map<unknown>, id: string, changed: () => void): Unsubscribe {
  let byId = listeners.get(root);
  if (byId === undefined) {
    const made = new Map<string, Set<() => void>>();
    byId = made;
    listeners.set(root, made);
    root.observeDeep((events) => {
      const ids = new Set<string>();
      for (const event of events) {
        const first = event.path[0];
        if (first !== undefined) ids.add(String(first));
        else for (const key of event.keys.keys()) ids.add(key);
      }
      for (const id of ids) for (const listener of [...(made.get(id) ?? [])]) listener();
    });
  }
  const set = byId.get(id) ?? new Set();
  byId.set(id, set);
  set.add(changed);
  return () => {
    set.delete(changed);
    if (set.size === 0 && byId.get(id) === set) byId.delete(id);
  };
}

function deep(root: Y.Map<unknown>, handler: (events: Events) => void): Unsubscribe {
  const listener = (events: Events) => handler(events);
  root.observeDeep(listener);
  return () => root.unobserveDeep(listener);
}

function keyChanged(event: Events[number], key: string): boolean {
  return event instanceof Y.YMapEvent && event.keysChanged.has(key);
}
