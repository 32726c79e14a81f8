/** The frame's outputs by key, and the queue that draws them one after the other: scripts of one finish before the next. */
import { errorElement, streamView } from "../src/outputs/drawing";
import { type DrawContext, type Drawn, drawData } from "./draw";
import type { FrameOutput, PageMessage } from "./protocol";

type OutputMessage = Extract<PageMessage, { t: "output" }>;

/** Outputs that were drawn before the one at hand may hold it up; no longer than this. */
const PAUSE_WITHIN_MS = 60_000;

export interface AreaOptions extends DrawContext {
  /** Called whenever all that was sent is drawn. */
  onIdle(): void;
}

interface Entry {
  dom: HTMLElement;
  stream: { text: string; set(text: string): void } | null;
  drawn: Drawn | null;
}

export interface OutputArea {
  take(message: OutputMessage): void;
  /** Where outputs go while nobody said otherwise. */
  readonly body: HTMLElement;
  /** Where later outputs and streams go. Back to `body` when it is taken out of the document. */
  active(): HTMLElement;
  setActive(element: HTMLElement): void;
  /** Calls `act` once all that came before is drawn; what comes later waits until `act` has returned, not for its promise. */
  run(act: () => unknown): void;
  /** What is not drawn yet waits for `promise` as well, a minute at most. */
  pauseUntil(promise: Promise<unknown>): void;
  /** Draws an output into any element of the frame, at once. */
  render(output: FrameOutput, into: HTMLElement): Promise<void>;
}

export function createOutputArea(body: HTMLElement, options: AreaOptions): OutputArea {
  const entries = new Map<number, Entry>();
  const queue: (OutputMessage | (() => unknown))[] = [];
  let isDrawing = false;
  let target = body;
  let pause: Promise<unknown> = Promise.resolve();

  const active = (): HTMLElement => {
    if (!target.isConnected) target = body;
    return target;
  };

  const draw = async (output: FrameOutput, entry: Entry): Promise<void> => {
    entry.stream = null;
    entry.drawn?.destroy();
    entry.drawn = null;
    // A redraw moves nothing: the place keeps its height until the new content has one.
    const { offsetHeight } = entry.dom;
    if (offsetHeight > 0) entry.dom.style.minHeight = `${offsetHeight}px`;
    entry.dom.className = "output";
    if (output.kind === "stream") {
      const view = streamView(output.name);
      entry.dom.replaceChildren(view.dom);
      view.set(output.text);
      entry.stream = { text: output.text, set: view.set };
    } else if (output.kind === "error") {
      entry.dom.replaceChildren(errorElement(output.ename, output.evalue, output.traceback));
    } else {
      entry.dom.replaceChildren();
      entry.drawn = await drawData(entry.dom, output, options);
    }
    entry.dom.style.minHeight = "";
  };

  /** Of another cell: it draws where nobody looks and is thrown away; styles and globals that its scripts made stay. */
  const bring = async (output: FrameOutput): Promise<void> => {
    if (output.kind !== "data") return;
    const aside = document.createElement("div");
    aside.hidden = true;
    document.body.append(aside);
    try {
      const drawn = await drawData(aside, output, options);
      drawn?.destroy();
    } finally {
      aside.remove();
    }
  };

  const remove = (key: number): void => {
    const entry = entries.get(key);
    entry?.drawn?.destroy();
    entry?.dom.remove();
    entries.delete(key);
  };

  const act = async (message: OutputMessage): Promise<void> => {
    if (message.op === "clear") {
      for (const key of message.key === null ? [...entries.keys()] : [message.key]) remove(key);
      if (message.key === null) target = body;
      return;
    }
    if (message.op === "bring") {
      await bring(message.output);
      return;
    }
    let entry = entries.get(message.key);
    if (message.op === "append") {
      const stream = entry?.stream;
      if (stream == null) return;
      stream.text += message.text;
      stream.set(stream.text);
      return;
    }
    if (entry === undefined) {
      entry = { dom: document.createElement("div"), stream: null, drawn: null };
      entry.dom.className = "output";
      entries.set(message.key, entry);
      active().append(entry.dom);
    }
    await draw(message.output, entry);
  };

  const work = async (): Promise<void> => {
    if (isDrawing) return;
    isDrawing = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        if (typeof next === "function") next();
        else await act(next);
        await pause;
      } catch (error) {
        options.log("error", `An output could not be drawn: ${String(error)}`);
      }
    }
    isDrawing = false;
    // After the layout that the last one caused, so that the height goes first.
    setTimeout(() => {
      if (!isDrawing) options.onIdle();
    }, 50);
  };

  const push = (next: OutputMessage | (() => unknown)): void => {
    queue.push(next);
    void work();
  };

  return {
    take: push,
    body,
    active,
    setActive(element) {
      target = element;
    },
    run: push,
    pauseUntil(promise) {
      const bounded = Promise.race([promise, new Promise((wake) => setTimeout(wake, PAUSE_WITHIN_MS))]);
      pause = Promise.allSettled([pause, bounded]);
    },
    async render(output, into) {
      const entry: Entry = { dom: document.createElement("div"), stream: null, drawn: null };
      into.append(entry.dom);
      await draw(output, entry);
    },
  };
}
