/** What the page sees of a session. */
import type { Awareness } from "y-protocols/awareness";
import type { StoreApi } from "zustand/vanilla";
import type { Notebook } from "../notebook/schema.ts";
import type { Undo } from "../notebook/undo.ts";
import type { Command } from "./commands.ts";
import type { Comms } from "./comms.ts";
import type { Completions, Event, RuntimeStatus, User } from "./events.ts";
import type { Kept, OpenCopy } from "./offline.ts";
import type { Person } from "./people.ts";
import type { Recovered } from "./recovered.ts";
import type { Save } from "./saving.ts";
import type { WebSocketClass } from "./socket.ts";
import type { TextStorage } from "./text_storage.ts";
import type { RuntimeUsage } from "./usage.ts";

export interface RuntimeState {
  readonly status: RuntimeStatus;
  /** Display name of the kernel. */
  readonly kernel: string;
  /** Names the kernel process; changes with every fresh one. */
  readonly session: string;
  readonly reason: string;
  readonly by: string;
  /** When it ends by itself, in ms since 1970; null when that is not near. */
  readonly stopsAt: number | null;
  /** Only an idle end can be put off. */
  readonly stopsWhy: "" | "idle" | "lifetime";
  /** Address of somebody else's Jupyter server that runs this notebook; empty for the gateway of this server. */
  readonly attached: string;
  /** In the line for a GPU: 1 for who is next, 0 for who does not wait. */
  readonly place: number;
}

export interface SessionState {
  readonly phase: "connecting" | "synced" | "offline" | "ended";
  readonly save: Save;
  /** Why it is "Not saved", if the server said so. */
  readonly saveReason: string;
  /** Whether something written here is not durable on the server: leaving the page is worth a question. */
  readonly unsaved: boolean;
  /** Null before the first join. */
  readonly role: string | null;
  readonly user: User | null;
  readonly epoch: number | null;
  readonly runtime: RuntimeState;
  /** The newest sample; null while nothing is measured. */
  readonly usage: RuntimeUsage | null;
  /** Cells that wait, first in line first: the first hundred of them. */
  readonly queue: readonly string[];
  /** How many wait behind those. */
  readonly queueMore: number;
  readonly people: readonly Person[];
  readonly ended: { readonly code: number; readonly reason: string } | null;
  /** The server does not know this browser any more; editing goes on, and all is sent after the next sign-in. */
  readonly signedOut: boolean;
  /** Whether what is written is in the browser's copy as well; null before that was tried. */
  readonly kept: Kept | null;
  /** What the server did not take, of this session and of earlier ones; newest first. */
  readonly recovered: readonly Recovered[];
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
  readonly comms: Comms;
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
  /** Whether this tab asked for the newest run of the cell. */
  ranHere(cellId: string): boolean;
  /** The recovered work is in its person's hands now. */
  recoveredTaken(): void;
  retryNow(): void;
  /** The page is looked at again: a connection that died meanwhile is given up at once. */
  wake(): void;
  /** Sends what was typed in the last few ms. */
  flush(): void;
  close(): void;
}

export interface LastKnown {
  readonly role: string;
  readonly user: User;
  readonly epoch: number;
}

export interface SessionOptions {
  readonly notebookId: string;
  /** Of the socket, without a query. */
  readonly url: string;
  readonly WebSocket?: WebSocketClass;
  /** Names the person and the notebook in the browser's storage; the notebook's id alone when it is nobody's. */
  readonly keptAs?: string;
  /** What a browser that cannot reach the server knows from the last time. */
  readonly last?: LastKnown;
  /** Keep a copy in the browser, in IndexedDB unless told where. */
  readonly offline?: boolean | OpenCopy;
  /** Where work goes that the server refused: localStorage beside a copy in IndexedDB; null: only this session knows. */
  readonly storage?: TextStorage | null;
  /** Merges what the browser kept of epochs before this one; gives what could not be merged. */
  readonly earlier?: (epoch: number) => Promise<readonly Recovered[]>;
}

export const NO_RUNTIME: RuntimeState = {
  status: "none",
  kernel: "",
  session: "",
  reason: "",
  by: "",
  stopsAt: null,
  stopsWhy: "",
  attached: "",
  place: 0,
};

/** Before the first join. */
export function stateAtFirst(recovered: readonly Recovered[], last: LastKnown | undefined): SessionState {
  return {
    phase: "connecting",
    save: "Saving",
    saveReason: "",
    unsaved: false,
    role: last?.role ?? null,
    user: last?.user ?? null,
    epoch: last?.epoch ?? null,
    runtime: NO_RUNTIME,
    usage: null,
    queue: [],
    queueMore: 0,
    people: [],
    ended: null,
    signedOut: false,
    kept: null,
    recovered,
  };
}
