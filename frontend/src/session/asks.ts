/** Requests that wait for their answer. Nobody else hears of an answer that somebody waits for. */
import type { Event } from "./events.ts";

const ANSWER_WITHIN_MS = 10_000;

export interface Asks {
  /** Waits for the answer to request `request`; `pick` gives null for an event that is none. */
  ask<T>(request: number, pick: (event: Event) => T | null): Promise<T>;
  /** True when somebody waited for it. */
  hear(event: Event): boolean;
  /** The answers will not come any more. */
  giveUp(reason: string): void;
}

export function createAsks(): Asks {
  const waiting = new Map<
    number,
    { readonly hear: (event: Event) => void; readonly giveUp: (reason: string) => void }
  >();
  return {
    ask: (request, pick) =>
      new Promise((resolve, reject) => {
        const giveUp = (reason: string): void => {
          waiting.delete(request);
          clearTimeout(timer);
          reject(new Error(reason));
        };
        const timer = setTimeout(() => giveUp("The runtime did not answer."), ANSWER_WITHIN_MS);
        const hear = (event: Event): void => {
          const answer = pick(event);
          if (answer === null) {
            giveUp(event.type === "refused" ? event.reason : "The runtime did not answer.");
            return;
          }
          waiting.delete(request);
          clearTimeout(timer);
          resolve(answer);
        };
        waiting.set(request, { hear, giveUp });
      }),
    hear(event) {
      const asked = "request" in event && event.request !== null ? waiting.get(event.request) : undefined;
      asked?.hear(event);
      return asked !== undefined;
    },
    giveUp(reason) {
      for (const { giveUp } of [...waiting.values()]) giveUp(reason);
    },
  };
}
