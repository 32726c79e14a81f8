/** The last hour of what a runtime used: kept, cut into lines for charts, and told by cell. Pure; times in ms. */

import type { KernelUsage } from "../../session/usage.ts";

export const HOUR_MS = 3_600_000;
/** Nobody measured for longer than this: the line breaks. The gateway samples every 10 s when nobody looks. */
const GAP_MS = 45_000;

export type History = readonly KernelUsage[];

/** With one sample more; what is older than an hour goes. */
export function append(history: History, sample: KernelUsage): History {
  const last = history.at(-1);
  if (last !== undefined && sample.at <= last.at) return history;
  const first = history.findIndex(({ at }) => at > sample.at - HOUR_MS);
  return [...history.slice(first === -1 ? history.length : first), sample];
}

/** What the server kept, and what came since it was asked. */
export function merge(kept: History, live: History): History {
  const last = kept.at(-1)?.at ?? 0;
  return live.filter(({ at }) => at > last).reduce(append, kept);
}

export type Measure = (sample: KernelUsage) => number | null;

/** The sample that held at `at`; null in a gap. */
export function sampleAt(history: History, at: number): KernelUsage | null {
  const sample = history.findLast((each) => each.at <= at) ?? null;
  return sample === null || at - sample.at > GAP_MS ? null : sample;
}

export function peak(history: History, measure: Measure): number {
  return history.reduce((most, sample) => Math.max(most, measure(sample) ?? 0), 0);
}

/** How much of the hour is shown: a young runtime's few minutes would be a sliver of it. */
const SPANS_MS = [5 * 60_000, 15 * 60_000, HOUR_MS] as const;

export function spanOf(history: History, now: number): number {
  const age = now - (history[0]?.at ?? now);
  return SPANS_MS.find((span) => age <= span) ?? HOUR_MS;
}

/** The time that charts show, up to now. */
export interface Window {
  readonly now: number;
  readonly span: number;
}

export interface Point {
  /** 0 at the beginning of what is shown, 1 now. */
  readonly x: number;
  readonly value: number;
}

/** One line a stretch without gaps. At most `columns` points, each the most of its time: a peak is never lost. */
export function linesOf(
  history: History,
  measure: Measure,
  { now, span }: Window,
  columns: number,
): readonly (readonly Point[])[] {
  const lines: Point[][] = [];
  let line: Point[] = [];
  let column = -1;
  let before = Number.NEGATIVE_INFINITY;
  for (const sample of history) {
    const value = measure(sample);
    const x = 1 - (now - sample.at) / span;
    if (value === null || x < 0 || x > 1) continue;
    if (sample.at - before > GAP_MS) {
      line = [];
      lines.push(line);
      column = -1;
    }
    before = sample.at;
    const here = Math.floor(x * columns);
    const last = line.at(-1);
    if (here === column && last !== undefined) line[line.length - 1] = { x, value: Math.max(last.value, value) };
    else line.push({ x, value });
    column = here;
  }
  return lines;
}

export interface Stretch {
  readonly cell: string;
  readonly from: number;
  readonly to: number;
  /** Bytes. */
  readonly peakMemory: number;
}

/** When which cell ran, as far as it was measured; oldest first. */
export function stretchesOf(history: History): readonly Stretch[] {
  const stretches: Stretch[] = [];
  let before: KernelUsage | undefined;
  for (const sample of history) {
    const { cell, at } = sample;
    const memory = sample.memoryBytes ?? 0;
    const last = stretches.at(-1);
    const goesOn = last !== undefined && before?.cell === cell && last.cell === cell && at - last.to <= GAP_MS;
    if (cell !== null && goesOn)
      stretches[stretches.length - 1] = { ...last, to: at, peakMemory: Math.max(last.peakMemory, memory) };
    else if (cell !== null) stretches.push({ cell, from: at, to: at, peakMemory: memory });
    before = sample;
  }
  return stretches;
}

const STEPS = [1, 1.5, 2, 3, 4, 6, 8] as const;

/** The top of a chart: a round number some way over the peak, and the limit itself once that is near. */
export function topOf(most: number, limit: number | null, base: 1024 | 10): number {
  if (limit !== null && most > limit / 2) return limit;
  const wanted = Math.max(most * 1.2, base === 10 ? 10 : 1024 ** 2);
  let unit = 1;
  while (unit * base <= wanted) unit *= base;
  // 128 MiB, not 100 MiB: between powers of 1024 the steps double.
  while (base === 1024 && unit * 8 < wanted) unit *= 2;
  const step = STEPS.find((each) => each * unit >= wanted) ?? base;
  return limit === null ? step * unit : Math.min(step * unit, limit);
}
