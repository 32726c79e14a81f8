/** What actions do, on a real session and its server; the page is only taken notes of. */
import { createHash } from "node:crypto";
import { afterEach, describe, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { ACTIONS, actionOf, disabledReason, perform } from "../actions.ts";
import { hidesCode } from "../forms/code_view.ts";
import { setCellMetadata } from "../notebook/edits.ts";
import { sourcesOf } from "../notebook/peers.ts";
import { cellOf, openNotebook, orderedIds } from "../notebook/schema.ts";
import { type FakeBench, openFakeBench } from "./fake_bench.ts";

const benches: FakeBench[] = [];
afterEach(() => {
  for (const bench of benches.splice(0)) bench.close();
  vi.unstubAllGlobals();
});

async function open(sources: readonly string[], role?: string): Promise<FakeBench> {
  const bench = await openFakeBench(sources, role);
  benches.push(bench);
  return bench;
}

const sources = ({ session }: FakeBench): string[] => sourcesOf(session.notebook);
const selected = ({ session, view }: FakeBench): string[] =>
  view.getState().selection.ids.map((id) => cellOf(session.notebook, id)?.source.toString() ?? "");
const commands = ({ server }: FakeBench): unknown[] => server.commands.map(({ request: _request, ...rest }) => rest);
const typeOf = (bench: FakeBench, at: number): string | undefined =>
  cellOf(bench.session.notebook, bench.idAt(at))?.type;

describe("forms and outputs", () => {
  test("a form begins with a title and a field, and gets more fields below the last", async () => {
    const bench = await open(["print(1)"]);
    perform("insert.formField", bench);
    await expect.poll(() => sources(bench)).toEqual(['#@title Form\nname = "" #@param {type:"string"}\nprint(1)']);
    perform("insert.formField", bench);
    await expect
      .poll(() => sources(bench))
      .toEqual(['#@title Form\nname = "" #@param {type:"string"}\nname_2 = "" #@param {type:"string"}\nprint(1)']);
    bench.session.undo.text(bench.idAt(0))?.undo();
    expect(sources(bench)).toEqual(["print(1)"]);
  });

  test("a form stands without its code for everyone, and each sees the code who wants to", async () => {
    const bench = await open(["#@title A\nx = 1 #@param", "y"]);
    const code = (at: number): boolean =>
      bench.view.getState().hiddenSources.has(bench.idAt(at)) !==
      hidesCode(cellOf(bench.session.notebook, bench.idAt(at)));
    expect(actionOf("cell.formOnly").checked?.(bench)).toBe(false);
    perform("cell.formOnly", bench);
    expect([actionOf("cell.formOnly").checked?.(bench), code(0), code(1)]).toEqual([true, true, false]);
    perform("view.toggleSource", bench);
    expect(code(0)).toBe(false);
    perform("view.toggleAllSources", bench);
    expect([code(0), code(1)]).toEqual([true, true]);
    perform("view.toggleAllSources", bench);
    expect([code(0), code(1)]).toEqual([false, false]);
    perform("edit.undo", bench);
    expect(actionOf("cell.formOnly").checked?.(bench)).toBe(false);
    bench.select(1);
    expect(disabledReason(actionOf("cell.formOnly"), bench)).toBe("the cell has no form");
  });

  test("how outputs are looked at is each person's own", async () => {
    const bench = await open(["a"]);
    expect(disabledReason(actionOf("view.scrollOutput"), bench)).toBe("the cell has no output");
    const output = new Y.Map(Object.entries({ output_type: "error", ename: "E", evalue: "v", traceback: "[]" }));
    bench.session.notebook.outputs.set(bench.idAt(0), Y.Array.from([output]));
    const view = (): unknown => bench.view.getState().outputViews.get(bench.idAt(0));
    perform("view.scrollOutput", bench);
    expect(view()).toBe("scrolled");
    perform("view.outputAsText", bench);
    expect(view()).toBe("text");
    perform("view.outputAsText", bench);
    expect(view()).toBe(undefined);
    setCellMetadata(bench.session.notebook, bench.idAt(0), "scrolled", true);
    perform("view.scrollOutput", bench);
    expect(view()).toBe("whole");
  });
});

describe("cells", () => {
  test("insert beside the selection", async () => {
    const bench = await open(["a", "b", "c"]);
    bench.select(0, 1);
    perform("insert.codeBelow", bench);
    expect(sources(bench)).toEqual(["a", "b", "", "c"]);
    bench.select(0, 1);
    perform("insert.markdownAbove", bench);
    expect(sources(bench)).toEqual(["", "a", "b", "", "c"]);
    expect(typeOf(bench, 0)).toBe("markdown");
    perform("insert.headingBelow", bench);
    expect(sources(bench)[1]).toBe("# ");
    expect(bench.view.getState().mode).toBe("edit");
  });

  test("delete selects the next one, and says how to get it back", async () => {
    const bench = await open(["a", "b", "c"]);
    bench.select(1);
    perform("edit.delete", bench);
    expect(sources(bench)).toEqual(["a", "c"]);
    expect(selected(bench)).toEqual(["c"]);
    expect(bench.said).toEqual(["Cell deleted. Press Z to undo."]);
    perform("edit.undo", bench);
    expect(sources(bench)).toEqual(["a", "b", "c"]);
  });

  test("move over the neighbour, several together, not beyond the ends", async () => {
    const bench = await open(["a", "b", "c", "d"]);
    bench.select(1, 2);
    perform("edit.moveUp", bench);
    expect(sources(bench)).toEqual(["b", "c", "a", "d"]);
    perform("edit.moveUp", bench);
    perform("edit.moveDown", bench);
    perform("edit.moveDown", bench);
    expect(sources(bench)).toEqual(["a", "d", "b", "c"]);
    perform("edit.moveDown", bench);
    expect(sources(bench)).toEqual(["a", "d", "b", "c"]);
    expect(selected(bench)).toEqual(["b", "c"]);
  });

  test("split where the caret is", async () => {
    const bench = await open(["one\ntwo"]);
    expect(disabledReason(actionOf("edit.split"), bench)).toBe("open a cell first");
    bench.carets.set(bench.idAt(0), 4);
    perform("edit.split", bench);
    expect(sources(bench)).toEqual(["one", "two"]);
    expect(selected(bench)).toEqual(["two"]);
  });

  test("merge the selection, the cell above, the cell below", async () => {
    const bench = await open(["a", "b", "c", "d", "e", "f"]);
    bench.select(0, 1);
    perform("edit.mergeSelected", bench);
    expect(sources(bench)).toEqual(["a\nb", "c", "d", "e", "f"]);
    bench.select(2);
    perform("edit.mergeAbove", bench);
    expect(sources(bench)).toEqual(["a\nb", "c\nd", "e", "f"]);
    bench.select(2);
    perform("edit.mergeBelow", bench);
    expect(sources(bench)).toEqual(["a\nb", "c\nd", "e\nf"]);
    bench.select(2);
    perform("edit.mergeBelow", bench);
    expect(sources(bench)).toEqual(["a\nb", "c\nd", "e\nf"]);
  });

  test("cut, copy, paste and duplicate", async () => {
    const bench = await open(["a", "b", "c"]);
    expect(disabledReason(actionOf("edit.pasteBelow"), bench)).toBe("nothing was copied");
    bench.select(0);
    perform("edit.cut", bench);
    bench.select(1);
    perform("edit.pasteBelow", bench);
    expect(sources(bench)).toEqual(["b", "c", "a"]);
    bench.select(0, 1);
    perform("edit.copy", bench);
    bench.select(0);
    perform("edit.pasteAbove", bench);
    expect(sources(bench)).toEqual(["b", "c", "b", "c", "a"]);
    expect(selected(bench)).toEqual(["b", "c"]);
    bench.select(4);
    perform("edit.duplicate", bench);
    expect(sources(bench)).toEqual(["b", "c", "b", "c", "a", "a"]);
  });

  test("a change of type of several is one step of the history", async () => {
    const bench = await open(["a", "b"]);
    bench.select(0, 1);
    perform("edit.toMarkdown", bench);
    expect([typeOf(bench, 0), typeOf(bench, 1)]).toEqual(["markdown", "markdown"]);
    perform("edit.undo", bench);
    expect([typeOf(bench, 0), typeOf(bench, 1)]).toEqual(["code", "code"]);
    bench.select(0, 1);
    perform("edit.toHeading2", bench);
    expect(sources(bench)).toEqual(["## a", "## b"]);
    perform("edit.toHeading1", bench);
    expect(sources(bench)).toEqual(["# a", "# b"]);
    perform("edit.undo", bench);
    perform("edit.undo", bench);
    expect(sources(bench)).toEqual(["a", "b"]);
  });

  test("selecting: neighbours, all, from here to the ends", async () => {
    const bench = await open(["a", "b", "c"]);
    perform("select.next", bench);
    expect(selected(bench)).toEqual(["b"]);
    perform("select.extendLast", bench);
    expect(selected(bench)).toEqual(["b", "c"]);
    perform("select.extendFirst", bench);
    expect(selected(bench)).toEqual(["a", "b"]);
    perform("edit.selectAll", bench);
    expect(selected(bench)).toEqual(["a", "b", "c"]);
    perform("edit.deselect", bench);
    expect(selected(bench)).toHaveLength(1);
  });
});

describe("history", () => {
  test("undo and redo show what they changed", async () => {
    const bench = await open(["a", "b", "c", "d"]);
    bench.select(3);
    perform("edit.moveUp", bench);
    bench.select(0);
    perform("edit.undo", bench);
    expect(selected(bench)).toEqual(["d"]);
    bench.select(0);
    perform("edit.redo", bench);
    expect(selected(bench)).toEqual(["d"]);
    expect(sources(bench)).toEqual(["a", "b", "d", "c"]);
  });

  test("in the editor they are about its text, and about nothing else", async () => {
    const bench = await open(["a", "b"]);
    bench.select(1);
    perform("edit.delete", bench);
    const { notebook, undo } = bench.session;
    const id = bench.idAt(0);
    const typing = Symbol("typing");
    undo.text(id)?.addTrackedOrigin(typing);
    notebook.doc.transact(() => cellOf(notebook, id)?.source.insert(1, "!"), typing);
    bench.cells.edit(id);
    perform("edit.undo", bench);
    expect(sources(bench)).toEqual(["a"]);
    perform("edit.undo", bench);
    expect(sources(bench)).toEqual(["a"]);
    expect(bench.said.at(-1)).toBe("There is nothing of yours to undo.");
    perform("edit.redo", bench);
    expect(sources(bench)).toEqual(["a!"]);
    bench.cells.leave();
    perform("edit.undo", bench);
    expect(sources(bench)).toEqual(["a!", "b"]);
  });
});

describe("running", () => {
  test("a cell, with the hash of the source that is seen", async () => {
    const bench = await open(["print('😀')"]);
    perform("runtime.run", bench);
    await bench.settle();
    const id = bench.idAt(0);
    expect(commands(bench)).toMatchObject([{ type: "run_cells", cells: [id] }]);
    const sent = bench.server.commands[0]?.["sources"] as Record<string, string>;
    expect(sent).toEqual({ [id]: createHash("sha256").update("print('😀')").digest("hex") });
  });

  test("all, before, and from here: code cells in order, text is rendered", async () => {
    const bench = await open(["a", "b", "c", "d"]);
    bench.select(1);
    perform("edit.toMarkdown", bench);
    bench.view.setState({ openTexts: new Set([bench.idAt(1)]) });
    bench.select(2);
    for (const id of ["runtime.runAll", "runtime.runBefore", "runtime.runBelow"]) perform(id, bench);
    await bench.settle();
    const [a, , c, d] = orderedIds(bench.session.notebook);
    expect(bench.server.commands.map(({ cells }) => cells)).toEqual([[a, c, d], [a], [c, d]]);
    expect(bench.view.getState().openTexts.size).toBe(0);
  });

  test("and go on: the next cell, or a new one at the end", async () => {
    const bench = await open(["a", "b"]);
    perform("runtime.runNext", bench);
    expect(selected(bench)).toEqual(["b"]);
    perform("runtime.runNext", bench);
    expect(sources(bench)).toEqual(["a", "b", ""]);
    expect(bench.view.getState().mode).toBe("edit");
    await bench.settle();
    expect(bench.server.commands.map(({ type }) => type)).toEqual(["run_cells", "run_cells"]);
    // The server has the new cell before the command that came after it.
    expect(sourcesOf(openNotebook(bench.server.doc))).toEqual(["a", "b", ""]);
  });

  test("what is stale: edited since, or of an earlier start; not what waits, nor what came with a file", async () => {
    const bench = await open(["same", "edited", "earlier", "waits", "imported", "never"]);
    const ids = orderedIds(bench.session.notebook);
    const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
    const marks = [
      { state: "finished", source_sha256: hash("same"), session: "k:1" },
      { state: "failed", source_sha256: hash("other"), session: "k:1" },
      { state: "finished", source_sha256: hash("earlier"), session: "k:0" },
      { state: "queued", source_sha256: hash("other"), session: "k:1" },
      { state: "finished", status: "imported" },
    ];
    bench.server.write((doc) => {
      for (const [at, mark] of marks.entries()) doc.getMap("runs").set(ids[at] ?? "", mark);
    });
    await bench.settle();
    perform("runtime.runStale", bench);
    await bench.settle();
    expect(commands(bench)).toMatchObject([{ type: "run_cells", cells: [ids[1], ids[2]] }]);
  });

  test("and insert below", async () => {
    const bench = await open(["a", "b"]);
    perform("runtime.runInsert", bench);
    expect(sources(bench)).toEqual(["a", "", "b"]);
  });

  test("interrupt, clear, connect, and cancelling what waits", async () => {
    const bench = await open(["a", "b"]);
    const [a = "", b = ""] = orderedIds(bench.session.notebook);
    perform("runtime.interrupt", bench);
    perform("edit.clearOutput", bench);
    perform("edit.clearAllOutputs", bench);
    perform("runtime.connect", bench);
    expect(bench.said).toEqual(["Connect: already connected."]);
    bench.server.write((doc) => {
      for (const [id, user] of [
        [a, "u1"],
        [b, "u2"],
      ] as const) {
        const mark = new Map(Object.entries({ state: "queued", user_id: user }));
        doc.getMap("runs").set(id, Object.fromEntries(mark));
      }
    });
    bench.server.tell({ type: "queue_changed", cells: [a, b] });
    await bench.settle();
    perform("runtime.cancelMine", bench);
    await bench.settle();
    expect(commands(bench)).toEqual([
      { type: "interrupt" },
      { type: "clear_outputs", cells: [a] },
      { type: "clear_outputs", cells: "all" },
      { type: "cancel_runs", cells: [a] },
    ]);
  });

  test.each([
    { id: "runtime.restart", confirm: "Restart", command: { type: "restart" } },
    { id: "runtime.restartRunAll", confirm: "Restart and run all", command: { type: "restart", run_all: true } },
    { id: "runtime.restartClear", confirm: "Restart and clear", command: { type: "restart", clear_outputs: true } },
    { id: "runtime.shutdown", confirm: "Shut down", command: { type: "shut_down_runtime" } },
  ])("$id asks first", async ({ id, confirm, command }) => {
    const bench = await open(["a"]);
    perform(id, bench);
    await bench.settle();
    expect(commands(bench)).toEqual([]);
    const { dialog } = bench.view.getState();
    if (dialog?.kind !== "confirm") throw new Error("Nothing was asked.");
    expect(dialog.question.confirm).toBe(confirm);
    await dialog.question.run();
    await bench.settle();
    expect(commands(bench)).toEqual([command]);
  });

  test("nothing is running: interrupt and restart say so, connect is open", async () => {
    const bench = await open(["a"]);
    bench.server.tell({ type: "runtime_changed", status: "none" });
    await bench.settle();
    const reasons = ["runtime.interrupt", "runtime.restart", "runtime.shutdown", "runtime.connect"].map((id) =>
      disabledReason(actionOf(id), bench),
    );
    expect(reasons).toEqual(["nothing is running", "nothing is running", "nothing is running", null]);
  });
});

describe("what one may not do", () => {
  test.each(["viewer", "commenter", "runner"])(
    "a %s is told which role it needs, and nothing changes",
    async (role) => {
      const bench = await open(["a", "b"], role);
      const before = sources(bench);
      const editing = ACTIONS.filter((action) => action.role === "editor" || action.role === "owner");
      for (const action of editing) perform(action.id, bench);
      expect(bench.said).toEqual(editing.map(({ title, role: needed }) => `${title}: needs the role ${needed ?? ""}.`));
      await bench.settle();
      expect(sources(bench)).toEqual(before);
      expect(commands(bench)).toEqual([]);
      expect(bench.server.connections.map(({ updates }) => updates)).toEqual([0]);
    },
  );

  test("a viewer runs nothing", async () => {
    const bench = await open(["a"], "viewer");
    for (const { id, role } of ACTIONS) if (role === "runner") perform(id, bench);
    await bench.settle();
    expect(commands(bench)).toEqual([]);
    expect(bench.view.getState().dialog).toBeNull();
  });

  test("after the end nothing is written or run, as it would reach nobody", async () => {
    const bench = await open(["a"]);
    bench.server.connections[0]?.close(4409);
    await bench.settle();
    for (const id of ["edit.delete", "runtime.run", "insert.codeBelow"])
      expect(disabledReason(actionOf(id), bench)).toBe("the connection has ended");
    expect(disabledReason(actionOf("edit.copy"), bench)).toBeNull();
  });

  test("offline one can write, but not run", async () => {
    const bench = await open(["a"]);
    const refused: string[] = [];
    bench.session.onEvent((event) => event.type === "refused" && refused.push(event.command));
    bench.server.down = true;
    bench.server.connections[0]?.close(1012);
    await bench.settle();
    perform("insert.codeBelow", bench);
    perform("runtime.run", bench);
    await bench.settle();
    expect(sources(bench)).toEqual(["a", ""]);
    expect(refused).toEqual(["run_cells"]);
  });
});

describe("without a page", () => {
  test("saving says what is true", async () => {
    const bench = await open(["a"]);
    perform("file.save", bench);
    bench.server.holdCommits = true;
    perform("insert.codeBelow", bench);
    perform("file.save", bench);
    expect(bench.said).toEqual([
      "Saved. Everything you write is saved as you go.",
      "Saving. Everything you write is saved as you go.",
    ]);
  });

  test("recovered work comes as a file, once it is asked for", async () => {
    const bench = await open(["a"]);
    expect(disabledReason(actionOf("file.recovered"), bench)).toBe("there is none");
    bench.server.holdCommits = true;
    perform("edit.toHeading1", bench);
    await bench.settle();
    bench.server.connections[0]?.close(4422, "It was refused.");
    await bench.settle();
    const files: { name: string; text: Promise<string> }[] = [];
    const link = { href: "", download: "", click: () => files.push({ name: link.download, text: blob.text() }) };
    let blob = new Blob();
    vi.stubGlobal("document", { createElement: () => link });
    vi.spyOn(URL, "createObjectURL").mockImplementation((made) => {
      if (made instanceof Blob) blob = made;
      return "blob:x";
    });
    perform("file.recovered", bench);
    const { dialog } = bench.view.getState();
    if (dialog?.kind !== "confirm") throw new Error("Nothing was asked.");
    await dialog.question.run();
    expect(files.map(({ name }) => name)).toEqual(["Untitled (recovered).ipynb"]);
    expect(JSON.parse((await files[0]?.text) ?? "")).toMatchObject({
      nbformat: 4,
      cells: [{ cell_type: "markdown", source: "# a" }],
    });
    expect(bench.session.store.getState().recovered.map(({ taken }) => taken)).toEqual([true]);
  });

  test("what fails is said, not thrown", async () => {
    const bench = await open(["a"]);
    vi.stubGlobal("location", { assign: () => {} });
    vi.stubGlobal("fetch", async () => Response.json({ error: "The disk is full." }, { status: 507 }));
    perform("file.copy", bench);
    await vi.waitFor(() => expect(bench.said).toEqual(["The disk is full."]));
  });

  test("what can be lost for everyone has a dialog of its own, and its role", async () => {
    const bench = await open(["a"], "owner");
    for (const [id, dialog] of [
      ["runtime.changeType", { kind: "changeType" }],
      ["runtime.attach", { kind: "attach" }],
      ["runtime.reset", { kind: "reset", all: false }],
      ["runtime.resetAll", { kind: "reset", all: true }],
    ] as const) {
      perform(id, bench);
      expect(bench.view.getState().dialog).toEqual(dialog);
    }
    const runner = await open(["a"], "runner");
    const reasons = ["runtime.changeType", "runtime.attach", "runtime.reset", "runtime.resetAll"].map((id) =>
      disabledReason(actionOf(id), runner),
    );
    expect(reasons).toEqual([
      "needs the role editor",
      "needs the role owner",
      "needs the role owner",
      "needs the role owner",
    ]);
  });

  test("another server's runtime has no type of ours", async () => {
    const bench = await open(["a"]);
    bench.server.tell({ type: "runtime_changed", status: "idle", attached: "http://127.0.0.1:8888" });
    await bench.settle();
    expect(disabledReason(actionOf("runtime.changeType"), bench)).toBe("another server runs this");
  });

  test("only an idle end that is near can be put off", async () => {
    const bench = await open(["a"], "runner");
    const reason = async (rest: object): Promise<string | null> => {
      bench.server.tell({ type: "runtime_changed", status: "idle", ...rest });
      await bench.settle();
      return disabledReason(actionOf("runtime.extendIdle"), bench);
    };
    expect(await reason({})).toBe("it is not about to stop");
    expect(await reason({ stops_at: "2026-11-24T10:00:00Z", stops_why: "lifetime" })).toBe("its lifetime ends");
    expect(await reason({ stops_at: "2026-11-24T10:00:00Z", stops_why: "idle" })).toBeNull();
    perform("runtime.extendIdle", bench);
    await bench.settle();
    expect(commands(bench)).toEqual([{ type: "extend_runtime" }]);
  });
});

test("one pane at a time, by its action again none", async () => {
  const bench = await open(["a"], "viewer");
  perform("view.resources", bench);
  expect(bench.view.getState().pane).toEqual({ name: "resources", asked: true });
  perform("view.executions", bench);
  expect(bench.view.getState().pane).toEqual({ name: "executions", asked: true });
  expect(actionOf("view.executions").checked?.(bench)).toBe(true);
  perform("view.executions", bench);
  expect(bench.view.getState().pane).toBeNull();
});
