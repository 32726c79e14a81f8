import { expect, it } from "vitest";
import { createMeter, createRate } from "./limits";

it("[L5] a frame may send 500 messages a second for ever", () => {
  const meter = createMeter();
  const stopped = Array.from({ length: 5_000 }, (_, n) => meter.count(n * 2)).indexOf(true);
  expect(stopped).toBe(-1);
});

it("[L5] twice as many are too many in the second second", () => {
  const meter = createMeter();
  const stopped = Array.from({ length: 5_000 }, (_, n) => meter.count(n)).indexOf(true);
  expect(stopped).toBe(1_500);
});

it("[L5] 2,000 at once are too many at once", () => {
  const meter = createMeter();
  const stopped = Array.from({ length: 5_000 }, () => meter.count(0)).indexOf(true);
  expect(stopped).toBe(2_000);
});

it("three messages that make no sense are too many", () => {
  const meter = createMeter();
  expect([meter.countBad(), meter.countBad(), meter.countBad()]).toEqual([false, false, true]);
});

it("a rate lets so many through in any window of its length", () => {
  const may = createRate(2, 100);
  expect([0, 50, 99, 100, 149, 150].map((now) => may(now))).toEqual([true, true, false, true, false, true]);
});
