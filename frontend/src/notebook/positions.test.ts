/** Positions: the vectors that Python runs as well, and what holds for all keys. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { BadPosition, between, betweenMany, betweenWithSuffix } from "./positions.ts";
import { openNotebook, orderedIds } from "./schema.ts";

interface PositionVector {
  readonly low: string;
  readonly high: string;
  readonly suffix?: string;
  readonly result?: string;
  readonly error?: boolean;
}
interface OrderVector {
  readonly name: string;
  readonly cells: readonly { readonly id: string; readonly position: string }[];
  readonly expected: readonly string[];
}

const vectors = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}.json`, import.meta.url), "utf8"));
const POSITIONS = vectors("positions") as PositionVector[];
const ORDERS = vectors("order") as OrderVector[];

describe("vectors", () => {
  test.each(POSITIONS)("between '$low' and '$high'", ({ low, high, suffix, result, error }) => {
    if (error === true) expect(() => between(low, high)).toThrow(BadPosition);
    else expect(betweenWithSuffix(low, high, suffix ?? "")).toBe(result);
  });

  test.each(ORDERS)("$name", ({ cells, expected }) => {
    const nb = openNotebook(new Y.Doc());
    for (const { id, position } of cells) {
      const cell = new Y.Map<unknown>();
      cell.set("position", position);
      nb.cells.set(id, cell);
    }
    expect(orderedIds(nb)).toEqual(expected);
  });

  test("there are some of each", () => {
    expect(POSITIONS.filter(({ error }) => error === true).length).toBeGreaterThan(10);
    expect(POSITIONS.length).toBeGreaterThan(100);
    expect(ORDERS.length).toBeGreaterThan(5);
  });
});

/** Keys as editing makes them: each new one goes between two neighbours that are there. */
const KEYS = fc.array(fc.nat(), { maxLength: 80 }).map((picks) => {
  const keys: string[] = [];
  for (const pick of picks) {
    const at = pick % (keys.length + 1);
    keys.splice(at, 0, between(keys[at - 1] ?? "", keys[at] ?? ""));
  }
  return keys;
});

test("keys ascend wherever they were inserted, and none ends in 0", () => {
  fc.assert(
    fc.property(KEYS, (keys) => {
      expect([...keys].sort()).toEqual(keys);
      expect(new Set(keys).size).toBe(keys.length);
      for (const key of keys) expect(key).toMatch(/^[0-9A-Za-z]*[1-9A-Za-z]$/);
    }),
  );
});

test("many keys at once ascend between their neighbours, with room between them", () => {
  fc.assert(
    fc.property(KEYS, fc.nat(), fc.integer({ min: 0, max: 300 }), (keys, pick, count) => {
      const at = pick % (keys.length + 1);
      const [low, high] = [keys[at - 1] ?? "", keys[at] ?? ""];
      const made = betweenMany(count, low, high);
      expect(made).toHaveLength(count);
      const all = [low, ...made, ...(high === "" ? [] : [high])];
      for (const [nth, key] of all.entries()) {
        const next = all[nth + 1];
        if (next === undefined) continue;
        expect(key < next).toBe(true);
        between(key, next);
      }
    }),
  );
});

test("ten thousand cells in one gap keep their keys within the limit of 64", () => {
  const longest = (keys: readonly string[]): number => Math.max(...keys.map((key) => key.length));
  expect(longest(betweenMany(10_000, "", ""))).toBeLessThan(10);
  expect(longest(betweenMany(10_000, "A", "A1"))).toBeLessThan(12);
});

test("two people's keys at one gap do not mix", () => {
  const [mine, theirs] = [betweenMany(50, "8abc", "Gxyz"), betweenMany(50, "8abc", "Gxyz")];
  const order = [...mine, ...theirs].sort();
  const changes = order.filter((key, at) => at > 0 && mine.includes(key) !== mine.includes(order[at - 1] ?? ""));
  // Their random beginnings may be equal once in 230,000 times; then the keys are, too.
  expect(mine[0] === theirs[0] ? 1 : changes.length).toBe(1);
});
