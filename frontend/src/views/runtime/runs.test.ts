import { expect, test } from "vitest";
import type { Run } from "../../runtime_api.ts";
import { mergeRuns, outcomeOf, runDuring } from "./runs.ts";

const run = (id: number, rest: Partial<Run> = {}): Run => ({
  id,
  cell: "c1",
  source: "1",
  shortened: false,
  count: 1,
  kernel: "k",
  user: "Ana",
  user_id: "u1",
  requested: 1,
  started: 1,
  finished: 2,
  state: "finished",
  status: "ok",
  ...rest,
});

test("pages are one list, newest first; the newer word about a run counts", () => {
  const began = run(3, { state: "running", finished: null, status: "" });
  const known = [began, run(2)];
  expect(mergeRuns(known, [run(4), run(3)])).toEqual([run(4), run(3), run(2)]);
  expect(mergeRuns(known, [run(1)])).toEqual([began, run(2), run(1)]);
});

test.each([
  [{ state: "running", status: "" }, "running", ""],
  [{ state: "finished", status: "ok" }, "finished", ""],
  [{ state: "failed", status: "error" }, "failed", ""],
  [{ state: "failed", status: "interrupted" }, "interrupted", ""],
  [{ state: "failed", status: "interrupted by Ana" }, "interrupted", "interrupted by Ana"],
  [{ state: "failed", status: "aborted" }, "aborted", ""],
  [{ state: "failed", status: "Out of memory: used 4.0 of 4.0 GiB." }, "failed", "Out of memory: used 4.0 of 4.0 GiB."],
] as const)("%j is %s", (ended, words, sentence) => {
  expect(outcomeOf(ended)).toMatchObject({ words, sentence });
});

test("a sample belongs to the run of its cell at that time, if the history goes back so far", () => {
  const runs = [
    run(3, { started: 50_000, finished: null, user: "Cleo" }),
    run(2, { started: 20_000, finished: 40_000, user: "Ben" }),
    run(1, { cell: "c2", started: 10_000, finished: 19_000 }),
  ];
  expect(runDuring(runs, "c1", 30_000)?.user).toBe("Ben");
  expect(runDuring(runs, "c1", 90_000)?.user).toBe("Cleo");
  expect(runDuring(runs, "c1", 41_000)?.user).toBe("Ben");
  expect(runDuring(runs, "c1", 1_000)).toBeNull();
  expect(runDuring(runs, "c3", 30_000)).toBeNull();
});
