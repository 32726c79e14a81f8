/** A workbench without a page, for tests: a real session on a server in this process, and cells that only take notes. */
import * as Y from "yjs";
import { createStore } from "zustand/vanilla";
import { observeOrder } from "../notebook/observe.ts";
import { notebookOf } from "../notebook/peers.ts";
import { orderedIds } from "../notebook/schema.ts";
import { createFakeServer, type FakeServer } from "../session/fake_server.ts";
import { openSession, type Session } from "../session/session.ts";
import { only, prune } from "./selection.ts";
import type { ViewState, Workbench } from "./workbench.ts";

export interface FakeBench extends Workbench {
  readonly server: FakeServer;
  /** What was said and alarmed. */
  readonly said: string[];
  /** Where the caret stands in an open editor. */
  readonly carets: Map<string, number>;
  /** Until what was sent has arrived. */
  settle(): Promise<void>;
  /** The id of the cell at this place. */
  idAt(place: number): string;
  select(...places: number[]): void;
  close(): void;
}

export async function openFakeBench(sources: readonly string[], role = "editor"): Promise<FakeBench> {
  const server = createFakeServer(Y.encodeStateAsUpdate(notebookOf(...sources).doc));
  server.role = role;
  const session: Session = openSession({ notebookId: "n", url: server.url, WebSocket: server.WebSocket });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  await settle();
  const { notebook } = session;
  const said: string[] = [];
  const carets = new Map<string, number>();
  let before = orderedIds(notebook);
  const first = before[0];
  const view = createStore<ViewState>(() => ({
    selection: first === undefined ? { active: null, anchor: null, ids: [] } : only(first),
    mode: "command",
    openTexts: new Set<string>(),
    hiddenSources: new Set<string>(),
    hiddenOutputs: new Set<string>(),
    outputViews: new Map(),
    dialog: null,
    pane: null,
    leader: false,
    clipboard: [],
  }));
  const stop = observeOrder(notebook, () => {
    const now = orderedIds(notebook);
    view.setState({ selection: prune(before, now, view.getState().selection) });
    before = now;
  });
  const idAt = (place: number): string => orderedIds(notebook)[place] ?? "";
  return {
    session,
    server,
    view,
    said,
    carets,
    settle,
    idAt,
    select(...places) {
      const ids = places.map(idAt);
      view.setState({ selection: { active: ids.at(-1) ?? null, anchor: ids[0] ?? null, ids }, mode: "command" });
    },
    cells: {
      focus: (id) => view.setState({ selection: only(id), mode: "command" }),
      edit: (id) => view.setState({ selection: only(id), mode: "edit" }),
      leave: () => view.setState({ mode: "command" }),
      caret: (id) => carets.get(id) ?? null,
      scrollTo: () => {},
      output: () => null,
    },
    say: (text) => void said.push(text),
    alarm: (text) => void said.push(text),
    nextPart: () => {},
    focusTitle: () => {},
    close() {
      stop();
      session.close();
    },
  };
}
