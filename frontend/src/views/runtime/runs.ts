/** The history of executed code as the pane shows it. Pure. */

import type { Run } from "../../runtime_api.ts";
import type { IconName } from "../shared/icons.ts";

/** Pages of the history in one list, newest first; the newer word about a run counts. */
export function mergeRuns(known: readonly Run[], fresh: readonly Run[]): readonly Run[] {
  const runs = new Map([...known, ...fresh].map((run) => [run.id, run]));
  return [...runs.values()].sort((a, b) => b.id - a.id);
}

/** Samples are taken once a second, on a clock that may be another machine's. */
const SLACK_MS = 2000;

/** The run of this cell that a sample at `at` belongs to. */
export function runDuring(runs: readonly Run[], cell: string, at: number): Run | null {
  const fits = (run: Run): boolean =>
    run.cell === cell && run.started <= at + SLACK_MS && (run.finished ?? Number.POSITIVE_INFINITY) >= at - SLACK_MS;
  return runs.find(fits) ?? null;
}

export interface Outcome {
  readonly look: "good" | "bad" | "warn" | "plain";
  readonly sign: IconName;
  readonly words: string;
  /** What the server says beyond one word; empty for the usual. */
  readonly sentence: string;
}

export function outcomeOf({ state, status }: Pick<Run, "state" | "status">): Outcome {
  const sentence = status.includes(" ") ? status : "";
  if (state === "running") return { look: "plain", sign: "play", words: "running", sentence };
  // "interrupted by Ana"
  const stopped = /^(interrupted|aborted)\b/.exec(status)?.[0];
  if (stopped !== undefined) return { look: "warn", sign: "bar", words: stopped, sentence };
  return state === "failed"
    ? { look: "bad", sign: "cross", words: "failed", sentence }
    : { look: "good", sign: "check", words: "finished", sentence };
}
