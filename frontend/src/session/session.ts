/** One tab's life in a notebook: the document in step with the server, presence, commands and events. No DOM. */
import { digest } from "lib0/hash/sha256";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { createStore } from "zustand/vanilla";
import { cellOf, openNotebook } from "../notebook/schema.ts";
import { createUndo } from "../notebook/undo.ts";
import { createAsks } from "./asks.ts";
import type { Command } from "./commands.ts";
import { createComms } from "./comms.ts";
import { createComparing } from "./comparing.ts";
import { type Event, parseEvent } from "./events.ts";
import { createKeeping, LOWERED } from "./keeping.ts";
import type { OpenCopy } from "./offline.ts";
import { createOutgoing } from "./outgoing.ts";
import { createOwnRuns } from "./own_runs.ts";
import { peopleOf, samePeople } from "./people.ts";
import { createPresence } from "./presence.ts";
import { keepRecovered, readRecovered } from "./recovered.ts";
import * as saving from "./saving.ts";
import { createSocket, SIGN_IN } from "./socket.ts";
import { type PresenceState, type Session, type SessionOptions, type SessionState, stateAtFirst } from "./state.ts";
import { browserStorage } from "./text_storage.ts";
import { commandFrame, type Frame, readFrame, step1Frame, step2Frame, updateFrame } from "./wire.ts";

export type { Command } from "./commands.ts";
export type { Completions, Event, RuntimeStatus, User } from "./events.ts";
export type { Kept } from "./offline.ts";
export type { Person } from "./people.ts";
export type { Recovered } from "./recovered.ts";
export type { Save } from "./saving.ts";
export type { LastKnown, PresenceState, RuntimeState, Session, SessionOptions, SessionState } from "./state.ts";

const SCHEMA = 1;
// Typing goes out at once; what follows within this time goes out together.
const SEND_WINDOW_MS = 15;
// An update over 1 MB is refused (crdt.md V8), but not what answers the server's STEP1: that is how offline work comes.
const MOST_UPDATE_BYTES = 1_000_000;
const EDITING_ROLES: readonly string[] = ["editor", "owner"];
const DIFFERED = "This page showed another text than what is saved.";
const BUSY = 1013;
// The notebook was rebuilt: what is in the copy is merged by content after a reload.
const OTHER_EPOCH = 4409;
// What the server refused would be refused again after a reload; what its person may not see any more has no place in
// the browser either.
const FORGOTTEN_AFTER: readonly number[] = [4400, 4403, 4404, 4413, 4422];
const SOMEBODY_ELSE = "Somebody else is signed in now.";

export function openSession(options: SessionOptions): Session {
  const doc = new Y.Doc();
  const notebook = openNotebook(doc);
  const undo = createUndo(notebook);
  const awareness = new Awareness(doc);
  awareness.setLocalState({ cell: null, cursor: null, mode: "command" } satisfies PresenceState);
  const storage =
    options.storage === undefined && options.offline === true ? browserStorage() : (options.storage ?? null);
  const { notebookId, keptAs = notebookId, offline = false, last } = options;
  const store = createStore<SessionState>(() => stateAtFirst(readRecovered(storage, keptAs), last));
  const copies = offline === true ? inIndexedDB : offline === false ? null : offline;
  const keeping = createKeeping({ notebook, keptAs, storage, copies, store });
  const listeners = new Set<(event: Event) => void>();
  const asks = createAsks();
  const comms = createComms((frame) => live && socket.send(frame));
  const ownRuns = createOwnRuns(notebook, () => store.getState().user?.id ?? null);
  const remote = Symbol("server");

  let state = saving.NOTHING_SENT;
  // Whether our STEP2 is out on this socket, so that later edits follow by themselves.
  let live = false;
  // What the server had when it asked; what a new editor has beyond that goes out.
  let serverVector: Uint8Array = new Uint8Array([0]);
  let request = 0;
  let closed = false;

  const mayEdit = (): boolean => EDITING_ROLES.includes(store.getState().role ?? "");

  // -- saving -------------------------------------------------------------------------------------------------------

  let patience: ReturnType<typeof setTimeout> | undefined;
  const showSaving = (next: saving.Saving): void => {
    state = next;
    clearTimeout(patience);
    const unsaved = mayEdit() && saving.isUnsaved(state);
    const { phase, ...shown } = store.getState();
    const now = Date.now();
    const save = mayEdit() || !state.connected ? saving.saveState(state, now) : "Saved";
    // Until the first content is here it is also why nothing comes.
    const saveReason = save === "Not saved" || phase !== "synced" ? state.trouble : "";
    if (unsaved !== shown.unsaved) store.setState({ unsaved });
    keeping.noteUnsaved(unsaved);
    // Before the first join there is nothing to say but that it comes.
    if (phase === "connecting") {
      if (saveReason !== shown.saveReason) store.setState({ saveReason });
      return;
    }
    if (save !== shown.save || saveReason !== shown.saveReason) store.setState({ save, saveReason });
    if (save === "Saving") patience = setTimeout(() => showSaving(state), saving.patienceLeft(state, now));
  };

  // -- edits out ----------------------------------------------------------------------------------------------------

  let window_: ReturnType<typeof setTimeout> | undefined;
  let isStructure = false;

  /** The number of the frame on this socket; 0 when there is no connection. */
  const sendUpdate = (frame: Uint8Array<ArrayBuffer>): number => {
    if (!socket.send(frame)) return 0;
    showSaving(saving.sent(state, Date.now()));
    return state.sent;
  };
  const outgoing = createOutgoing((update) =>
    sendUpdate(update.length > MOST_UPDATE_BYTES ? step2Frame(update) : updateFrame(update)),
  );

  notebook.cells.observeDeep((events, transaction) => {
    if (transaction.origin === remote || keeping.isLoading) return;
    for (const event of events) {
      const [id] = event.path;
      isStructure ||= id === undefined;
      for (const key of id === undefined ? event.keys.keys() : [String(id)]) keeping.touched.add(key);
    }
  });

  doc.on("update", (update: Uint8Array, origin: unknown) => {
    // The kept copy is no news: what the server lacks of it comes with our STEP2.
    if (origin === remote || !mayEdit() || keeping.isLoading) return;
    showSaving(saving.edited(state, Date.now()));
    outgoing.add(update, isStructure);
    isStructure = false;
    // Once it is in the copy, which hears of it after this.
    if (!live) queueMicrotask(keeping.share);
    if (!live || window_ !== undefined) return;
    outgoing.flush();
    window_ = setTimeout(() => {
      window_ = undefined;
      if (live) outgoing.flush();
    }, SEND_WINDOW_MS);
  });

  // -- presence -----------------------------------------------------------------------------------------------------

  const showPeople = (): void => {
    const { user, role, people } = store.getState();
    const next = peopleOf(awareness, user === null || role === null ? null : { user, role });
    if (!samePeople(people, next)) store.setState({ people: next });
  };

  const presence = createPresence({
    awareness,
    send: (frame) => socket.send(frame),
    isLive: () => live,
    onChange: showPeople,
  });

  // -- frames in ----------------------------------------------------------------------------------------------------

  /** The kept copy goes into the document before anything is exchanged. */
  const openCopy = (epoch: number): void => {
    if (mayEdit() && keeping.wasUnsaved(epoch)) state = { ...state, unsent: true };
    keeping.open(epoch, mayEdit(), live);
  };

  let merging = false;
  /** Once, when this epoch's content is here: what comes of it arrives as anybody's edits do. */
  const mergeEarlier = (): void => {
    const { epoch } = store.getState();
    if (merging || epoch === null || options.earlier === undefined || !mayEdit()) return;
    merging = true;
    void options
      .earlier(epoch)
      .catch(() => []) // a browser whose storage is broken keeps nothing
      .then((work) => {
        if (!closed && work.length > 0) keeping.addRecovered(work);
      });
  };

  let generation = 0;
  const whenOpened = (act: () => void): void => {
    const mine = generation;
    void keeping
      .opened()
      .then(keeping.refresh)
      .then(() => {
        if (mine === generation && !closed) act();
      });
  };

  /** What was written as an editor and not sent will not be taken any more. */
  const giveUpEditing = (): void => {
    keeping.recover(LOWERED);
    keeping.forget();
    outgoing.clear();
    showSaving({ ...saving.NOTHING_SENT, connected: state.connected });
  };

  const joined = (event: Event & { type: "joined" }): void => {
    const could = mayEdit();
    const { user } = store.getState();
    // Guests have no other name than their browser's: the next one goes on with the work of the last.
    if (user !== null && user.id !== event.user.id && !(user.guest && event.user.guest)) {
      end(SIGN_IN, SOMEBODY_ELSE);
      return;
    }
    store.setState({ role: event.role, user: event.user, epoch: event.epoch, signedOut: false });
    state = saving.connected(state);
    if (could && !mayEdit() && state.unsent) whenOpened(giveUpEditing);
    openCopy(event.epoch);
    showPeople();
  };

  const changeRole = (role: string): void => {
    const could = mayEdit();
    const { epoch } = store.getState();
    store.setState({ role });
    showPeople();
    presence.announce();
    if (could && !mayEdit()) {
      if (saving.isUnsaved(state)) giveUpEditing();
      else outgoing.clear();
    }
    if (!could && mayEdit() && epoch !== null) {
      openCopy(epoch);
      whenOpened(() => {
        if (live) answerStep1(serverVector);
      });
    }
    showSaving(state);
  };

  const emit = (event: Event): void => {
    if (event.type === "refused" && event.request !== null) ownRuns.refused(event.request);
    if (asks.hear(event)) return;
    for (const listener of [...listeners]) listener(event);
  };

  const hear = (event: Event): void => {
    switch (event.type) {
      case "joined":
        joined(event);
        break;
      case "acknowledged":
        outgoing.acknowledged(event.frames);
        showSaving(saving.acknowledged(state, event.frames, Date.now()));
        break;
      case "cannot_save":
        showSaving({ ...state, trouble: event.reason });
        break;
      case "role_changed":
        changeRole(event.role);
        break;
      case "renamed":
        store.setState({ user: event.user });
        showPeople();
        presence.announce();
        break;
      case "runtime_changed": {
        const { type: _type, stopsAt, ...runtime } = event;
        const ends = Date.parse(stopsAt);
        store.setState({ runtime: { ...runtime, stopsAt: Number.isNaN(ends) ? null : ends } });
        // What a process used that is gone says nothing of the next one.
        if (runtime.status === "none" || runtime.status === "dead") store.setState({ usage: null });
        break;
      }
      case "runtime_usage": {
        const { type: _type, ...usage } = event;
        store.setState({ usage });
        break;
      }
      case "queue_changed":
        store.setState({ queue: event.cells, queueMore: event.more });
        break;
      case "differs":
        for (const cell of event.cells) keeping.touched.add(cell);
        keeping.recover(DIFFERED);
        break;
    }
    emit(event);
  };

  const answerStep1 = (stateVector: Uint8Array): void => {
    serverVector = stateVector;
    live = true;
    if (!mayEdit()) return;
    // First what happened, in order; what the server may lack besides comes with the whole.
    outgoing.flush();
    sendUpdate(step2Frame(Y.encodeStateAsUpdate(doc, stateVector)));
  };

  const act = (frame: Frame): void => {
    switch (frame.kind) {
      case "step1":
        whenOpened(() => {
          const first = !live;
          answerStep1(frame.stateVector);
          if (!first) return;
          socket.send(step1Frame(Y.encodeStateVector(doc)));
          presence.announce();
          comms.joined();
        });
        break;
      case "step2":
        Y.applyUpdate(doc, frame.update, remote);
        store.setState({ phase: "synced" });
        showSaving(state);
        mergeEarlier();
        break;
      case "update":
        Y.applyUpdate(doc, frame.update, remote);
        break;
      case "awareness":
        presence.hear(frame.update);
        break;
      case "comm":
        comms.hear(frame.header, frame.buffers);
        break;
      case "event": {
        const event = parseEvent(frame.text);
        if (event !== null) hear(event);
        break;
      }
    }
  };

  const read = (data: Uint8Array): void => {
    let frame: Frame;
    try {
      frame = readFrame(data);
    } catch {
      // What was in it would be missing from now on; a fresh connection brings it again.
      socket.restart("The server sent a broken frame.");
      return;
    }
    act(frame);
  };

  const lost = (code: number, reason: string, final: boolean): void => {
    generation += 1;
    live = false;
    outgoing.lost();
    const { phase } = store.getState();
    const unsaved = saving.isUnsaved(state);
    asks.giveUp("The connection to the server is lost.");
    comms.lost();
    presence.forgetOthers();
    if (final && !closed) {
      store.setState({ phase: "ended", ended: { code, reason } });
      if (unsaved && !(code === OTHER_EPOCH && keeping.isKept)) keeping.recover(reason);
    } else if (phase === "synced") store.setState({ phase: "offline" });
    if (code === SIGN_IN) store.setState({ signedOut: true });
    showSaving(saving.lost(state, code === BUSY));
    if (final && !closed && FORGOTTEN_AFTER.includes(code)) keeping.forget();
  };

  /** For a reason of this page's own. */
  const end = (code: number, reason: string): void => {
    socket.close();
    generation += 1;
    live = false;
    if (saving.isUnsaved(state) && !keeping.isKept) keeping.recover(reason);
    store.setState({ phase: "ended", ended: { code, reason } });
  };

  const socket = createSocket(
    {
      url: () => {
        const { epoch } = store.getState();
        return `${options.url}?schema=${SCHEMA}${epoch === null ? "" : `&epoch=${epoch}`}`;
      },
      onFrame: read,
      onClose: lost,
    },
    options.WebSocket ?? WebSocket,
  );

  if (last !== undefined) {
    openCopy(last.epoch);
    void keeping.opened().then(() => {
      if (closed || state.connected || store.getState().phase !== "connecting" || doc.store.clients.size === 0) return;
      store.setState({ phase: "offline" });
      showSaving(state);
    });
  }

  const retryNow = (): void => socket.retryNow();
  globalThis.addEventListener?.("online", retryNow);

  // -- commands -----------------------------------------------------------------------------------------------------

  const send = (command: Command): number => {
    request += 1;
    if (live) outgoing.flush();
    const mine = request;
    ownRuns.sent(command, mine);
    if (!live || !socket.send(commandFrame({ ...command, request: mine }))) {
      const reason =
        "You are offline: nothing was run or changed on the runtime. Try again when the connection is back.";
      queueMicrotask(() => emit({ type: "refused", reason, request: mine, command: command.type }));
    }
    return mine;
  };

  const sources = async (ids: readonly string[]): Promise<Record<string, string>> => {
    const digests: Record<string, string> = {};
    for (const id of ids) {
      const cell = cellOf(notebook, id);
      if (cell !== null) digests[id] = hex(digest(new TextEncoder().encode(cell.source.toString())));
    }
    return digests;
  };

  const comparing = createComparing({
    notebook,
    isQuiet: () => live && store.getState().phase === "synced" && !saving.isUnsaved(state),
    digests: sources,
    send: (command) => void send(command),
  });

  return {
    id: notebookId,
    notebook,
    awareness,
    store,
    undo,
    comms,
    send,
    complete: (code, cursor) =>
      asks.ask(send({ type: "complete", code, cursor }), (event) => (event.type === "completions" ? event : null)),
    inspect: (code, cursor) =>
      asks.ask(send({ type: "inspect", code, cursor }), (event) => (event.type === "inspection" ? event.text : null)),
    onEvent(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    setPresence(change) {
      awareness.setLocalState({ ...awareness.getLocalState(), ...change });
    },
    sources,
    ranHere: (cellId) => ownRuns.isOwn(cellId),
    recoveredTaken() {
      const taken = store.getState().recovered.map((item) => ({ ...item, taken: true }));
      store.setState({ recovered: keepRecovered(storage, keptAs, taken) });
    },
    retryNow,
    wake: () => socket.wake(),
    flush() {
      if (live) outgoing.flush();
    },
    close() {
      if (closed) return;
      if (live) outgoing.flush();
      closed = true;
      live = false;
      generation += 1;
      clearTimeout(patience);
      clearTimeout(window_);
      comparing.close();
      presence.close();
      asks.giveUp("The notebook was closed.");
      globalThis.removeEventListener?.("online", retryNow);
      socket.close();
      keeping.close();
      undo.destroy();
      awareness.destroy();
      doc.destroy();
    },
  };
}

/** Of no use before the server has answered, or has not. */
const inIndexedDB: OpenCopy = async (...copy) => (await import("./offline.ts")).openOfflineCopy(...copy);

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
