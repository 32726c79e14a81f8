/** What page and frame say to each other of comms and widget models; `../protocol.ts` delegates to these guards. */

export type Fields = Record<string, unknown>;
export type Path = (string | number)[];
export type CommKind = "comm_open" | "comm_msg" | "comm_close";

export const MAX_IDS = 1_000;
export const MAX_ID_LENGTH = 128;
export const MAX_TARGET_LENGTH = 200;
/** Of one message to the kernel; the server takes no more in one frame. */
export const MAX_COMM_BYTES = 14 * 1024 * 1024;
export const MAX_BUFFERS = 10_000;

/** A model as a frame gets it: `paths` say where in `state` the `buffers` belong. */
export interface FrameModel {
  id: string;
  name: string;
  module: string;
  version: string;
  isLive: boolean;
  state: Fields;
  paths: Path[];
  buffers: ArrayBuffer[];
}

export type CommToFrame =
  /** `request` 0: not asked for, what the frame shows may have changed unheard. */
  | { v: 1; t: "models"; request: number; models: FrameModel[]; missing: string[] }
  | {
      v: 1;
      t: "modelUpdate";
      comm: string;
      parent: string;
      isEcho: boolean;
      state: Fields;
      paths: Path[];
      buffers: ArrayBuffer[];
    }
  | {
      v: 1;
      t: "commFromKernel";
      kind: CommKind;
      comm: string;
      target: string;
      parent: string;
      data: Fields;
      buffers: ArrayBuffer[];
    }
  | { v: 1; t: "commIdle"; parent: string }
  | { v: 1; t: "commRefused"; parent: string; reason: string }
  /** Somebody's hand is on a widget. */
  | { v: 1; t: "hand"; comm: string; name: string; color: string }
  /** Whether the reader may use widgets at all. */
  | { v: 1; t: "widgetsUsable"; isUsable: boolean }
  /** Null: there is no such module. */
  | { v: 1; t: "widgetModule"; name: string; source: string | null };

export type CommToPage =
  | { v: 1; t: "models"; request: number; ids: string[] }
  | {
      v: 1;
      t: "commToKernel";
      kind: CommKind;
      comm: string;
      id: string;
      target: string;
      data: Fields;
      buffers: ArrayBuffer[];
    }
  /** The frame takes comms that the kernel opens for this target. */
  | { v: 1; t: "commTarget"; target: string }
  /** A widget's module that is not ours: the kernel's environment may have it. */
  | { v: 1; t: "widgetModule"; name: string };

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown, longest = MAX_ID_LENGTH): value is string {
  return typeof value === "string" && value.length <= longest;
}

function isId(value: unknown): value is string {
  return isText(value) && /^[!-~]+$/.test(value);
}

function isKind(value: unknown): value is CommKind {
  return value === "comm_open" || value === "comm_msg" || value === "comm_close";
}

function isBuffers(value: unknown): value is ArrayBuffer[] {
  return Array.isArray(value) && value.length <= MAX_BUFFERS && value.every((item) => item instanceof ArrayBuffer);
}

function isPaths(value: unknown): value is Path[] {
  return (
    Array.isArray(value) &&
    value.every(
      (path) => Array.isArray(path) && path.every((step) => typeof step === "string" || typeof step === "number"),
    )
  );
}

function isModel(value: unknown): value is FrameModel {
  return (
    isFields(value) &&
    [value.id, value.name, value.module, value.version].every((item) => typeof item === "string") &&
    typeof value.isLive === "boolean" &&
    isFields(value.state) &&
    isPaths(value.paths) &&
    isBuffers(value.buffers)
  );
}

/** The page is trusted: this only tells its messages apart. */
export function parseCommToFrame(message: Fields): CommToFrame | null {
  const { t, request, models, missing, comm, parent, state, paths, buffers, kind, target, data, name } = message;
  switch (t) {
    case "models":
      if (typeof request !== "number" || !Array.isArray(models) || !models.every(isModel)) return null;
      if (!Array.isArray(missing)) return null;
      return { v: 1, t, request, models, missing: missing.filter((id) => typeof id === "string") };
    case "modelUpdate":
      if (typeof comm !== "string" || typeof parent !== "string" || !isFields(state)) return null;
      if (!isPaths(paths) || !isBuffers(buffers)) return null;
      return { v: 1, t, comm, parent, isEcho: message.isEcho === true, state, paths, buffers };
    case "commFromKernel":
      if (!isKind(kind) || typeof comm !== "string" || typeof target !== "string" || typeof parent !== "string")
        return null;
      if (!isFields(data) || !isBuffers(buffers)) return null;
      return { v: 1, t, kind, comm, target, parent, data, buffers };
    case "commIdle":
      return typeof parent === "string" ? { v: 1, t, parent } : null;
    case "commRefused":
      return typeof parent === "string" && typeof message.reason === "string"
        ? { v: 1, t, parent, reason: message.reason }
        : null;
    case "hand":
      if (typeof comm !== "string" || typeof name !== "string" || typeof message.color !== "string") return null;
      return { v: 1, t, comm, name, color: message.color };
    case "widgetsUsable":
      return { v: 1, t, isUsable: message.isUsable === true };
    case "widgetModule": {
      const { source } = message;
      if (typeof name !== "string" || (source !== null && typeof source !== "string")) return null;
      return { v: 1, t, name, source };
    }
    default:
      return null;
  }
}

/** Reads what output code may have written. */
export function parseCommToPage(message: Fields): CommToPage | null {
  const { t, request, ids, kind, comm, id, target, data, buffers, name } = message;
  switch (t) {
    case "models":
      if (!Number.isSafeInteger(request) || typeof request !== "number") return null;
      if (!Array.isArray(ids) || ids.length > MAX_IDS || !ids.every(isId)) return null;
      return { v: 1, t, request, ids };
    case "commToKernel":
      if (!isKind(kind) || !isId(comm) || !isId(id) || !isText(target, MAX_TARGET_LENGTH)) return null;
      if (!isFields(data) || !isBuffers(buffers)) return null;
      if (kind === "comm_open" && target === "") return null;
      return { v: 1, t, kind, comm, id, target, data, buffers };
    case "commTarget":
      return isText(target, MAX_TARGET_LENGTH) && target !== "" ? { v: 1, t, target } : null;
    case "widgetModule":
      return isText(name) ? { v: 1, t, name } : null;
    default:
      return null;
  }
}
