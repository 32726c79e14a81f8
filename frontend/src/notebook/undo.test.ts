/** Undo takes back one's own edits and leaves everybody else's alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import {
  deleteCells,
  insertCell,
  mergeCells,
  moveCells,
  pasteCells,
  setCellMetadata,
  setType,
  splitCell,
} from "./edits.ts";
import { joined, notebookOf, plain, sourcesOf, sync, TYPING, type } from "./peers.ts";
import { cellOf, type Notebook, orderedIds, outputsOf } from "./schema.ts";
import { createUndo, STRUCTURE, type Undo } from "./undo.ts";

const idAt = (nb: Notebook, at: number): string => orderedIds(nb)[at] ?? "";

/** Cells that lack a field, which the server refuses. */
const broken = (nb: Notebook): string[] =>
  [...nb.cells].filter(([, cell]) => !(cell instanceof Y.Map) || cell.size !== 5).map(([id]) => id);

/** Two people in one notebook; the first one has a history. */
function pair(...sources: string[]): { a: Notebook; b: Notebook; undo: Undo; both: () => void } {
  const a = notebookOf(...sources);
  const b = joined(a);
  return { a, b, undo: createUndo(a), both: () => sync(a, b) };
}

describe("structure", () => {
  test("each edit comes back alone, the last one first, and forward again", () => {
    const { a, undo } = pair("a\nb", "c");
    const states: unknown[] = [plain(a)];
    const edits = [
      () => insertCell(a, { type: "code", source: "new", before: idAt(a, 1) }),
      () => moveCells(a, [idAt(a, 2)], idAt(a, 0)),
      () => splitCell(a, idAt(a, 1), 2),
      () => mergeCells(a, [idAt(a, 0), idAt(a, 1)]),
      () => setType(a, idAt(a, 0), "markdown"),
      () => deleteCells(a, [idAt(a, 0), idAt(a, 2)]),
    ];
    for (const edit of edits) {
      edit();
      states.push(plain(a));
    }
    for (let at = edits.length - 1; at >= 0; at -= 1) {
      expect(undo.structure.undo()).not.toBeNull();
      expect(plain(a)).toEqual(states[at]);
    }
    expect(undo.structure.undo()).toBeNull();
    for (let at = 1; at < states.length; at += 1) {
      undo.structure.redo();
      expect(plain(a)).toEqual(states[at]);
    }
  });

  test("what others did stays", () => {
    const { a, b, undo, both } = pair("a", "b", "c");
    moveCells(a, [idAt(a, 0)], null);
    both();
    deleteCells(b, [idAt(b, 0)]);
    insertCell(b, { type: "code", source: "theirs" });
    type(b, idAt(b, 0), 0, "their ");
    both();
    expect(sourcesOf(a)).toEqual(["their c", "a", "theirs"]);
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["a", "their c", "theirs"]);
    expect(undo.structure.undo()).toBeNull();
  });

  test("a cell that somebody moved on stays where they put it", () => {
    const { a, b, undo, both } = pair("a", "b", "c");
    const id = idAt(a, 0);
    moveCells(a, [id], idAt(a, 2));
    both();
    moveCells(b, [id], null);
    both();
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["b", "c", "a"]);
  });

  test("words that others wrote in an inserted cell keep it, with the text it came with", () => {
    const { a, b, undo, both } = pair("a");
    const made = pasteCells(
      a,
      ["one", "two"].map((source) => ({ type: "code", source, metadata: {}, attachments: {} })),
      null,
    );
    both();
    type(b, made[0] ?? "", 3, " and theirs");
    both();
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["a", "one and theirs"]);
    both();
    expect(plain(b)).toEqual(plain(a));
  });

  test("one's own words in an inserted cell go and come with it", () => {
    const { a, undo } = pair("a");
    const id = insertCell(a, { type: "code" });
    type(a, id, 0, "typed");
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["a"]);
    undo.structure.redo();
    expect(sourcesOf(a)).toEqual(["a", "typed"]);
  });

  test("redoing a deletion spares what others wrote since", () => {
    const { a, b, undo, both } = pair("a", "b");
    const id = idAt(a, 1);
    deleteCells(a, [id]);
    undo.structure.undo();
    both();
    type(b, id, 1, " theirs");
    both();
    undo.structure.redo();
    expect(sourcesOf(a)).toEqual(["a", "b theirs"]);
  });

  test("redoing a merge takes away what undoing it brought back, others' words included", () => {
    const { a, b, undo, both } = pair("a", "b");
    type(b, idAt(b, 1), 1, " theirs");
    both();
    mergeCells(a, [...orderedIds(a)]);
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["a", "b theirs"]);
    undo.structure.redo();
    expect(sourcesOf(a)).toEqual(["a\nb theirs"]);
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["a", "b theirs"]);
  });

  test("words of others that came back by undo are still theirs", () => {
    const { a, b, undo, both } = pair("one\ntwo");
    const made = splitCell(a, idAt(a, 0), 4);
    both();
    type(b, made, 3, " theirs");
    both();
    mergeCells(a, [...orderedIds(a)]);
    undo.structure.undo();
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["one\ntwo", "two theirs"]);
  });

  test("undoing a split keeps what others wrote in the lower half", () => {
    const { a, b, undo, both } = pair("one\ntwo");
    const made = splitCell(a, idAt(a, 0), 4);
    both();
    type(b, made, 3, " theirs");
    both();
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["one\ntwo", "two theirs"]);
  });

  test("undoing a merge takes out what it put in and brings back the others", () => {
    const { a, b, undo, both } = pair("a", "b");
    mergeCells(a, [...orderedIds(a)]);
    both();
    type(b, idAt(b, 0), 0, "their ");
    both();
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["their a", "b"]);
  });

  test("[S6][S7] a deletion that is undone finds its outputs, and is another shared text", () => {
    const { a, undo } = pair("print(1)");
    const id = idAt(a, 0);
    const source = cellOf(a, id)?.source;
    a.doc.transact(() => {
      const output = new Y.Map<unknown>(Object.entries({ output_type: "stream", name: "stdout" }));
      output.set("text", new Y.Text("1\n"));
      a.outputs.set(id, Y.Array.from([output]));
    }, "server");
    deleteCells(a, [id]);
    expect(cellOf(a, id)).toBeNull();
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["print(1)"]);
    expect(cellOf(a, id)?.source).not.toBe(source);
    expect(outputsOf(a, id)).toEqual([{ kind: "stream", name: "stdout", text: "1\n", blobs: new Map() }]);
  });

  test.each([
    ["moved it", (nb: Notebook, id: string) => moveCells(nb, [id], null)],
    ["changed its type", (nb: Notebook, id: string) => setType(nb, id, "markdown")],
    ["set its metadata", (nb: Notebook, id: string) => setCellMetadata(nb, id, "tags", ["theirs"])],
    ["did all of it", (nb: Notebook, id: string) => [moveCells(nb, [id], null), setType(nb, id, "raw")]],
  ])("[V6] a cell comes back whole when somebody %s while it was being deleted", (_, edit) => {
    const { a, b, undo, both } = pair("a", "b", "c");
    setCellMetadata(a, idAt(a, 0), "tags", ["mine"]);
    both();
    const before = plain(a);
    const id = idAt(a, 0);
    for (let round = 0; round < 2; round += 1) {
      deleteCells(a, [id]);
      edit(b, id);
      both();
      const updates: Uint8Array[] = [];
      a.doc.once("update", (update: Uint8Array) => updates.push(update));
      undo.structure.undo();
      expect(updates).toHaveLength(1);
      expect(broken(a)).toEqual([]);
      expect(plain(a)).toEqual(before);
      undo.structure.redo();
      expect(a.cells.has(id)).toBe(false);
      undo.structure.undo();
      both();
      expect(plain(b)).toEqual(before);
    }
    expect(undo.structure.redoStack).toHaveLength(1);
  });

  test("a moved cell that was deleted and brought back still goes back to its place", () => {
    const { a, undo } = pair("a", "b", "c");
    moveCells(a, [idAt(a, 0)], null);
    deleteCells(a, [idAt(a, 2)]);
    undo.structure.undo();
    undo.structure.undo();
    expect(sourcesOf(a)).toEqual(["a", "b", "c"]);
  });
});

describe("text", () => {
  const typed = (nb: Notebook, undo: Undo, id: string, at: number, words: string, remove = 0): void => {
    undo.text(id)?.addTrackedOrigin(TYPING); // as an editor does with its own
    undo.text(id)?.stopCapturing();
    type(nb, id, at, words, remove);
  };

  test("takes back one's own words in this cell, not another's and not the structure", () => {
    const { a, b, undo, both } = pair("a", "b");
    const [one, two] = [idAt(a, 0), idAt(a, 1)];
    typed(a, undo, one, 1, " mine");
    typed(a, undo, two, 1, " mine too");
    both();
    type(b, one, 0, "their ");
    both();
    moveCells(a, [one], null);
    undo.text(one)?.undo();
    expect(sourcesOf(a)).toEqual(["b mine too", "their a"]);
    undo.text(one)?.redo();
    expect(sourcesOf(a)).toEqual(["b mine too", "their a mine"]);
  });

  test("structure has a stack of its own", () => {
    const { a, undo } = pair("a");
    typed(a, undo, idAt(a, 0), 1, "b");
    expect(undo.structure.undo()).toBeNull();
    expect(sourcesOf(a)).toEqual(["ab"]);
  });

  test("the stack outlives its editors but not its text", () => {
    const { a, undo } = pair("a");
    const id = idAt(a, 0);
    const first = undo.text(id);
    expect(undo.text(id)).toBe(first);
    deleteCells(a, [id]);
    expect(undo.text(id)).toBeNull();
    undo.structure.undo();
    expect(undo.text(id)).not.toBe(first);
    expect(undo.text(id)).not.toBeNull();
  });
});

test("no undo or redo of mine removes a letter of yours, nor breaks a cell", () => {
  const MINE = fc.constantFrom("insert", "delete", "move", "split", "merge", "undo", "redo", "turn");
  const THEIRS = fc.constantFrom("nothing", "type", "type", "move", "turn", "delete", "undo", "redo");
  fc.assert(
    fc.property(fc.array(fc.tuple(MINE, fc.nat({ max: 50 }), THEIRS), { maxLength: 30 }), (steps) => {
      const { a, b, undo, both } = pair("a\nb", "c\nd");
      const other = createUndo(b);
      let nth = 0;
      for (const [op, at, theirs] of steps) {
        const all = orderedIds(a);
        const id = all[at % Math.max(1, all.length)] ?? "";
        const theirLetters = (): number => (sourcesOf(a).join("").match(/√/g) ?? []).length;
        const before = theirLetters();
        if (op === "insert") insertCell(a, { type: "code", source: `i${String(nth++)}`, before: id });
        if (op === "delete") deleteCells(a, [id]);
        if (op === "move") moveCells(a, [id], all[(at * 7) % (all.length + 1)] ?? null);
        if (op === "split") splitCell(a, id, at % 4);
        if (op === "merge") mergeCells(a, all.slice(at % Math.max(1, all.length)).slice(0, 2));
        if (op === "turn") setType(a, id, at % 2 === 0 ? "raw" : "code");
        if (op === "undo") undo.structure.undo();
        if (op === "redo") undo.structure.redo();
        // Unless they may have taken them away themselves.
        const deletes = steps.some(([, , act]) => ["delete", "undo", "redo"].includes(act));
        if (op === "undo" && !deletes) expect(theirLetters()).toBeGreaterThanOrEqual(before);
        // At the same moment.
        const there = idAt(b, at % Math.max(1, orderedIds(b).length));
        if (theirs === "type" && there !== "") type(b, there, 0, "√");
        if (theirs === "move") moveCells(b, [there], null);
        if (theirs === "turn") setType(b, there, at % 3 === 0 ? "raw" : "markdown");
        if (theirs === "delete") deleteCells(b, [there]);
        if (theirs === "undo") other.structure.undo();
        if (theirs === "redo") other.structure.redo();
        both();
        expect(plain(b)).toEqual(plain(a));
        expect(broken(a)).toEqual([]);
      }
    }),
    { numRuns: 150 },
  );
});

test("edits of another origin are nobody's to undo", () => {
  const { a, undo } = pair("a");
  a.doc.transact(() => a.cells.delete(idAt(a, 0)), "server");
  expect(undo.structure.undo()).toBeNull();
  a.doc.transact(() => insertCell(a, { type: "code", source: "mine" }), STRUCTURE);
  expect(undo.structure.undo()).not.toBeNull();
  expect(sourcesOf(a)).toEqual([]);
});
