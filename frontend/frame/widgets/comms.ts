/** Comms of this frame: those that it opened, those that the kernel opened for its targets, and those of its models. */
import { theChannel } from "./channel";
import type { CommKind, CommToFrame, Fields } from "./protocol";

export interface CommMessage {
  data: Fields;
  buffers: ArrayBuffer[];
}

export interface Comm {
  readonly id: string;
  readonly target: string;
  /** Gives the msg_id, and a promise that the message was taken; it rejects with the reason when it was refused. */
  send(data: Fields, buffers?: ArrayBuffer[]): { id: string; taken: Promise<void> };
  close(data?: Fields): void;
  onMessage(callback: (message: CommMessage) => void): void;
  onClose(callback: (message: CommMessage) => void): void;
}

interface Line extends Comm {
  receive(message: CommMessage): void;
  end(message: CommMessage): void;
}

const lines = new Map<string, Line>();
const targets = new Map<string, (comm: Comm, message: CommMessage) => void>();
const waiting = new Map<string, { resolve(): void; reject(error: Error): void }>();
let isListening = false;

/** Opens a comm in the kernel. What it answers comes to `onMessage`. */
export function openComm(target: string, data: Fields = {}, buffers: ArrayBuffer[] = []): Comm {
  const line = addComm(crypto.randomUUID(), target);
  post("comm_open", line, data, buffers).taken.catch(() => {
    lines.delete(line.id);
    line.end({ data: {}, buffers: [] });
  });
  return line;
}

/** Takes comms that the kernel opens for `target`, until the returned function is called. */
export function registerTarget(target: string, callback: (comm: Comm, message: CommMessage) => void): () => void {
  listen();
  targets.set(target, callback);
  theChannel().send({ v: 1, t: "commTarget", target });
  return () => {
    if (targets.get(target) === callback) targets.delete(target);
  };
}

/** One that the kernel has, such as a widget's. */
export function addComm(id: string, target: string): Line {
  listen();
  const received: ((message: CommMessage) => void)[] = [];
  const ended: ((message: CommMessage) => void)[] = [];
  const line: Line = {
    id,
    target,
    send: (data, buffers = []) => post("comm_msg", line, data, buffers),
    close(data = {}) {
      lines.delete(id);
      post("comm_close", line, data, []).taken.catch(() => undefined);
    },
    onMessage: (callback) => void received.push(callback),
    onClose: (callback) => void ended.push(callback),
    receive: (message) => {
      for (const callback of received) callback(message);
    },
    end(message) {
      for (const callback of ended) callback(message);
    },
  };
  lines.set(id, line);
  return line;
}

function post(kind: CommKind, line: Comm, data: Fields, buffers: ArrayBuffer[]): { id: string; taken: Promise<void> } {
  const id = crypto.randomUUID();
  const taken = new Promise<void>((resolve, reject) => waiting.set(id, { resolve, reject }));
  taken.catch(() => undefined); // whoever cares has the promise
  theChannel().send({ v: 1, t: "commToKernel", kind, comm: line.id, id, target: line.target, data, buffers });
  return { id, taken };
}

function listen(): void {
  if (isListening) return;
  isListening = true;
  theChannel().listen(receive);
}

function receive(message: CommToFrame): void {
  switch (message.t) {
    case "commIdle":
      waiting.get(message.parent)?.resolve();
      waiting.delete(message.parent);
      return;
    case "commRefused":
      waiting.get(message.parent)?.reject(new Error(message.reason));
      waiting.delete(message.parent);
      return;
    case "commFromKernel":
      receiveComm(message);
      return;
  }
}

function receiveComm({ kind, comm, target, data, buffers }: Extract<CommToFrame, { t: "commFromKernel" }>): void {
  const line = lines.get(comm);
  switch (kind) {
    case "comm_open": {
      const callback = targets.get(target);
      if (callback !== undefined && line === undefined) callback(addComm(comm, target), { data, buffers });
      return;
    }
    case "comm_msg":
      line?.receive({ data, buffers });
      return;
    case "comm_close":
      lines.delete(comm);
      line?.end({ data, buffers });
      return;
  }
}
