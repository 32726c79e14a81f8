/** Edits on their way to the server, in order, until they are acknowledged.
 *
 * What is typed in a row goes together. An edit that makes or removes cells goes alone: a deletion and its undoing in one
 * update look to the server like a cell that was replaced, which it refuses (crdt.md S4).
 */
import * as Y from "yjs";

export interface Outgoing {
  add(update: Uint8Array, isStructure: boolean): void;
  /** Sends what has not been sent on this socket. */
  flush(): void;
  /** The first `frames` update frames of this socket are durable. */
  acknowledged(frames: number): void;
  /** The next socket gets all that was not acknowledged. */
  lost(): void;
  clear(): void;
}

interface Entry {
  parts: Uint8Array[];
  readonly isStructure: boolean;
  /** Which update frame of this socket it was; 0 when it has not been sent. */
  frame: number;
}

// Beyond that what was sent is left to the answer to the server's STEP1, and the rest goes together.
const MOST_ENTRIES = 500;
const MOST_PARTS = 64;

/** `send` gives the number of the update frame it sent, 0 when there is no connection. */
export function createOutgoing(send: (update: Uint8Array) => number): Outgoing {
  let entries: Entry[] = [];
  return {
    add(update, isStructure) {
      const last = entries.at(-1);
      if (last !== undefined && last.frame === 0 && !last.isStructure && !isStructure) {
        last.parts.push(update);
        if (last.parts.length > MOST_PARTS) last.parts = [Y.mergeUpdates(last.parts)];
        return;
      }
      if (entries.length >= MOST_ENTRIES) {
        const parts = entries.flatMap((entry) => (entry.frame === 0 ? entry.parts : []));
        entries = parts.length === 0 ? [] : [{ parts: [Y.mergeUpdates(parts)], isStructure: false, frame: 0 }];
      }
      entries.push({ parts: [update], isStructure, frame: 0 });
    },
    flush() {
      for (const entry of entries) {
        if (entry.frame !== 0) continue;
        const [first] = entry.parts;
        const update = entry.parts.length === 1 && first !== undefined ? first : Y.mergeUpdates(entry.parts);
        entry.parts = [update];
        entry.frame = send(update);
        if (entry.frame === 0) return;
      }
    },
    acknowledged(frames) {
      entries = entries.filter(({ frame }) => frame === 0 || frame > frames);
    },
    lost() {
      for (const entry of entries) entry.frame = 0;
    },
    clear() {
      entries = [];
    },
  };
}
