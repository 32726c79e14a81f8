// @vitest-environment jsdom
/** Completions of the kernel in an editor: offsets in code points on the wire, in UTF-16 units in the text. */
import { acceptCompletion, completionStatus, currentCompletions, startCompletion } from "@codemirror/autocomplete";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { notebookOf } from "../notebook/peers.ts";
import { createFakeServer, type FakeServer } from "../session/fake_server.ts";
import { openSession } from "../session/session.ts";
import { completion } from "./completion.ts";

beforeAll(() => {
  // jsdom lays nothing out.
  Range.prototype.getClientRects = () => document.createElement("div").getClientRects();
});
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const stop of cleanup.splice(0)) stop();
});

async function open(doc: string, role = "editor"): Promise<{ view: EditorView; server: FakeServer }> {
  const server = createFakeServer(Y.encodeStateAsUpdate(notebookOf("x").doc));
  server.role = role;
  const session = openSession({ notebookId: "n", url: server.url, WebSocket: server.WebSocket });
  await vi.waitFor(() => expect(session.store.getState().phase).toBe("synced"));
  const view = new EditorView({
    parent: document.body,
    state: EditorState.create({ doc, selection: { anchor: doc.length }, extensions: [completion(session)] }),
  });
  cleanup.push(() => view.destroy(), session.close);
  return { view, server };
}

const asked = (server: FakeServer) =>
  vi.waitFor(() => expect(server.commands).toHaveLength(1)).then(() => server.commands[0] ?? {});

/** Until the question is over, without an answer. */
async function nothing(view: EditorView): Promise<void> {
  expect(completionStatus(view.state)).toBe("pending");
  await vi.waitFor(() => expect(completionStatus(view.state)).toBeNull());
  expect(currentCompletions(view.state)).toEqual([]);
}

describe("completions", () => {
  test("replace what the kernel named, beyond the basic plane too", async () => {
    const { view, server } = await open("'😀' + np.ar");
    startCompletion(view);
    const { request, ...command } = await asked(server);
    // 12 UTF-16 units, 11 code points.
    expect(command).toEqual({ type: "complete", code: "'😀' + np.ar", cursor: 11 });
    server.tell({
      type: "completions",
      request,
      matches: ["np.arange", "np.array"],
      start: 6,
      end: 11,
      types: ["function"],
    });
    await vi.waitFor(() => expect(currentCompletions(view.state)).toHaveLength(2));
    expect(currentCompletions(view.state).map(({ label, detail }) => [label, detail])).toEqual([
      ["np.arange", "function"],
      ["np.array", undefined],
    ]);
    // CodeMirror waits a little before a choice counts, so that typing chooses nothing.
    await vi.waitFor(() => expect(acceptCompletion(view)).toBe(true));
    expect(view.state.doc.toString()).toBe("'😀' + np.arange");
  });

  test("are none when the kernel refuses", async () => {
    const { view, server } = await open("np.ar");
    startCompletion(view);
    const { request } = await asked(server);
    server.tell({ type: "refused", reason: "No runtime.", request, command: "complete" });
    await nothing(view);
  });

  test("are not asked for by who may not run code", async () => {
    const { view, server } = await open("np.ar", "viewer");
    startCompletion(view);
    await nothing(view);
    expect(server.commands).toEqual([]);
  });
});
