/** The frame's side of comm messages: one for each document, made before any output is drawn. */
import type { CreateFeature, FrameContext } from "../features";
import type { PageMessage } from "../protocol";
import type { CommToFrame, CommToPage, FrameModel } from "./protocol";

export interface Found {
  models: FrameModel[];
  missing: string[];
}

export interface Channel {
  readonly isLive: boolean;
  send(message: CommToPage, transfer?: Transferable[]): void;
  /** These and all that they name, once they are there; the page waits a while for what is late. */
  models(ids: string[]): Promise<Found>;
  /** Calls back for everything but answers to `models`. */
  listen(callback: (message: CommToFrame) => void): void;
  /** Whether the reader may use widgets. */
  isUsable(): boolean;
}

let open: { channel: Channel; take(message: CommToFrame): void } | null = null;

export const widgetFeature: CreateFeature = (context) => {
  const opened = createChannel(context);
  open = opened;
  return {
    take(message) {
      if (!isComm(message)) return false;
      opened.take(message);
      return true;
    },
  };
};

/** Throws before the page has said anything. */
export function theChannel(): Channel {
  if (open === null) throw new Error("This frame is not connected to its page.");
  return open.channel;
}

function isComm(message: PageMessage): message is CommToFrame {
  switch (message.t) {
    case "models":
    case "modelUpdate":
    case "commFromKernel":
    case "commIdle":
    case "commRefused":
    case "hand":
    case "widgetsUsable":
    case "widgetModule":
      return true;
    default:
      return false;
  }
}

function createChannel(context: FrameContext): { channel: Channel; take(message: CommToFrame): void } {
  const listeners = new Set<(message: CommToFrame) => void>();
  const asked = new Map<number, (found: Found) => void>();
  let request = 0;
  let isUsable = context.isLive;
  return {
    channel: {
      isLive: context.isLive,
      send: (message, transfer) => context.send(message, transfer),
      models(ids) {
        request += 1;
        const mine = request;
        return new Promise((resolve) => {
          asked.set(mine, resolve);
          context.send({ v: 1, t: "models", request: mine, ids });
        });
      },
      listen: (callback) => void listeners.add(callback),
      isUsable: () => isUsable,
    },
    take(message) {
      if (message.t === "widgetsUsable") isUsable = message.isUsable;
      if (message.t === "models" && message.request !== 0) {
        asked.get(message.request)?.(message);
        asked.delete(message.request);
        return;
      }
      for (const listener of [...listeners]) listener(message);
    },
  };
}
