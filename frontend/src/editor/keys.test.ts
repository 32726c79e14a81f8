// @vitest-environment jsdom
/** The order of keys inside an editor: ours before CodeMirror's, and the page's before both. */
import { defaultKeymap } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { EditorView, type KeyBinding, keymap, runScopeHandlers } from "@codemirror/view";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { tabFocusStore, toggleTabFocus } from "../actions/tab_focus.ts";
import { ACTIONS } from "../actions.ts";
import { keys } from "./keys.ts";
import { tabFocus } from "./tab_focus.ts";

beforeAll(() => {
  // jsdom lays nothing out.
  Range.prototype.getClientRects = () => document.createElement("div").getClientRects();
});
const views: EditorView[] = [];
afterEach(() => {
  for (const view of views.splice(0)) view.destroy();
});

function open(
  doc = "one\ntwo",
  extensions = [keys({ type: "code", onEscape: () => {}, onLeave: () => {} })],
): EditorView {
  const view = new EditorView({ parent: document.body, state: EditorState.create({ doc, extensions }) });
  views.push(view);
  return view;
}

/** One name for one key on one system, however it is written: "Ctrl+Shift+p" and "Shift-Mod-P" are "Ctrl Shift p". */
function canonical(name: string, mac: boolean): string {
  const parts = name.split(/[-+](?!$)/);
  const held = parts
    .slice(0, -1)
    .map((part) => (part === "Mod" ? (mac ? "Meta" : "Ctrl") : part === "Cmd" ? "Meta" : part));
  return [...held.sort(), (parts.at(-1) ?? "").toLowerCase()].join(" ");
}

function namesOf(all: readonly KeyBinding[], mac: boolean): string[] {
  const names = all.map(({ key, mac: onMac, linux }) => (mac ? (onMac ?? key) : (linux ?? key)) ?? "");
  // Shift with a key is bound apart where the binding says what it does.
  const shifted = all
    .filter(({ key, shift }) => key !== undefined && shift !== undefined)
    .map(({ key }) => `Shift-${key}`);
  return [...names.filter((name) => name !== ""), ...shifted].map((name) => canonical(name, mac));
}

/** In the order in which they are asked. */
const bindings = (): readonly KeyBinding[] => open().state.facet(keymap).flat();

const LEADERLESS = ACTIONS.flatMap((action) => action.keys).filter(({ keys }) => !keys.startsWith("Leader"));
const PAGE_IN_EDITOR = LEADERLESS.filter(({ places }) => places.includes("edit")).map(({ keys }) => keys);

describe.each([
  { system: "Linux and Windows", mac: false },
  { system: "macOS", mac: true },
])("$system", ({ mac }) => {
  test("what is bound twice inside the editor, the first one wins: ours", () => {
    const names = namesOf(bindings(), mac);
    const twice = [...new Set(names.filter((name, at) => names.indexOf(name) !== at))].sort();
    // The arrows lead out before they move; Backspace takes a pair of brackets before it takes a character.
    const everywhere = ["arrowdown", "arrowup", "backspace"];
    expect(twice).toEqual(mac ? ["Ctrl a", "Meta /", "Meta Shift z", ...everywhere] : ["Ctrl /", ...everywhere]);
  });

  test("nothing of CodeMirror's is lost but what the page takes", () => {
    const ours = new Set(namesOf(bindings(), mac));
    const lost = namesOf(defaultKeymap, mac).filter((name) => !ours.has(name));
    const taken = mac
      ? ["Alt Ctrl h", "Alt Shift m", "Meta enter", "Shift enter"]
      : ["Ctrl enter", "Ctrl m", "Shift enter"];
    expect(lost.sort()).toEqual(taken);
  });

  test("the page takes nothing that an editor needs", () => {
    const inEditor = new Set(namesOf(bindings(), mac));
    expect(PAGE_IN_EDITOR.map((keys) => canonical(keys, mac)).filter((name) => inEditor.has(name))).toEqual([]);
  });
});

test("[conflict 1] Ctrl+M is not CodeMirror's Tab switch: the switch has a key of its own", () => {
  const view = open("x", [keys({ type: "code", onEscape: () => {}, onLeave: () => {} }), tabFocus()]);
  const leader = new KeyboardEvent("keydown", { key: "m", keyCode: 77, ctrlKey: true } as KeyboardEventInit);
  expect(runScopeHandlers(view, leader, "editor")).toBe(false);
  expect(ACTIONS.find(({ id }) => id === "view.tabFocus")?.keys.map(({ keys }) => keys)).toEqual(["Alt+Shift+M"]);
});

test("with the switch on, Tab is the browser's, in every editor, old and new", async () => {
  const extensions = [keys({ type: "code", onEscape: () => {}, onLeave: () => {} }), tabFocus()];
  const old = open("", extensions);
  toggleTabFocus();
  const fresh = open("", extensions);
  await Promise.resolve();
  const tab = (view: EditorView): boolean =>
    !view.contentDOM.dispatchEvent(
      new KeyboardEvent("keydown", { key: "Tab", keyCode: 9, cancelable: true, bubbles: true } as KeyboardEventInit),
    );
  expect([old, fresh].map(tab)).toEqual([false, false]);
  toggleTabFocus();
  expect(tabFocusStore.getState().on).toBe(false);
  expect([old, fresh].map(tab)).toEqual([true, true]);
  expect(old.state.doc.toString()).toBe("    ");
});

test("the browser's own Undo is no way around a lost right to write", () => {
  const undone = vi.fn(() => true);
  const history = EditorView.domEventHandlers({ beforeinput: undone });
  const own = keys({ type: "code", onEscape: () => {}, onLeave: () => {} });
  const undo = (view: EditorView): boolean =>
    view.contentDOM.dispatchEvent(
      new InputEvent("beforeinput", { inputType: "historyUndo", cancelable: true, bubbles: true }),
    );
  expect(undo(open("x", [history, own, EditorState.readOnly.of(true)]))).toBe(false);
  expect(undone).not.toHaveBeenCalled();
  undo(open("x", [history, own]));
  expect(undone).toHaveBeenCalledOnce();
});
