/** A copy of the notebook in this browser, so that what was written offline survives a reload (crdt.md D9).
 *
 * One IndexedDB database for each person, notebook and epoch: bytes of two epochs are never merged. Tabs share it.
 */
import { fetchUpdates, IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";

/** Whether what is written is in the copy: yes; not all, as storage is full; or not at all. */
export type Kept = "kept" | "full" | "none";

export interface OfflineCopy {
  /** Takes over what other tabs of this browser wrote into it, as far as it came. */
  refresh(): Promise<void>;
  /** Tells the other tabs that there is something new. */
  share(): void;
  /** The copy leaves the browser: the server refused what is in it, or its person may not see it any more. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** Merges what is kept into `doc` and keeps what comes. Null when this browser keeps nothing. */
export type OpenCopy = (
  doc: Y.Doc,
  keptAs: string,
  epoch: number,
  tell: (kept: Kept) => void,
) => Promise<OfflineCopy | null>;

/** `keptAs` names a person and a notebook. */
export const copyName = (keptAs: string, epoch: number | ""): string => `collab:${keptAs}:${epoch}`;

// A browser that keeps nothing (a private window) must not keep the notebook from opening.
const LOAD_WITHIN_MS = 3_000;
const TRY_FOR_ROOM_MS = 5_000;

export const openOfflineCopy: OpenCopy = async (doc, keptAs, epoch, tell) => {
  if (typeof indexedDB === "undefined") return null;
  const name = copyName(keptAs, epoch);
  const persistence = new IndexeddbPersistence(name, doc);
  const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
  let waiting: ReturnType<typeof setInterval> | undefined;

  const close = async (): Promise<void> => {
    clearInterval(waiting);
    channel?.close();
    await persistence.destroy();
  };

  const refresh = async (): Promise<void> => {
    if (persistence.synced && !persistence._destroyed) await fetchUpdates(persistence);
  };

  /** Once an update was lost those after it cannot be read, so the whole is written again. */
  const rewrite = async (): Promise<void> => {
    if (persistence._destroyed) return;
    const updates = await fetchUpdates(persistence);
    updates.transaction.oncomplete = () => {
      clearInterval(waiting);
      waiting = undefined;
      tell("kept");
    };
    updates.add(Y.encodeStateAsUpdate(doc));
    updates.delete(IDBKeyRange.upperBound(persistence._dbref, true));
  };

  const watch = (database: IDBDatabase): void => {
    // Of any of its transactions.
    database.addEventListener("abort", () => {
      tell("full");
      waiting ??= setInterval(() => void rewrite().catch(() => {}), TRY_FOR_ROOM_MS);
    });
    // Another tab takes the copy away: its person signed out, or it was merged into a later epoch.
    database.addEventListener("versionchange", () => {
      tell("none");
      void close();
    });
  };

  let timer: ReturnType<typeof setTimeout> | undefined;
  const outcome = await Promise.race([
    persistence.whenSynced.then(() => "loaded" as const),
    // The library says nothing when storage is forbidden; its own promise for the database does.
    persistence._db.then(
      (database) => {
        watch(database);
        return new Promise<never>(() => {});
      },
      () => "forbidden" as const,
    ),
    new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), LOAD_WITHIN_MS);
    }),
  ]);
  clearTimeout(timer);
  if (outcome === "forbidden") {
    channel?.close();
    return null;
  }
  // A late one stays: what it holds is merged when it comes.
  channel?.addEventListener("message", () => void refresh().catch(() => {}));
  return {
    refresh,
    share: () => channel?.postMessage("written"),
    async forget() {
      const database = await persistence._db;
      // Emptied, not deleted: another tab may have it open, and deleting would wait for that one.
      const emptied = new Promise<void>((resolve, reject) => {
        const transaction = database.transaction(["updates"], "readwrite");
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("The copy in this browser stays."));
        transaction.objectStore("updates").clear();
      });
      await Promise.all([emptied, close()]);
    },
    close,
  };
};
