/**
 * Everything that goes to one document of a frame, over its port and strictly in order, also behind outputs whose blobs
 * are still on their way. What waits here is what the page itself said; a frame cannot make it longer.
 */
import type { FrameOutput, PageMessage } from "../../frame/protocol";
import { appendedText, type FrameItem, isSameItem } from "./frame_item";

export interface Outbox {
  post(message: PageMessage, transfer?: Transferable[]): void;
  /** Sends what the document does not show yet, by position: keep, append, replace, add, clear. */
  show(items: readonly FrameItem[]): void;
}

export function createOutbox(
  port: MessagePort,
  load: (blob: { sha256: string; mime: string }) => Promise<string>,
): Outbox {
  const sent: { key: number; item: FrameItem }[] = [];
  const brought = new Set<string>();
  let nextKey = 0;
  let tail: Promise<void> = Promise.resolve();

  const post = (message: PageMessage, transfer: Transferable[] = []): void => {
    tail = tail.then(() => port.postMessage(message, transfer));
  };

  const postWhole = ({ output, blob }: FrameItem, message: (whole: FrameOutput) => PageMessage): void => {
    if (blob === null || output.kind !== "data") {
      post(message(output));
      return;
    }
    const loading = load(blob);
    tail = tail.then(async () => {
      const whole = await loading.then(
        (value) => ({ ...output, value }),
        () => ({ kind: "stream", name: "stderr", text: "This output could not be fetched from the server." }) as const,
      );
      port.postMessage(message(whole));
    });
  };

  const postOutput = (op: "add" | "replace", key: number, item: FrameItem): void => {
    for (const other of item.before?.() ?? []) {
      const name = other.blob?.sha256 ?? JSON.stringify(other.output);
      if (brought.has(name)) continue;
      brought.add(name);
      postWhole(other, (output) => ({ v: 1, t: "output", op: "bring", output }));
    }
    postWhole(item, (output) => ({ v: 1, t: "output", op, key, output }));
  };

  /** Outputs that went from between others are taken away: what stands behind them is not drawn again. */
  const forgetBefore = (index: number, item: FrameItem): void => {
    const at = sent.findIndex((each, place) => place >= index && isSameItem(each.item, item));
    if (at <= index) return;
    for (const { key } of sent.splice(index, at - index)) post({ v: 1, t: "output", op: "clear", key });
  };

  return {
    post,
    show(items) {
      if (items.length === 0) {
        if (sent.length > 0) post({ v: 1, t: "output", op: "clear", key: null });
        sent.length = 0;
        return;
      }
      for (const [index, item] of items.entries()) {
        forgetBefore(index, item);
        const before = sent[index];
        if (before === undefined) {
          const key = nextKey++;
          sent.push({ key, item });
          postOutput("add", key, item);
          continue;
        }
        if (isSameItem(before.item, item)) continue;
        const grown = appendedText(before.item, item);
        before.item = item;
        if (grown === null) postOutput("replace", before.key, item);
        else post({ v: 1, t: "output", op: "append", key: before.key, text: grown });
      }
      for (const { key } of sent.splice(items.length)) post({ v: 1, t: "output", op: "clear", key });
    },
  };
}
