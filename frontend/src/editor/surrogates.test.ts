/** No local change splits a surrogate pair; remote ones pass as they are. */
import { EditorState, Text } from "@codemirror/state";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { YSyncConfig, ySyncAnnotation } from "y-codemirror.next";
import * as Y from "yjs";
import { wholeCodePoints, widen } from "./surrogates.ts";

const WHOLE = fc.array(fc.constantFrom("a", "\n", "😀", "😁", "𝒳", "中"), { maxLength: 12 }).map((s) => s.join(""));
// Inserted text may begin or end in half a pair, as CodeMirror's comparison with the DOM makes it.
const TORN = fc
  .array(fc.constantFrom("b", "😁", "\ud83d", "\ude00", "\ude01", "\r\n"), { maxLength: 4 })
  .map((s) => s.join(""));
const SPOT = fc.nat({ max: 24 });

const stateOf = (doc: string, selection = 0): EditorState =>
  EditorState.create({
    doc,
    selection: { anchor: selection },
    extensions: [EditorState.lineSeparator.of("\n"), wholeCodePoints()],
  });

/** What is left of `doc` outside [from, to) must be a whole number of its characters. */
const isBoundary = (doc: string, offset: number): boolean => doc.slice(0, offset).isWellFormed();

describe("any change", () => {
  test("leaves whole code points, on both sides and between", () => {
    fc.assert(
      fc.property(WHOLE, SPOT, SPOT, TORN, (doc, a, b, insert) => {
        const [from = 0, to = 0] = [Math.min(a, doc.length), Math.min(b, doc.length)].sort((x, y) => x - y);
        const transaction = stateOf(doc).update({ changes: { from, to, insert } });
        expect(transaction.newDoc.toString().isWellFormed()).toBe(true);
        expect(transaction.newDoc.toString()).not.toContain("\r");
        transaction.changes.iterChanges((fromA, toA, _fromB, _toB, inserted) => {
          expect(isBoundary(doc, fromA) && isBoundary(doc, toA)).toBe(true);
          expect(inserted.toString().isWellFormed()).toBe(true);
        });
      }),
      { numRuns: 1000 },
    );
  });

  test("with several parts too", () => {
    fc.assert(
      fc.property(WHOLE, fc.uniqueArray(SPOT, { minLength: 4, maxLength: 4 }), TORN, (doc, spots, insert) => {
        const [a = 0, b = 0, c = 0, d = 0] = spots.map((spot) => Math.min(spot, doc.length)).sort((x, y) => x - y);
        const { newDoc } = stateOf(doc).update({
          changes: [
            { from: a, to: b, insert },
            { from: c, to: d, insert },
          ],
        });
        expect(newDoc.toString().isWellFormed()).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("passes untouched when it is whole", () => {
    fc.assert(
      fc.property(WHOLE, WHOLE, SPOT, (doc, insert, spot) => {
        const from = toBoundary(doc, spot);
        const { newDoc } = stateOf(doc).update({ changes: { from, insert } });
        expect(newDoc.toString()).toBe(doc.slice(0, from) + insert + doc.slice(from));
      }),
    );
  });
});

describe("widening", () => {
  const doc = Text.of(["x😀y"]);

  test("one emoji to another of the same first half replaces the whole", () => {
    expect(widen(doc, { from: 2, to: 3, insert: "\ude01" })).toEqual({ from: 1, to: 3, insert: "😁" });
  });

  test("one emoji to another of the same second half replaces the whole", () => {
    expect(widen(doc, { from: 1, to: 2, insert: "\ud83e" })).toEqual({ from: 1, to: 3, insert: "\ud83e\ude00" });
  });

  test("half a pair deleted takes the other half along", () => {
    expect(widen(doc, { from: 0, to: 2, insert: "" })).toEqual({ from: 0, to: 3, insert: "" });
    expect(widen(doc, { from: 2, to: 4, insert: "" })).toEqual({ from: 1, to: 4, insert: "" });
  });

  test("text put between the halves goes before them", () => {
    expect(widen(doc, { from: 2, to: 2, insert: "z" })).toEqual({ from: 1, to: 1, insert: "z" });
  });
});

test("the caret stands behind what was typed, and the change stays an input", () => {
  const transaction = stateOf("x😀y", 3).update({
    changes: { from: 2, to: 3, insert: "\ude01" },
    selection: { anchor: 3 },
    userEvent: "input.type",
  });
  expect(transaction.newDoc.toString()).toBe("x😁y");
  expect(transaction.state.selection.main.head).toBe(3);
  expect(transaction.isUserEvent("input")).toBe(true);
});

test("line ends of other systems become line feeds", () => {
  const transaction = stateOf("").update({ changes: { from: 0, insert: "a\r\nb\rc" }, selection: { anchor: 6 } });
  expect(transaction.newDoc.toString()).toBe("a\nb\nc");
  expect(transaction.state.selection.main.head).toBe(5);
});

test("a change from the document is left alone", () => {
  const state = stateOf("x😀y");
  const remote = ySyncAnnotation.of(new YSyncConfig(new Y.Doc().getText("source"), null));
  expect(state.update({ changes: { from: 1, to: 2 }, annotations: remote }).newDoc.toString()).toBe("x\ude00y");
});

function toBoundary(doc: string, spot: number): number {
  const offset = Math.min(spot, doc.length);
  return isBoundary(doc, offset) ? offset : offset - 1;
}
