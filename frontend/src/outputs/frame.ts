/**
 * One cell's frame as the page sees it: its element, its handshake and port, and what it is told. The frame is
 * expendable: `items` is the truth, and `mount` draws it again. Which frames may live is `frames.ts`' business.
 */
import {
  type FrameClass,
  type FrameMessage,
  MAX_HEIGHT_PX,
  type PageMessage,
  PROTOCOL,
  type Theme,
} from "../../frame/protocol";
import { createAccess, type FrameAccess } from "./frame_access";
import { type DocumentEnd, type FrameDocument, openDocument } from "./frame_document";
import { createHeight, type FrameHeight } from "./frame_height";
import type { FrameHost, FrameRun } from "./frame_host";
import { type FrameItem, keptItems, mayRun } from "./frame_item";
import { createRequests, type FrameRequests } from "./frame_requests";
import { createRate } from "./limits";
import { type Choice, noticeElement } from "./notice";

const SETTLED_WITHIN_MS = 2_000;
const RELOADS_PER_MINUTE = 3;

type Phase = "unmounted" | "loading" | "running" | "stopped";

export class CellFrame {
  readonly element: HTMLElement;
  readonly requests: FrameRequests;
  phase: Phase = "unmounted";
  kind: FrameClass = "stored";
  /** Last time of an output or of the user's pointer, ms of performance.now(). */
  activeAt = 0;
  seenAt = 0;
  isNear = false;
  pingAt: number | null = null;
  missedTicks = 0;
  /** Scripts of the kernel's that run in it: it is not to be unmounted to make room. */
  scripts = 0;
  onSettled: (() => void) | null = null;

  readonly #access: FrameAccess;
  readonly #height: FrameHeight;
  #document: FrameDocument | null = null;
  #mayKey = createRate(5, 1_000);
  #mayLog = createRate(10, 1_000);
  #mayReload = createRate(RELOADS_PER_MINUTE, 60_000);
  #mayLoadAgain = createRate(2, 300_000);
  #items: FrameItem[] = [];
  #run = "";
  #isSettled = false;
  #isDemanded = false;
  #settling: number | undefined;
  #number = 0;

  constructor(
    readonly cellId: string,
    readonly host: FrameHost,
  ) {
    this.element = document.createElement("div");
    this.element.className = "output-frame";
    this.element.hidden = true;
    this.requests = createRequests(this.element, () => (this.#number === 0 ? "This output" : `Cell ${this.#number}`));
    this.#access = createAccess(
      () => host.mayRun(),
      (isAllowed) => this.send({ v: 1, t: "access", isAllowed }),
    );
    this.#height = createHeight(host.height(cellId), (px) => {
      if (this.phase !== "running") return;
      host.setHeight(cellId, px);
      this.element.style.height = `${px}px`;
    });
    this.element.addEventListener("pointerenter", () => {
      this.activeAt = performance.now();
    });
  }

  get window(): Window | null {
    return this.iframe?.contentWindow ?? null;
  }

  get iframe(): HTMLIFrameElement | null {
    return this.#document?.iframe ?? null;
  }

  get isSettled(): boolean {
    return this.#items.length === 0 || this.phase === "stopped" || (this.phase === "running" && this.#isSettled);
  }

  /** Whether what this frame asks of the kernel may be passed on now (W13). */
  get isAccessAllowed(): boolean {
    return this.#access.isAllowed;
  }

  /** The cell's place in the notebook, from 1: what the frame and its requests are named after. */
  setNumber(number: number): void {
    if (number === this.#number) return;
    this.#number = number;
    this.#document?.setTitle(this.#title);
  }

  setTheme(theme: Theme): void {
    this.send({ v: 1, t: "theme", theme });
  }

  grantAccess(): void {
    this.#access.grant();
  }

  /** The role may have changed. */
  lookAtAccess(): void {
    this.#access.look();
  }

  /** Shows `items`, made by `run`. Another class, or another run after one whose code ran here, gets a fresh document. */
  show(items: FrameItem[], kind: FrameClass, run: FrameRun): void {
    const kept = keptItems(this.#items, items);
    const isSame = kept === this.#items.length && kept === items.length;
    const ran = this.#isDemanded || this.#items.some((item) => mayRun(item));
    const isNewRun = kept === 0 && run.id !== this.#run;
    // Outputs of a kernel that is gone keep their document until it has to be drawn again.
    const isLeftAlone = isSame && this.kind === "live" && kind === "stored" && this.phase === "running";
    this.#items = items;
    if (kept === 0 || kind !== this.kind) this.#run = run.id;
    this.#access.show({ kind: isLeftAlone ? this.kind : kind, isOwnRun: run.isOwn, isCurrent: run.isCurrent });
    if (isLeftAlone) return;
    const isFresh = kind !== this.kind || (isNewRun && (ran || this.phase === "stopped"));
    this.kind = kind;
    if (isFresh) this.#isDemanded = false;
    this.element.hidden = items.length === 0 && !this.#isDemanded;
    if (isFresh && this.phase !== "unmounted") this.unmount();
    if (isFresh) this.requests.clear();
    if (isNewRun && this.phase === "running") this.#access.startRun();
    if (items.length === 0) {
      if (this.phase === "running") this.#document?.show(items);
      return;
    }
    if (isSame && !isFresh) return;
    this.activeAt = performance.now();
    if (this.phase === "running") this.#document?.show(items);
    else if (this.phase === "unmounted") this.#reserve();
    if (this.phase === "unmounted" && this.isNear) this.mount();
  }

  /** Code of the running kernel needs the document, whatever it shows and wherever it is. */
  demand(): void {
    if (this.kind !== "live" || this.phase === "stopped") return;
    this.#isDemanded = true;
    this.element.hidden = false;
    this.mount();
  }

  /** Loads a new document and draws everything in it. `isSelfMade` when the document before did this by itself. */
  mount(isSelfMade = false): void {
    if (this.#items.length === 0 && !this.#isDemanded) return;
    if (this.phase === "loading" || this.phase === "running") return;
    this.host.onMount(this);
    this.#discard();
    this.phase = "loading";
    this.#access.start(isSelfMade);
    this.#reserve();
    const opened = openDocument({
      placement: this.host.placement(this.kind),
      policy: this.kind === "stored" && this.host.loadsRemote() ? "remote" : this.kind,
      title: this.#title,
      pageOrigin: this.host.pageOrigin,
      load: (blob) => this.host.load(blob),
      first: () => this.#first(),
      onStart: () => this.#start(),
      onMessage: (message) => this.#act(message),
      onEnd: (why) => this.#end(why),
    });
    this.#document = opened;
    this.element.replaceChildren(opened.iframe);
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
    this.requests.clear();
    this.phase = "stopped";
    this.element.style.height = "";
    const mount = (): void => {
      this.phase = "unmounted";
      this.mount();
    };
    this.element.replaceChildren(noticeElement(reason, [{ label: again, run: mount }]));
    this.#settle();
  }

  /** A bar above the output, in the place of what the output asks itself. */
  ask(text: string, choices: Choice[]): HTMLElement {
    return this.requests.ask(text, choices);
  }

  destroy(): void {
    this.#discard();
    this.requests.clear();
    this.element.remove();
    this.phase = "unmounted";
  }

  receiveWindowMessage(event: MessageEvent): void {
    this.#document?.receiveWindowMessage(event);
  }

  /** In order, behind everything sent before. Lost when the frame has no document. */
  send(message: PageMessage, transfer: Transferable[] = []): void {
    this.#document?.post(message, transfer);
  }

  ping(now: number): void {
    if (this.phase !== "running" || this.pingAt !== null) return;
    this.pingAt = now;
    this.send({ v: 1, t: "ping" });
  }

  get #title(): string {
    return this.#number === 0 ? "Output" : `Output of cell ${this.#number}`;
  }

  #first(): PageMessage {
    return {
      v: 1,
      t: "init",
      protocol: PROTOCOL,
      class: this.kind,
      accessAllowed: this.#access.isAllowed,
      theme: this.host.theme(),
      title: this.#title,
      maxHeight: MAX_HEIGHT_PX,
    };
  }

  #start(): void {
    this.phase = "running";
    this.#settling = window.setTimeout(() => this.#settle(), SETTLED_WITHIN_MS);
    this.host.onStart(this);
    this.#document?.show(this.#items);
  }

  #end(why: DocumentEnd): void {
    switch (why) {
      case "silent":
        if (!this.host.onSilent(this)) this.#loadAgain();
        return;
      case "left":
        this.stop("Output removed: it tried to leave its frame.", "Draw again");
        return;
      case "reloaded":
        this.#reload();
        return;
      case "other version":
        this.stop("This output needs a newer page.", "Try again");
        return;
      case "flood":
        this.stop("Output stopped: it sent too many messages.", "Draw again");
        return;
      case "nonsense":
        this.stop("Output stopped: it sent messages that make no sense.", "Draw again");
        return;
    }
  }

  /** A machine with much to do may need longer than we wait; the reader is told when the third try was no better. */
  #loadAgain(): void {
    if (!this.#mayLoadAgain(performance.now())) {
      this.stop("This output could not be loaded.", "Try again");
      return;
    }
    this.unmount();
    if (this.isNear) this.mount();
  }

  /** The document loaded itself anew: its port is gone and its nonce used, so it starts over like any other. */
  #reload(): void {
    if (!this.#mayReload(performance.now())) {
      this.stop("Output stopped: it kept reloading itself.", "Draw again");
      return;
    }
    this.#discard();
    this.phase = "unmounted";
    this.mount(true);
  }

  /** False for what nobody here understands. */
  #act(message: FrameMessage): boolean {
    switch (message.t) {
      case "height":
        this.#height.report(message.px);
        return true;
      case "ready":
        this.#settle();
        return true;
      case "pong":
        this.pingAt = null;
        this.missedTicks = 0;
        return true;
      case "acted":
        this.host.onActed(this);
        return true;
      case "blocked":
        if (this.kind === "stored") this.host.onBlocked(this, message.host);
        return true;
      case "openLink":
        this.requests.openLink(message.url);
        return true;
      case "saveFile":
        this.requests.saveFile(message.name, message.bytes);
        return true;
      case "key":
        if (this.#mayKey(performance.now())) this.host.onKey(this.cellId, message.key);
        return true;
      case "log":
        if (this.#mayLog(performance.now())) this.host.onLog(this.cellId, message.level, message.text);
        return true;
      default:
        return this.host.relay(message, this);
    }
  }

  #settle(): void {
    this.#isSettled = true;
    this.#height.settle();
    this.onSettled?.();
  }

  #reserve(): void {
    this.element.style.height = this.#items.length === 0 ? "" : `${this.#height.px}px`;
  }

  #discard(): void {
    clearTimeout(this.#settling);
    const isStarted = this.phase === "running";
    this.#document?.close();
    this.#document = null;
    if (isStarted) this.host.onEnd(this);
    this.#height.restart();
    this.#isSettled = false;
    this.pingAt = null;
    this.missedTicks = 0;
  }
}
