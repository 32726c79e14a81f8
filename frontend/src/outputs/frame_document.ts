/**
 * One document of a frame, from its iframe to its end: the handshake (outputs.md L1), the port, and what it may send
 * before it is given up. After the first message the page never talks to its window again.
 */
import { type FrameMessage, type PageMessage, PROTOCOL, parseFrameMessage, parseHello } from "../../frame/protocol";
import type { FrameItem } from "./frame_item";
import { createOutbox, type Outbox } from "./frame_outbox";
import { createMeter } from "./limits";
import { frameUrl, type Placement, type Policy } from "./placement";

// Frames of one site share a process: many at once, on a busy machine, take their time. One that cannot be reached at all
// loads the browser's own error page.
const HELLO_WITHIN_MS = 60_000;
const HELLO_AFTER_LOAD_MS = 3_000;
const HELLO_AFTER_LEAVING_MS = 1_000;

/** No hello; another document in its place; its own document loaded again; too many messages; messages that are none. */
export type DocumentEnd = "silent" | "left" | "reloaded" | "other version" | "flood" | "nonsense";

export interface DocumentOptions {
  placement: Placement;
  policy: Policy;
  title: string;
  pageOrigin: string;
  load(blob: { sha256: string; mime: string }): Promise<string>;
  /** The first message, when the document has said hello. */
  first(): PageMessage;
  onStart(): void;
  /** False when the message means nothing here. */
  onMessage(message: FrameMessage): boolean;
  /** At most once; the document is to be closed. */
  onEnd(why: DocumentEnd): void;
}

export interface FrameDocument {
  readonly iframe: HTMLIFrameElement;
  readonly isRunning: boolean;
  setTitle(title: string): void;
  /** Of its own window, or of one inside it: the hello, or noise that is counted. */
  receiveWindowMessage(event: MessageEvent): void;
  /** In order. Lost before the hello. */
  post(message: PageMessage, transfer?: Transferable[]): void;
  show(items: readonly FrameItem[]): void;
  close(): void;
}

/** The iframe is the caller's to place. */
export function openDocument(options: DocumentOptions): FrameDocument {
  const { placement, policy, pageOrigin } = options;
  const meter = createMeter();
  const timers: number[] = [];
  let nonce: string | null = randomNonce();
  let port: MessagePort | null = null;
  let outbox: Outbox | null = null;
  let isOver = false;
  let loads = 0;

  const end = (why: DocumentEnd): void => {
    if (isOver) return;
    isOver = true;
    options.onEnd(why);
  };

  const iframe = document.createElement("iframe");
  iframe.title = options.title;
  iframe.setAttribute("sandbox", placement.sandbox);
  iframe.setAttribute("allow", "");
  iframe.referrerPolicy = "no-referrer";
  iframe.src = frameUrl(placement, policy, nonce, pageOrigin);
  iframe.addEventListener("load", () => {
    loads++;
    // A host that cannot be reached loads an error page, which says nothing; a reload says hello again, and silence
    // then means that the document went elsewhere.
    if (loads > 1) timers.push(window.setTimeout(end, HELLO_AFTER_LEAVING_MS, "left"));
    else timers.push(window.setTimeout(endSilent, HELLO_AFTER_LOAD_MS));
  });
  const endSilent = (): void => {
    if (port === null) end("silent");
  };
  timers.push(window.setTimeout(endSilent, HELLO_WITHIN_MS));

  const receive = (data: unknown): void => {
    if (isOver) return;
    if (meter.count(performance.now())) {
      end("flood");
      return;
    }
    const message = parseFrameMessage(data);
    const isUnderstood = message !== null && options.onMessage(message);
    if (!isUnderstood && meter.countBad()) end("nonsense");
  };

  const start = (target: Window): void => {
    const channel = new MessageChannel();
    port = channel.port1;
    outbox = createOutbox(port, options.load);
    port.onmessage = (event: MessageEvent) => receive(event.data);
    const to = placement.messageOrigin === "null" ? "*" : placement.messageOrigin;
    target.postMessage(options.first(), to, [channel.port2]);
    options.onStart();
  };

  return {
    iframe,
    get isRunning() {
      return port !== null && !isOver;
    },
    setTitle(title) {
      iframe.title = title;
      outbox?.post({ v: 1, t: "title", title });
    },
    receiveWindowMessage(event) {
      if (isOver) return;
      const target = iframe.contentWindow;
      const isOwn = event.source === target && event.origin === placement.messageOrigin;
      const hello = isOwn ? parseHello(event.data) : null;
      if (hello === null || target === null) {
        if (meter.count(performance.now())) end("flood");
      } else if (hello.nonce !== nonce) end("reloaded");
      else if (hello.protocol !== PROTOCOL) end("other version");
      else {
        nonce = null;
        start(target);
      }
    },
    post: (message, transfer) => outbox?.post(message, transfer),
    show: (items) => outbox?.show(items),
    close() {
      isOver = true;
      for (const timer of timers) clearTimeout(timer);
      port?.close();
      outbox = null;
      iframe.remove();
    },
  };
}

function randomNonce(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
