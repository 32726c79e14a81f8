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

/** Merges what is kept into `doc` and keeps what comes. Null when this browser keeps nothing. */
export type OpenCopy = (doc: Y.Doc, notebookId: string, epoch: number) => Promise<OfflineCopy | null>;

export const copyName = (notebookId: string, epoch: number | ""): string => `collab:${notebookId}:${epoch}`;

// A browser that keeps nothing (a private window) must not keep the notebook from opening.
const LOAD_WITHIN_MS = 3_000;

export const openOfflineCopy: OpenCopy = async (doc, notebookId, epoch) => {
  if (typeof indexedDB === "undefined") return null;
  const persistence = new IndexeddbPersistence(copyName(notebookId, epoch), doc);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const outcome = await Promise.race([
    persistence.whenSynced.then(() => "loaded" as const),
    // The library says nothing when storage is forbidden; its own promise for the database does.
    persistence._db.then(
      () => new Promise<never>(() => {}),
      () => "forbidden" as const,
    ),
    new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), LOAD_WITHIN_MS);
    }),
  ]);
  clearTimeout(timer);
  if (outcome === "forbidden") return null;
  // A late one stays: what it holds is merged when it comes.
  return {
    async forget() {
      const database = await persistence._db;
      // Emptied, not deleted: another tab may have it open, and deleting would wait for that one.
      const emptied = new Promise<void>((resolve, reject) => {
        const transaction = database.transaction(["updates"], "readwrite");
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("The copy in this browser stays."));
        transaction.objectStore("updates").clear();
      });
      const closed = persistence.destroy();
      await Promise.all([emptied, closed]);
    },
    close: () => persistence.destroy(),
  };
};
