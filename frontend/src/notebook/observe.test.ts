/** Who hears of what: a cell of its own changes only, the order of nothing but the order. */
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { deleteCells, insertCell, moveCells, setCellMetadata, setTitle, setType } from "./edits.ts";
import { observeCell, observeMeta, observeOrder, observeOutputs, observeRun, observeRuns } from "./observe.ts";
import { joined, notebookOf, sync, type } from "./peers.ts";
import { type Notebook, orderedIds } from "./schema.ts";
import { createUndo } from "./undo.ts";

const idAt = (nb: Notebook, at: number): string => orderedIds(nb)[at] ?? "";

/** How often each of them was called since the last look. */
function counts(nb: Notebook): { look(): Record<string, number>; stop(): void } {
  let heard: Record<string, number> = {};
  const note = (name: string) => () => {
    heard[name] = (heard[name] ?? 0) + 1;
  };
  const [first, second] = [idAt(nb, 0), idAt(nb, 1)];
  const stops = [
    observeOrder(nb, note("order")),
    observeCell(nb, first, note("first")),
    observeCell(nb, second, note("second")),
    observeRun(nb, first, note("run")),
    observeRuns(nb, note("runs")),
    observeOutputs(nb, first, note("outputs")),
    observeMeta(nb, note("meta")),
  ];
  return {
    look() {
      const seen = heard;
      heard = {};
      return seen;
    },
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}

describe("changes", () => {
  test("reach whom they concern, once for each transaction", () => {
    const nb = notebookOf("a", "b");
    const [first, second] = [idAt(nb, 0), idAt(nb, 1)];
    const seen = counts(nb);
    type(nb, first, 0, "x");
    expect(seen.look()).toEqual({ first: 1 });
    setType(nb, second, "markdown");
    expect(seen.look()).toEqual({ second: 1 });
    setCellMetadata(nb, first, "tags", []);
    expect(seen.look()).toEqual({ first: 1 });
    moveCells(nb, [first], null);
    expect(seen.look()).toEqual({ order: 1, first: 1 });
    insertCell(nb, { type: "code" });
    expect(seen.look()).toEqual({ order: 1 });
    setTitle(nb, "t");
    expect(seen.look()).toEqual({ meta: 1 });
    deleteCells(nb, [first]);
    expect(seen.look()).toEqual({ order: 1, first: 1 });
  });

  test("of run marks and outputs, whole or in part", () => {
    const nb = notebookOf("a", "b");
    const id = idAt(nb, 0);
    const seen = counts(nb);
    const text = new Y.Text("1");
    nb.doc.transact(() => {
      nb.runs.set(id, new Y.Map(Object.entries({ state: "running" })));
      nb.outputs.set(id, Y.Array.from([new Y.Map(Object.entries({ output_type: "stream", text }))]));
    });
    expect(seen.look()).toEqual({ run: 1, runs: 1, outputs: 1 });
    nb.runs.set(idAt(nb, 1), new Y.Map());
    expect(seen.look()).toEqual({ runs: 1 });
    text.insert(1, "2");
    expect(seen.look()).toEqual({ outputs: 1 });
  });

  test("from others, and by undo", () => {
    const nb = notebookOf("a", "b");
    const undo = createUndo(nb);
    const other = joined(nb);
    const first = idAt(nb, 0);
    deleteCells(nb, [first]);
    const seen = counts(nb);
    undo.structure.undo();
    expect(seen.look()).toMatchObject({ order: 1 });
    sync(nb, other);
    type(other, idAt(other, 0), 0, "theirs ");
    sync(nb, other);
    expect(Object.values(seen.look())).toEqual([]); // it was not there when the watching began
  });

  test("no more after the end", () => {
    const nb = notebookOf("a", "b");
    const seen = counts(nb);
    seen.stop();
    moveCells(nb, [idAt(nb, 0)], null);
    type(nb, idAt(nb, 0), 0, "x");
    setTitle(nb, "t");
    expect(seen.look()).toEqual({});
  });
});

test("who hears of a new order already reads it", () => {
  const nb = notebookOf("a", "b", "c");
  const seen: string[][] = [];
  observeOrder(nb, () => seen.push([...orderedIds(nb)]));
  const [a = "", b = "", c = ""] = orderedIds(nb);
  moveCells(nb, [c], a);
  deleteCells(nb, [b]);
  expect(seen).toEqual([
    [c, a, b],
    [c, a],
  ]);
});

test("the order is worked out once, however often it is read", () => {
  const nb = notebookOf("a", "b");
  const order = orderedIds(nb);
  type(nb, idAt(nb, 0), 0, "x");
  setType(nb, idAt(nb, 0), "raw");
  expect(orderedIds(nb)).toBe(order);
});
