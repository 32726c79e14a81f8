/**
 * Comm messages and widget models on the notebook's socket (collab/comms.py). What belongs to which output is not known
 * here. No DOM.
 */
import { commFrame } from "./wire.ts";

export type Path = readonly (string | number)[];
export type Fields = Record<string, unknown>;

/** A text or bytes that are fetched once: `/api/notebooks/{id}/widgets/{sha256}`. */
export interface Large {
  readonly path: Path;
  readonly sha256: string;
  readonly text: boolean;
}

/** JSON whose buffers are beside it, and whose large parts are to be fetched. */
export interface Parts {
  readonly paths: readonly Path[];
  readonly buffers: readonly ArrayBuffer[];
  readonly large: readonly Large[];
}

export interface ModelState {
  readonly name: string;
  readonly module: string;
  readonly version: string;
  /** Whether its kernel process is there. */
  readonly live: boolean;
  readonly state: Fields;
}

/** Paths begin with the model's id. */
export interface Models extends Parts {
  readonly models: Readonly<Record<string, ModelState>>;
  /** Of those asked for. */
  readonly missing: readonly string[];
}

export interface Hand {
  readonly id: string;
  readonly name: string;
  readonly color: string;
}

export type CommKind = "comm_open" | "comm_msg" | "comm_close";

export type CommEvent =
  | { readonly type: "opened"; readonly comm: string }
  | (Parts & {
      readonly type: "update";
      readonly comm: string;
      readonly state: Fields;
      /** The msg_id that it came of; empty for the kernel's own. */
      readonly parent: string;
      readonly echo: boolean;
      /** For who sent `parent` alone. */
      readonly own: boolean;
      /** Whose hand is on it. */
      readonly by: Hand | null;
    })
  | (Parts & {
      readonly type: CommKind;
      readonly comm: string;
      readonly target: string;
      readonly data: Fields;
      readonly parent: string;
    })
  | { readonly type: "idle"; readonly parent: string }
  | { readonly type: "refused"; readonly parent: string; readonly reason: string }
  /** The kernel process is another one, or gone. */
  | { readonly type: "session"; readonly live: boolean }
  /** Messages may have been missed: whoever shows a model asks for it again. */
  | { readonly type: "gap" };

export interface CommMessage {
  readonly kind: CommKind;
  readonly comm: string;
  /** Its msg_id. */
  readonly id: string;
  readonly cell: string;
  readonly target: string;
  readonly data: Fields;
  readonly buffers: readonly ArrayBuffer[];
}

export interface Comms {
  /** False when there is no connection: nothing is sent later. */
  send(message: CommMessage): boolean;
  /** These and all that they name. Rejects when the connection is lost. */
  models(ids: readonly string[]): Promise<Models>;
  onEvent(callback: (event: CommEvent) => void): () => void;
}

export interface CommLine extends Comms {
  hear(header: string, buffers: ArrayBuffer[]): void;
  /** There is a connection again. */
  joined(): void;
  lost(): void;
}

export function createComms(send: (frame: Uint8Array<ArrayBuffer>) => boolean): CommLine {
  const listeners = new Set<(event: CommEvent) => void>();
  const asked = new Map<number, { resolve(models: Models): void; reject(error: Error): void }>();
  let request = 0;

  const emit = (event: CommEvent): void => {
    for (const listener of [...listeners]) listener(event);
  };

  const giveUp = (reason: string): void => {
    for (const { reject } of asked.values()) reject(new Error(reason));
    asked.clear();
  };

  return {
    send({ kind, buffers, ...header }) {
      return send(commFrame({ type: kind, ...header }, buffers));
    },
    models(ids) {
      request += 1;
      const mine = request;
      return new Promise((resolve, reject) => {
        asked.set(mine, { resolve, reject });
        if (send(commFrame({ type: "models", request: mine, models: ids }, []))) return;
        asked.delete(mine);
        reject(new Error("You are offline."));
      });
    },
    onEvent(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    hear(text, buffers) {
      const header = fieldsOf(JSON.parse(text));
      const models = parseModels(header, buffers);
      if (models !== null) {
        asked.get(models.request)?.resolve(models);
        asked.delete(models.request);
        return;
      }
      const event = parseCommEvent(header, buffers);
      if (event === null) return;
      if (event.type === "gap") giveUp("Messages were missed.");
      emit(event);
    },
    joined: () => emit({ type: "gap" }),
    lost: () => giveUp("The connection to the server is lost."),
  };
}

export function parseModels(header: Fields, buffers: ArrayBuffer[]): (Models & { request: number }) | null {
  const { type, request, models, missing } = header;
  if (type !== "models" || typeof request !== "number") return null;
  const found: Record<string, ModelState> = {};
  for (const [id, value] of Object.entries(fieldsOf(models))) {
    const { name, module, version, live, state } = fieldsOf(value);
    found[id] = {
      name: text(name),
      module: text(module),
      version: text(version),
      live: live === true,
      state: fieldsOf(state),
    };
  }
  const absent = Array.isArray(missing) ? missing.map(text) : [];
  return { request, models: found, missing: absent, ...partsOf(header, buffers) };
}

/** Null for what this page is too old to know. */
export function parseCommEvent(header: Fields, buffers: ArrayBuffer[]): CommEvent | null {
  const { type } = header;
  const comm = text(header.comm);
  const parent = text(header.parent);
  switch (type) {
    case "opened":
      return { type, comm };
    case "update": {
      const { echo, own, by } = header;
      const hand = by === undefined ? null : fieldsOf(by);
      return {
        type,
        comm,
        parent,
        state: fieldsOf(header.state),
        echo: echo === true,
        own: own === true,
        by: hand && { id: text(hand.id), name: text(hand.name), color: text(hand.color) },
        ...partsOf(header, buffers),
      };
    }
    case "comm_open":
    case "comm_msg":
    case "comm_close":
      return {
        type,
        comm,
        parent,
        target: text(header.target),
        data: fieldsOf(header.data),
        ...partsOf(header, buffers),
      };
    case "idle":
      return { type, parent };
    case "refused":
      return { type, parent, reason: text(header.reason) };
    case "session":
      return { type, live: header.live === true };
    case "gap":
      return { type };
    default:
      return null;
  }
}

function partsOf(header: Fields, buffers: ArrayBuffer[]): Parts {
  const { paths, large } = header;
  return {
    buffers,
    paths: Array.isArray(paths) ? paths.map(pathOf) : [],
    large: (Array.isArray(large) ? large : []).map(fieldsOf).map((item) => ({
      path: pathOf(item.path),
      sha256: text(item.sha256),
      text: item.text === true,
    })),
  };
}

function pathOf(value: unknown): Path {
  if (!Array.isArray(value)) return [];
  return value.filter((step): step is string | number => typeof step === "string" || typeof step === "number");
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
