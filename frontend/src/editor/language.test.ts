// @vitest-environment jsdom
import { syntaxTree } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { expect, it } from "vitest";
import { language, loadMarkdown, loadPython } from "./language.ts";

const nameAt = (view: EditorView, at: number): string => syntaxTree(view.state).resolveInner(at, 1).name;

it("writes before the grammar of Python is there, reads it once it is, and has it at once from then on", async () => {
  const state = (): EditorState => EditorState.create({ doc: "def f(): pass", extensions: [language("code")] });
  const early = new EditorView({ state: state() });
  const closed = new EditorView({ state: state() });
  closed.destroy();
  expect(nameAt(early, 0)).toBe("");
  early.dispatch({ changes: { from: early.state.doc.length, insert: "\nx = 1" } });
  await loadPython();
  await Promise.resolve();
  expect(nameAt(early, 0)).toBe("def");
  expect(early.state.doc.toString()).toBe("def f(): pass\nx = 1");
  const late = new EditorView({ state: state() });
  expect(nameAt(late, 0)).toBe("def");
  for (const view of [early, late]) view.destroy();
});

it("does the same with that of text", async () => {
  const state = EditorState.create({ doc: "# Title", extensions: [language("markdown")] });
  const early = new EditorView({ state });
  expect(nameAt(early, 0)).toBe("");
  await loadMarkdown();
  await Promise.resolve();
  expect(nameAt(early, 2)).toBe("ATXHeading1");
  early.destroy();
});
