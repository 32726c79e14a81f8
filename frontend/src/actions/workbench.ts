/** One open notebook on this page, as actions see it: the session, what is selected, and the few things a view can do. */

import type { StoreApi } from "zustand/vanilla";
import type { CellData } from "../notebook/edits.ts";
import type { OutputView } from "../outputs/controls/views.ts";
import type { Session } from "../session/session.ts";
import type { OpenPane } from "./panes.ts";
import type { Selection } from "./selection.ts";

export type Mode = "command" | "edit";

export type Dialog =
  | { readonly kind: "palette" }
  | { readonly kind: "shortcuts" }
  | { readonly kind: "share" }
  | { readonly kind: "name" }
  | { readonly kind: "about" }
  | { readonly kind: "changeType" }
  | { readonly kind: "attach" }
  | { readonly kind: "reset"; readonly all: boolean }
  | { readonly kind: "confirm"; readonly question: Question };

export interface Question {
  readonly title: string;
  readonly detail: string;
  /** The word on the button that does it, such as "Restart". */
  readonly confirm: string;
  readonly run: () => void | Promise<void>;
}

export interface ViewState {
  readonly selection: Selection;
  readonly mode: Mode;
  /** Text cells that show their source because this person is writing in them. */
  readonly openTexts: ReadonlySet<string>;
  readonly hiddenSources: ReadonlySet<string>;
  readonly hiddenOutputs: ReadonlySet<string>;
  /** Where this person chose how the outputs of a cell are shown. */
  readonly outputViews: ReadonlyMap<string, OutputView>;
  readonly dialog: Dialog | null;
  readonly pane: OpenPane | null;
  /** True while Ctrl+M waits for its key. */
  readonly leader: boolean;
  readonly clipboard: readonly CellData[];
}

/** What the list of cells can be asked to do. */
export interface CellsView {
  /** Selects the cell and puts the focus on it (command mode). */
  focus(id: string): void;
  /** Opens the cell's editor with the caret there (edit mode). */
  edit(id: string, at?: "start" | "end"): void;
  /** Leaves the editor; the cell keeps the focus. */
  leave(): void;
  /** Offset of the caret in the cell's source, null when it has no editor. */
  caret(id: string): number | null;
  scrollTo(id: string): void;
  /** The region of the cell's outputs, null when the cell is gone. */
  output(id: string): HTMLElement | null;
}

export interface Workbench {
  readonly session: Session;
  readonly view: StoreApi<ViewState>;
  readonly cells: CellsView;
  /** A sentence for everyone's eyes and the polite live region. */
  say(text: string): void;
  /** The same for what went wrong, in the assertive one. */
  alarm(text: string): void;
  /** Moves the focus to the next (1) or previous (-1) part of the page. */
  nextPart(direction: 1 | -1): void;
  focusTitle(): void;
}

export function setSelection(bench: Workbench, selection: Selection): void {
  bench.view.setState({ selection });
}

export function openDialog(bench: Workbench, dialog: Dialog): void {
  bench.view.setState({ dialog });
}

/** Asks before doing something that loses work or disturbs others. */
export function ask(bench: Workbench, question: Question): void {
  openDialog(bench, { kind: "confirm", question });
}
