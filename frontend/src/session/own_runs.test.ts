import { expect, it } from "vitest";
import * as Y from "yjs";
import { notebookOf } from "../notebook/peers.ts";
import { orderedIds } from "../notebook/schema.ts";
import { createOwnRuns } from "./own_runs.ts";

function open() {
  const notebook = notebookOf("a", "b");
  const [a = "", b = ""] = orderedIds(notebook);
  const mark = (id: string, requested: number, userId: string): void => {
    notebook.runs.set(id, new Y.Map(Object.entries({ state: "running", requested, user_id: userId })));
  };
  return { notebook, a, b, mark, runs: createOwnRuns(notebook, () => "me") };
}

it("[W13] a run is this tab's when its mark follows what this tab asked for", () => {
  const { a, b, mark, runs } = open();
  mark(a, 1, "me");
  runs.sent({ type: "run_cells", cells: [a] }, 1);
  expect(runs.isOwn(a)).toBe(false); // the mark is still that of the run before, from whichever tab
  mark(a, 2, "me");
  mark(b, 2, "me");
  expect([runs.isOwn(a), runs.isOwn(b)]).toEqual([true, false]);
  mark(a, 3, "me"); // asked for in another tab
  expect(runs.isOwn(a)).toBe(false);
});

it("somebody else's run that comes first is not ours; ours is the one behind it", () => {
  const { a, mark, runs } = open();
  runs.sent({ type: "run_cells", cells: [a] }, 1);
  mark(a, 1, "other");
  expect(runs.isOwn(a)).toBe(false);
  mark(a, 2, "me");
  expect(runs.isOwn(a)).toBe(true);
});

it("what was refused is forgotten", () => {
  const { a, mark, runs } = open();
  runs.sent({ type: "run_cells", cells: [a] }, 7);
  runs.refused(7);
  mark(a, 1, "me");
  expect(runs.isOwn(a)).toBe(false);
});

it("a restart that runs all is a request for every cell", () => {
  const { a, b, mark, runs } = open();
  runs.sent({ type: "restart" }, 1);
  mark(a, 1, "me");
  expect(runs.isOwn(a)).toBe(false);
  runs.sent({ type: "restart", run_all: true }, 2);
  mark(a, 2, "me");
  mark(b, 2, "me");
  expect([runs.isOwn(a), runs.isOwn(b)]).toEqual([true, true]);
});
