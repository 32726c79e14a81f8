/** Comms as `google.colab.kernel.comms` has them, over those of the frame. */
import { type Comm, type CommMessage, openComm, registerTarget as register } from "../widgets/comms";

type Fields = Record<string, unknown>;

export interface ColabComm {
  send(data: Fields, options?: { buffers?: ArrayBuffer[] }): Promise<void>;
  close(): void;
  /** What the kernel sends, until either side closes. */
  messages: AsyncIterable<CommMessage>;
}

export function open(target: string, data: unknown, buffers: ArrayBuffer[] | undefined): ColabComm {
  return wrap(openComm(target, isFields(data) ? data : {}, buffers));
}

export function registerTarget(target: string, callback: (comm: ColabComm, message: CommMessage) => void): void {
  register(target, (comm, message) => callback(wrap(comm), message));
}

function wrap(comm: Comm): ColabComm {
  const arrived: CommMessage[] = [];
  let wake: (() => void) | null = null;
  let isOver = false;
  const stir = (): void => {
    wake?.();
    wake = null;
  };
  comm.onMessage((message) => {
    arrived.push(message);
    stir();
  });
  comm.onClose(() => {
    isOver = true;
    stir();
  });
  return {
    send: (data, options) => comm.send(data, options?.buffers ?? []).taken,
    close() {
      isOver = true;
      comm.close();
      stir();
    },
    messages: {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          const next = arrived.shift();
          if (next !== undefined) yield next;
          else if (isOver) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      },
    },
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
