import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import { type Notebook, type Output, openNotebook, outputsOf } from "../notebook/schema";
import { type DataOutput, mayNeedPrelude, preludeOf } from "./preludes";

const LOAD = "application/vnd.bokehjs_load.v0+json";
const EXEC = "application/vnd.bokehjs_exec.v0+json";

interface Given {
  outputs: Record<string, string>[];
  session?: string;
  started?: number;
  blobs?: Record<string, unknown>;
}

/** A notebook whose cells are named a, b, c … */
function notebookOf(cells: Given[]): Notebook {
  const notebook = openNotebook(new Y.Doc());
  for (const [index, { outputs, session = "", started = 0, blobs }] of cells.entries()) {
    const id = String.fromCharCode(97 + index);
    const cell = new Y.Map<unknown>([
      ["type", "code"],
      ["source", new Y.Text()],
      ["position", id],
    ]);
    notebook.cells.set(id, cell);
    const list = new Y.Array<unknown>();
    list.push(
      outputs.map(
        (data) =>
          new Y.Map<unknown>([
            ["output_type", "display_data"],
            ["data", new Y.Map(Object.entries(data))],
            ["metadata", "{}"],
            ...(blobs === undefined ? [] : ([["blobs", JSON.stringify(blobs)]] as [string, unknown][])),
          ]),
      ),
    );
    notebook.outputs.set(id, list);
    notebook.runs.set(id, new Y.Map<unknown>(Object.entries({ state: "finished", session, started })));
  }
  return notebook;
}

const isData = (output: Output): output is DataOutput => output.kind === "data";

function firstOf(notebook: Notebook, id: string): DataOutput {
  const found = outputsOf(notebook, id).find(isData);
  if (found === undefined) throw new Error("no output");
  return found;
}

const found = (notebook: Notebook, id: string, session: string | null): string[] =>
  preludeOf(notebook, id, firstOf(notebook, id), session).map((output) => [...output.data.values()].join());

describe("what an output needs of another cell", () => {
  const load = (name: string): Given => ({
    outputs: [{ "text/html": "<a>logo</a>" }, { "application/javascript": "", [LOAD]: name }],
  });
  const show: Given = { outputs: [{ "application/javascript": "draw()", [EXEC]: "" }] };

  it("is the script that was loaded last by the same kernel, without what was shown beside it", () => {
    const notebook = notebookOf([
      { ...load("old"), session: "k:1", started: 1 },
      { ...load("new"), session: "k:1", started: 3 },
      { ...load("of a kernel before"), session: "k:0", started: 9 },
      { ...show, session: "k:1", started: 4 },
    ]);
    expect(found(notebook, "d", "k:1")).toEqual([",new"]);
  });

  it("never crosses between live and stored outputs", () => {
    const notebook = notebookOf([load("stored"), { ...show, session: "k:1", started: 1 }]);
    expect(found(notebook, "b", "k:1")).toEqual([]);
    expect(found(notebook, "b", null)).toEqual([",stored"]);
  });

  it("is nothing where the cell brings it itself", () => {
    const notebook = notebookOf([load("other"), { outputs: [...show.outputs, ...load("own").outputs] }]);
    expect(found(notebook, "b", null)).toEqual([]);
  });

  it("is the module of itables for its tables, and for HTML too long to look into", () => {
    const init: Given = { outputs: [{ "text/html": "<script type=module>await window._itables_2_9_1</script>" }] };
    const table = { outputs: [{ "text/html": "<table></table><script>window._itables_2_9_1</script>" }] };
    const long = { outputs: [{ "text/plain": "x" }], blobs: { "text/html": { sha256: "ab", size: 9 } } };
    const notebook = notebookOf([init, table, long, { outputs: [{ "text/html": "<p>plain</p>" }] }]);
    expect(found(notebook, "b", null)).toHaveLength(1);
    expect(found(notebook, "c", null)).toHaveLength(1);
    expect(mayNeedPrelude(firstOf(notebook, "d"))).toBe(false);
  });
});
