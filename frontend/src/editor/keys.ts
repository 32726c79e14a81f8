/** Keys inside an editor. Everything that runs, saves or leaves belongs to the page and is let through. */
import {
  acceptCompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionStatus,
  startCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, indentLess, indentMore, insertTab, toggleComment } from "@codemirror/commands";
import { selectNextOccurrence } from "@codemirror/search";
import { EditorSelection, type Extension, Prec } from "@codemirror/state";
import { type Command, EditorView, type KeyBinding, keymap } from "@codemirror/view";
import { yUndoManagerKeymap } from "y-codemirror.next";
import type { CellType } from "../notebook/schema.ts";

interface Options {
  readonly type: CellType;
  readonly onEscape: () => void;
  readonly onLeave: (direction: -1 | 1) => void;
}

// The page's own: running, inserting below, the leader (whose place CodeMirror gives to its Tab switch), executed code
// (Emacs deletes a word by that on macOS; Alt+Backspace does, too).
const LEFT_TO_THE_PAGE = [
  "Mod-Enter",
  "Shift-Enter",
  "Alt-Enter",
  "Ctrl-Enter",
  "Mod-s",
  "Mod-p",
  "Ctrl-m",
  "Ctrl-Alt-h",
  "Escape",
];

// Enter would take Shift+Enter with it.
const editing: readonly KeyBinding[] = defaultKeymap
  .filter(({ key, mac }) => ![key, mac].some((name) => name !== undefined && LEFT_TO_THE_PAGE.includes(name)))
  .map((binding) => (binding.key === "Enter" ? { key: "Enter", run: binding.run } : binding));

export function keys({ type, onEscape, onLeave }: Options): Extension {
  const leaves = (direction: -1 | 1): Command => {
    return (view) => {
      const { main } = view.state.selection;
      if (!main.empty || completionStatus(view.state) !== null || !isOnEdge(view, direction)) return false;
      onLeave(direction);
      return true;
    };
  };
  const own: KeyBinding[] = [
    { key: "ArrowUp", run: leaves(-1) },
    { key: "ArrowDown", run: leaves(1) },
    { key: "Tab", run: (view) => acceptCompletion(view) || tab(view, type) },
    { key: "Shift-Tab", run: indentLess },
    { key: "Mod-/", run: toggleComment },
    { key: "Mod-d", run: selectNextOccurrence, preventDefault: true },
  ];
  return [
    closeBrackets(),
    Prec.highest(EditorView.domEventHandlers({ beforeinput: (event, view) => undoesReadOnly(event, view) })),
    Prec.low(
      keymap.of([
        {
          key: "Escape",
          run: () => {
            onEscape();
            return true;
          },
        },
      ]),
    ),
    keymap.of([...own, ...closeBracketsKeymap, ...yUndoManagerKeymap.map(whereWritable), ...editing]),
  ];
}

/** The browser's own Undo, as in its menu, must not get past whoever may not write either. */
function undoesReadOnly(event: InputEvent, view: EditorView): boolean {
  if (!view.state.readOnly || !event.inputType.startsWith("history")) return false;
  event.preventDefault();
  return true;
}

/** Undo changes the text behind CodeMirror's back, so it has to ask for itself. */
function whereWritable(binding: KeyBinding): KeyBinding {
  const { run } = binding;
  return run === undefined ? binding : { ...binding, run: (view) => view.state.readOnly || run(view) };
}

/** Whether one more step up or down would leave the text, wrapped lines counted as they are seen. */
function isOnEdge(view: EditorView, direction: -1 | 1): boolean {
  const { main } = view.state.selection;
  const line = view.state.doc.lineAt(main.head);
  const isOutermost = direction === -1 ? line.number === 1 : line.number === view.state.doc.lines;
  if (!isOutermost) return false;
  const moved = view.moveVertically(EditorSelection.cursor(main.head), direction === 1);
  const here = view.coordsAtPos(main.head);
  const there = view.coordsAtPos(moved.head);
  return moved.head === main.head || here === null || there === null || Math.abs(here.top - there.top) < 2;
}

/** Tab completes after a name and indents elsewhere. */
function tab(view: EditorView, type: CellType): boolean {
  if (view.state.readOnly) return false;
  const { main, ranges } = view.state.selection;
  if (ranges.length > 1 || !main.empty) return indentMore(view);
  const before = view.state.sliceDoc(Math.max(0, main.head - 1), main.head);
  if (type === "code" && /[\p{L}\p{N}_.]/u.test(before)) return startCompletion(view);
  if (type === "code") {
    const column = main.head - view.state.doc.lineAt(main.head).from;
    view.dispatch(view.state.replaceSelection(" ".repeat(4 - (column % 4))), {
      scrollIntoView: true,
      userEvent: "input",
    });
    return true;
  }
  return insertTab(view);
}
