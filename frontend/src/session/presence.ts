/** Presence over the socket: telling the others about oneself, at most 20 times a second, and hearing about them.
 *
 * Who is here is the server's word: it says so when somebody leaves, so nobody times out here, where a hidden tab
 * renews itself too seldom.
 */
import {
  type Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from "y-protocols/awareness";
import { awarenessFrame } from "./wire.ts";

const WINDOW_MS = 50;

export interface Presence {
  hear(update: Uint8Array): void;
  /** Says again what one says, so that the others believe it: on a fresh socket (crdt.md A3) and after a new stamp. */
  announce(): void;
  /** The connection is gone, and with it all knowledge of the others. */
  forgetOthers(): void;
  close(): void;
}

interface Options {
  readonly awareness: Awareness;
  /** False when there is no connection. */
  readonly send: (frame: Uint8Array<ArrayBuffer>) => boolean;
  readonly isLive: () => boolean;
  readonly onChange: () => void;
}

export function createPresence({ awareness, send, isLive, onChange }: Options): Presence {
  const remote = Symbol("server");
  let timer: ReturnType<typeof setTimeout> | undefined;

  const tell = (): void => {
    timer = undefined;
    send(awarenessFrame(encodeAwarenessUpdate(awareness, [awareness.clientID])));
  };

  awareness.on("update", (_change: object, origin: unknown) => {
    if (origin === "local" && isLive()) timer ??= setTimeout(tell, WINDOW_MS);
    onChange();
  });

  return {
    hear(update) {
      const mine = awareness.getLocalState();
      applyAwarenessUpdate(awareness, update, remote);
      // A new name or role comes back as a state of ours, which may be older than what we say now.
      if (awareness.getLocalState() !== mine) awareness.setLocalState(mine);
      const lastUpdated = Date.now();
      for (const [client, { clock }] of awareness.meta) {
        if (client !== awareness.clientID) awareness.meta.set(client, { clock, lastUpdated });
      }
    },
    announce() {
      // Twice, as the server spends a clock of ours on our leaving or on a new stamp.
      for (let times = 0; times < 2; times += 1) awareness.setLocalState(awareness.getLocalState());
    },
    forgetOthers() {
      const others = [...awareness.getStates().keys()].filter((client) => client !== awareness.clientID);
      removeAwarenessStates(awareness, others, remote);
      // Their clocks, too: they would be taken for old news on the next socket.
      for (const client of [...awareness.meta.keys()]) if (client !== awareness.clientID) awareness.meta.delete(client);
    },
    close: () => clearTimeout(timer),
  };
}
