/** The live editor of one cell: CodeMirror bound to the cell's Y.Text. The text outlives it. */
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, dropCursor, EditorView } from "@codemirror/view";
import { yCollab } from "y-codemirror.next";
import { cellOf } from "../notebook/schema.ts";
import type { Session } from "../session/session.ts";
import { completion } from "./completion.ts";
import { inspection } from "./inspection.ts";
import { keys } from "./keys.ts";
import { language } from "./language.ts";
import { numberedLines } from "./line_numbers.ts";
import { presence } from "./presence.ts";
import { wholeCodePoints } from "./surrogates.ts";
import { tabFocus } from "./tab_focus.ts";
import { theme } from "./theme.ts";

export interface CellEditor {
  readonly view: EditorView;
  focus(at?: "start" | "end" | number | { readonly x: number; readonly y: number }): void;
  /** What a screen reader calls it. */
  setLabel(label: string): void;
  destroy(): void;
}

export interface EditorOptions {
  readonly session: Session;
  readonly cellId: string;
  readonly parent: HTMLElement;
  /** For the style elements that CodeMirror makes. */
  readonly nonce: string;
  readonly label: string;
  readonly onEscape: () => void;
  /** The caret goes up from the first line or down from the last. */
  readonly onLeave: (direction: -1 | 1) => void;
}

/** Throws when the cell is gone. */
export function createEditor(options: EditorOptions): CellEditor {
  const { session, cellId, parent } = options;
  const cell = cellOf(session.notebook, cellId);
  if (cell === null) throw new Error(`There is no cell ${cellId}.`);
  const access = new Compartment();
  const name = new Compartment();
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: cell.source.toString(),
      extensions: [
        EditorView.cspNonce.of(options.nonce),
        theme(),
        drawSelection(),
        dropCursor(),
        EditorState.allowMultipleSelections.of(true),
        language(cell.type),
        // Only "\n" ends a line: any other would make CodeMirror count other offsets than the Y.Text.
        EditorState.lineSeparator.of("\n"),
        wholeCodePoints(),
        cell.type === "code" ? [completion(session), inspection(session)] : [],
        tabFocus(),
        numberedLines(cellId),
        keys({ type: cell.type, onEscape: options.onEscape, onLeave: options.onLeave }),
        presence(session, cellId, cell.source),
        yCollab(cell.source, null, { undoManager: session.undo.text(cellId) ?? false }),
        name.of(labelled(options.label)),
        access.of(accessFor(session)),
      ],
    }),
  });
  let label = options.label;
  const stop = session.store.subscribe((state, old) => {
    if (state.role !== old.role || state.phase !== old.phase)
      view.dispatch({ effects: access.reconfigure(accessFor(session)) });
  });

  return {
    view,
    setLabel(next) {
      if (next === label) return;
      label = next;
      view.dispatch({ effects: name.reconfigure(labelled(next)) });
    },
    focus(at) {
      view.focus();
      if (at === undefined) return;
      const { length } = view.state.doc;
      const anchor =
        at === "start"
          ? 0
          : at === "end"
            ? length
            : typeof at === "number"
              ? Math.min(at, length)
              : (view.posAtCoords(at) ?? length);
      view.dispatch({ selection: { anchor }, scrollIntoView: true });
    },
    destroy() {
      stop();
      view.destroy();
    },
  };
}

function labelled(label: string): Extension {
  return EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocorrect: "off" });
}

function accessFor(session: Session): Extension {
  const { role, phase } = session.store.getState();
  const mayEdit = phase !== "ended" && (role === "editor" || role === "owner");
  // Who may only read can still put a caret there, select and copy.
  return mayEdit ? [] : [EditorState.readOnly.of(true), EditorView.contentAttributes.of({ "aria-readonly": "true" })];
}
