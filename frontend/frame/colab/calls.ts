/** Requests of the frame that the page answers: a few at a time, the others wait their turn. */
import type { FrameContext } from "../features";
import { type ColabToFrame, type ColabToPage, MAX_TEXT_LENGTH } from "./protocol";

const AT_A_TIME = 8;
const MOST_WAITING = 64;

type Asking = Extract<ColabToPage, { t: "invoke" | "proxyPort" }>;

export interface Calls {
  /** The parsed JSON of the answer; rejects with the page's reason. */
  ask(message: (id: number) => Asking): Promise<unknown>;
  answer(message: Extract<ColabToFrame, { t: "colabAnswer" }>): void;
}

export function createCalls(send: FrameContext["send"]): Calls {
  const open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  const waiting: (() => void)[] = [];
  let last = 0;

  return {
    ask: (message) =>
      new Promise((resolve, reject) => {
        const begin = (): void => {
          last += 1;
          open.set(last, { resolve, reject });
          send(message(last));
        };
        if (open.size < AT_A_TIME) begin();
        else if (waiting.length < MOST_WAITING) waiting.push(begin);
        else reject(new Error("This output calls too much at once; wait for what was called."));
      }),
    answer({ id, value, error }) {
      const asked = open.get(id);
      open.delete(id);
      if (value === null) asked?.reject(new Error(error));
      else asked?.resolve(JSON.parse(value));
      waiting.shift()?.();
    },
  };
}

/** The value as JSON text. Throws for what has none, or one that is too long. */
export function toText(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  if (text.length > MAX_TEXT_LENGTH) throw new Error("The value is larger than 1 MB as JSON.");
  return text;
}
