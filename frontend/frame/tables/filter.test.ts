import { describe, expect, it } from "vitest";
import { applied } from "./filter";
import { decimalsOf, readPage, type Spec, shownValue, WHOLE } from "./page";
import { isWhole, rowsHere } from "./source";

/** As the kernel writes the frame of tests/kernels/test_data_table.py. */
const page = readPage({
  version: 1,
  key: "table-1",
  total: 4,
  found: 4,
  start: 0,
  width: 5,
  first: 0,
  page_rows: 25,
  shows_index: true,
  index: [{ name: [""], kind: "integer" }],
  columns: [
    { name: ["n"], kind: "number" },
    { name: ["t"], kind: "text" },
    { name: ["d"], kind: "date" },
    { name: ["b"], kind: "boolean" },
    { name: ["i"], kind: "integer" },
  ],
  rows: [
    [0, 3.5, "Ärger", "2024-01-02", true, "1152921504606846976"],
    [1, 1.0, "b", "2023-01-01 12:30:00", false, ["<NA>"]],
    [2, ["NaN"], ["NaN"], ["NaT"], true, 3],
    [3, "inf", "10", "2020-02-29", true, 4],
  ],
});

const kept = (spec: Partial<Spec>): unknown[] =>
  page === null ? [] : applied(page, { ...WHOLE, ...spec }).map(([index]) => index);

describe("rows that are here", () => {
  // The same as the kernel's, test_data_table.py: test_filters.
  it.each([
    [0, "1", [1]],
    [0, ">1", [0, 3]],
    [0, "1 .. 4", [0, 1]],
    [0, "!= 1", [0, 2, 3]],
    [0, "NaN", [2]],
    [0, "!nan", [0, 1, 3]],
    [0, "abc", []],
    [1, "ärg", [0]],
    [1, "=B", [1]],
    [1, ">b", [0]],
    [1, "none", [2]],
    [1, "(", []],
    [2, "2024", [0]],
    [2, ">=2023-01-01", [0, 1]],
    [2, "2020-01-01..2023-06-01", [1, 3]],
    [3, "false", [1]],
    [4, "3..4", [2, 3]],
    [-1, ">=2", [2, 3]],
    [99, "1", []],
  ])("of column %i, %j keeps %j", (column, text, rows) => {
    expect(kept({ filters: [{ column, text }] })).toEqual(rows);
  });

  it("are searched everywhere, and sorted with what is missing last", () => {
    expect(kept({ search: "B" })).toEqual([1]);
    expect(kept({ search: "true" })).toEqual([0, 2, 3]);
    expect(kept({ sort: [{ column: 0, descending: true }] })).toEqual([3, 0, 1, 2]);
    expect(
      kept({
        sort: [
          { column: 3, descending: false },
          { column: -1, descending: true },
        ],
      }),
    ).toEqual([1, 3, 2, 0]);
    expect(kept({ sort: [{ column: 1, descending: false }] })).toEqual([3, 1, 0, 2]);
  });

  it("are whole or not, page by page, and go out as CSV", async () => {
    if (page === null) throw new Error("no page");
    expect(isWhole(page)).toBe(true);
    const here = rowsHere(page);
    const second = await here.page({ spec: WHOLE, start: 2, count: 2, first: 0 });
    expect([second.start, second.rows.map(([index]) => index)]).toEqual([2, [2, 3]]);
    const texts: string[] = [];
    for await (const text of here.csv({ ...WHOLE, search: "rg" })) texts.push(text);
    expect(texts.join("")).toBe(",n,t,d,b,i\n0,3.5,Ärger,2024-01-02,true,1152921504606846976\n");
  });
});

describe("what is read", () => {
  it("is a page or nothing, whatever came", () => {
    for (const bad of [null, 1, "x", [], {}, { rows: 1 }]) expect(readPage(bad)).toBe(null);
    expect(readPage({ rows: [[1, { a: 1 }, null], "x", []], columns: [{ name: "a" }, 5], index: "x" })?.rows).toEqual([
      [1],
      [["None"]],
    ]);
  });

  it("numbers of a column have as many decimals as it needs, and six at most", () => {
    const column = [1, 2.5, 0.1234567, ["NaN"] as const, 1e20];
    expect(decimalsOf("number", column)).toBe(6);
    expect(column.map((value) => shownValue(value, 2))).toEqual(["1.00", "2.50", "0.12", "NaN", "1.00e+20"]);
    expect([decimalsOf("number", [1, 2]), decimalsOf("number", [1.25]), decimalsOf("integer", [1])]).toEqual([1, 2, 0]);
  });
});
