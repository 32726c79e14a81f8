/** A copy of the notebook in this browser, so that what was written offline survives a reload (crdt.md D9).
 *
 * One IndexedDB database for each notebook and epoch: bytes of two epochs are never merged.
 */
import { IndexeddbPersistence } from "y-indexeddb";
import type * as Y from "yjs";

export interface OfflineCopy {
  /** The copy leaves the browser, since the server refused what is in it. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

// A browser that keeps nothing (a private window) must not keep the notebook from opening.
const LOAD_WITHIN_MS = 3_000;

/** Merges what is kept into `doc` and keeps what comes. Null when this browser keeps nothing. */
export async function openOfflineCopy(doc: Y.Doc, notebookId: string, epoch: number): Promise<OfflineCopy | null> {
  if (typeof indexedDB === "undefined") return null;
  const persistence = new IndexeddbPersistence(`collab:${notebookId}:${epoch}`, doc);
  const loaded = await Promise.race([
    persistence.whenSynced.then(
      () => true,
      () => false,
    ),
    new Promise<false>((resolve) => setTimeout(() => resolve(false), LOAD_WITHIN_MS)),
  ]);
  if (!loaded) return null;
  return {
    forget: () => persistence.clearData(),
    close: () => persistence.destroy(),
  };
}
