// @vitest-environment jsdom
/** Editors bound to one cell in two documents; keys as the page sees them. */
import { runScopeHandlers } from "@codemirror/view";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { createStore } from "zustand/vanilla";
import { hasLineNumbers, toggleAllLineNumbers, toggleLineNumbers } from "../actions/line_numbers.ts";
import { openNotebook } from "../notebook/schema.ts";
import { createUndo } from "../notebook/undo.ts";
import { createComms } from "../session/comms.ts";
import type { PresenceState, Session, SessionState } from "../session/session.ts";
import { NO_RUNTIME } from "../session/state.ts";
import { type CellEditor, createEditor } from "./editor.ts";
import { loadPython } from "./language.ts";

const CELL = "c1";

beforeAll(() => {
  // jsdom lays nothing out.
  Range.prototype.getClientRects = () => document.createElement("div").getClientRects();
  Range.prototype.getBoundingClientRect = () => document.createElement("div").getBoundingClientRect();
});

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const stop of cleanup.splice(0)) stop();
  document.body.replaceChildren();
});

interface Bench {
  readonly doc: Y.Doc;
  readonly session: Session;
  readonly told: Partial<PresenceState>[];
}

function bench(doc = new Y.Doc(), role: string | null = "editor"): Bench {
  const notebook = openNotebook(doc);
  const awareness = new Awareness(doc);
  const undo = createUndo(notebook);
  const told: Partial<PresenceState>[] = [];
  const store = createStore<SessionState>(() => ({
    phase: "synced",
    save: "Saved",
    saveReason: "",
    unsaved: false,
    role,
    user: null,
    epoch: 1,
    runtime: { ...NO_RUNTIME, status: "idle" },
    usage: null,
    queue: [],
    queueMore: 0,
    people: [],
    ended: null,
    recovered: [],
    signedOut: false,
    kept: null,
  }));
  cleanup.push(() => {
    undo.destroy();
    awareness.destroy();
  });
  const session: Session = {
    id: "n",
    notebook,
    awareness,
    store,
    undo,
    comms: createComms(() => false),
    send: () => 0,
    complete: async () => ({ matches: [], start: 0, end: 0, types: [] }),
    inspect: async () => "",
    onEvent: () => () => {},
    setPresence: (change) => void told.push(change),
    sources: async () => ({}),
    ranHere: () => false,
    recoveredTaken: () => {},
    retryNow: () => {},
    wake: () => {},
    flush: () => {},
    close: () => {},
  };
  return { doc, session, told };
}

function addCell(doc: Y.Doc, source: string, type = "code"): Y.Text {
  const text = new Y.Text(source);
  const cell = new Y.Map<unknown>();
  doc.transact(() => {
    cell.set("type", type);
    cell.set("source", text);
    cell.set("position", "a");
    doc.getMap("cells").set(CELL, cell);
  });
  return text;
}

function open({ session }: Bench, on: { onEscape?: () => void; onLeave?: (by: -1 | 1) => void } = {}): CellEditor {
  const parent = document.body.appendChild(document.createElement("div"));
  const editor = createEditor({
    session,
    cellId: CELL,
    parent,
    nonce: "n",
    label: "Source of cell 1",
    onEscape: on.onEscape ?? (() => {}),
    onLeave: on.onLeave ?? (() => {}),
  });
  cleanup.unshift(() => editor.destroy());
  return editor;
}

/** Two people's documents, joined at once. */
function pair(source: string): [Bench, Bench] {
  const [a, b] = [bench(), bench()];
  addCell(a.doc, source);
  Y.applyUpdate(b.doc, Y.encodeStateAsUpdate(a.doc), "join");
  a.doc.on("update", (update: Uint8Array, origin: unknown) => origin !== "b" && Y.applyUpdate(b.doc, update, "a"));
  b.doc.on("update", (update: Uint8Array, origin: unknown) => origin !== "a" && Y.applyUpdate(a.doc, update, "b"));
  return [a, b];
}

const sourceOf = ({ view }: CellEditor): string => view.state.doc.toString();

const press = ({ view }: CellEditor, key: string, keyCode: number, held: KeyboardEventInit = {}): boolean =>
  runScopeHandlers(view, new KeyboardEvent("keydown", { key, keyCode, ...held } as KeyboardEventInit), "editor");

beforeAll(async () => {
  await loadPython();
});

describe("two editors of one cell", () => {
  test("say the same after both typed", () => {
    const [a, b] = pair("x = 😀\n");
    const [left, right] = [open(a), open(b)];
    left.view.dispatch({ changes: { from: 0, insert: "# 中\r\n" }, userEvent: "input" });
    right.view.dispatch({ changes: { from: sourceOf(right).length, insert: "y = 2" }, userEvent: "input" });
    // Half an emoji, as a comparison with the DOM may ask for.
    const half = sourceOf(left).indexOf("😀") + 1;
    left.view.dispatch({ changes: { from: half, to: half + 1, insert: "\ude01" }, userEvent: "input" });
    expect(sourceOf(left)).toBe("# 中\nx = 😁\ny = 2");
    expect(sourceOf(right)).toBe(sourceOf(left));
    expect(a.session.notebook.cells.toJSON()).toEqual(b.session.notebook.cells.toJSON());
  });

  test("agree on a source with foreign line ends", () => {
    const [a, b] = pair("a\r\nb\rc");
    const [left, right] = [open(a), open(b)];
    left.view.dispatch({ changes: { from: sourceOf(left).length, insert: "!" }, userEvent: "input" });
    expect(sourceOf(left)).toBe("a\r\nb\rc!");
    expect(sourceOf(right)).toBe(sourceOf(left));
    expect((b.doc.getMap("cells").toJSON()[CELL] as { source: string }).source).toBe(sourceOf(left));
  });

  test("undo takes back one's own words only, also after the editor was taken away", () => {
    const [a, b] = pair("");
    const [left, right] = [open(a), open(b)];
    left.view.dispatch({ changes: { from: 0, insert: "mine" }, userEvent: "input" });
    right.view.dispatch({ changes: { from: 4, insert: " theirs" }, userEvent: "input" });
    left.destroy();
    const again = open(a);
    expect(press(again, "z", 90, { ctrlKey: true })).toBe(true);
    expect(sourceOf(right)).toBe(" theirs");
    press(again, "y", 89, { ctrlKey: true });
    expect(sourceOf(right)).toBe("mine theirs");
  });
});

describe("keys", () => {
  test("what runs, saves or finds is left to the page", () => {
    const one = bench();
    addCell(one.doc, "x");
    const editor = open(one);
    const page: [string, number, KeyboardEventInit][] = [
      ["Enter", 13, { shiftKey: true }],
      ["Enter", 13, { ctrlKey: true }],
      ["Enter", 13, { altKey: true }],
      ["s", 83, { ctrlKey: true }],
      ["p", 80, { ctrlKey: true }],
      ["P", 80, { ctrlKey: true, shiftKey: true }],
      ["f", 70, { ctrlKey: true }],
      ["F1", 112, {}],
    ];
    for (const [key, code, held] of page)
      expect([key, held, press(editor, key, code, held)]).toEqual([key, held, false]);
    expect(sourceOf(editor)).toBe("x");
    expect(press(editor, "Enter", 13)).toBe(true);
  });

  test("Escape and the outermost lines lead out", () => {
    const one = bench();
    addCell(one.doc, "x");
    const [onEscape, onLeave] = [vi.fn(), vi.fn()];
    const editor = open(one, { onEscape, onLeave });
    press(editor, "Escape", 27);
    expect(onEscape).toHaveBeenCalledOnce();
    press(editor, "ArrowUp", 38);
    press(editor, "ArrowDown", 40);
    expect(onLeave.mock.calls).toEqual([[-1], [1]]);
  });

  test("Tab indents by four, and a comment goes on and off", () => {
    const one = bench();
    addCell(one.doc, "");
    const editor = open(one);
    press(editor, "Tab", 9);
    expect(sourceOf(editor)).toBe("    ");
    editor.view.dispatch({ changes: { from: 4, insert: "x" } });
    press(editor, "/", 191, { ctrlKey: true });
    expect(sourceOf(editor)).toBe("    # x");
  });
});

describe("access", () => {
  test("follows the role, and stays focusable", () => {
    const one = bench(undefined, "viewer");
    addCell(one.doc, "x");
    const editor = open(one);
    const { contentDOM } = editor.view;
    expect(editor.view.state.readOnly).toBe(true);
    expect(contentDOM.getAttribute("contenteditable")).toBe("true");
    expect(contentDOM.getAttribute("aria-readonly")).toBe("true");
    one.session.store.setState({ role: "editor" });
    expect(editor.view.state.readOnly).toBe(false);
    one.session.store.setState({ phase: "ended" });
    expect(editor.view.state.readOnly).toBe(true);
  });

  test("whoever lost the right to write cannot undo either", () => {
    const one = bench();
    addCell(one.doc, "");
    const editor = open(one);
    editor.view.dispatch({ changes: { from: 0, insert: "x" }, userEvent: "input" });
    one.session.store.setState({ role: "viewer" });
    press(editor, "z", 90, { ctrlKey: true });
    expect(sourceOf(editor)).toBe("x");
  });
});

test("the label is the text box's name and can change", () => {
  const one = bench();
  addCell(one.doc, "x");
  const editor = open(one);
  const { contentDOM } = editor.view;
  expect(contentDOM.getAttribute("role")).toBe("textbox");
  expect(contentDOM.getAttribute("aria-label")).toBe("Source of cell 1");
  editor.setLabel("Source of cell 2");
  expect(contentDOM.getAttribute("aria-label")).toBe("Source of cell 2");
});

test("presence says where the caret is, and that it left", async () => {
  const one = bench();
  const text = addCell(one.doc, "x = 1");
  const editor = open(one);
  editor.focus(2);
  await vi.waitFor(() => expect(one.told).toHaveLength(1));
  const [said] = one.told;
  expect(said).toMatchObject({ cell: CELL, mode: "edit" });
  const head = Y.createRelativePositionFromJSON(said?.cursor?.head);
  text.insert(0, "ab");
  expect(Y.createAbsolutePositionFromRelativePosition(head, one.doc)?.index).toBe(4);
  editor.view.contentDOM.blur();
  await vi.waitFor(() => expect(one.told.at(-1)).toEqual({ cursor: null }));
});

test("lines are numbered as its person wants, in this cell or in all", () => {
  const one = bench();
  addCell(one.doc, "a\nb");
  const editor = open(one);
  const numbers = (): string[] =>
    [...editor.view.dom.querySelectorAll<HTMLElement>(".cm-lineNumbers .cm-gutterElement")]
      .filter(({ style }) => style.visibility !== "hidden")
      .map(({ textContent }) => textContent);
  expect(numbers()).toEqual([]);
  toggleLineNumbers([CELL]);
  expect(numbers()).toEqual(["1", "2"]);
  toggleLineNumbers([CELL]);
  expect(numbers()).toEqual([]);
  toggleAllLineNumbers();
  expect(numbers()).toEqual(["1", "2"]);
  toggleLineNumbers([CELL]);
  expect([hasLineNumbers(CELL), hasLineNumbers("another")]).toEqual([false, true]);
  expect(numbers()).toEqual([]);
  toggleAllLineNumbers();
  expect([hasLineNumbers(CELL), hasLineNumbers("another")]).toEqual([false, false]);
});

test("a cell that is gone has no editor", () => {
  expect(() => open(bench())).toThrow(CELL);
});

test("Shift+Tab after a name asks for documentation while a cell runs, too; only people who may run ask", async () => {
  const asked: string[] = [];
  const own = bench();
  addCell(own.doc, "len");
  const session: Session = {
    ...own.session,
    inspect: async (code, cursor) => {
      asked.push(`${code} at ${cursor}`);
      return "Return the number of items.";
    },
  };
  const editor = open({ ...own, session });
  const ask = async (status: "idle" | "busy" | "dead", role: string): Promise<void> => {
    session.store.setState({ role, runtime: { ...NO_RUNTIME, status } });
    editor.focus("end");
    press(editor, "Tab", 9, { shiftKey: true });
    await Promise.resolve();
  };
  await ask("dead", "editor");
  await ask("busy", "viewer");
  expect(asked).toEqual([]);
  await ask("idle", "editor");
  await ask("busy", "editor");
  expect(asked).toEqual(["len at 3", "len at 3"]);
  await Promise.resolve();
  expect(document.querySelector(".inspection")?.textContent).toBe("Return the number of items.");
});
