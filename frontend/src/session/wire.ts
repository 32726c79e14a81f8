/** Frames of the one WebSocket (collab/wire.py): 0 sync and 1 awareness as y-websocket has them, 100 command, 101 event,
 * 102 comm. */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";

const SYNC = 0;
const AWARENESS = 1;
const COMMAND = 100;
const EVENT = 101;
const COMM = 102;

const STEP1 = 0;
const STEP2 = 1;
const UPDATE = 2;

export type Frame =
  | { readonly kind: "step1"; readonly stateVector: Uint8Array }
  | { readonly kind: "step2" | "update"; readonly update: Uint8Array }
  | { readonly kind: "awareness"; readonly update: Uint8Array }
  | { readonly kind: "event"; readonly text: string }
  | { readonly kind: "comm"; readonly header: string; readonly buffers: ArrayBuffer[] }
  | { readonly kind: "unknown" };

/** Throws on bytes that are no frame. */
export function readFrame(data: Uint8Array): Frame {
  const decoder = decoding.createDecoder(data);
  switch (decoding.readVarUint(decoder)) {
    case SYNC: {
      const step = decoding.readVarUint(decoder);
      const payload = decoding.readVarUint8Array(decoder);
      if (step === STEP1) return { kind: "step1", stateVector: payload };
      if (step === STEP2) return { kind: "step2", update: payload };
      return step === UPDATE ? { kind: "update", update: payload } : { kind: "unknown" };
    }
    case AWARENESS:
      return { kind: "awareness", update: decoding.readVarUint8Array(decoder) };
    case EVENT:
      return { kind: "event", text: decoding.readVarString(decoder) };
    case COMM: {
      const header = decoding.readVarString(decoder);
      const count = decoding.readVarUint(decoder);
      // Copies: a view would keep the whole frame, and cannot be passed to a frame of outputs.
      const buffers = Array.from({ length: count }, () => decoding.readVarUint8Array(decoder).slice().buffer);
      return { kind: "comm", header, buffers };
    }
    default:
      return { kind: "unknown" };
  }
}

export const step1Frame = (stateVector: Uint8Array): Uint8Array<ArrayBuffer> => sync(STEP1, stateVector);

export const step2Frame = (update: Uint8Array): Uint8Array<ArrayBuffer> => sync(STEP2, update);

export const updateFrame = (update: Uint8Array): Uint8Array<ArrayBuffer> => sync(UPDATE, update);

export function awarenessFrame(update: Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, AWARENESS);
  encoding.writeVarUint8Array(encoder, update);
  return encoding.toUint8Array(encoder);
}

export function commandFrame(command: object): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, COMMAND);
  encoding.writeVarString(encoder, JSON.stringify(command));
  return encoding.toUint8Array(encoder);
}

export function commFrame(header: object, buffers: readonly ArrayBuffer[]): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, COMM);
  encoding.writeVarString(encoder, JSON.stringify(header));
  encoding.writeVarUint(encoder, buffers.length);
  for (const buffer of buffers) encoding.writeVarUint8Array(encoder, new Uint8Array(buffer));
  return encoding.toUint8Array(encoder);
}

function sync(step: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, SYNC);
  encoding.writeVarUint(encoder, step);
  encoding.writeVarUint8Array(encoder, payload);
  return encoding.toUint8Array(encoder);
}
