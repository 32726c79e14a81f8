/** One tab's life in a notebook: the document in step with the server, presence, commands and events. No DOM. */
import { digest } from "lib0/hash/sha256";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { createStore } from "zustand/vanilla";
import { cellOf, openNotebook } from "../notebook/schema.ts";
import { createUndo } from "../notebook/undo.ts";
import { createAsks } from "./asks.ts";
import type { Command } from "./commands.ts";
import { createComparing } from "./comparing.ts";
import { type Event, parseEvent } from "./events.ts";
import { type OfflineCopy, openOfflineCopy } from "./offline.ts";
import { createOutgoing } from "./outgoing.ts";
import { createOwnRuns } from "./own_runs.ts";
import { peopleOf, samePeople } from "./people.ts";
import { createPresence } from "./presence.ts";
import { browserStorage, keepRecovered, noteUnsaved, readRecovered, recover } from "./recovered.ts";
import * as saving from "./saving.ts";
import { createSocket } from "./socket.ts";
import { type PresenceState, type Session, type SessionOptions, type SessionState, stateAtFirst } from "./state.ts";
import { commandFrame, type Frame, readFrame, step1Frame, step2Frame, updateFrame } from "./wire.ts";

export type { Command } from "./commands.ts";
export type { Completions, Event, RuntimeStatus, User } from "./events.ts";
export type { Person } from "./people.ts";
export type { Recovered } from "./recovered.ts";
export type { Save } from "./saving.ts";
export type { PresenceState, RuntimeState, Session, SessionOptions, SessionState } from "./state.ts";

const SCHEMA = 1;
// Typing goes out at once; what follows within this time goes out together.
const SEND_WINDOW_MS = 15;
// An update over 1 MB is refused (crdt.md V8), but not what answers the server's STEP1: that is how offline work comes.
const MOST_UPDATE_BYTES = 1_000_000;
const EDITING_ROLES: readonly string[] = ["editor", "owner"];
const LOWERED = "Your role was lowered before it was saved.";
const DIFFERED = "This page showed another text than what is saved.";
const SIGN_IN = 4401;
// The notebook was rebuilt: what is in the copy is merged by content after a reload.
const OTHER_EPOCH = 4409;
// What the server refused would be refused again after a reload.
const USELESS_AFTER: readonly number[] = [4400, 4413, 4422];

export function openSession(options: SessionOptions): Session {
  const doc = new Y.Doc();
  const notebook = openNotebook(doc);
  const undo = createUndo(notebook);
  const awareness = new Awareness(doc);
  awareness.setLocalState({ cell: null, cursor: null, mode: "command" } satisfies PresenceState);
  const storage =
    options.storage === undefined && options.offline === true ? browserStorage() : (options.storage ?? null);
  const store = createStore<SessionState>(() => stateAtFirst(readRecovered(storage, options.notebookId)));
  const listeners = new Set<(event: Event) => void>();
  const asks = createAsks();
  const ownRuns = createOwnRuns(notebook, () => store.getState().user?.id ?? null);
  const remote = Symbol("server");

  let state = saving.NOTHING_SENT;
  // Cells that were written in since everything was durable.
  const touched = new Set<string>();
  let copy: OfflineCopy | null = null;
  let opening: Promise<void> | null = null;
  let isLoading = false;
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
    if (!saving.isUnsaved(state)) touched.clear();
    const unsaved = mayEdit() && saving.isUnsaved(state);
    const { phase, ...shown } = store.getState();
    const now = Date.now();
    const save = mayEdit() || !state.connected ? saving.saveState(state, now) : "Saved";
    const saveReason = save === "Not saved" ? state.trouble : "";
    if (unsaved !== shown.unsaved) {
      store.setState({ unsaved });
      if (shown.epoch !== null) noteUnsaved(storage, options.notebookId, shown.epoch, unsaved);
    }
    // Before the first join there is nothing to say but that it comes.
    if (phase === "connecting") return;
    if (save !== shown.save || saveReason !== shown.saveReason) store.setState({ save, saveReason });
    if (save === "Saving") patience = setTimeout(() => showSaving(state), saving.patienceLeft(state, now));
  };

  const keepForLater = (reason: string): void => {
    const work = recover(notebook, touched, reason, Date.now());
    if (work === null) return;
    const { recovered } = store.getState();
    store.setState({ recovered: keepRecovered(storage, options.notebookId, [work, ...recovered]) });
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
    if (transaction.origin === remote) return;
    for (const event of events) {
      const [id] = event.path;
      isStructure ||= id === undefined;
      for (const key of id === undefined ? event.keys.keys() : [String(id)]) touched.add(key);
    }
  });

  doc.on("update", (update: Uint8Array, origin: unknown) => {
    if (origin === remote || !mayEdit()) return;
    showSaving(saving.edited(state, Date.now()));
    // The kept copy is no news: what the server lacks of it comes with our STEP2.
    if (isLoading) return;
    outgoing.add(update, isStructure);
    isStructure = false;
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
    const { offline = false } = options;
    if (opening !== null || offline === false || !mayEdit()) return;
    const open = offline === true ? openOfflineCopy : offline;
    isLoading = !live;
    opening = open(doc, options.notebookId, epoch)
      .catch(() => null) // a browser whose storage is broken keeps nothing
      .then((opened) => {
        isLoading = false;
        if (closed) void opened?.close();
        else copy = opened;
      });
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
        if (closed || work.length === 0) return;
        const { recovered } = store.getState();
        store.setState({ recovered: keepRecovered(storage, options.notebookId, [...work, ...recovered]) });
      });
  };

  let generation = 0;
  const whenOpened = (act: () => void): void => {
    const mine = generation;
    void (opening ?? Promise.resolve()).then(() => {
      if (mine === generation && !closed) act();
    });
  };

  const joined = (event: Event & { type: "joined" }): void => {
    const could = mayEdit();
    store.setState({ role: event.role, user: event.user, epoch: event.epoch });
    state = { ...saving.NOTHING_SENT, connected: true, unsent: state.unsent };
    if (could && !mayEdit() && state.unsent) keepForLater(LOWERED);
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
      if (saving.isUnsaved(state)) keepForLater(LOWERED);
      outgoing.clear();
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
        for (const cell of event.cells) touched.add(cell);
        keepForLater(DIFFERED);
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
    presence.forgetOthers();
    if (final && !closed) {
      store.setState({ phase: "ended", ended: { code, reason } });
      const isKept = code === SIGN_IN || (code === OTHER_EPOCH && copy !== null);
      if (unsaved && !isKept) keepForLater(reason);
      if (USELESS_AFTER.includes(code)) void copy?.forget().catch(() => {}); // it is read again, and refused again
    } else if (phase === "synced") store.setState({ phase: "offline" });
    showSaving({ ...saving.NOTHING_SENT, unsent: unsaved });
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
    id: options.notebookId,
    notebook,
    awareness,
    store,
    undo,
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
      store.setState({ recovered: keepRecovered(storage, options.notebookId, taken) });
    },
    retryNow,
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
      void copy?.close();
      undo.destroy();
      awareness.destroy();
      doc.destroy();
    },
  };
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
