/** The frame's outputs by key, and the queue that draws them one after the other: scripts of one finish before the next. */
import { errorElement, streamView } from "../src/outputs/drawing";
import { type DrawContext, drawData } from "./draw";
import type { FrameOutput, PageMessage } from "./protocol";

type OutputMessage = Extract<PageMessage, { t: "output" }>;

export interface AreaOptions extends DrawContext {
  /** Called whenever all that was sent is drawn. */
  onIdle(): void;
}

interface Entry {
  dom: HTMLElement;
  stream: { text: string; set(text: string): void } | null;
}

export function createOutputArea(body: HTMLElement, options: AreaOptions): { take(message: OutputMessage): void } {
  const entries = new Map<number, Entry>();
  const queue: OutputMessage[] = [];
  let isDrawing = false;

  const draw = async (output: FrameOutput, entry: Entry): Promise<void> => {
    entry.stream = null;
    if (output.kind === "stream") {
      const view = streamView(output.name);
      entry.dom.replaceChildren(view.dom);
      view.set(output.text);
      entry.stream = { text: output.text, set: view.set };
    } else if (output.kind === "error") {
      entry.dom.replaceChildren(errorElement(output.ename, output.evalue, output.traceback));
    } else {
      entry.dom.replaceChildren();
      await drawData(entry.dom, output, options);
    }
  };

  const act = async (message: OutputMessage): Promise<void> => {
    if (message.op === "clear") {
      const gone = message.key === null ? [...entries.keys()] : [message.key];
      for (const key of gone) {
        entries.get(key)?.dom.remove();
        entries.delete(key);
      }
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
      entry = { dom: document.createElement("div"), stream: null };
      entry.dom.className = "output";
      entries.set(message.key, entry);
      body.append(entry.dom);
    }
    await draw(message.output, entry);
  };

  const work = async (): Promise<void> => {
    if (isDrawing) return;
    isDrawing = true;
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      try {
        await act(message);
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

  return {
    take(message) {
      queue.push(message);
      void work();
    },
  };
}
