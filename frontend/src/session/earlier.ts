/** What this browser kept of earlier epochs of a notebook: work that was done before the notebook was rebuilt.
 *
 * Bytes of two epochs are never merged (crdt.md G4): the server merges the content, and gives back what it cannot.
 */
import { IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";
import { ApiError, type Merged, mergeEarlier } from "../api.ts";
import { openNotebook, titleOf } from "../notebook/schema.ts";
import { copyName } from "./offline.ts";
import { noteUnsaved, type Recovered, type RecoveredCell, readUnsaved, recoverNoted } from "./recovered.ts";
import { browserStorage } from "./text_storage.ts";

/** The copies that a browser keeps, and the way to the server. */
export interface Earlier {
  epochs(): Promise<readonly number[]>;
  /** All that is in the copy; null when it is empty. */
  read(epoch: number): Promise<Y.Doc | null>;
  forget(epoch: number): void;
  merge(epoch: number, work: Uint8Array<ArrayBuffer>): Promise<Merged>;
  /** Which of its cells had not been saved when its page went; null: all had. */
  unsaved(epoch: number): ReadonlySet<string> | "all" | null;
}

/** Takes every copy of an epoch before `current` to the server; gives what could not be merged, newest first.
 *
 * A copy stays until the server has answered: what cannot be sent now is for the next time.
 */
export async function mergeCopies(earlier: Earlier, current: number, now: number): Promise<readonly Recovered[]> {
  const recovered: Recovered[] = [];
  for (const epoch of [...(await earlier.epochs())].sort((a, b) => b - a)) {
    if (epoch >= current) continue;
    const copy = await earlier.read(epoch);
    const work = copy === null ? null : await mergeCopy(earlier, epoch, copy, now);
    if (work === "later") continue;
    if (work !== null) recovered.push(work);
    earlier.forget(epoch);
  }
  return recovered;
}

async function mergeCopy(
  earlier: Earlier,
  epoch: number,
  copy: Y.Doc,
  now: number,
): Promise<Recovered | null | "later"> {
  const notebook = openNotebook(copy);
  try {
    const { unmerged } = await earlier.merge(epoch, new Uint8Array(Y.encodeStateAsUpdate(copy)));
    const cells = unmerged.map(({ type, source }): RecoveredCell => ({ type, source }));
    if (cells.length === 0) return null;
    const reason = "It was written before the notebook was rebuilt, and others have changed the same since.";
    return { at: now, title: titleOf(notebook), reason, cells, taken: false };
  } catch (error) {
    // Gone for too long, refused or too large: then the text is all there is.
    if (!(error instanceof ApiError) || ![410, 413, 422].includes(error.status)) return "later";
    const unsaved = earlier.unsaved(epoch);
    return unsaved === null ? null : recoverNoted(notebook, unsaved, error.message, now);
  }
}

/** Every copy of a notebook that its person may not see any more goes; gives what was unsaved in them, newest first. */
export async function takeAway(earlier: Earlier, reason: string, now: number): Promise<readonly Recovered[]> {
  const recovered: Recovered[] = [];
  for (const epoch of [...(await earlier.epochs())].sort((a, b) => b - a)) {
    const unsaved = earlier.unsaved(epoch);
    const copy = unsaved === null ? null : await earlier.read(epoch);
    const work = copy === null || unsaved === null ? null : recoverNoted(openNotebook(copy), unsaved, reason, now);
    if (work !== null) recovered.push(work);
    earlier.forget(epoch);
  }
  return recovered;
}

/** Of this browser. */
export function browserCopies(notebookId: string, keptAs: string): Earlier {
  const storage = browserStorage();
  return {
    async epochs() {
      const prefix = copyName(keptAs, "");
      const databases = typeof indexedDB === "undefined" ? [] : await indexedDB.databases();
      return databases
        .map(({ name = "" }) => (name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN))
        .filter(Number.isInteger);
    },
    async read(epoch) {
      const doc = new Y.Doc();
      const persistence = new IndexeddbPersistence(copyName(keptAs, epoch), doc);
      await persistence.whenSynced;
      await persistence.destroy();
      return doc.store.clients.size === 0 ? null : doc;
    },
    forget(epoch) {
      indexedDB.deleteDatabase(copyName(keptAs, epoch)); // once the last tab that has it open is gone
      noteUnsaved(storage, keptAs, epoch, null);
    },
    merge: (epoch, work) => mergeEarlier(notebookId, epoch, work),
    unsaved: (epoch) => readUnsaved(storage, keptAs, epoch),
  };
}
