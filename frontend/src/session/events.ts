/** What the server tells the page (collab/events.py), parsed where it comes in. */
import { parseUsage, type RuntimeUsage } from "./usage.ts";

export interface User {
  readonly id: string;
  readonly name: string;
  readonly color: string;
  readonly guest: boolean;
}

export type RuntimeStatus = "none" | "starting" | "idle" | "busy" | "restarting" | "reconnecting" | "dead";

export interface Completions {
  readonly matches: readonly string[];
  /** Offsets count code points of the code that was sent. */
  readonly start: number;
  readonly end: number;
  readonly types: readonly string[];
}

export type NoticeKind =
  | "idle"
  | "lifetime"
  | "memory"
  | "disk"
  | "output"
  | "processes"
  | "gpu"
  | "culled"
  | "restarted"
  | "died"
  | "other";

export type Event =
  | {
      readonly type: "joined";
      readonly notebook: string;
      readonly epoch: number;
      readonly user: User;
      readonly role: string;
    }
  | { readonly type: "acknowledged"; readonly frames: number }
  | { readonly type: "cannot_save"; readonly reason: string }
  | { readonly type: "role_changed"; readonly role: string }
  | { readonly type: "renamed"; readonly user: User }
  | {
      readonly type: "runtime_changed";
      readonly status: RuntimeStatus;
      readonly kernel: string;
      readonly session: string;
      readonly reason: string;
      readonly by: string;
      /** ISO 8601; empty when the runtime is not about to end by itself. */
      readonly stopsAt: string;
      /** Only "idle" can be put off (extend_runtime). */
      readonly stopsWhy: "" | "idle" | "lifetime";
      /** Address of the Jupyter server of somebody else that runs this notebook; empty for our own gateway. */
      readonly attached: string;
      /** In the line for a GPU: 1 for who is next, 0 for who does not wait. */
      readonly place: number;
    }
  | {
      readonly type: "queue_changed";
      /** The first hundred in line. */
      readonly cells: readonly string[];
      /** How many wait behind them. */
      readonly more: number;
    }
  /** These cells read otherwise on the server; the connection ends. */
  | { readonly type: "differs"; readonly cells: readonly string[] }
  | { readonly type: "refused"; readonly reason: string; readonly request: number | null; readonly command: string }
  | ({ readonly type: "completions"; readonly request: number } & Completions)
  | { readonly type: "inspection"; readonly request: number; readonly text: string }
  /** Code of a cell that this tab ran asks for something, and waits for a `colab_reply` of this number. */
  | {
      readonly type: "colab_asked";
      readonly number: number;
      readonly cell: string;
      readonly kind: string;
      readonly text: string;
      /** What the cell showed before is there once the document has `clock` of this client. */
      readonly client: string;
      readonly clock: number;
    }
  | {
      readonly type: "invoked";
      readonly request: number;
      readonly status: string;
      /** JSON texts. */
      readonly data: string;
      readonly metadata: string;
      readonly error: string;
    }
  | { readonly type: "notice"; readonly text: string; readonly user: string | null }
  | ({ readonly type: "runtime_usage" } & RuntimeUsage)
  | {
      readonly type: "runtime_notice";
      readonly kind: NoticeKind;
      readonly text: string;
      /** ISO 8601, or empty. */
      readonly stopsAt: string;
    };

const NOTICE_KINDS: readonly NoticeKind[] = [
  "idle",
  "lifetime",
  "memory",
  "disk",
  "output",
  "processes",
  "gpu",
  "culled",
  "restarted",
  "died",
];
const STATUSES: readonly RuntimeStatus[] = ["none", "starting", "idle", "busy", "restarting", "reconnecting", "dead"];

/** Null for what is no event, or one of a type this page does not know: a newer server may say more. Fields of another
 * type count as absent. */
export function parseEvent(text: string): Event | null {
  const value = parseJson(text);
  if (!isObject(value)) return null;
  const string = (key: string): string => (typeof value[key] === "string" ? value[key] : "");
  const number = (key: string): number => (typeof value[key] === "number" ? value[key] : 0);
  switch (value["type"]) {
    case "joined":
      return {
        type: "joined",
        notebook: string("notebook"),
        epoch: number("epoch"),
        user: parseUser(value["user"]),
        role: string("role"),
      };
    case "acknowledged":
      return { type: "acknowledged", frames: number("frames") };
    case "cannot_save":
      return { type: "cannot_save", reason: string("reason") };
    case "role_changed":
      return { type: "role_changed", role: string("role") };
    case "renamed":
      return { type: "renamed", user: parseUser(value["user"]) };
    case "runtime_changed":
      return {
        type: "runtime_changed",
        status: STATUSES.find((status) => status === value["status"]) ?? "none",
        kernel: string("kernel"),
        session: string("session"),
        reason: string("reason"),
        by: string("by"),
        stopsAt: string("stops_at"),
        stopsWhy: value["stops_why"] === "idle" || value["stops_why"] === "lifetime" ? value["stops_why"] : "",
        attached: string("attached"),
        place: number("place"),
      };
    case "queue_changed":
      return { type: "queue_changed", cells: strings(value["cells"]), more: number("more") };
    case "differs":
      return { type: "differs", cells: strings(value["cells"]) };
    case "refused":
      return {
        type: "refused",
        reason: string("reason"),
        request: typeof value["request"] === "number" ? value["request"] : null,
        command: string("command"),
      };
    case "completions":
      return {
        type: "completions",
        request: number("request"),
        matches: strings(value["matches"]),
        start: number("start"),
        end: number("end"),
        types: strings(value["types"]),
      };
    case "inspection":
      return { type: "inspection", request: number("request"), text: string("text") };
    case "colab_asked":
      return {
        type: "colab_asked",
        number: number("number"),
        cell: string("cell"),
        kind: string("kind"),
        text: string("text"),
        client: string("client"),
        clock: number("clock"),
      };
    case "invoked":
      return {
        type: "invoked",
        request: number("request"),
        status: string("status"),
        data: string("data"),
        metadata: string("metadata"),
        error: string("error"),
      };
    case "notice":
      return { type: "notice", text: string("text"), user: typeof value["user"] === "string" ? value["user"] : null };
    case "runtime_usage":
      return { type: "runtime_usage", ...parseUsage(value) };
    case "runtime_notice":
      return {
        type: "runtime_notice",
        kind: NOTICE_KINDS.find((kind) => kind === value["kind"]) ?? "other",
        text: string("text"),
        stopsAt: string("stops_at"),
      };
    default:
      return null;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Somebody as the server stamps them; what is missing reads as a nameless guest. */
export function parseUser(value: unknown): User {
  const user = isObject(value) ? value : {};
  const color = user["color"];
  return {
    id: typeof user["id"] === "string" ? user["id"] : "",
    name: typeof user["name"] === "string" && user["name"] !== "" ? user["name"] : "Guest",
    color: typeof color === "string" && /^#[0-9a-f]{6}$/i.test(color) ? color : "#777777",
    guest: user["guest"] !== false,
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
