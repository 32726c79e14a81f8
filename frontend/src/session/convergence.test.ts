/** Three people on one server, connections that come and go, edits and undo of every kind: all agree in the end. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import {
  deleteCells,
  duplicateCells,
  insertCell,
  mergeCells,
  moveCells,
  setType,
  splitCell,
} from "../notebook/edits.ts";
import { notebookOf, plain, type } from "../notebook/peers.ts";
import { cellOf, openNotebook, orderedIds } from "../notebook/schema.ts";
import { createFakeServer } from "./fake_server.ts";
import { openSession, type Session } from "./session.ts";

beforeEach(() => {
  // Microtasks and setImmediate stay real: they carry the frames.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const EDITS = ["type", "insert", "delete", "move", "split", "merge", "duplicate", "turn", "undo", "redo"] as const;
const NETWORK = ["drop", "down", "up", "hold", "commit", "wait"] as const;
const STEP = fc.record({
  who: fc.nat({ max: 2 }),
  what: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...EDITS) }, fc.constantFrom(...NETWORK)),
  at: fc.nat({ max: 99 }),
  ms: fc.constantFrom(0, 0, 5, 20, 400),
});

function edit({ notebook, undo }: Session, what: (typeof EDITS)[number], at: number, word: string): void {
  const ids = orderedIds(notebook);
  const id = ids[at % Math.max(1, ids.length)] ?? "";
  const before = ids[(at * 7) % (ids.length + 1)] ?? null;
  const length = cellOf(notebook, id)?.source.length ?? 0;
  switch (what) {
    case "type":
      if (ids.length > 0) type(notebook, id, at % 2 === 0 ? 0 : length, word);
      break;
    case "insert":
      insertCell(notebook, { type: "code", source: word, before });
      break;
    case "delete":
      deleteCells(notebook, [id]);
      break;
    case "move":
      moveCells(notebook, [id], before);
      break;
    case "split":
      splitCell(notebook, id, at % (length + 1));
      break;
    case "merge":
      mergeCells(notebook, ids.slice(at % Math.max(1, ids.length)).slice(0, 2));
      break;
    case "duplicate":
      duplicateCells(notebook, [id]);
      break;
    case "turn":
      setType(notebook, id, at % 2 === 0 ? "markdown" : "code");
      break;
    case "undo":
      undo.structure.undo();
      break;
    case "redo":
      undo.structure.redo();
      break;
  }
}

test("everybody and the server agree, all is saved, and nobody was put out", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 5, maxLength: 40 }), async (steps) => {
      const server = createFakeServer(Y.encodeStateAsUpdate(notebookOf("a\nb 😀", "c", "d").doc));
      const sessions = ["u1", "u2", "u3"].map((id) => {
        server.person = { id, name: id };
        return openSession({ notebookId: "n", url: server.url, WebSocket: server.WebSocket });
      });
      await pass(0);
      for (const [nth, { who, what, at, ms }] of steps.entries()) {
        const session = sessions[who];
        if (session === undefined) continue;
        if (what === "drop") server.connections[at % Math.max(1, server.connections.length)]?.close(1012);
        else if (what === "down") server.down = true;
        else if (what === "up") server.down = false;
        else if (what === "hold") server.holdCommits = true;
        else if (what === "commit") {
          server.holdCommits = false;
          server.commit();
        } else if (what !== "wait") edit(session, what, at, `w${String(nth)}😀`);
        await pass(ms);
      }
      server.down = false;
      server.holdCommits = false;
      server.commit();
      for (let seconds = 0; seconds < 20; seconds += 2) await pass(2000);
      for (const { store } of sessions)
        expect(store.getState()).toMatchObject({ phase: "synced", save: "Saved", unsaved: false, ended: null });
      const expected = plain(openNotebook(server.doc));
      for (const { notebook } of sessions) expect(plain(notebook)).toEqual(expected);
      expect(new Set(expected.map(({ id }) => id)).size).toBe(expected.length);
      for (const session of sessions) session.close();
    }),
    { numRuns: 60 },
  );
});
