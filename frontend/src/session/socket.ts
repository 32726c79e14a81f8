/** A WebSocket that comes back by itself, with growing, jittered pauses. Close codes 4400 to 4499 are final, but for
 * 4401: after the next sign-in `retryNow` goes on. */

export interface SocketHandlers {
  /** The epoch of an earlier join, to be asked for again; null before the first. */
  readonly url: () => string;
  readonly onFrame: (data: Uint8Array) => void;
  /** The connection is gone; `final` when it will not be tried again. */
  readonly onClose: (code: number, reason: string, final: boolean) => void;
}

export interface Socket {
  /** False when there is no connection; nothing is kept for later. */
  send(data: Uint8Array<ArrayBuffer>): boolean;
  /** Gives this connection up for a fresh one. */
  restart(reason: string): void;
  /** Tries now instead of at the end of the pause. */
  retryNow(): void;
  /** Gives a connection up that has been silent for too long, and tries at once when there is none. */
  wake(): void;
  close(): void;
}

/** The part of a browser's WebSocket that is used, so that Node's `ws` serves as well. */
export type WebSocketClass = new (url: string) => WebSocket;

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
const LASTING_MS = 5_000;
// The server says something at least every 15 s (crdt.md X3).
const SILENCE_MS = 25_000;
// What the server takes in one frame. It ends a larger one before it has read it (1009), which may be heard as a loss.
const MOST_FRAME_BYTES = 16 << 20;
const TOO_BIG = 1009;
const TOO_LARGE = 4413;
export const SIGN_IN = 4401;

export function createSocket(handlers: SocketHandlers, WebSocketImpl: WebSocketClass): Socket {
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let pause = FIRST_PAUSE_MS;
  let heard = 0;
  /** When the connection was made; null before that. */
  let opened: number | null = null;
  let closed = false;

  const connect = (): void => {
    timer = null;
    const mine = new WebSocketImpl(handlers.url());
    socket = mine;
    heard = Date.now();
    opened = null;
    mine.binaryType = "arraybuffer";
    mine.onopen = () => {
      opened = Date.now();
    };
    mine.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (socket !== mine || !(data instanceof ArrayBuffer)) return;
      heard = Date.now();
      handlers.onFrame(new Uint8Array(data));
    };
    mine.onclose = ({ code, reason }) => {
      if (socket !== mine) return;
      if (code === TOO_BIG) lost(TOO_LARGE, "One edit is too large.");
      else lost(code, reason);
    };
    // `close` follows and says all there is to know; Node's `ws` throws when nobody listens.
    mine.onerror = () => {};
  };

  const lost = (code: number, reason: string): void => {
    socket = null;
    const final = closed || (code >= 4400 && code < 4500 && code !== SIGN_IN);
    if (final) stop();
    else if (code !== SIGN_IN) {
      // A server that takes us in and puts us out again is a busy one: only a connection that lasted counts.
      if (opened !== null && Date.now() - opened >= LASTING_MS) pause = FIRST_PAUSE_MS;
      timer = setTimeout(connect, pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
    handlers.onClose(code, reason, final);
  };

  const stop = (): void => {
    closed = true;
    clearInterval(watchdog);
    if (timer !== null) clearTimeout(timer);
  };

  const restart = (reason: string): void => {
    const old = socket;
    if (old === null) return;
    lost(1006, reason);
    old.close();
  };

  // A connection that died without a word, as after sleep or a change of network.
  const listen = (): void => {
    // Closed without a word: a page that the browser had put aside.
    if (socket?.readyState === 3 || Date.now() - heard >= SILENCE_MS) restart("Nothing was heard from the server.");
  };
  const watchdog = setInterval(listen, SILENCE_MS / 5);

  const retryNow = (): void => {
    if (socket !== null || closed) return;
    if (timer !== null) clearTimeout(timer);
    pause = FIRST_PAUSE_MS;
    connect();
  };

  const end = (code: number, reason: string): void => {
    const old = socket;
    if (old === null) return;
    lost(code, reason);
    old.close(1000);
  };

  connect();
  return {
    send(data) {
      if (socket === null || socket.readyState !== 1) return false;
      if (data.byteLength > MOST_FRAME_BYTES) {
        queueMicrotask(() => end(TOO_LARGE, "One edit is too large."));
        return false;
      }
      socket.send(data);
      return true;
    },
    restart,
    retryNow,
    wake() {
      listen();
      retryNow();
    },
    close() {
      stop();
      const last = socket;
      socket = null;
      last?.close(1000);
    },
  };
}
