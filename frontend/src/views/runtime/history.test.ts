import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KernelUsage } from "../../session/usage.ts";
import {
  append,
  type History,
  HOUR_MS,
  linesOf,
  merge,
  peak,
  sampleAt,
  spanOf,
  stretchesOf,
  topOf,
} from "./history.ts";

const MIB = 1024 ** 2;
const NOW = 10 * HOUR_MS;
const HOUR = { now: NOW, span: HOUR_MS };

/** A sample so many seconds before now. */
function sample(ago: number, memoryBytes: number | null = 0, cell: string | null = null): KernelUsage {
  return { at: NOW - ago * 1000, cpuPercent: null, memoryBytes, processes: null, diskBytes: null, gpus: [], cell };
}

const memory = ({ memoryBytes }: KernelUsage): number | null => memoryBytes;
const ages = (history: History): number[] => history.map(({ at }) => (NOW - at) / 1000);

describe("the history", () => {
  test("keeps an hour, in order, each moment once", () => {
    const old = [sample(3700), sample(3601), sample(3600), sample(3599), sample(1)];
    expect(ages(append(old, sample(0)))).toEqual([3599, 1, 0]);
    expect(append(old, sample(1))).toBe(old);
    expect(append(old, sample(5))).toBe(old);
    expect(ages(append([], sample(0)))).toEqual([0]);
    expect(ages(append([sample(9999)], sample(0)))).toEqual([0]);
  });

  test("joins what the server kept with what came meanwhile", () => {
    expect(ages(merge([sample(20), sample(10)], [sample(11), sample(10), sample(9)]))).toEqual([20, 10, 9]);
    expect(ages(merge([], [sample(1)]))).toEqual([1]);
    expect(ages(merge([sample(1)], []))).toEqual([1]);
  });

  test("knows what held at a time, but not when nobody measured", () => {
    const history = [sample(100, 1), sample(90, 2), sample(0, 3)];
    expect(sampleAt(history, NOW - 95_000)?.memoryBytes).toBe(1);
    expect(sampleAt(history, NOW - 90_000)?.memoryBytes).toBe(2);
    expect(sampleAt(history, NOW - 20_000)).toBeNull();
    expect(sampleAt(history, NOW - 200_000)).toBeNull();
    expect(peak(history, memory)).toBe(3);
    expect(peak([], memory)).toBe(0);
  });
});

describe("lines", () => {
  test("break where nobody measured, and leave out what is no number", () => {
    const history = [sample(1800, 1), sample(1790, null), sample(1780, 2), sample(0, 3)];
    expect(linesOf(history, memory, HOUR, 1000).map((line) => line.map(({ value }) => value))).toEqual([[1, 2], [3]]);
    expect(linesOf(history, memory, HOUR, 1000)[1]).toEqual([{ x: 1, value: 3 }]);
  });

  test("have few points and lose no peak, whatever was measured", () => {
    const values = fc.array(fc.nat(1000), { minLength: 1, maxLength: 500 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (measured, columns) => {
        const history = measured.map((value, at) => sample((measured.length - at) * 7, value));
        const points = linesOf(history, memory, HOUR, columns).flat();
        expect(points.length).toBeLessThanOrEqual(columns + 1);
        expect(Math.max(...points.map(({ value }) => value))).toBe(Math.max(...measured));
        expect(points.every(({ x }, at) => x >= (points[at - 1]?.x ?? 0) && x <= 1)).toBe(true);
      }),
    );
  });
});

test("what is shown grows with the runtime's age, to an hour", () => {
  const shown = (ago: number): number => spanOf([sample(ago), sample(0)], NOW) / 60_000;
  expect([0, 300, 301, 900, 901, 3600, 5000].map(shown)).toEqual([5, 5, 15, 15, 60, 60, 60]);
  expect(spanOf([], NOW) / 60_000).toBe(5);
});

test("stretches tell which cell used how much at most, run by run", () => {
  const history = [
    sample(300, 1, "a"),
    sample(299, 9, "a"),
    sample(298, 2, "b"),
    sample(297, 1),
    sample(296, 3, "b"),
    sample(200, 4, "b"),
  ];
  expect(stretchesOf(history).map(({ cell, from, to, peakMemory }) => [cell, (to - from) / 1000, peakMemory])).toEqual([
    ["a", 1, 9],
    ["b", 0, 2],
    ["b", 0, 3],
    ["b", 0, 4],
  ]);
});

describe("the top of a chart", () => {
  test.each([
    [100 * MIB, null, 128 * MIB],
    [120 * MIB, null, 192 * MIB],
    [1.2 * 1024 * MIB, null, 1.5 * 1024 * MIB],
    [0, null, MIB],
    [3 * 1024 * MIB, 4 * 1024 * MIB, 4 * 1024 * MIB],
    [100 * MIB, 4 * 1024 * MIB, 128 * MIB],
  ])("of %d bytes at most, limit %d", (most, limit, top) => {
    expect(topOf(most, limit, 1024)).toBe(top);
  });

  test("is over what it shows, and near it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 2 ** 50 }), fc.constantFrom(10 as const, 1024 as const), (most, base) => {
        const top = topOf(most, null, base);
        expect(top).toBeGreaterThanOrEqual(most);
        if (most > MIB) expect(top).toBeLessThan(most * 2.5);
      }),
    );
  });
});
