/** Makes the workbench of one open notebook: session, view state, cells, and what they need from the page. */

import { createStore, type StoreApi } from "zustand/vanilla";
import { rememberedPane } from "../../actions/panes";
import { NOTHING } from "../../actions/selection";
import type { CellsView, ViewState, Workbench } from "../../actions/workbench";
import type { Frames } from "../../outputs/frames";
import type { Session } from "../../session/session";
import { type BenchWithoutCells, type CellsList, mountCells } from "../cells/cells";
import { alarm, say } from "../shared/announcements";
import { isMac } from "../shared/platform";
import { movePart } from "./parts";

export interface NotebookBench extends Workbench {
  /** Shows the cells inside `parent`; the function takes them away again. */
  mountCells(parent: HTMLElement): () => void;
  close(): void;
}

interface Options {
  readonly session: Session;
  readonly frames: Frames;
  readonly nonce: string;
}

/** Before the cells are mounted there is nothing to focus. */
const NO_CELLS: CellsView = {
  focus: () => {},
  edit: () => {},
  leave: () => {},
  caret: () => null,
  scrollTo: () => {},
  output: () => null,
};

export function createBench({ session, frames, nonce }: Options): NotebookBench {
  let mounted: CellsList | null = null;
  const view: StoreApi<ViewState> = createStore<ViewState>(() => ({
    selection: NOTHING,
    mode: "command",
    openTexts: new Set<string>(),
    hiddenSources: new Set<string>(),
    hiddenOutputs: new Set<string>(),
    outputViews: new Map(),
    dialog: null,
    pane: rememberedPane(),
    leader: false,
    clipboard: [],
  }));
  const inner: BenchWithoutCells = {
    session,
    view,
    say,
    alarm,
    nextPart: movePart,
    focusTitle: () => {
      const title = document.querySelector<HTMLInputElement>(".title-box");
      title?.focus();
      title?.select();
    },
  };
  return {
    ...inner,
    get cells() {
      return mounted ?? NO_CELLS;
    },
    mountCells(parent) {
      const list = mountCells(inner, { parent, frames, nonce, runKeys: isMac() ? "⌘Enter" : "Ctrl+Enter" });
      mounted = list;
      return () => {
        mounted = null;
        list.destroy();
      };
    },
    close: () => session.close(),
  };
}
