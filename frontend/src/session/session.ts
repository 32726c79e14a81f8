/** One tab's life in a notebook: the document in step with the server, presence, commands and events. No DOM. */
import { digest } from "lib0/hash/sha256";
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import { createStore, type StoreApi } from "zustand/vanilla";
import { cellOf, type Notebook, openNotebook } from "../notebook/schema.ts";
import { createUndo, type Undo } from "../notebook/undo.ts";
import type { Command } from "./commands.ts";
import { type Completions, type Event, parseEvent, type RuntimeStatus, type User } from "./events.ts";
import { type OfflineCopy, openOfflineCopy } from "./offline.ts";
import { type Person, peopleOf, samePeople } from "./people.ts";
import * as saving from "./saving.ts";
import { createSocket, type WebSocketClass } from "./socket.ts";
import { awarenessFrame, commandFrame, readFrame, step1Frame, step2Frame, updateFrame } from "./wire.ts";

export type { Command } from "./commands.ts";
export type { Completions, Event, RuntimeStatus, User } from "./events.ts";
export type { Person } from "./people.ts";
export type { Save } from "./saving.ts";

export interface RuntimeState {
  readonly status: RuntimeStatus;
  /** Display name of the kernel. */
  readonly kernel: string;
  /** Names the kernel process; changes with every fresh one. */
  readonly session: string;
  readonly reason: string;
  readonly by: string;
}

export interface SessionState {
  readonly phase: "connecting" | "synced" | "offline" | "ended";
  readonly save: saving.Save;
  /** Why it is "Not saved", if the server said so. */
  readonly saveReason: string;
  /** Null before the first join. */
  readonly role: string | null;
  readonly user: User | null;
  readonly epoch: number | null;
  readonly runtime: RuntimeState;
  readonly queue: readonly string[];
  readonly people: readonly Person[];
  readonly ended: { readonly code: number; readonly reason: string } | null;
}

export interface PresenceState {
  readonly cell: string | null;
  readonly cursor: { readonly anchor: object; readonly head: object } | null;
  readonly mode: "edit" | "command";
}

export interface Session {
  readonly id: string;
  readonly notebook: Notebook;
  readonly awareness: Awareness;
  readonly store: StoreApi<SessionState>;
  readonly undo: Undo;
  /** Gives the request's number. Without a connection the answer is a `refused` event: nothing is run later. */
  send(command: Command): number;
  /** Offsets count code points. Rejects when the runtime does not answer in time. */
  complete(code: string, cursor: number): Promise<Completions>;
  /** Plain text with ANSI colours; empty when there is nothing to say. */
  inspect(code: string, cursor: number): Promise<string>;
  onEvent(callback: (event: Event) => void): () => void;
  setPresence(change: Partial<PresenceState>): void;
  /** SHA-256 (hex) of each cell's source; cells that are gone are left out. */
  sources(ids: readonly string[]): Promise<Record<string, string>>;
  retryNow(): void;
  close(): void;
}

export interface SessionOptions {
  readonly notebookId: string;
  /** Of the socket, without a query. */
  readonly url: string;
  readonly WebSocket?: WebSocketClass;
  /** Keep a copy in the browser. */
  readonly offline?: boolean;
}

const NO_RUNTIME: RuntimeState = { status: "none", kernel: "", session: "", reason: "", by: "" };
const SCHEMA = 1;
const ANSWER_WITHIN_MS = 10_000;
// Typing goes out at once; what follows within this time goes out together.
const SEND_WINDOW_MS = 15;
const PRESENCE_WINDOW_MS = 50;
const EDITING_ROLES: readonly string[] = ["editor", "owner"];

export function openSession(options: SessionOptions): Session {
  const doc = new Y.Doc();
  const notebook = openNotebook(doc);
  const undo = createUndo(notebook);
  const awareness = new Awareness(doc);
  awareness.setLocalState({ cell: null, cursor: null, mode: "command" } satisfies PresenceState);
  const store = createStore<SessionState>(() => ({
    phase: "connecting",
    save: "Saving",
    saveReason: "",
    role: null,
    user: null,
    epoch: null,
    runtime: NO_RUNTIME,
    queue: [],
    people: [],
    ended: null,
  }));
  const listeners = new Set<(event: Event) => void>();
  // Who waits for the answer to a request; nobody else hears of it.
  const asks = new Map<number, (event: Event) => void>();
  const remote = Symbol("server");

  let state = saving.NOTHING_SENT;
  let copy: OfflineCopy | null = null;
  let opening: Promise<void> | null = null;
  // Whether our STEP2 is out on this socket, so that later edits follow by themselves.
  let live = false;
  let request = 0;
  let closed = false;

  const mayEdit = (): boolean => EDITING_ROLES.includes(store.getState().role ?? "");

  // -- saving -------------------------------------------------------------------------------------------------------

  let patience: ReturnType<typeof setTimeout> | undefined;
  const showSaving = (next: saving.Saving): void => {
    state = next;
    clearTimeout(patience);
    const { phase, save, saveReason } = store.getState();
    if (phase === "connecting") return;
    const now = Date.now();
    const shown = mayEdit() || !state.connected ? saving.saveState(state, now) : "Saved";
    if (shown !== save || state.trouble !== saveReason) store.setState({ save: shown, saveReason: state.trouble });
    if (shown === "Saving") patience = setTimeout(() => showSaving(state), saving.PATIENCE_MS);
  };

  // -- edits out ----------------------------------------------------------------------------------------------------

  let waiting: Uint8Array[] = [];
  let window_: ReturnType<typeof setTimeout> | undefined;

  const flush = (): void => {
    if (waiting.length === 0) return;
    const update = waiting.length === 1 ? waiting[0] : Y.mergeUpdates(waiting);
    waiting = [];
    if (update === undefined || !live) return;
    if (socket.send(updateFrame(update))) showSaving(saving.sent(state, Date.now()));
  };

  doc.on("update", (update: Uint8Array, origin: unknown) => {
    if (origin === remote || !mayEdit()) return;
    if (!live) {
      showSaving({ ...state, unsent: true }); // our next STEP2 has it
      return;
    }
    waiting.push(update);
    if (window_ !== undefined) {
      showSaving({ ...state, unsent: true, waitingSince: state.waitingSince ?? Date.now() });
      return;
    }
    flush();
    window_ = setTimeout(() => {
      window_ = undefined;
      flush();
    }, SEND_WINDOW_MS);
  });

  // -- presence -----------------------------------------------------------------------------------------------------

  let presenceTimer: ReturnType<typeof setTimeout> | undefined;
  const announce = (): void => {
    presenceTimer = undefined;
    socket.send(awarenessFrame(encodeAwarenessUpdate(awareness, [awareness.clientID])));
  };

  const showPeople = (): void => {
    const { user, role, people } = store.getState();
    const next = peopleOf(awareness, user === null || role === null ? null : { user, role });
    if (!samePeople(people, next)) store.setState({ people: next });
  };

  awareness.on("update", (_change: object, origin: unknown) => {
    if (origin === "local" && live) presenceTimer ??= setTimeout(announce, PRESENCE_WINDOW_MS);
    showPeople();
  });

  // -- frames in ----------------------------------------------------------------------------------------------------

  const joined = (event: Event & { type: "joined" }): void => {
    store.setState({ role: event.role, user: event.user, epoch: event.epoch });
    state = { ...saving.NOTHING_SENT, connected: true, unsent: state.unsent };
    opening ??=
      options.offline === true && mayEdit()
        ? openOfflineCopy(doc, options.notebookId, event.epoch).then((opened) => {
            copy = opened;
          })
        : Promise.resolve();
    showPeople();
  };

  const emit = (event: Event): void => {
    const asked = "request" in event && event.request !== null ? asks.get(event.request) : undefined;
    if (asked !== undefined) {
      asked(event);
      return;
    }
    for (const listener of [...listeners]) listener(event);
  };

  const hear = (event: Event): void => {
    switch (event.type) {
      case "joined":
        joined(event);
        break;
      case "acknowledged":
        showSaving(saving.acknowledged(state, event.frames, Date.now()));
        break;
      case "cannot_save":
        showSaving({ ...state, trouble: event.reason });
        break;
      case "role_changed":
        store.setState({ role: event.role });
        showPeople();
        showSaving(state);
        break;
      case "renamed":
        store.setState({ user: event.user });
        showPeople();
        break;
      case "runtime_changed": {
        const { status, kernel, session, reason, by } = event;
        store.setState({ runtime: { status, kernel, session, reason, by } });
        break;
      }
      case "queue_changed":
        store.setState({ queue: event.cells });
        break;
    }
    emit(event);
  };

  const answerStep1 = (stateVector: Uint8Array): void => {
    if (mayEdit()) {
      waiting = [];
      if (socket.send(step2Frame(Y.encodeStateAsUpdate(doc, stateVector)))) state = saving.sent(state, Date.now());
    }
    live = true;
  };

  const read = (data: Uint8Array): void => {
    const frame = readFrame(data);
    switch (frame.kind) {
      case "step1":
        // The kept copy goes into the document before anything is exchanged.
        whenOpened(() => {
          const first = !live;
          answerStep1(frame.stateVector);
          if (first) {
            socket.send(step1Frame(Y.encodeStateVector(doc)));
            // Raises the clock, without which the others would ignore a quick return (crdt.md A3).
            awareness.setLocalState(awareness.getLocalState());
          }
        });
        break;
      case "step2":
        Y.applyUpdate(doc, frame.update, remote);
        store.setState({ phase: "synced" });
        showSaving(state);
        break;
      case "update":
        Y.applyUpdate(doc, frame.update, remote);
        break;
      case "awareness":
        applyAwarenessUpdate(awareness, frame.update, remote);
        break;
      case "event": {
        const event = parseEvent(frame.text);
        if (event !== null) hear(event);
        break;
      }
    }
  };

  let generation = 0;
  const whenOpened = (act: () => void): void => {
    const mine = generation;
    void (opening ?? Promise.resolve()).then(() => {
      if (mine === generation && !closed) act();
    });
  };

  const forgetOthers = (): void => {
    const others = [...awareness.getStates().keys()].filter((client) => client !== awareness.clientID);
    for (const client of others) {
      awareness.states.delete(client);
      awareness.meta.delete(client);
    }
    showPeople();
  };

  const lost = (code: number, reason: string, final: boolean): void => {
    generation += 1;
    const hadUnsaved = state.sent > state.acknowledged || waiting.length > 0 || state.unsent;
    live = false;
    waiting = [];
    forgetOthers();
    const { phase } = store.getState();
    if (final && !closed) store.setState({ phase: "ended", ended: { code, reason } });
    else if (phase === "synced") store.setState({ phase: "offline" });
    showSaving({ ...saving.NOTHING_SENT, unsent: hadUnsaved && mayEdit() });
    // What the server refused for good would be refused again after a reload.
    if (code === 4422) void copy?.forget();
  };

  const socket = createSocket(
    {
      url: () => {
        const { epoch } = store.getState();
        return `${options.url}?schema=${SCHEMA}${epoch === null ? "" : `&epoch=${epoch}`}`;
      },
      onOpen: () => {},
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
    flush();
    const mine = request;
    if (!live || !socket.send(commandFrame({ ...command, request: mine }))) {
      const reason =
        "You are offline: nothing was run or changed on the runtime. Try again when the connection is back.";
      queueMicrotask(() => emit({ type: "refused", reason, request: mine, command: command.type }));
    }
    return mine;
  };

  const ask = <T>(command: Command, pick: (event: Event) => T | null): Promise<T> =>
    new Promise((resolve, reject) => {
      const mine = send(command);
      const timer = setTimeout(() => {
        asks.delete(mine);
        reject(new Error("The runtime did not answer."));
      }, ANSWER_WITHIN_MS);
      asks.set(mine, (event) => {
        asks.delete(mine);
        clearTimeout(timer);
        const answer = pick(event);
        if (answer === null) reject(new Error(event.type === "refused" ? event.reason : "The runtime did not answer."));
        else resolve(answer);
      });
    });

  return {
    id: options.notebookId,
    notebook,
    awareness,
    store,
    undo,
    send,
    complete: (code, cursor) =>
      ask({ type: "complete", code, cursor }, (event) => (event.type === "completions" ? event : null)),
    inspect: (code, cursor) =>
      ask({ type: "inspect", code, cursor }, (event) => (event.type === "inspection" ? event.text : null)),
    onEvent(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    setPresence(change) {
      awareness.setLocalState({ ...awareness.getLocalState(), ...change });
    },
    async sources(ids) {
      const digests: Record<string, string> = {};
      for (const id of ids) {
        const cell = cellOf(notebook, id);
        if (cell !== null) digests[id] = hex(digest(new TextEncoder().encode(cell.source.toString())));
      }
      return digests;
    },
    retryNow,
    close() {
      if (closed) return;
      flush();
      closed = true;
      generation += 1;
      for (const timer of [patience, window_, presenceTimer]) clearTimeout(timer);
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
