/** Code points and UTF-16 units, there and back. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { toCodePoints, toUnits } from "./offsets.ts";

const TEXT = fc
  .array(fc.constantFrom("a", "é", "中", "\n", "😀", "𝒳", "e\u0301"), { maxLength: 30 })
  .map((s) => s.join(""));

test("an emoji counts once", () => {
  expect(toCodePoints("😀.x", 2)).toBe(1);
  expect(toCodePoints("😀.x", 4)).toBe(3);
  expect(toUnits("😀.x", 1)).toBe(2);
  expect(toUnits("😀.x", 3)).toBe(4);
});

test("beyond the end is the end", () => {
  expect(toCodePoints("ab", 9)).toBe(2);
  expect(toUnits("a😀", 9)).toBe(3);
  expect(toUnits("ab", -1)).toBe(0);
});

test("every code point boundary comes back", () => {
  fc.assert(
    fc.property(TEXT, (text) => {
      const characters = [...text];
      for (let points = 0; points <= characters.length; points++) {
        const units = toUnits(text, points);
        expect(units).toBe(characters.slice(0, points).join("").length);
        expect(toCodePoints(text, units)).toBe(points);
      }
    }),
  );
});
