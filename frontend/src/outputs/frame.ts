/**
 * One cell's frame as the page sees it: its element, handshake, port, height and what it has been sent. The frame is
 * expendable: `items` is the truth, and `mount` draws it again. Which frames may live is `frames.ts`' business.
 */
import {
  type FrameClass,
  type FrameKey,
  type FrameMessage,
  type FrameOutput,
  MAX_HEIGHT_PX,
  type PageMessage,
  PROTOCOL,
  parseFrameMessage,
  parseHello,
  safeFileName,
  safeLink,
  type Theme,
} from "../../frame/protocol";
import { createMeter, createRate } from "./limits";
import { type Choice, noticeElement } from "./notice";
import { frameUrl, type Placement } from "./placement";

const HELLO_WITHIN_MS = 5_000;
const HELLO_AFTER_LOAD_MS = 1_000;
const SETTLED_WITHIN_MS = 2_000;
const FIRST_HEIGHT_PX = 48;
const RELOADS_PER_MINUTE = 3;

/** An output and, when its value is a blob, where the value is. */
export interface FrameItem {
  output: FrameOutput;
  blob: { sha256: string; mime: string } | null;
}

export interface FrameHost {
  pageOrigin: string;
  theme(): Theme;
  placement(kind: FrameClass): Placement;
  load(blob: { sha256: string; mime: string }): Promise<string>;
  /** The remembered height of a cell's frame in px, or null. */
  height(cellId: string): number | null;
  setHeight(cellId: string, px: number): void;
  onKey(cellId: string, key: FrameKey): void;
  onLog(cellId: string, level: string, text: string): void;
  /** Before a frame mounts: the host makes room. */
  onMount(frame: CellFrame): void;
  /** No hello came: true when the host will try another way. */
  onSilent(frame: CellFrame): boolean;
  /** What the frame itself does not handle: false when nobody does. */
  relay(message: FrameMessage, frame: CellFrame): boolean;
  onStart(frame: CellFrame): void;
  onEnd(frame: CellFrame): void;
}

type Phase = "unmounted" | "loading" | "running" | "stopped";

export class CellFrame {
  readonly element: HTMLElement;
  phase: Phase = "unmounted";
  kind: FrameClass = "stored";
  /** Last time of an output or of the user's pointer, ms of performance.now(). */
  activeAt = 0;
  seenAt = 0;
  isNear = false;
  pingAt: number | null = null;
  missedTicks = 0;
  onSettled: (() => void) | null = null;

  #iframe: HTMLIFrameElement | null = null;
  #port: MessagePort | null = null;
  #nonce: string | null = null;
  #placement: Placement | null = null;
  #meter = createMeter();
  #mayKey = createRate(5, 1_000);
  #mayLog = createRate(10, 1_000);
  #mayReload = createRate(RELOADS_PER_MINUTE, 60_000);
  #items: FrameItem[] = [];
  #run = "";
  #sent: { key: number; item: FrameItem }[] = [];
  #nextKey = 0;
  #outbox: Promise<void> = Promise.resolve();
  #height: number;
  #newHeight: number | null = null;
  #isHeightPlanned = false;
  #isSettled = false;
  #timers: number[] = [];
  #request: HTMLElement | null = null;
  #title = "Output";

  constructor(
    readonly cellId: string,
    readonly host: FrameHost,
  ) {
    this.element = document.createElement("div");
    this.element.className = "output-frame";
    this.element.hidden = true;
    this.#height = host.height(cellId) ?? FIRST_HEIGHT_PX;
    this.element.addEventListener("pointerenter", () => {
      this.activeAt = performance.now();
    });
  }

  get window(): Window | null {
    return this.#iframe?.contentWindow ?? null;
  }

  get iframe(): HTMLIFrameElement | null {
    return this.#iframe;
  }

  get isSettled(): boolean {
    return this.#items.length === 0 || this.phase === "stopped" || (this.phase === "running" && this.#isSettled);
  }

  setTitle(title: string): void {
    if (title === this.#title) return;
    this.#title = title;
    if (this.#iframe !== null) this.#iframe.title = title;
    this.#post({ v: 1, t: "title", title });
  }

  setTheme(theme: Theme): void {
    this.#post({ v: 1, t: "theme", theme });
  }

  /** Shows `items`, made by `run`. Another class, or another run after one whose code ran here, gets a fresh document. */
  show(items: FrameItem[], kind: FrameClass, run: string): void {
    const kept = keptItems(this.#items, items);
    const isSame = kept === this.#items.length && kept === items.length;
    const ran = this.#items.some((item) => mayRun(item));
    const isNewRun = kept === 0 && run !== this.#run;
    // Outputs of a kernel that is gone keep their document until it has to be drawn again.
    const isLeftAlone = isSame && this.kind === "live" && kind === "stored" && this.phase === "running";
    this.#items = items;
    if (kept === 0 || kind !== this.kind) this.#run = run;
    if (isLeftAlone) return;
    const isFresh = kind !== this.kind || (isNewRun && (ran || this.phase === "stopped"));
    this.kind = kind;
    this.element.hidden = items.length === 0;
    if (isFresh && this.phase !== "unmounted") this.unmount();
    if (items.length === 0) {
      if (this.phase === "running") this.#sync();
      return;
    }
    if (isSame && !isFresh) return;
    this.activeAt = performance.now();
    if (this.phase === "running") this.#sync();
    else if (this.phase === "unmounted") this.#reserve();
    if (this.phase === "unmounted" && this.isNear) this.mount();
  }

  /** Loads a new document and draws everything in it. */
  mount(): void {
    if (this.#items.length === 0 || this.phase === "loading" || this.phase === "running") return;
    this.host.onMount(this);
    this.#discard();
    this.phase = "loading";
    this.#placement = this.host.placement(this.kind);
    this.#nonce = randomNonce();
    this.#meter = createMeter();
    this.#reserve();
    const iframe = document.createElement("iframe");
    iframe.title = this.#title;
    iframe.setAttribute("sandbox", this.#placement.sandbox);
    iframe.setAttribute("allow", "");
    iframe.referrerPolicy = "no-referrer";
    iframe.src = frameUrl(this.#placement, this.kind, this.#nonce, this.host.pageOrigin);
    let loads = 0;
    iframe.addEventListener("load", () => {
      loads++;
      if (loads < 2 || this.#iframe !== iframe) return;
      // A reload says hello again, which replaces the iframe. Silence means that the document went elsewhere.
      this.#later(HELLO_AFTER_LOAD_MS, () => {
        if (this.#iframe === iframe) this.stop("Output removed: it tried to leave its frame.", "Draw again");
      });
    });
    this.#iframe = iframe;
    this.#later(HELLO_WITHIN_MS, () => {
      if (this.phase !== "loading" || this.#iframe !== iframe) return;
      if (this.host.onSilent(this)) return;
      this.stop("This output could not be loaded.", "Try again");
    });
    this.element.replaceChildren(iframe);
    this.element.style.height = `${this.#height}px`;
  }

  /** Removes the document; the place keeps its height and `mount` brings it back. */
  unmount(): void {
    this.#discard();
    this.phase = "unmounted";
    this.element.replaceChildren();
    this.#reserve();
  }

  /** Removes the document for a reason that the reader is told; only they bring it back. */
  stop(reason: string, again: string): void {
    this.#discard();
    this.#request?.remove();
    this.phase = "stopped";
    this.element.style.height = "";
    this.element.replaceChildren(
      noticeElement(reason, [
        {
          label: again,
          run: () => {
            this.phase = "unmounted";
            this.mount();
          },
        },
      ]),
    );
    this.#settle();
  }

  /** A bar above the output: one at a time, a later one replaces it. */
  ask(text: string, choices: Choice[]): HTMLElement {
    this.#request?.remove();
    this.#request = noticeElement(text, choices);
    this.element.before(this.#request);
    return this.#request;
  }

  destroy(): void {
    this.#discard();
    this.#request?.remove();
    this.element.remove();
    this.phase = "unmounted";
  }

  /** A window message whose source is this frame: the hello, or noise that is counted. */
  receiveWindowMessage(event: MessageEvent): void {
    const hello = event.origin === this.#placement?.messageOrigin ? parseHello(event.data) : null;
    if (hello === null) {
      if (this.#meter.count(performance.now())) this.#stopFlood();
      return;
    }
    if (this.phase !== "loading" || hello.nonce !== this.#nonce) {
      this.#reload();
      return;
    }
    if (hello.protocol !== PROTOCOL) {
      this.stop("This output needs a newer page.", "Try again");
      return;
    }
    this.#nonce = null;
    this.#start();
  }

  /** In order, behind everything sent before. Lost when the frame has no document. */
  send(message: PageMessage, transfer: Transferable[] = []): void {
    this.#post(message, transfer);
  }

  ping(now: number): void {
    if (this.phase !== "running" || this.pingAt !== null) return;
    this.pingAt = now;
    this.#post({ v: 1, t: "ping" });
  }

  #start(): void {
    const target = this.window;
    const placement = this.#placement;
    if (target === null || placement === null) return;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.phase = "running";
    port1.onmessage = (event: MessageEvent) => {
      if (this.#port === port1) this.#receive(event.data);
    };
    const init: PageMessage = {
      v: 1,
      t: "init",
      protocol: PROTOCOL,
      class: this.kind,
      accessAllowed: false,
      theme: this.host.theme(),
      title: this.#title,
      maxHeight: MAX_HEIGHT_PX,
    };
    target.postMessage(init, placement.messageOrigin === "null" ? "*" : placement.messageOrigin, [port2]);
    this.#later(SETTLED_WITHIN_MS, () => this.#settle());
    this.host.onStart(this);
    this.#sync();
  }

  /** The document loaded itself anew: its port is gone and its nonce used, so it starts over like any other. */
  #reload(): void {
    if (!this.#mayReload(performance.now())) {
      this.stop("Output stopped: it kept reloading itself.", "Draw again");
      return;
    }
    this.#discard();
    this.phase = "unmounted";
    this.mount();
  }

  #receive(data: unknown): void {
    if (this.#meter.count(performance.now())) {
      this.#stopFlood();
      return;
    }
    const message = parseFrameMessage(data);
    if (message !== null) this.#act(message);
    else this.#countBad();
  }

  #countBad(): void {
    if (this.#meter.countBad()) this.stop("Output stopped: it sent messages that make no sense.", "Draw again");
  }

  #act(message: FrameMessage): void {
    switch (message.t) {
      case "height":
        this.#receiveHeight(message.px);
        return;
      case "ready":
        this.#settle();
        return;
      case "pong":
        this.pingAt = null;
        this.missedTicks = 0;
        return;
      case "openLink":
        this.#askLink(message.url);
        return;
      case "saveFile":
        this.#askSave(message.name, message.bytes);
        return;
      case "key":
        if (this.#mayKey(performance.now())) this.host.onKey(this.cellId, message.key);
        return;
      case "log":
        if (this.#mayLog(performance.now())) this.host.onLog(this.cellId, message.level, message.text);
        return;
      default:
        if (!this.host.relay(message, this)) this.#countBad();
    }
  }

  #stopFlood(): void {
    this.stop("Output stopped: it sent too many messages.", "Draw again");
  }

  #receiveHeight(px: number): void {
    this.#newHeight = px;
    this.#planHeight();
  }

  #planHeight(): void {
    if (this.#isHeightPlanned) return;
    this.#isHeightPlanned = true;
    requestAnimationFrame(() => this.#applyHeight());
  }

  #applyHeight(): void {
    this.#isHeightPlanned = false;
    const px = this.#newHeight;
    if (px === null) return;
    // Until all is drawn a frame may only grow: a redraw of what was there moves nothing.
    if (!this.#isSettled && px < this.#height) return;
    this.#newHeight = null;
    if (this.phase !== "running") return;
    this.#height = px;
    this.host.setHeight(this.cellId, px);
    this.element.style.height = `${px}px`;
  }

  #settle(): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      if (this.#newHeight !== null) this.#planHeight();
    }
    this.onSettled?.();
  }

  #askLink(text: string): void {
    const url = safeLink(text);
    if (url === null) return;
    const where = url.protocol === "mailto:" ? url.href : url.host;
    this.ask(`This output wants to open ${where}`, [
      { label: "Open", run: () => window.open(url.href, "_blank", "noopener,noreferrer") },
      { label: "Cancel", run: () => undefined },
    ]);
  }

  #askSave(name: string, bytes: ArrayBuffer): void {
    const file = safeFileName(name);
    const size = bytes.byteLength < 1_000 ? `${bytes.byteLength} bytes` : `${Math.round(bytes.byteLength / 1_000)} KB`;
    this.ask(`This output wants to save ${file} (${size})`, [
      { label: "Save", run: () => saveBytes(file, bytes) },
      { label: "Cancel", run: () => undefined },
    ]);
  }

  /** Sends what the frame does not show yet, by position: keep, append, replace, add, clear. */
  #sync(): void {
    const port = this.#port;
    if (port === null) return;
    if (this.#items.length === 0) {
      if (this.#sent.length > 0) this.#post({ v: 1, t: "output", op: "clear", key: null });
      this.#sent = [];
      return;
    }
    for (const [index, item] of this.#items.entries()) {
      const sent = this.#sent[index];
      if (sent === undefined) {
        const key = this.#nextKey++;
        this.#sent.push({ key, item });
        this.#postOutput("add", key, item);
        continue;
      }
      if (isSameItem(sent.item, item)) continue;
      const tail = appendedText(sent.item, item);
      sent.item = item;
      if (tail === null) this.#postOutput("replace", sent.key, item);
      else this.#post({ v: 1, t: "output", op: "append", key: sent.key, text: tail });
    }
    for (const { key } of this.#sent.splice(this.#items.length)) this.#post({ v: 1, t: "output", op: "clear", key });
  }

  #postOutput(op: "add" | "replace", key: number, { output, blob }: FrameItem): void {
    const port = this.#port;
    if (blob === null || output.kind !== "data") {
      this.#post({ v: 1, t: "output", op, key, output });
      return;
    }
    const loading = this.host.load(blob);
    this.#outbox = this.#outbox.then(async () => {
      let whole: FrameOutput;
      try {
        whole = { ...output, value: await loading };
      } catch {
        whole = { kind: "stream", name: "stderr", text: "This output could not be fetched from the server." };
      }
      port?.postMessage({ v: 1, t: "output", op, key, output: whole } satisfies PageMessage);
    });
    loading.catch(() => undefined);
  }

  /** Strictly in order, also behind outputs whose blobs are still on their way. */
  #post(message: PageMessage, transfer: Transferable[] = []): void {
    const port = this.#port;
    if (port === null) return;
    this.#outbox = this.#outbox.then(() => port.postMessage(message, transfer));
  }

  #reserve(): void {
    this.element.style.height = this.#items.length === 0 ? "" : `${this.#height}px`;
  }

  #later(ms: number, act: () => void): void {
    this.#timers.push(window.setTimeout(act, ms));
  }

  #discard(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    if (this.#port !== null) this.host.onEnd(this);
    this.#port?.close();
    this.#port = null;
    this.#iframe?.remove();
    this.#iframe = null;
    this.#nonce = null;
    this.#sent = [];
    this.#newHeight = null;
    this.#isSettled = false;
    this.#outbox = Promise.resolve();
    this.pingAt = null;
    this.missedTicks = 0;
  }
}

function randomNonce(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function saveBytes(name: string, bytes: ArrayBuffer): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** How many items at the front stay, counting one that only grew. */
function keptItems(before: FrameItem[], after: FrameItem[]): number {
  let kept = 0;
  for (const [index, item] of before.entries()) {
    const next = after[index];
    if (next === undefined) break;
    if (isSameItem(item, next)) kept++;
    else break;
  }
  return kept;
}

export function isSameItem(a: FrameItem, b: FrameItem): boolean {
  if (a === b) return true;
  if (a.blob?.sha256 !== b.blob?.sha256) return false;
  const [x, y] = [a.output, b.output];
  if (x.kind === "stream" && y.kind === "stream") return x.name === y.name && x.text === y.text;
  if (x.kind === "error" && y.kind === "error") {
    return x.ename === y.ename && x.evalue === y.evalue && x.traceback.join("\n") === y.traceback.join("\n");
  }
  if (x.kind !== "data" || y.kind !== "data") return false;
  return x.mime === y.mime && x.value === y.value && x.plain === y.plain && x.metadata === y.metadata;
}

function appendedText(a: FrameItem, b: FrameItem): string | null {
  const [x, y] = [a.output, b.output];
  if (x.kind !== "stream" || y.kind !== "stream" || x.name !== y.name || !y.text.startsWith(x.text)) return null;
  return y.text.slice(x.text.length);
}

/** Whether drawing the item may have run code in the frame. Errs towards yes. */
export function mayRun({ output, blob }: FrameItem): boolean {
  if (output.kind !== "data") return false;
  if (output.mime === "application/javascript") return true;
  if (output.mime !== "text/html" && output.mime !== "image/svg+xml" && output.mime !== "text/markdown") return false;
  return blob !== null || /<\s*(?:script|iframe|object|embed|frame)|javascript:|[\s"'/]on\w+\s*=/i.test(output.value);
}
