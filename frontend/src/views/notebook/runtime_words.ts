/** What is announced about the runtime, and when: once, as things change. Pure. */

import type { NoticeKind } from "../../session/events.ts";
import type { RuntimeState } from "../../session/session.ts";
import { ordinal } from "../shared/time.ts";

/** Kinds that stand on the page until somebody has read them. */
export function isLimit(kind: NoticeKind): boolean {
  return !["idle", "lifetime", "culled", "died", "other"].includes(kind);
}

export interface Words {
  readonly text: string;
  /** For the assertive region. */
  readonly urgent: boolean;
}

/** Null when nothing happened that somebody has to hear of. `mayStay`: whether this person can put the end off. */
export function runtimeWords(before: RuntimeState, after: RuntimeState, mayStay: boolean, now: number): Words | null {
  if (after.stopsAt !== null && (before.stopsAt === null || before.stopsWhy !== after.stopsWhy)) {
    const why = after.stopsWhy === "lifetime" ? ": its lifetime ends" : " because nobody uses it";
    const how = mayStay && after.stopsWhy === "idle" ? " Press Stay at the top of the notebook to keep it." : "";
    return { text: `The runtime stops in ${minutes(after.stopsAt - now)}${why}.${how}`, urgent: true };
  }
  const lives = after.status === "idle" || after.status === "busy";
  if (before.stopsAt !== null && after.stopsAt === null && lives && before.session === after.session)
    return { text: "The runtime stays.", urgent: false };
  if (after.place !== before.place && after.place > 0)
    return { text: after.reason === "" ? `${ordinal(after.place)} in line for a GPU.` : after.reason, urgent: false };
  if (after.status === "dead" && before.status !== "dead")
    return { text: `The runtime is not running${after.reason === "" ? "." : `: ${after.reason}`}`, urgent: true };
  return null;
}

function minutes(ms: number): string {
  const whole = Math.round(ms / 60_000);
  if (whole < 1) return "less than a minute";
  return whole === 1 ? "1 minute" : `${whole} minutes`;
}
