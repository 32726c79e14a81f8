// @vitest-environment jsdom
/** Live editors follow the shared text of their cell, also when it becomes another one. */
import { afterEach, beforeAll, expect, test } from "vitest";
import * as Y from "yjs";
import { deleteCells, splitCell } from "../notebook/edits.ts";
import { observeCell } from "../notebook/observe.ts";
import { joined, notebookOf, sourcesOf, sync } from "../notebook/peers.ts";
import { orderedIds } from "../notebook/schema.ts";
import { createUndo } from "../notebook/undo.ts";
import { createFakeServer } from "../session/fake_server.ts";
import { openSession } from "../session/session.ts";
import { createEditors } from "../views/cells/editors.ts";

beforeAll(() => {
  // jsdom lays nothing out.
  Range.prototype.getClientRects = () => document.createElement("div").getClientRects();
});
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const stop of cleanup.splice(0)) stop();
});

test("[S6] a cell that somebody deleted and brought back in one go has an editor of the new text", async () => {
  const server = createFakeServer(Y.encodeStateAsUpdate(notebookOf("a", "b").doc));
  const session = openSession({ notebookId: "n", url: server.url, WebSocket: server.WebSocket });
  cleanup.push(() => session.close());
  while (session.store.getState().phase !== "synced") await new Promise((resolve) => setTimeout(resolve));
  const { notebook } = session;
  const id = orderedIds(notebook)[0] ?? "";
  const slot = document.body.appendChild(document.createElement("div"));
  const editors = createEditors({
    session,
    nonce: "n",
    slot: (cell) => (cell === id ? slot : null),
    wanted: () => true,
    number: () => 1,
    onEscape: () => {},
    onLeave: () => {},
  });
  cleanup.push(
    observeCell(notebook, id, () => editors.refresh(id)),
    editors.destroy,
  );
  editors.ensure(id);
  const other = joined(notebook);
  const undo = createUndo(other);
  deleteCells(other, [id]);
  undo.structure.undo();
  sync(notebook, other);
  editors.live(id)?.view.dispatch({ changes: { from: 1, insert: "!" }, userEvent: "input" });
  expect(sourcesOf(notebook)).toEqual(["a!", "b"]);
  // An editor whose text was only shortened stays the one it is.
  const before = editors.live(id);
  splitCell(notebook, id, 1);
  expect(editors.live(id)).toBe(before);
});
