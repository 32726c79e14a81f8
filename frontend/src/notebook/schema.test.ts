/** Reading a Notebook, whatever is in it: the server, imports and old versions do not all write alike. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { fresh, notebookOf } from "./peers.ts";
import { cellOf, json, type Notebook, orderedIds, outputsOf, runOf, titleOf } from "./schema.ts";

function withOutput(fields: Record<string, unknown>): Notebook {
  const nb = fresh();
  nb.outputs.set("c", Y.Array.from([new Y.Map(Object.entries(fields))]));
  return nb;
}

describe("outputs", () => {
  test("a stream whose whole text is a blob", () => {
    const nb = withOutput({
      output_type: "stream",
      name: "stderr",
      text: new Y.Text("head"),
      blobs: '{"text/plain":{"sha256":"aa","size":9}}',
    });
    expect(outputsOf(nb, "c")).toEqual([
      { kind: "stream", name: "stderr", text: "head", blobs: new Map([["text/plain", { sha256: "aa", size: 9 }]]) },
    ]);
  });

  test("data with JSON texts, as a Y.Map", () => {
    const nb = withOutput({
      output_type: "execute_result",
      count: 3,
      data: new Y.Map(Object.entries({ "text/plain": "1", "application/json": '{"a":1.0}' })),
      metadata: '{"image/png":{"width":10}}',
      display_id: "d",
    });
    expect(outputsOf(nb, "c")).toEqual([
      {
        kind: "data",
        executeResult: true,
        count: 3,
        data: new Map([
          ["text/plain", "1"],
          ["application/json", '{"a":1.0}'],
        ]),
        metadata: { "image/png": { width: 10 } },
        displayId: "d",
        blobs: new Map(),
      },
    ]);
  });

  test("[S9] plain objects and list texts read the same", () => {
    const nb = fresh();
    nb.outputs.set("c", [
      { output_type: "error", ename: "E", evalue: "v", traceback: ["a", "b"] },
      { output_type: "display_data", data: { "text/html": ["<b>", "x</b>"] } },
    ]);
    expect(outputsOf(nb, "c")).toMatchObject([
      { kind: "error", ename: "E", evalue: "v", traceback: ["a", "b"] },
      { kind: "data", executeResult: false, count: null, data: new Map([["text/html", "<b>x</b>"]]) },
    ]);
  });

  test("what is none is left out", () => {
    const nb = fresh();
    nb.outputs.set("c", [null, "text", 3, {}, { output_type: "from the future" }]);
    expect(outputsOf(nb, "c")).toEqual([]);
    nb.outputs.set("d", "no list");
    expect(outputsOf(nb, "d")).toEqual([]);
    expect(outputsOf(nb, "gone")).toEqual([]);
  });

  test("anything at all reads as outputs, without an error", () => {
    const fields = fc.dictionary(
      fc.constantFrom("output_type", "name", "text", "data", "metadata", "blobs", "count", "traceback", "display_id"),
      fc.oneof(fc.jsonValue(), fc.constantFrom("stream", "error", "display_data", "execute_result", "{", "[1,2]")),
    );
    fc.assert(
      fc.property(fields, fc.boolean(), (output, isShared) => {
        const nb = fresh();
        nb.outputs.set("c", isShared ? Y.Array.from([new Y.Map(Object.entries(output))]) : [output]);
        for (const item of outputsOf(nb, "c")) expect(["stream", "error", "data"]).toContain(item.kind);
      }),
    );
  });
});

describe("run marks", () => {
  test("with every field", () => {
    const nb = fresh();
    const fields = {
      state: "running",
      count: 2,
      user: "Ana",
      user_id: "u1",
      requested: 1,
      started: 2,
      source_sha256: "aa",
      session: "k:1",
      status: "",
      prompt: '{"text":"Name? ","password":true}',
      stale: true,
    };
    nb.runs.set("c", new Y.Map(Object.entries(fields)));
    expect(runOf(nb, "c")).toEqual({
      state: "running",
      count: 2,
      user: "Ana",
      userId: "u1",
      requested: 1,
      started: 2,
      finished: null,
      sourceSha256: "aa",
      session: "k:1",
      status: "",
      prompt: { text: "Name? ", password: true },
      isStale: true,
    });
  });

  test.each([{}, { state: "exploded" }, null, "running", [], 3])("%j is none", (value) => {
    const nb = fresh();
    nb.runs.set("c", value);
    expect(runOf(nb, "c")).toBeNull();
  });

  test("a prompt that is none", () => {
    const nb = fresh();
    nb.runs.set("c", { state: "running", prompt: "{" });
    expect(runOf(nb, "c")?.prompt).toBeNull();
  });
});

describe("cells", () => {
  test("of a type this page does not know are raw", () => {
    const nb = notebookOf("a");
    const id = orderedIds(nb)[0] ?? "";
    const cell = nb.cells.get(id);
    if (cell instanceof Y.Map) cell.set("type", "sql");
    expect(cellOf(nb, id)?.type).toBe("raw");
  });

  test("that are none are null", () => {
    const nb = fresh();
    nb.cells.set("plain", { type: "code" });
    nb.cells.set("empty", new Y.Map());
    expect(["plain", "empty", "gone"].map((id) => cellOf(nb, id))).toEqual([null, null, null]);
  });

  test("[S12] a read never writes", () => {
    const nb = notebookOf("a");
    const before = Y.encodeStateVector(nb.doc);
    for (const id of [...orderedIds(nb), "gone"]) {
      cellOf(nb, id);
      runOf(nb, id);
      outputsOf(nb, id);
    }
    titleOf(nb);
    expect(Y.encodeStateVector(nb.doc)).toEqual(before);
  });
});

test("a notebook without a title is untitled", () => {
  const nb = fresh();
  expect(titleOf(nb)).toBe("Untitled");
  nb.meta.set("title", "Fourier");
  expect(titleOf(nb)).toBe("Fourier");
});

test("a value that is no JSON text is taken as it stands", () => {
  expect([json('{"a":1}'), json("plain"), json(3), json(null)]).toEqual([{ a: 1 }, "plain", 3, null]);
});
