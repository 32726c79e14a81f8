/** Work that the server refused: kept as text, within a bound, until its person has it. */
import { describe, expect, test } from "vitest";
import { insertCell } from "../notebook/edits.ts";
import { notebookOf } from "../notebook/peers.ts";
import { orderedIds } from "../notebook/schema.ts";
import { keepRecovered, type Recovered, readRecovered, recover, recoveredNotebook } from "./recovered.ts";
import type { TextStorage } from "./text_storage.ts";

const WORK: Recovered = { at: 1, title: "T", reason: "Why.", cells: [{ type: "code", source: "x" }], taken: false };

function memory(limit = Number.POSITIVE_INFINITY): TextStorage & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    getItem: (key) => texts.get(key) ?? null,
    setItem: (key, value) => {
      if (value.length > limit) throw new DOMException("full", "QuotaExceededError");
      texts.set(key, value);
    },
    removeItem: (key) => void texts.delete(key),
  };
}

test("takes the cells that were written in, in order, with their text", () => {
  const nb = notebookOf("a", "b");
  insertCell(nb, { type: "markdown", source: "c" });
  const [, b = "", c = ""] = orderedIds(nb);
  expect(recover(nb, new Set([c, b, "gone"]), "Why.", 5)).toEqual({
    at: 5,
    title: "Untitled",
    reason: "Why.",
    cells: [
      { type: "code", source: "b" },
      { type: "markdown", source: "c" },
    ],
    taken: false,
  });
  expect(recover(nb, new Set(["gone"]), "Why.", 5)).toBeNull();
});

describe("storage", () => {
  test("gives back what was kept, for this notebook", () => {
    const storage = memory();
    keepRecovered(storage, "n", [WORK]);
    expect(readRecovered(storage, "n")).toEqual([WORK]);
    expect(readRecovered(storage, "other")).toEqual([]);
    keepRecovered(storage, "n", []);
    expect(storage.texts.size).toBe(0);
  });

  test("keeps the newest three", () => {
    const storage = memory();
    keepRecovered(
      storage,
      "n",
      [4, 3, 2, 1].map((at) => ({ ...WORK, at })),
    );
    expect(readRecovered(storage, "n").map(({ at }) => at)).toEqual([4, 3, 2]);
  });

  test("lets older work go when together they are too large, and the page keeps it all", () => {
    const storage = memory();
    const large = (at: number): Recovered => ({ ...WORK, at, cells: [{ type: "raw", source: "x".repeat(1_500_000) }] });
    expect(keepRecovered(storage, "n", [large(2), large(1)])).toHaveLength(2);
    expect(readRecovered(storage, "n").map(({ at }) => at)).toEqual([2]);
  });

  test("that is full or forbidden is no error", () => {
    expect(keepRecovered(memory(5), "n", [WORK])).toEqual([WORK]);
    expect(keepRecovered(null, "n", [WORK])).toEqual([WORK]);
    expect(readRecovered(null, "n")).toEqual([]);
  });

  test.each(["", "{", "{}", "[1]", '[{"at":1}]', '[{"at":1,"title":"t","cells":[{"type":"evil","source":"x"}]}]'])(
    "%s is nothing",
    (text) => {
      const storage = memory();
      storage.texts.set("collab.recovered.n", text);
      expect(readRecovered(storage, "n")).toEqual([]);
    },
  );
});

test("comes as a notebook file", () => {
  expect(recoveredNotebook({ ...WORK, cells: [...WORK.cells, { type: "markdown", source: "m" }] })).toEqual({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { title: "T (recovered)", recovered_because: "Why." },
    cells: [
      { id: "recovered-1", cell_type: "code", metadata: {}, source: "x", execution_count: null, outputs: [] },
      { id: "recovered-2", cell_type: "markdown", metadata: {}, source: "m" },
    ],
  });
});
