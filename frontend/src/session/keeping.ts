/** What the browser keeps of a session: its copy of the notebook, which cells are unsaved in it, and recovered work. */
import * as Y from "yjs";
import type { StoreApi } from "zustand/vanilla";
import { type Notebook, openNotebook, orderedIds } from "../notebook/schema.ts";
import type { Kept, OfflineCopy, OpenCopy } from "./offline.ts";
import { keepRecovered, noteUnsaved, type Recovered, readUnsaved, recover, recoverNoted } from "./recovered.ts";
import type { SessionState } from "./state.ts";
import type { TextStorage } from "./text_storage.ts";

export const LOWERED = "Your role was lowered before it was saved.";

export interface Keeping {
  /** Cells that were written in since everything was durable. */
  readonly touched: Set<string>;
  /** Whether what comes into the document just now comes from the copy. */
  readonly isLoading: boolean;
  /** Whether what was not saved is safe without being recovered. */
  readonly isKept: boolean;
  /** Once: the copy of this epoch goes into the document. What somebody wrote who may not write any more is recovered. */
  open(epoch: number, mayEdit: boolean, isLive: boolean): void;
  /** When the copy is here, or will not come. */
  opened(): Promise<void>;
  /** What other tabs of this browser wrote comes in. */
  refresh(): Promise<void>;
  share(): void;
  /** For a later visit. */
  noteUnsaved(unsaved: boolean): void;
  /** Whether the copy was left with something unsaved. */
  wasUnsaved(epoch: number): boolean;
  recover(reason: string): void;
  addRecovered(work: readonly Recovered[]): void;
  forget(): void;
  close(): void;
}

export interface KeepingOptions {
  readonly notebook: Notebook;
  readonly keptAs: string;
  readonly storage: TextStorage | null;
  readonly copies: OpenCopy | null;
  readonly store: StoreApi<SessionState>;
}

export function createKeeping({ notebook, keptAs, storage, copies, store }: KeepingOptions): Keeping {
  const touched = new Set<string>();
  let copy: OfflineCopy | null = null;
  let opening: Promise<void> | null = null;
  let isLoading = false;
  let closed = false;
  /** How many cells the note in the browser names; null when there is none. */
  let noted: number | null = null;

  const tell = (kept: Kept): void => {
    if (kept === "none") copy = null;
    if (!closed) store.setState({ kept });
  };

  const load = async (open: OpenCopy, epoch: number): Promise<void> => {
    if (closed) return;
    const left = readUnsaved(storage, keptAs, epoch);
    // A browser whose storage is broken keeps nothing.
    const opened = await open(notebook.doc, keptAs, epoch, tell).catch(() => null);
    for (const cell of left === "all" ? orderedIds(notebook) : (left ?? [])) touched.add(cell);
    isLoading = false;
    if (closed) {
      void opened?.close();
      return;
    }
    copy = opened;
    tell(opened === null ? "none" : store.getState().kept === "full" ? "full" : "kept");
  };

  /** Takes the text of unsaved cells out of the copy, which goes. */
  const rescue = async (open: OpenCopy, epoch: number, left: ReadonlySet<string> | "all"): Promise<void> => {
    const old = openNotebook(new Y.Doc());
    const opened = await open(old.doc, keptAs, epoch, () => {}).catch(() => null);
    if (opened === null) return;
    const work = recoverNoted(old, left, LOWERED, Date.now());
    if (work !== null) addRecovered([work]);
    await opened.forget().catch(() => {});
    noteUnsaved(storage, keptAs, epoch, null);
  };

  const addRecovered = (work: readonly Recovered[]): void => {
    const { recovered } = store.getState();
    store.setState({ recovered: keepRecovered(storage, keptAs, [...work, ...recovered]) });
  };

  return {
    touched,
    get isLoading() {
      return isLoading;
    },
    get isKept() {
      return copy !== null && store.getState().kept === "kept";
    },
    open(epoch, mayEdit, isLive) {
      if (opening !== null || copies === null) return;
      isLoading = !isLive;
      const left = mayEdit ? null : readUnsaved(storage, keptAs, epoch);
      opening = (left === null ? Promise.resolve() : rescue(copies, epoch, left)).then(() => load(copies, epoch));
    },
    opened: () => opening ?? Promise.resolve(),
    refresh: () => copy?.refresh().catch(() => {}) ?? Promise.resolve(),
    share: () => copy?.share(),
    noteUnsaved(unsaved) {
      const { epoch } = store.getState();
      if (!unsaved) touched.clear();
      const wanted = unsaved ? touched.size : null;
      // While the copy is on its way the note of the last visit stands.
      if (epoch === null || isLoading || wanted === noted) return;
      noted = wanted;
      noteUnsaved(storage, keptAs, epoch, unsaved ? touched : null);
    },
    wasUnsaved: (epoch) => copies !== null && readUnsaved(storage, keptAs, epoch) !== null,
    recover(reason) {
      const work = recover(notebook, touched, reason, Date.now());
      if (work !== null) addRecovered([work]);
    },
    addRecovered,
    forget() {
      const gone = copy;
      const { epoch } = store.getState();
      opening = null;
      tell("none");
      noted = null;
      if (epoch !== null) noteUnsaved(storage, keptAs, epoch, null);
      void gone?.forget().catch(() => {});
    },
    close() {
      closed = true;
      void copy?.close();
    },
  };
}
