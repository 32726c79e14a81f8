/** Structural edits: what each does, and that nothing is lost or doubled when two people make them at once. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import {
  boundary,
  copyCells,
  deleteCells,
  duplicateCells,
  insertCell,
  mergeCells,
  moveCells,
  pasteCells,
  setCellMetadata,
  setTitle,
  setType,
  splitCell,
} from "./edits.ts";
import { fresh, joined, notebookOf, plain, sourcesOf, sync, type } from "./peers.ts";
import { cellOf, type Notebook, orderedIds, titleOf } from "./schema.ts";
import { STRUCTURE } from "./undo.ts";

const ids = (nb: Notebook): readonly string[] => orderedIds(nb);
const idAt = (nb: Notebook, at: number): string => ids(nb)[at] ?? "";
const positions = (nb: Notebook): string[] => ids(nb).map((id) => cellOf(nb, id)?.position ?? "");

function setPosition(nb: Notebook, id: string, position: string): void {
  const cell = nb.cells.get(id);
  if (cell instanceof Y.Map) cell.set("position", position);
}

/** How many transactions an edit makes, and of which origin. */
function transactions(nb: Notebook, edit: () => void): unknown[] {
  const origins: unknown[] = [];
  const count = (transaction: Y.Transaction) => origins.push(transaction.origin);
  nb.doc.on("afterTransaction", count);
  edit();
  nb.doc.off("afterTransaction", count);
  return origins;
}

describe("insert", () => {
  test("before a cell, and at the end", () => {
    const nb = notebookOf("a", "b");
    insertCell(nb, { type: "markdown", source: "between", before: idAt(nb, 1) });
    insertCell(nb, { type: "raw", source: "last" });
    expect(plain(nb).map(({ type, source }) => [type, source])).toEqual([
      ["code", "a"],
      ["markdown", "between"],
      ["code", "b"],
      ["raw", "last"],
    ]);
  });

  test("before a cell that is gone: at the end", () => {
    const nb = notebookOf("a", "b");
    insertCell(nb, { type: "code", source: "c", before: "gone" });
    expect(sourcesOf(nb)).toEqual(["a", "b", "c"]);
  });

  test("the source has line feeds only and no half surrogate pairs", () => {
    const nb = fresh();
    insertCell(nb, { type: "code", source: "a\r\nb\rc\ud83d" });
    expect(sourcesOf(nb)).toEqual(["a\nb\nc\ufffd"]);
  });

  test("[S2] between equal positions: the later cell gets a new one", () => {
    const nb = notebookOf("a", "b", "c", "d");
    const before = [...ids(nb)];
    for (const id of before) setPosition(nb, id, "V");
    const order = [...ids(nb)]; // by id now
    insertCell(nb, { type: "code", source: "new", before: order[2] ?? null });
    expect(ids(nb).filter((id) => before.includes(id))).toEqual(order);
    expect(sourcesOf(nb)[2]).toBe("new");
    expect(cellOf(nb, order[0] ?? "")?.position).toBe("V");
  });
});

describe("move", () => {
  test.each([
    { what: "up", move: ["c"], before: "a", to: ["c", "a", "b", "d"] },
    { what: "down", move: ["a"], before: "d", to: ["b", "c", "a", "d"] },
    { what: "to the end", move: ["b"], before: null, to: ["a", "c", "d", "b"] },
    { what: "several, in display order", move: ["d", "b"], before: "a", to: ["b", "d", "a", "c"] },
    { what: "before one of them", move: ["b", "c"], before: "b", to: ["a", "b", "c", "d"] },
    { what: "before the last of them", move: ["a", "d"], before: "d", to: ["b", "c", "a", "d"] },
    { what: "before a cell that is gone", move: ["a"], before: "gone", to: ["b", "c", "d", "a"] },
    { what: "cells that are gone", move: ["gone"], before: "a", to: ["a", "b", "c", "d"] },
  ])("$what", ({ move, before, to }) => {
    const nb = notebookOf("a", "b", "c", "d");
    const idOf = (source: string): string => ids(nb)[["a", "b", "c", "d"].indexOf(source)] ?? source;
    moveCells(nb, move.map(idOf), before === null ? null : idOf(before));
    expect(sourcesOf(nb)).toEqual(to);
  });

  test("to where they stand writes nothing", () => {
    const nb = notebookOf("a", "b", "c");
    const before = Y.encodeStateVector(nb.doc);
    moveCells(nb, [idAt(nb, 1)], idAt(nb, 2));
    moveCells(nb, [idAt(nb, 1), idAt(nb, 2)], null);
    moveCells(nb, [idAt(nb, 0)], idAt(nb, 0));
    expect(Y.encodeStateVector(nb.doc)).toEqual(before);
  });

  test("writes the positions of what moves and nothing else", () => {
    const nb = notebookOf("a", "b", "c");
    const [a, b] = [idAt(nb, 0), idAt(nb, 1)];
    const before = positions(nb);
    const types = ids(nb).map((id) => cellOf(nb, id)?.source);
    moveCells(nb, [idAt(nb, 2)], b);
    expect(positions(nb).filter((position) => before.includes(position))).toEqual(before.slice(0, 2));
    expect([a, b].map((id) => cellOf(nb, id)?.source)).toEqual(types.slice(0, 2));
  });

  test("two people move one cell while a third edits it: one cell, with the edit", () => {
    const a = notebookOf("1", "2", "3", "4");
    const [b, c] = [joined(a), joined(a)];
    const id = idAt(a, 1);
    moveCells(a, [id], null);
    moveCells(b, [id], idAt(b, 0));
    type(c, id, 1, "!");
    for (const [one, other] of [
      [a, b],
      [b, c],
      [a, c],
      [a, b],
    ] as const)
      sync(one, other);
    expect(sourcesOf(a).filter((source) => source === "2!")).toHaveLength(1);
    expect(sourcesOf(a)).toHaveLength(4);
    expect(sourcesOf(b)).toEqual(sourcesOf(a));
    expect(sourcesOf(c)).toEqual(sourcesOf(a));
  });
});

describe("split", () => {
  test.each([
    { source: "a\nb", at: 2, parts: ["a", "b"] },
    { source: "a\nb", at: 1, parts: ["a", "b"] },
    { source: "ab", at: 1, parts: ["a", "b"] },
    { source: "ab", at: 0, parts: ["", "ab"] },
    { source: "ab", at: 9, parts: ["ab", ""] },
    { source: "a\n\nb", at: 2, parts: ["a", "b"] },
    { source: "x😀y", at: 2, parts: ["x", "😀y"] },
  ])("$source at $at", ({ source, at, parts }) => {
    const nb = notebookOf(source, "next");
    const made = splitCell(nb, idAt(nb, 0), at);
    expect(sourcesOf(nb)).toEqual([...parts, "next"]);
    expect(made).toBe(idAt(nb, 1));
  });

  test("the upper half is the same shared text; carets above the cut stay", () => {
    const nb = notebookOf("one\ntwo");
    const source = cellOf(nb, idAt(nb, 0))?.source;
    splitCell(nb, idAt(nb, 0), 4);
    expect(cellOf(nb, idAt(nb, 0))?.source).toBe(source);
  });

  test("type, metadata and the attachments it shows go along", () => {
    const nb = fresh();
    const [id = ""] = pasteCells(
      nb,
      [
        {
          type: "markdown",
          source: "![](attachment:a.png)\n![](attachment:b.png)",
          metadata: { tags: '["t"]' },
          attachments: { "a.png": '{"image/png":"A"}', "b.png": '{"image/png":"B"}' },
        },
      ],
      null,
    );
    const made = splitCell(nb, id, 22);
    expect(plain(nb)[1]).toEqual({
      id: made,
      type: "markdown",
      source: "![](attachment:b.png)",
      metadata: { tags: ["t"] },
      attachments: { "b.png": { "image/png": "B" } },
    });
  });

  test("a cell that is gone stays gone", () => {
    const nb = notebookOf("a");
    expect(splitCell(nb, "gone", 0)).toBe("gone");
    expect(sourcesOf(nb)).toEqual(["a"]);
  });
});

describe("merge", () => {
  test("joins with a line break into the first, whose text stays the same object", () => {
    const nb = notebookOf("a", "b", "c", "d");
    const [a, b, c] = ids(nb);
    const source = cellOf(nb, a ?? "")?.source;
    expect(mergeCells(nb, [c ?? "", a ?? "", b ?? ""])).toBe(a);
    expect(sourcesOf(nb)).toEqual(["a\nb\nc", "d"]);
    expect(cellOf(nb, a ?? "")?.source).toBe(source);
  });

  test("one cell, or none that is there, changes nothing", () => {
    const nb = notebookOf("a");
    const before = Y.encodeStateVector(nb.doc);
    mergeCells(nb, [idAt(nb, 0)]);
    mergeCells(nb, ["gone"]);
    mergeCells(nb, [idAt(nb, 0), "gone"]);
    expect(Y.encodeStateVector(nb.doc)).toEqual(before);
  });

  test("two attachments of one name are both kept, and shown where they were", () => {
    const nb = fresh();
    const text = (words: string, image: string) =>
      ({
        type: "markdown",
        source: `${words} ![](attachment:image.png)`,
        metadata: {},
        attachments: { "image.png": JSON.stringify({ "image/png": image }) },
      }) as const;
    pasteCells(nb, [text("first", "A"), text("second", "B"), text("again", "A")], null);
    mergeCells(nb, ids(nb));
    expect(plain(nb).map(({ source, attachments }) => ({ source, attachments }))).toEqual([
      {
        source: "first ![](attachment:image.png)\nsecond ![](attachment:1-image.png)\nagain ![](attachment:image.png)",
        attachments: { "image.png": { "image/png": "A" }, "1-image.png": { "image/png": "B" } },
      },
    ]);
  });
});

describe("copies", () => {
  test("keep JSON as it was written: number types, order and large numbers", () => {
    const nb = notebookOf("x");
    const text = '{"b":1.0,"2":12345678901234567890,"a":[]}';
    const cell = cellOf(nb, idAt(nb, 0));
    nb.doc.transact(() => {
      cell?.metadata.set("kept", text);
      cell?.metadata.set("plain", 3);
      cell?.metadata.set("word", "no JSON");
    });
    duplicateCells(nb, [idAt(nb, 0)]);
    expect(cellOf(nb, idAt(nb, 1))?.metadata.toJSON()).toEqual({ kept: text, plain: "3", word: '"no JSON"' });
  });

  test("are other cells with the same content, below the last of them", () => {
    const nb = notebookOf("a", "b", "c");
    const made = duplicateCells(nb, [idAt(nb, 1), idAt(nb, 0)]);
    expect(sourcesOf(nb)).toEqual(["a", "b", "a", "b", "c"]);
    expect(made).toEqual(ids(nb).slice(2, 4));
    expect(new Set(ids(nb)).size).toBe(5);
  });

  test("a copy has none of Colab's id of the cell", () => {
    const nb = fresh();
    const id = insertCell(nb, { type: "code", source: "x" });
    setCellMetadata(nb, id, "id", "colab-id");
    setCellMetadata(nb, id, "tags", ["a"]);
    const [copy = ""] = duplicateCells(nb, [id]);
    expect([...(cellOf(nb, copy)?.metadata.keys() ?? [])]).toEqual(["tags"]);
    expect(cellOf(nb, id)?.metadata.get("id")).toBe('"colab-id"');
  });

  test("pasted twice are two", () => {
    const nb = notebookOf("a");
    const copied = copyCells(nb, ids(nb));
    deleteCells(nb, ids(nb));
    pasteCells(nb, copied, null);
    pasteCells(nb, copied, idAt(nb, 0));
    expect(sourcesOf(nb)).toEqual(["a", "a"]);
  });

  test("a thousand of them keep their keys short, wherever they go", () => {
    const nb = notebookOf("a", "b");
    const cell = { type: "code", source: "", metadata: {}, attachments: {} } as const;
    pasteCells(nb, Array(1000).fill(cell), idAt(nb, 1));
    expect(ids(nb)).toHaveLength(1002);
    expect(Math.max(...positions(nb).map((position) => position.length))).toBeLessThan(20);
  });
});

test("a change of type keeps the text", () => {
  const nb = notebookOf("x");
  const source = cellOf(nb, idAt(nb, 0))?.source;
  setType(nb, idAt(nb, 0), "markdown");
  expect(cellOf(nb, idAt(nb, 0))).toMatchObject({ type: "markdown", source });
});

test("title and metadata are one key each", () => {
  const nb = notebookOf("x");
  setTitle(nb, "Fourier");
  setCellMetadata(nb, idAt(nb, 0), "tags", ["a"]);
  setCellMetadata(nb, idAt(nb, 0), "old", 1);
  setCellMetadata(nb, idAt(nb, 0), "old", undefined);
  expect(titleOf(nb)).toBe("Fourier");
  expect(cellOf(nb, idAt(nb, 0))?.metadata.toJSON()).toEqual({ tags: '["a"]' });
});

test("every edit is one transaction of origin STRUCTURE", () => {
  const nb = notebookOf("a\nb", "c", "d");
  const [a = "", c = ""] = ids(nb);
  const edits: readonly (() => void)[] = [
    () => insertCell(nb, { type: "code" }),
    () => splitCell(nb, a, 2),
    () => mergeCells(nb, [a, c]),
    () => moveCells(nb, [a], null),
    () => duplicateCells(nb, [a]),
    () => pasteCells(nb, copyCells(nb, [a]), a),
    () => setType(nb, a, "raw"),
    () => setTitle(nb, "t"),
    () => deleteCells(nb, [a]),
  ];
  expect(edits.map((edit) => transactions(nb, edit))).toEqual(edits.map(() => [STRUCTURE]));
});

test("edits within one transaction build on each other", () => {
  const nb = notebookOf("a", "b");
  nb.doc.transact(() => {
    const made = insertCell(nb, { type: "code", source: "c", before: idAt(nb, 0) });
    expect(idAt(nb, 0)).toBe(made);
    moveCells(nb, [made], null);
    insertCell(nb, { type: "code", source: "d" });
    deleteCells(nb, [idAt(nb, 0)]);
    insertCell(nb, { type: "code", source: "e", before: idAt(nb, 0) });
  }, STRUCTURE);
  expect(sourcesOf(nb)).toEqual(["e", "b", "c", "d"]);
});

test("an offset inside a surrogate pair goes before it", () => {
  expect([0, 1, 2, 3, 9].map((at) => boundary("x😀", at))).toEqual([0, 1, 1, 3, 3]);
  expect(boundary("x", -1)).toBe(0);
});

// -- two people at once -----------------------------------------------------------------------------------------------

const PLACE = fc.nat({ max: 1000 });
const STEP = fc.oneof(
  fc.record({ op: fc.constant("insert" as const), at: PLACE }),
  fc.record({ op: fc.constant("delete" as const), at: PLACE }),
  fc.record({ op: fc.constant("move" as const), at: PLACE, count: fc.integer({ min: 1, max: 3 }), to: PLACE }),
  fc.record({ op: fc.constant("split" as const), at: PLACE, offset: PLACE }),
  fc.record({ op: fc.constant("merge" as const), at: PLACE }),
  fc.record({ op: fc.constant("duplicate" as const), at: PLACE }),
  fc.record({ op: fc.constant("type" as const), at: PLACE, offset: PLACE }),
  fc.record({ op: fc.constant("turn" as const), at: PLACE }),
  fc.record({ op: fc.constant("sync" as const) }),
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;
const STEPS = fc.array(fc.record({ who: fc.boolean(), step: STEP }), { maxLength: 40 });

/** Does the step, in a notebook of unique words; the words it removed for good are told. */
function act(nb: Notebook, step: Step, word: () => string, deleted: (words: string) => void): void {
  const all = ids(nb);
  const pick = (at: number): string => all[at % Math.max(1, all.length)] ?? "";
  const source = (id: string): string => cellOf(nb, id)?.source.toString() ?? "";
  switch (step.op) {
    case "insert":
      insertCell(nb, { type: "code", source: word(), before: all[step.at % (all.length + 1)] ?? null });
      break;
    case "delete":
      deleted(source(pick(step.at)));
      deleteCells(nb, [pick(step.at)]);
      break;
    case "move": {
      const from = step.at % Math.max(1, all.length);
      moveCells(nb, all.slice(from, from + step.count), all[step.to % (all.length + 1)] ?? null);
      break;
    }
    case "split":
      splitCell(nb, pick(step.at), step.offset % (source(pick(step.at)).length + 1));
      break;
    case "merge": {
      const from = step.at % Math.max(1, all.length);
      mergeCells(nb, all.slice(from, from + 2));
      break;
    }
    case "duplicate":
      duplicateCells(nb, [pick(step.at)]);
      break;
    case "type": {
      const text = source(pick(step.at));
      if (all.length > 0) type(nb, pick(step.at), boundary(text, step.offset % (text.length + 1)), word());
      break;
    }
    case "turn":
      setType(nb, pick(step.at), step.at % 2 === 0 ? "markdown" : "code");
      break;
    case "sync":
      break;
  }
}

test("any edits of two people end in one total order, no cell twice, keys between all neighbours", () => {
  fc.assert(
    fc.property(STEPS, (steps) => {
      const a = notebookOf("α", "β\nγ", "😀δ");
      const b = joined(a);
      let nth = 0;
      for (const { who, step } of steps) {
        if (step.op === "sync") sync(a, b);
        else
          act(
            who ? a : b,
            step,
            () => `w${String(nth++)}😀`,
            () => {},
          );
      }
      sync(a, b);
      expect(plain(b)).toEqual(plain(a));
      expect(new Set(ids(a)).size).toBe(nb(a));
      // Wherever two people's keys met, there is room for a third.
      for (const before of [...ids(a), null]) {
        const probe = joined(a);
        const id = insertCell(probe, { type: "code", source: "probe", before });
        const at = ids(probe).indexOf(id);
        expect(ids(probe)[at + 1] ?? null).toBe(before);
        expect(ids(probe).filter((other) => other !== id)).toEqual(ids(a));
      }
    }),
    { numRuns: 150 },
  );
});

const nb = (notebook: Notebook): number => [...notebook.cells.keys()].length;

test("one person's edits keep every letter that was not deleted", () => {
  const letters = (text: string): string[] => [...text].filter((letter) => letter !== "\n").sort();
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 40 }), (steps) => {
      const notebook = notebookOf("αβ", "γ\n\nδ");
      let expected = letters("αβγδ");
      const add = (text: string): void => {
        expected = [...expected, ...letters(text)].sort();
      };
      let nth = 0;
      for (const step of steps) {
        if (step.op === "duplicate") {
          const all = ids(notebook);
          add(cellOf(notebook, all[step.at % Math.max(1, all.length)] ?? "")?.source.toString() ?? "");
        }
        const word = (): string => {
          const made = `<${String(nth++)}>`;
          add(made);
          return made;
        };
        act(notebook, step, word, (words) => {
          for (const letter of letters(words)) expected.splice(expected.indexOf(letter), 1);
        });
      }
      expect(letters(sourcesOf(notebook).join(""))).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
