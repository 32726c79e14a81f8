/** The document server's side of the socket, in this process and with real Yjs, for tests of the session.
 *
 * It keeps the rules of collab/connection.py and collab/room.py that a page can notice: order of frames, roles per
 * message, gaps, counting of update frames, commit before acknowledgement, no echo, stamped presence, close codes.
 * It has no code of the page's: frames are written and read by y-protocols and lib0 alone.
 */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import * as sync from "y-protocols/sync";
import * as Y from "yjs";

const SCHEMA = "1";
const MOST_UPDATE_BYTES = 1 << 20;
const LOWERED_GRACE_MS = 5_000;
const ROOTS = ["meta", "cells", "outputs", "runs"] as const;

export interface FakePerson {
  readonly id: string;
  readonly name: string;
  /** They are, unless told. */
  readonly guest?: boolean;
}

export interface FakeServer {
  readonly url: string;
  readonly WebSocket: new (url: string) => WebSocket;
  /** What is committed, and what waits for the commit. */
  readonly doc: Y.Doc;
  /** Live connections, in order of arrival. */
  readonly connections: readonly FakeConnection[];
  /** Every command that was taken, with its request number. */
  readonly commands: readonly Record<string, unknown>[];
  /** Query strings of all sockets that were tried. */
  readonly tried: readonly string[];
  epoch: number;
  /** Who the next socket belongs to, and as what; null: nobody who may come in. */
  person: FakePerson;
  role: string | null;
  /** Sockets fail at once, as when the server is down. */
  down: boolean;
  /** Nothing comes from the server and no socket opens, as when the network swallows everything. */
  silent: boolean;
  /** Takes the socket and puts it out again with this code. */
  refuse: { readonly code: number; readonly reason: string } | null;
  /** While true nothing is committed, so nothing is sent on or acknowledged. */
  holdCommits: boolean;
  /** The next update frame is counted and then lost, as by a server whose log lacks it. */
  loseNext: boolean;
  /** Commits what waits. */
  commit(): void;
  /** Writes as the server does. */
  write(change: (doc: Y.Doc) => void): void;
  tell(event: object): void;
  changeRole(connection: FakeConnection, role: string): void;
  /** Renames everybody of this id. */
  rename(person: FakePerson): void;
}

export interface FakeConnection {
  readonly person: FakePerson;
  readonly role: string;
  /** Frames as they came: "step1", "step2", "update", "awareness" or "command". */
  readonly heard: readonly string[];
  /** Update frames so far. */
  readonly updates: number;
  /** The last state it told about itself. */
  readonly presence: unknown;
  send(frame: Uint8Array): void;
  tell(event: object): void;
  close(code: number, reason?: string): void;
}

interface State {
  readonly client: number;
  clock: number;
  state: Record<string, unknown> | null;
}

/** A server with this notebook. */
export function createFakeServer(initial?: Uint8Array): FakeServer {
  const doc = new Y.Doc();
  for (const name of ROOTS) doc.getMap(name);
  if (initial !== undefined) Y.applyUpdate(doc, initial, "server");
  const connections: Connection[] = [];
  const commands: Record<string, unknown>[] = [];
  const tried: string[] = [];
  let pending: { readonly update: Uint8Array; readonly author: Connection | null }[] = [];
  const held: (() => void)[] = [];
  let gate = gateOf(doc);

  doc.on("update", (update: Uint8Array, origin: unknown) => {
    const author = origin instanceof Connection ? origin : null;
    if (author === null) Y.applyUpdate(gate.doc, update, "server");
    pending.push({ update, author });
    if (!server.holdCommits) queueMicrotask(commit);
  });

  const commit = (): void => {
    const batch = pending;
    pending = [];
    for (const deliver of held.splice(0)) deliver();
    for (const { update, author } of batch) {
      for (const connection of connections) {
        if (connection.synced && connection !== author)
          connection.frame(0, (encoder) => sync.writeUpdate(encoder, update));
      }
    }
    for (const connection of connections) connection.acknowledge();
  };

  const presenceOf = (states: readonly State[]): Uint8Array => {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, states.length);
    for (const { client, clock, state } of states) {
      encoding.writeVarUint(encoder, client);
      encoding.writeVarUint(encoder, clock);
      encoding.writeVarString(encoder, JSON.stringify(state));
    }
    return encoding.toUint8Array(encoder);
  };
  const everyone = (): State[] => connections.flatMap(({ state }) => (state === null ? [] : [state]));
  const spread = (state: State): void => {
    for (const other of connections)
      other.frame(1, (encoder) => encoding.writeVarUint8Array(encoder, presenceOf([state])));
  };
  const stamp = ({ person, role }: Connection): object => ({
    id: person.id,
    name: person.name,
    color: "#336699",
    guest: person.guest ?? true,
    role,
  });
  const mayEdit = (role: string): boolean => role === "editor" || role === "owner";

  class Connection implements FakeConnection {
    readonly heard: string[] = [];
    readonly person = server.person;
    role: string;
    updates = 0;
    loweredAt = Number.NEGATIVE_INFINITY;
    synced = false;
    state: State | null = null;
    private acknowledged = 0;
    private durable = 0;
    private gap = false;
    private readonly socket: FakeSocket;

    constructor(socket: FakeSocket, role: string) {
      this.socket = socket;
      this.role = role;
    }

    get presence(): unknown {
      return this.state?.state ?? null;
    }

    open(): void {
      connections.push(this);
      const { id, name, guest = true } = this.person;
      const user = { id, name, color: "#336699", guest };
      this.tell({ type: "joined", notebook: "n", epoch: server.epoch, user, role: this.role });
      this.frame(0, (encoder) => sync.writeSyncStep1(encoder, doc));
      this.frame(1, (encoder) => encoding.writeVarUint8Array(encoder, presenceOf(everyone())));
      this.tell({ type: "runtime_changed", status: "idle", kernel: "Python 3", session: "k:1", reason: "", by: "" });
      this.tell({ type: "queue_changed", cells: [] });
    }

    read(data: Uint8Array): void {
      const decoder = decoding.createDecoder(data);
      switch (decoding.readVarUint(decoder)) {
        case 0:
          this.readSync(decoding.readVarUint(decoder), decoding.readVarUint8Array(decoder));
          break;
        case 1:
          this.heard.push("awareness");
          this.readPresence(decoding.createDecoder(decoding.readVarUint8Array(decoder)));
          break;
        case 100:
          this.heard.push("command");
          this.readCommand(decoding.readVarString(decoder));
          break;
        default:
          this.close(4400, "This frame is not for the server.");
      }
      if (decoding.hasContent(decoder)) this.close(4400, "There is more than one frame.");
    }

    private readSync(step: number, payload: Uint8Array): void {
      if (step === sync.messageYjsSyncStep1) {
        this.heard.push("step1");
        const frame = encoding.encode((encoder) => sync.writeSyncStep2(encoder, doc, payload));
        const deliver = (): void => {
          this.synced = true;
          this.frame(0, (encoder) => encoding.writeUint8Array(encoder, frame));
        };
        if (pending.length === 0) deliver();
        else held.push(deliver);
        return;
      }
      const isAnswer = step === sync.messageYjsSyncStep2;
      this.heard.push(isAnswer ? "step2" : "update");
      this.updates += 1;
      if (!mayEdit(this.role)) {
        const wasOnItsWay = Date.now() - this.loweredAt < LOWERED_GRACE_MS;
        if (!isAnswer && !wasOnItsWay) this.close(4403, "Editing a notebook needs the role editor.");
        return;
      }
      if (!isAnswer && payload.length > MOST_UPDATE_BYTES) {
        this.close(4413, "One edit is too large.");
        return;
      }
      if (this.gap && !isAnswer) return;
      if (server.loseNext) {
        server.loseNext = false;
        return;
      }
      const refusal = gate.admit(payload);
      if (refusal === "gap") {
        gate = gateOf(doc);
        this.gap = true;
        this.frame(0, (encoder) => sync.writeSyncStep1(encoder, doc));
        return;
      }
      if (refusal !== null) {
        gate = gateOf(doc);
        this.close(4422, refusal);
        return;
      }
      this.gap = false;
      this.durable = this.updates;
      Y.applyUpdate(doc, payload, this);
      if (!server.holdCommits) queueMicrotask(commit);
    }

    acknowledge(): void {
      if (this.durable <= this.acknowledged) return;
      this.acknowledged = this.durable;
      this.tell({ type: "acknowledged", frames: this.acknowledged });
    }

    private readPresence(decoder: decoding.Decoder): void {
      for (let left = decoding.readVarUint(decoder); left > 0; left -= 1) {
        const client = decoding.readVarUint(decoder);
        const clock = decoding.readVarUint(decoder);
        const told = JSON.parse(decoding.readVarString(decoder)) as Record<string, unknown> | null;
        if (this.state !== null && this.state.client !== client) continue;
        if (told === null || (this.state !== null && clock < this.state.clock)) continue;
        const { cell = null, cursor = null, mode = "command" } = told;
        this.state = { client, clock, state: { cell, cursor, mode, user: stamp(this) } };
        spread(this.state);
      }
    }

    private readCommand(text: string): void {
      commands.push(JSON.parse(text) as Record<string, unknown>);
    }

    restamp(): void {
      if (this.state === null) return;
      this.state = { ...this.state, clock: this.state.clock + 1, state: { ...this.state.state, user: stamp(this) } };
      spread(this.state);
    }

    frame(kind: number, write: (encoder: encoding.Encoder) => void): void {
      this.send(
        encoding.encode((encoder) => {
          encoding.writeVarUint(encoder, kind);
          write(encoder);
        }),
      );
    }

    tell(event: object): void {
      this.frame(101, (encoder) => encoding.writeVarString(encoder, JSON.stringify(event)));
    }

    send(frame: Uint8Array): void {
      this.socket.deliver(frame);
    }

    close(code: number, reason = ""): void {
      this.left();
      this.socket.closedByServer(code, reason);
    }

    /** The other side is gone. */
    left(): void {
      const at = connections.indexOf(this);
      if (at < 0) return;
      connections.splice(at, 1);
      if (this.state !== null) spread({ client: this.state.client, clock: this.state.clock + 1, state: null });
    }
  }

  class FakeSocket extends EventTarget implements WebSocket {
    static readonly CONNECTING = 0;
    static readonly OPEN = 1;
    static readonly CLOSING = 2;
    static readonly CLOSED = 3;
    readonly CONNECTING = 0;
    readonly OPEN = 1;
    readonly CLOSING = 2;
    readonly CLOSED = 3;
    readonly bufferedAmount = 0;
    readonly extensions = "";
    readonly protocol = "";
    binaryType: BinaryType = "blob";
    readyState: 0 | 1 | 2 | 3 = 0;
    onopen: WebSocket["onopen"] = null;
    onmessage: WebSocket["onmessage"] = null;
    onclose: WebSocket["onclose"] = null;
    onerror: WebSocket["onerror"] = null;
    readonly url: string;
    private connection: Connection | null = null;

    constructor(url: string) {
      super();
      this.url = url;
      tried.push(new URL(url).search);
      queueMicrotask(() => this.connect());
    }

    private connect(): void {
      if (this.readyState !== 0 || server.silent) return;
      if (server.down) {
        this.readyState = 3;
        this.onerror?.(new Event("error"));
        this.onclose?.(closeEvent(1006, ""));
        return;
      }
      this.readyState = 1;
      this.onopen?.(new Event("open"));
      const query = new URL(this.url).searchParams;
      const isOther = query.get("epoch") !== null && query.get("epoch") !== String(server.epoch);
      if (server.role === null) this.closedByServer(4404, "There is no such notebook, or you have no access to it.");
      else if (query.get("schema") !== SCHEMA) this.closedByServer(4409, "This page speaks another schema.");
      else if (isOther) this.closedByServer(4409, "The notebook was rebuilt; reload the page.");
      else if (server.refuse !== null) this.closedByServer(server.refuse.code, server.refuse.reason);
      else {
        this.connection = new Connection(this, server.role);
        this.connection.open();
      }
    }

    send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
      if (this.readyState !== 1) throw new Error("The socket is not open.");
      if (!(data instanceof Uint8Array)) throw new Error("The page sends bytes only.");
      const copy = data.slice();
      queueMicrotask(() => {
        if (this.connection !== null && connections.includes(this.connection)) this.connection.read(copy);
      });
    }

    deliver(frame: Uint8Array): void {
      const { buffer } = frame.slice();
      queueMicrotask(() => {
        if (this.readyState !== 1 || server.silent) return;
        const data = this.binaryType === "arraybuffer" ? buffer : new Blob([buffer]);
        this.onmessage?.(new MessageEvent("message", { data }));
      });
    }

    closedByServer(code: number, reason: string): void {
      queueMicrotask(() => {
        if (this.readyState === 3) return;
        this.readyState = 3;
        this.onclose?.(closeEvent(code, reason));
      });
    }

    close(): void {
      if (this.readyState === 3) return;
      this.readyState = 2;
      queueMicrotask(() => {
        // What was sent before comes first.
        this.connection?.left();
        this.readyState = 3;
        this.onclose?.(closeEvent(1000, ""));
      });
    }
  }

  const server: FakeServer = {
    url: "ws://fake/socket",
    WebSocket: FakeSocket,
    doc,
    connections,
    commands,
    tried,
    epoch: 1,
    person: { id: "u1", name: "Ana" },
    role: "editor",
    down: false,
    silent: false,
    refuse: null,
    holdCommits: false,
    loseNext: false,
    commit,
    write: (change) => doc.transact(() => change(doc), "server"),
    tell: (event) => {
      for (const connection of connections) connection.tell(event);
    },
    changeRole(connection, role) {
      if (!(connection instanceof Connection) || connection.role === role) return;
      if (mayEdit(connection.role) && !mayEdit(role)) connection.loweredAt = Date.now();
      connection.role = role;
      connection.tell({ type: "role_changed", role });
      connection.restamp();
    },
    rename(person) {
      for (const connection of connections) {
        if (connection.person.id !== person.id) continue;
        Object.assign(connection, { person });
        connection.tell({ type: "renamed", user: { ...person, color: "#336699", guest: person.guest ?? true } });
        connection.restamp();
      }
    },
  };
  return server;
}

/** Judges an update on a document of its own before the real one sees it: null, "gap" or why it is refused. */
function gateOf(from: Y.Doc): { readonly doc: Y.Doc; readonly admit: (update: Uint8Array) => string | null } {
  const doc = new Y.Doc();
  for (const name of ROOTS) doc.getMap(name);
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(from), "server");
  let objection: string | null = null;
  for (const name of ["outputs", "runs"] as const) {
    doc.getMap(name).observeDeep((_events, { origin }) => {
      if (origin !== "server") objection = `Only the server writes ${name}.`;
    });
  }
  let before: Record<string, unknown> = {};
  doc.getMap("cells").observeDeep((events, { origin }) => {
    if (origin === "server") return;
    for (const event of events) {
      for (const [id, { action }] of event.path.length === 0 ? event.keys : []) {
        // A deletion that was undone within one update brings the same cell back; anything else is a replacement.
        if (action === "update" && content(before[id]) !== content(doc.getMap("cells").toJSON()[id]))
          objection = `Cell '${id}' was replaced instead of edited.`;
      }
      if (event.path.length !== 1 || !(event instanceof Y.YMapEvent)) continue;
      for (const key of event.keysChanged)
        if (key !== "type" && key !== "position") objection = `The ${key} of a cell was replaced instead of edited.`;
    }
  });
  return {
    doc,
    admit(update) {
      objection = null;
      before = doc.getMap("cells").toJSON();
      Y.applyUpdate(doc, update, "client");
      return doc.store.pendingStructs !== null || doc.store.pendingDs !== null ? "gap" : objection;
    },
  };
}

/** What a cell says, apart from its place. */
function content(cell: unknown): string {
  if (typeof cell !== "object" || cell === null) return "";
  return JSON.stringify(
    Object.entries(cell)
      .filter(([key]) => key !== "position")
      .sort(),
  );
}

/** Node has no CloseEvent before version 23. */
function closeEvent(code: number, reason: string): CloseEvent {
  return Object.assign(new Event("close"), { code, reason, wasClean: code !== 1006 });
}
