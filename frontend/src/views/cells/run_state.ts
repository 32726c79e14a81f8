/** What a run mark means for people: state, place in the queue, words. Pure. */

import type { RunMark } from "../../notebook/schema.ts";
import { ago, duration, exactly, ordinal } from "../shared/time.ts";

export type CellState =
  | { readonly kind: "never" }
  | { readonly kind: "waiting"; readonly place: number }
  | { readonly kind: "running"; readonly started: number }
  | { readonly kind: "input"; readonly started: number }
  | { readonly kind: "finished" | "failed" | "cancelled" };

export interface Staleness {
  readonly edited: boolean;
  readonly earlierStart: boolean;
}

export const FRESH: Staleness = { edited: false, earlierStart: false };

export function cellState(id: string, run: RunMark | null, queue: readonly string[]): CellState {
  if (run === null) return { kind: "never" };
  switch (run.state) {
    case "queued":
      return { kind: "waiting", place: queue.indexOf(id) + 1 };
    case "running":
      return { kind: run.prompt === null ? "running" : "input", started: run.started ?? run.requested ?? 0 };
    case "finished":
    case "failed":
    case "cancelled":
      return { kind: run.state };
    default:
      return { kind: "never" };
  }
}

/** For the cell's accessible name; empty when there is nothing to say. */
export function stateWords(state: CellState): string {
  switch (state.kind) {
    case "never":
      return "never run";
    case "waiting":
      return state.place > 0 ? `waiting, ${ordinal(state.place)} in line` : "waiting";
    case "running":
      return "running";
    case "input":
      return "waits for input";
    case "finished":
    case "failed":
    case "cancelled":
      return state.kind;
  }
}

export function staleWords(stale: Staleness): string[] {
  return [...(stale.edited ? ["edited since run"] : []), ...(stale.earlierStart ? ["earlier runtime start"] : [])];
}

/** What stands between the brackets: "[ ]", "[2nd]", "[7]". */
export function countText(state: CellState, count: number | null): string {
  if (state.kind === "waiting") return state.place > 0 ? `[${ordinal(state.place)}]` : "[…]";
  return count === null || state.kind === "running" || state.kind === "input" ? "[ ]" : `[${count}]`;
}

/** Who ran it, when, how long, why it is stale: one fact a line. */
export function runFacts(run: RunMark | null, state: CellState, stale: Staleness, now: number): string[] {
  if (run === null) return [];
  const who = run.user === "" ? "Somebody" : run.user;
  const facts: string[] = [];
  if (state.kind === "waiting") facts.push(`${who} asked for this run`);
  else if (run.status === "imported") facts.push("Outputs were imported with the notebook");
  else if (run.started !== null) facts.push(`${who} ran this ${ago(run.started, now)} (${exactly(run.started)})`);
  if (run.started !== null && run.finished !== null) facts.push(`Took ${duration(run.finished - run.started)}`);
  if (stale.edited) facts.push("Stale: edited since run");
  if (stale.earlierStart) facts.push("Stale: ran in an earlier runtime start");
  return facts;
}
