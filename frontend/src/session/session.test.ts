/** The session against a server in this process that speaks the protocol with real Yjs. */
import * as encoding from "lib0/encoding";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { deleteCells, insertCell } from "../notebook/edits.ts";
import { notebookOf, sourcesOf, type } from "../notebook/peers.ts";
import { openNotebook, orderedIds } from "../notebook/schema.ts";
import type { Event } from "./events.ts";
import { createFakeServer, type FakeConnection, type FakeServer } from "./fake_server.ts";
import type { OpenCopy } from "./offline.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";

const open: Session[] = [];

beforeEach(() => {
  // Microtasks and setImmediate stay real: they carry the frames.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5); // pauses of exactly their length
});
afterEach(() => {
  for (const session of open.splice(0)) session.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Until all frames under way have arrived. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await settle();
}

function serverOf(...sources: string[]): FakeServer {
  return createFakeServer(Y.encodeStateAsUpdate(notebookOf(...sources).doc));
}

async function join(server: FakeServer, options: Partial<SessionOptions> = {}): Promise<Session> {
  const session = openSession({ notebookId: "n", url: server.url, WebSocket: server.WebSocket, ...options });
  open.push(session);
  await settle();
  return session;
}

const onServer = (server: FakeServer): string[] => sourcesOf(openNotebook(server.doc));
const connectionOf = (server: FakeServer, at = 0): FakeConnection => {
  const connection = server.connections[at];
  if (connection === undefined) throw new Error(`There is no connection ${String(at)}.`);
  return connection;
};
const write = ({ notebook }: Session, words: string, at = 0): void =>
  type(notebook, orderedIds(notebook)[at] ?? "", 0, words);
const saveOf = ({ store }: Session): unknown[] => [store.getState().save, store.getState().unsaved];

describe("join", () => {
  test("[X1] the notebook, who one is, and the runtime", async () => {
    const server = serverOf("a", "b");
    const session = await join(server);
    expect(sourcesOf(session.notebook)).toEqual(["a", "b"]);
    expect(session.store.getState()).toMatchObject({
      phase: "synced",
      save: "Saved",
      unsaved: false,
      role: "editor",
      epoch: 1,
      user: { id: "u1", name: "Ana" },
      runtime: { status: "idle", kernel: "Python 3", session: "k:1" },
      ended: null,
    });
    expect(connectionOf(server).heard.slice(0, 2)).toEqual(["step2", "step1"]);
    expect(server.tried).toEqual(["?schema=1"]);
  });

  test("what the runtime uses is known until its process is gone", async () => {
    const server = serverOf("a");
    const session = await join(server);
    const usage = () => session.store.getState().usage?.kernel?.memoryBytes;
    server.tell({ type: "runtime_usage", kernel: { at: "2026-11-24T10:00:00Z", memory_bytes: 5 } });
    server.tell({ type: "runtime_changed", status: "busy", session: "k:1", stops_at: "2026-11-24T10:05:00Z" });
    await settle();
    expect(usage()).toBe(5);
    expect(session.store.getState().runtime.stopsAt).toBe(Date.UTC(2026, 10, 24, 10, 5));
    server.tell({ type: "runtime_changed", status: "dead", reason: "Out of memory.", stops_at: "" });
    await settle();
    expect(usage()).toBeUndefined();
    expect(session.store.getState().runtime).toMatchObject({ status: "dead", stopsAt: null, place: 0, attached: "" });
  });

  test("stays connecting, and tries again, while the server is down", async () => {
    const server = serverOf("a");
    server.down = true;
    const session = await join(server);
    expect(session.store.getState().phase).toBe("connecting");
    server.down = false;
    await pass(300);
    expect(session.store.getState().phase).toBe("synced");
  });
});

describe("edits", () => {
  test("reach the server and the others, who do not send them back", async () => {
    const server = serverOf("a");
    const [one, other] = [await join(server), await join(server)];
    write(one, "x");
    await settle();
    expect(onServer(server)).toEqual(["xa"]);
    expect(sourcesOf(other.notebook)).toEqual(["xa"]);
    await pass(100);
    expect(server.connections.map(({ updates }) => updates)).toEqual([2, 1]);
  });

  test("the first goes out at once, what follows within the window together", async () => {
    const server = serverOf("a");
    const session = await join(server);
    for (const letter of "hello") write(session, letter);
    await settle();
    expect(onServer(server)).toEqual(["ha"]);
    await pass(15);
    expect(onServer(server)).toEqual(["olleha"]);
    expect(connectionOf(server).heard.filter((kind) => kind === "update")).toHaveLength(2);
  });

  test("[X7] a command follows every edit made before it", async () => {
    const server = serverOf("a");
    const session = await join(server);
    write(session, "1");
    write(session, "2");
    session.send({ type: "run_cells", cells: "all" });
    write(session, "3");
    await settle();
    expect(connectionOf(server).heard.slice(-3)).toEqual(["update", "update", "command"]);
    expect(onServer(server)).toEqual(["21a"]);
  });

  test("[D6] what the server misses it gets when it asks again", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.loseNext = true;
    write(session, "x");
    await pass(20);
    write(session, "y");
    await settle();
    expect(onServer(server)).toEqual(["yxa"]);
    expect(saveOf(session)).toEqual(["Saved", false]);
  });

  test("over a megabyte they go as what answers a STEP1, which may be that large", async () => {
    const server = serverOf("a");
    const session = await join(server);
    insertCell(session.notebook, { type: "raw", source: "x".repeat(1_200_000) });
    await settle();
    expect(onServer(server)[1]).toHaveLength(1_200_000);
    expect(saveOf(session)).toEqual(["Saved", false]);
  });
});

describe("[S4] a deletion and its undoing never come as a replaced cell", () => {
  const undone = (session: Session): void => {
    write(session, "written ");
    deleteCells(session.notebook, [orderedIds(session.notebook)[0] ?? ""]);
    session.undo.structure.undo();
    write(session, "and again ");
  };

  test("all within one window", async () => {
    const server = serverOf("a");
    const session = await join(server);
    write(session, "!");
    undone(session);
    await pass(100);
    expect(session.store.getState()).toMatchObject({ phase: "synced", save: "Saved", unsaved: false });
    expect(onServer(server)).toEqual(["and again written !a"]);
  });

  test("all of it offline", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "!");
    await settle();
    server.down = true;
    connectionOf(server).close(1012);
    await settle();
    undone(session);
    server.down = false;
    server.holdCommits = false;
    await pass(1000);
    expect(session.store.getState()).toMatchObject({ phase: "synced", save: "Saved", unsaved: false });
    expect(onServer(server)).toEqual(["and again written !a"]);
    expect(sourcesOf(session.notebook)).toEqual(onServer(server));
  });
});

describe("saving", () => {
  test("[D4] is Saving until the acknowledgement, and Not saved after three seconds without one", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "x");
    expect(saveOf(session)).toEqual(["Saving", true]);
    await pass(2000);
    write(session, "y");
    await pass(900);
    expect(saveOf(session)).toEqual(["Saving", true]);
    await pass(100);
    expect(saveOf(session)).toEqual(["Not saved", true]);
    server.commit();
    await settle();
    expect(saveOf(session)).toEqual(["Saved", false]);
  });

  test("an acknowledgement of the earlier frames is none of the later ones", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "x");
    await pass(20);
    server.tell({ type: "acknowledged", frames: 1 }); // STEP2, once more
    await settle();
    expect(saveOf(session)).toEqual(["Saving", true]);
    server.tell({ type: "acknowledged", frames: 99 });
    await settle();
    expect(saveOf(session)).toEqual(["Saved", false]);
  });

  test("says why at once when the server says that it cannot", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "x");
    server.tell({ type: "cannot_save", reason: "The disk is full." });
    await settle();
    expect(session.store.getState()).toMatchObject({ save: "Not saved", saveReason: "The disk is full." });
    server.commit();
    await settle();
    expect(session.store.getState()).toMatchObject({ save: "Saved", saveReason: "" });
  });

  test("[D7] why it cannot be saved stands while the server sends everyone away for it, and is over when it can", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "x");
    const trouble = { save: "Not saved", saveReason: "The disk is full.", unsaved: true };
    for (let round = 0; round < 2; round += 1) {
      server.tell({ type: "cannot_save", reason: "The disk is full." });
      connectionOf(server).close(1013, "The notebook cannot be saved at the moment.");
      await settle();
      expect(session.store.getState()).toMatchObject(trouble);
      await pass(10_000);
      expect(server.connections).toHaveLength(1);
      expect(session.store.getState()).toMatchObject(trouble);
    }
    server.commit();
    await settle();
    expect(session.store.getState()).toMatchObject({ save: "Saved", saveReason: "", phase: "synced" });
  });

  test("a server that is gone is Offline, whatever it said before", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "x");
    server.tell({ type: "cannot_save", reason: "The disk is full." });
    server.down = true;
    connectionOf(server).close(1006, "");
    await pass(1000);
    expect(session.store.getState()).toMatchObject({ save: "Offline", saveReason: "", unsaved: true });
  });

  test("who joins while nothing can be saved is told why nothing comes", async () => {
    const server = serverOf("a");
    const writer = await join(server);
    server.holdCommits = true;
    write(writer, "x");
    const reader = await join(server);
    server.tell({ type: "cannot_save", reason: "The disk is full." });
    await settle();
    expect(reader.store.getState()).toMatchObject({ phase: "connecting", saveReason: "The disk is full." });
    server.commit();
    await settle();
    expect(reader.store.getState()).toMatchObject({ phase: "synced", save: "Saved", saveReason: "" });
  });

  test("trouble with what others wrote is over when one writes again", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.tell({ type: "cannot_save", reason: "The disk is full." });
    await settle();
    expect(session.store.getState()).toMatchObject({ save: "Saved", saveReason: "" });
    write(session, "x");
    expect(session.store.getState()).toMatchObject({ save: "Saving", saveReason: "" });
  });
});

describe("lost connections", () => {
  test("edits go on offline and arrive on return, once", async () => {
    const server = serverOf("a");
    const [session, other] = [await join(server), await join(server)];
    server.down = true;
    connectionOf(server).close(1012);
    await settle();
    expect(session.store.getState()).toMatchObject({ phase: "offline", save: "Offline", unsaved: false });
    write(session, "mine ");
    expect(saveOf(session)).toEqual(["Offline", true]);
    write(other, "theirs ");
    server.down = false;
    await pass(1000);
    expect(session.store.getState()).toMatchObject({ phase: "synced", save: "Saved", unsaved: false });
    expect(new Set([onServer(server), sourcesOf(session.notebook), sourcesOf(other.notebook)].map(String)).size).toBe(
      1,
    );
    expect(onServer(server)[0]).toHaveLength("mine theirs a".length);
    expect(server.tried.at(-1)).toBe("?schema=1&epoch=1");
  });

  test("[D8] what was sent and not acknowledged is sent again", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "x");
    await settle();
    // The server dies before the commit: another one opens the log without it.
    const next = serverOf();
    Y.applyUpdate(next.doc, Y.encodeStateAsUpdate(session.notebook.doc, new Uint8Array([0])), "server");
    connectionOf(server).close(1006);
    await settle();
    expect(saveOf(session)).toEqual(["Offline", true]);
    server.holdCommits = false;
    await pass(300);
    expect(onServer(server)).toEqual(["xa"]);
    expect(saveOf(session)).toEqual(["Saved", false]);
  });

  test("[X5] pauses grow, with jitter, and stay long while the server puts us out again", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.refuse = { code: 1013, reason: "busy" };
    connectionOf(server).close(1012);
    await settle();
    const pauses: number[] = [];
    let since = 0;
    for (let step = 0; step < 200 && pauses.length < 8; step += 1) {
      const before = server.tried.length;
      await pass(125);
      since += 125;
      if (server.tried.length === before) continue;
      pauses.push(since);
      since = 0;
    }
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 8000, 8000]);
    // A connection that lasts makes the next pause short again.
    server.refuse = null;
    await pass(8000);
    expect(session.store.getState().phase).toBe("synced");
    await pass(6000);
    connectionOf(server).close(1012);
    await pass(250);
    expect(session.store.getState().phase).toBe("synced");
  });

  test("pauses differ from tab to tab", async () => {
    vi.mocked(Math.random).mockReturnValue(0);
    const server = serverOf("a");
    await join(server);
    connectionOf(server).close(1012);
    await settle();
    await pass(125);
    expect(server.connections).toHaveLength(1);
  });

  test("a connection that says nothing for 25 seconds is given up", async () => {
    const server = serverOf("a");
    const session = await join(server);
    const first = connectionOf(server);
    server.silent = true;
    await pass(25_000);
    expect(session.store.getState().phase).toBe("offline");
    server.silent = false;
    await pass(300);
    expect(session.store.getState().phase).toBe("synced");
    expect(server.connections).not.toContain(first);
  });

  test("a connection that is never made is given up as well", async () => {
    const server = serverOf("a");
    server.silent = true;
    const session = await join(server);
    await pass(25_000);
    server.silent = false;
    await pass(300);
    expect(session.store.getState().phase).toBe("synced");
  });

  test("retryNow does not wait for the pause", async () => {
    const server = serverOf("a");
    const session = await join(server);
    connectionOf(server).close(1012);
    await settle();
    session.retryNow();
    await settle();
    expect(session.store.getState().phase).toBe("synced");
    session.retryNow();
    await settle();
    expect(server.tried).toHaveLength(2);
  });

  test("a broken frame is answered with a fresh connection, not with a hole in the document", async () => {
    const server = serverOf("a");
    const session = await join(server);
    connectionOf(server).send(new Uint8Array([0, 2, 200, 1]));
    await settle();
    expect(session.store.getState().phase).toBe("offline");
    await pass(300);
    expect(session.store.getState().phase).toBe("synced");
  });

  test("frames of a kind that this page does not know are passed over", async () => {
    const server = serverOf("a");
    const session = await join(server);
    connectionOf(server).send(new Uint8Array([77, 1, 2, 3]));
    connectionOf(server).tell({ type: "from the future" });
    connectionOf(server).send(
      encoding.encode((encoder) => {
        encoding.writeVarUint(encoder, 101);
        encoding.writeVarString(encoder, "no JSON {");
      }),
    );
    await settle();
    expect(session.store.getState().phase).toBe("synced");
  });
});

describe("commands", () => {
  const heard = (session: Session): Event[] => {
    const events: Event[] = [];
    session.onEvent((event) => events.push(event));
    return events;
  };

  test("carry their number, by which a refusal is known", async () => {
    const server = serverOf("a");
    const session = await join(server);
    const events = heard(session);
    const [first, second] = [session.send({ type: "interrupt" }), session.send({ type: "restart", run_all: true })];
    await settle();
    expect(server.commands).toEqual([
      { type: "interrupt", request: first },
      { type: "restart", run_all: true, request: second },
    ]);
    server.tell({ type: "refused", reason: "Nothing runs.", request: first, command: "interrupt" });
    await settle();
    expect(events).toEqual([{ type: "refused", reason: "Nothing runs.", request: first, command: "interrupt" }]);
  });

  test("without a connection they are refused and never sent later", async () => {
    const server = serverOf("a");
    const session = await join(server);
    const events = heard(session);
    connectionOf(server).close(1012);
    await settle();
    const request = session.send({ type: "run_cells", cells: "all" });
    await settle();
    expect(events).toMatchObject([{ type: "refused", request, command: "run_cells" }]);
    await pass(1000);
    expect(server.commands).toEqual([]);
  });

  test("completions go to who asked, and to nobody else", async () => {
    const server = serverOf("a");
    const session = await join(server);
    const events = heard(session);
    const asked = session.complete("x.", 2);
    await settle();
    const request = server.commands[0]?.["request"];
    server.tell({ type: "completions", request, matches: ["x.real"], start: 0, end: 2, types: ["property"] });
    expect(await asked).toMatchObject({ matches: ["x.real"], start: 0, end: 2, types: ["property"] });
    expect(events).toEqual([]);
  });

  test("a question is given up when it is refused, when time is over and when the connection goes", async () => {
    const server = serverOf("a");
    const session = await join(server);
    const fates = [0, 1, 2].map(() => session.inspect("x", 1).catch((error: Error) => error.message));
    await settle();
    server.tell({
      type: "refused",
      reason: "Needs runner.",
      request: server.commands[0]?.["request"],
      command: "inspect",
    });
    expect(await fates[0]).toBe("Needs runner.");
    const late = fates[1];
    await pass(10_000);
    expect(await late).toBe("The runtime did not answer.");
    const open_ = session.inspect("x", 1).catch((error: Error) => error.message);
    connectionOf(server).close(1012);
    await settle();
    expect(await open_).toBe("The connection to the server is lost.");
  });
});

describe("roles", () => {
  test("a viewer's local changes are never sent, not even in answer to STEP1", async () => {
    const server = serverOf("a");
    server.role = "viewer";
    const session = await join(server);
    write(session, "x");
    await pass(100);
    expect(connectionOf(server).heard.filter((kind) => kind === "step2" || kind === "update")).toEqual([]);
    connectionOf(server).close(1012);
    await pass(300);
    expect(connectionOf(server).heard.filter((kind) => kind === "step2" || kind === "update")).toEqual([]);
    expect(onServer(server)).toEqual(["a"]);
    expect(saveOf(session)).toEqual(["Saved", false]);
  });

  test("who becomes editor can write at once", async () => {
    const server = serverOf("a");
    server.role = "viewer";
    const session = await join(server);
    server.changeRole(connectionOf(server), "editor");
    await settle();
    expect(session.store.getState().role).toBe("editor");
    write(session, "x");
    await pass(20);
    expect(onServer(server)).toEqual(["xa"]);
    expect(saveOf(session)).toEqual(["Saved", false]);
  });

  test("a reader's copy is kept as well, and goes out when its person may write", async () => {
    const server = serverOf("a");
    server.role = "viewer";
    const kept = notebookOf("kept offline");
    const opened: unknown[] = [];
    const offline: OpenCopy = async (doc, id, epoch) => {
      opened.push([id, epoch]);
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(kept.doc), "copy");
      return null;
    };
    await join(server, { offline });
    expect(opened).toEqual([["n", 1]]);
    expect(onServer(server)).toEqual(["a"]);
    server.changeRole(connectionOf(server), "editor");
    await settle();
    expect(onServer(server).sort()).toEqual(["a", "kept offline"]);
  });

  test("who loses the role sends nothing more; what was not saved is kept", async () => {
    const server = serverOf("a");
    const session = await join(server);
    write(session, "x");
    await settle();
    write(session, "y"); // waits for its window
    server.changeRole(connectionOf(server), "viewer");
    await pass(100);
    expect(server.connections).toHaveLength(1);
    expect(onServer(server)).toEqual(["xa"]);
    expect(saveOf(session)).toEqual(["Saved", false]);
    expect(session.store.getState().recovered).toMatchObject([{ cells: [{ type: "code", source: "yxa" }] }]);
  });
});

describe("presence", () => {
  const names = ({ store }: Session): string[] => store.getState().people.map(({ user }) => user.name);

  async function two(): Promise<{ server: FakeServer; ana: Session; ben: Session }> {
    const server = serverOf("a");
    const ana = await join(server);
    server.person = { id: "u2", name: "Ben" };
    const ben = await join(server);
    await pass(50);
    return { server, ana, ben };
  }

  test("[A1] everybody under the name the server gave", async () => {
    const { ana, ben } = await two();
    expect(names(ana)).toEqual(["Ana", "Ben"]);
    expect(ana.store.getState().people.map(({ isSelf }) => isSelf)).toEqual([true, false]);
    expect(names(ben).sort()).toEqual(["Ana", "Ben"]);
  });

  test("[A2] is told at most 20 times a second, and ends with the latest", async () => {
    const { server, ana, ben } = await two();
    const before = connectionOf(server).heard.filter((kind) => kind === "awareness").length;
    for (let ms = 0; ms < 1000; ms += 5) {
      ana.setPresence({ cell: `c${String(ms)}` });
      await vi.advanceTimersByTimeAsync(5);
    }
    await pass(50);
    const told = connectionOf(server).heard.filter((kind) => kind === "awareness").length - before;
    expect(told).toBeGreaterThan(10);
    expect(told).toBeLessThanOrEqual(20);
    expect(ben.store.getState().people.find(({ isSelf }) => !isSelf)?.cell).toBe("c995");
  });

  test("[A3] a quick return is seen at once", async () => {
    const { server, ana, ben } = await two();
    connectionOf(server, 1).close(1012);
    await settle();
    expect(names(ana)).toEqual(["Ana"]);
    expect(names(ben)).toEqual(["Ben"]);
    await pass(300);
    await pass(50);
    expect(names(ana)).toEqual(["Ana", "Ben"]);
    expect(names(ben).sort()).toEqual(["Ana", "Ben"]);
  });

  test("carets of others go when the connection goes", async () => {
    const { server, ana } = await two();
    const removed: number[][] = [];
    ana.awareness.on("change", (change: { removed: number[] }) => removed.push(change.removed));
    server.down = true;
    connectionOf(server).close(1012);
    await settle();
    expect(removed.flat()).toHaveLength(1);
  });

  test("somebody in a hidden tab stays, as long as the server says so", async () => {
    const { server, ana } = await two();
    const everyone = () => {
      const states = server.connections.map(({ presence }) => presence);
      expect(states).toHaveLength(2);
    };
    everyone();
    // Ben's timers sleep; the server repeats what it knows every ten seconds, with the same clocks.
    const ben = [...ana.awareness.getStates().keys()].find((client) => client !== ana.awareness.clientID) ?? 0;
    const { clock } = ana.awareness.meta.get(ben) ?? { clock: 0 };
    open[1]?.close();
    await settle();
    const repeat = (): void =>
      connectionOf(server).send(
        encoding.encode((encoder) => {
          encoding.writeVarUint(encoder, 1);
          encoding.writeVarUint8Array(
            encoder,
            encoding.encode((inner) => {
              encoding.writeVarUint(inner, 1);
              encoding.writeVarUint(inner, ben);
              encoding.writeVarUint(inner, clock + 5);
              encoding.writeVarString(inner, JSON.stringify({ user: { id: "u2", name: "Ben" }, cell: null }));
            }),
          );
        }),
      );
    for (let s = 0; s < 60; s += 10) {
      repeat();
      await pass(10_000);
    }
    expect(names(ana)).toEqual(["Ana", "Ben"]);
  });

  test("a new name is everybody's to see, and what one says about oneself stays", async () => {
    const { server, ana, ben } = await two();
    ben.setPresence({ cell: "c7", mode: "edit" });
    server.rename({ id: "u2", name: "Benedikt" });
    await pass(50);
    await pass(50);
    expect(names(ana)).toEqual(["Ana", "Benedikt"]);
    expect(ben.store.getState().user?.name).toBe("Benedikt");
    expect(ben.awareness.getLocalState()).toEqual({ cell: "c7", cursor: null, mode: "edit" });
    expect(ana.store.getState().people[1]).toMatchObject({ cell: "c7", mode: "edit" });
  });
});

describe("the end", () => {
  test.each([4400, 4403, 4404, 4409, 4413, 4422])("[X4] %i is final", async (code) => {
    const server = serverOf("a");
    const session = await join(server);
    connectionOf(server).close(code, "Why.");
    await pass(60_000);
    expect(session.store.getState()).toMatchObject({ phase: "ended", ended: { code, reason: "Why." } });
    session.retryNow();
    await pass(1000);
    expect(server.tried).toHaveLength(1);
  });

  test("an edit that no frame can carry is not sent for ever: it ends the session, and its text is kept", async () => {
    const server = serverOf("a");
    const session = await join(server);
    write(session, "x".repeat(17 << 20));
    await pass(60_000);
    const { phase, ended, recovered } = session.store.getState();
    expect({ phase, ended }).toEqual({ phase: "ended", ended: { code: 4413, reason: "One edit is too large." } });
    expect(recovered[0]?.cells[0]?.source.length).toBe((17 << 20) + 1);
    expect(server.tried).toHaveLength(1);
  });

  test("1009, the server's answer to a frame it will not read, is as final as 4413", async () => {
    const server = serverOf("a");
    const session = await join(server);
    connectionOf(server).close(1009, "");
    await pass(60_000);
    expect(session.store.getState()).toMatchObject({ phase: "ended", ended: { code: 4413 } });
    expect(server.tried).toHaveLength(1);
  });

  test("[X6] another epoch ends it before a byte is exchanged", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.down = true;
    connectionOf(server).close(1012);
    await settle();
    write(session, "offline ");
    server.epoch = 2;
    server.down = false;
    await pass(1000);
    expect(session.store.getState()).toMatchObject({ phase: "ended", ended: { code: 4409 } });
    expect(server.connections).toEqual([]);
    expect(onServer(server)).toEqual(["a"]);
  });

  /** A copy that tells what became of it. */
  const copy = (fates: string[]): OpenCopy => {
    return async () => ({
      refresh: async () => {},
      share: () => {},
      forget: async () => void fates.push("forgotten"),
      close: async () => void fates.push("closed"),
    });
  };
  const memory = () => {
    const kept = new Map<string, string>();
    return {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    };
  };

  test.each([
    { code: 4400, forgotten: true, kept: true },
    { code: 4403, forgotten: true, kept: true },
    { code: 4404, forgotten: true, kept: true },
    { code: 4409, forgotten: false, kept: false }, // it is merged by content after a reload
    { code: 4413, forgotten: true, kept: true },
    { code: 4422, forgotten: true, kept: true },
  ])("$code with unsaved words: copy forgotten $forgotten, text kept $kept", async ({ code, forgotten, kept }) => {
    const server = serverOf("a", "b", "c");
    const fates: string[] = [];
    const storage = memory();
    const session = await join(server, { offline: copy(fates), storage });
    server.holdCommits = true;
    write(session, "unsaved ", 1);
    await settle();
    connectionOf(server).close(code, "The server says why.");
    await settle();
    expect(fates).toEqual(forgotten ? ["forgotten"] : []);
    const { recovered, unsaved } = session.store.getState();
    expect(unsaved).toBe(true);
    const expected = [{ reason: "The server says why.", cells: [{ type: "code", source: "unsaved b" }], taken: false }];
    expect(recovered).toMatchObject(kept ? expected : []);
    // The next visit finds it, until it was taken.
    server.holdCommits = false;
    const next = await join(server, { storage });
    expect(next.store.getState().recovered).toEqual(recovered);
    next.recoveredTaken();
    const third = await join(server, { storage });
    expect(third.store.getState().recovered.map(({ taken }) => taken)).toEqual(kept ? [true] : []);
  });

  test("[V6] a refused change ends it, and its words are kept", async () => {
    const server = serverOf("a");
    const session = await join(server);
    write(session, "mine ");
    await pass(20);
    session.notebook.doc.transact(() => session.notebook.outputs.set("x", new Y.Array()));
    write(session, "and more of ");
    await pass(20);
    expect(session.store.getState()).toMatchObject({ phase: "ended", ended: { code: 4422 } });
    expect(session.store.getState().recovered).toMatchObject([{ cells: [{ source: "and more of mine a" }] }]);
  });

  test("[D11] text that drifted from the server's is kept, and the page begins anew", async () => {
    const server = serverOf("a", "b");
    const storage = memory();
    const session = await join(server, { storage });
    await pass(10_100);
    const compared = server.commands.filter(({ type }) => type === "compare");
    expect(compared).toMatchObject([{ state: expect.any(String), sources: expect.any(Object) }]);
    const [a = "", b = ""] = orderedIds(session.notebook);
    expect(Object.keys(Object(compared[0]?.["sources"]))).toEqual([a, b]);
    server.tell({ type: "differs", cells: [b] });
    connectionOf(server).close(4422, "This page showed another text than what is saved.");
    await settle();
    expect(session.store.getState()).toMatchObject({
      phase: "ended",
      recovered: [{ reason: "This page showed another text than what is saved.", cells: [{ source: "b" }] }],
    });
  });

  test("[D11] nothing is compared while something is unsaved or nobody is there to ask", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.holdCommits = true;
    write(session, "unsaved ");
    await pass(10_100);
    connectionOf(server).close(1012);
    expect(server.commands.filter(({ type }) => type === "compare")).toEqual([]);
  });

  test("with everything saved there is nothing to keep", async () => {
    const server = serverOf("a");
    const session = await join(server);
    write(session, "x");
    await pass(100);
    connectionOf(server).close(4403);
    await settle();
    expect(session.store.getState()).toMatchObject({ unsaved: false, recovered: [] });
  });
});

describe("the kept copy", () => {
  test("[D9] is in the document before anything is exchanged", async () => {
    const server = serverOf("a");
    const kept = Y.encodeStateAsUpdate(notebookOf("kept").doc);
    let loaded = (): void => {};
    const offline: OpenCopy = (doc) =>
      new Promise((resolve) => {
        loaded = () => {
          Y.applyUpdate(doc, kept, "copy");
          resolve(null);
        };
      });
    const session = await join(server, { offline });
    expect(connectionOf(server).heard).toEqual([]);
    loaded();
    await settle();
    expect(connectionOf(server).heard.slice(0, 2)).toEqual(["step2", "step1"]);
    expect(onServer(server).sort()).toEqual(["a", "kept"]);
    expect(sourcesOf(session.notebook).sort()).toEqual(["a", "kept"]);
    expect(saveOf(session)).toEqual(["Saved", false]);
  });

  test("that cannot be opened keeps nobody from the notebook", async () => {
    const offline: OpenCopy = () => Promise.reject(new Error("The storage is broken."));
    const session = await join(serverOf("a"), { offline });
    write(session, "x");
    await pass(20);
    expect(session.store.getState()).toMatchObject({ phase: "synced", save: "Saved" });
  });

  test("is opened once, and closed with the session", async () => {
    const server = serverOf("a");
    const fates: string[] = [];
    const offline: OpenCopy = async (_doc, id, epoch) => {
      fates.push(`opened ${id} ${String(epoch)}`);
      return {
        refresh: async () => {},
        share: () => {},
        forget: async () => {},
        close: async () => void fates.push("closed"),
      };
    };
    const session = await join(server, { offline });
    connectionOf(server).close(1012);
    await pass(300);
    session.close();
    expect(fates).toEqual(["opened n 1", "closed"]);
  });
});

describe("a session that opens without a server", () => {
  const ANA = { id: "u1", name: "Ana", color: "#000000", guest: false };
  const LAST = { role: "editor", user: ANA, epoch: 1 };

  /** A browser's copy, which outlives sessions; `noted` are the cells that a session left unsaved in it. */
  function browserWith(...sources: string[]) {
    const kept = new Y.Doc();
    Y.applyUpdate(kept, Y.encodeStateAsUpdate(notebookOf(...sources).doc));
    const fates: string[] = [];
    const offline: OpenCopy = async (doc) => {
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(kept), "copy");
      Y.applyUpdate(kept, Y.encodeStateAsUpdate(doc));
      const keep = (update: Uint8Array): void => Y.applyUpdate(kept, update);
      doc.on("update", keep);
      return {
        refresh: async () => Y.applyUpdate(doc, Y.encodeStateAsUpdate(kept), "copy"),
        share: () => {},
        forget: async () => {
          doc.off("update", keep);
          fates.push("forgotten");
        },
        close: async () => doc.off("update", keep),
      };
    };
    return { kept, fates, offline, ids: orderedIds(openNotebook(kept)) };
  }
  const memory = () => {
    const texts = new Map<string, string>();
    return {
      texts,
      getItem: (key: string) => texts.get(key) ?? null,
      setItem: (key: string, value: string) => void texts.set(key, value),
      removeItem: (key: string) => void texts.delete(key),
    };
  };
  /** With the notebook that a browser has a copy of. */
  const serverLike = (kept: Y.Doc): FakeServer => createFakeServer(Y.encodeStateAsUpdate(kept));

  test("shows its copy, takes edits, notes which cells they are in, and sends them on return", async () => {
    const { kept, offline, ids } = browserWith("a", "b");
    const server = serverLike(kept);
    server.down = true;
    const storage = memory();
    const session = await join(server, { offline, storage, last: LAST });
    expect(sourcesOf(session.notebook)).toEqual(["a", "b"]);
    expect(session.store.getState()).toMatchObject({ phase: "offline", save: "Offline", unsaved: false, kept: "kept" });
    write(session, "x", 1);
    expect(saveOf(session)).toEqual(["Offline", true]);
    expect(storage.texts).toEqual(new Map([["collab.unsaved.n.1", JSON.stringify([ids[1]])]]));
    server.down = false;
    session.retryNow();
    await settle();
    expect(onServer(server)).toEqual(["a", "xb"]);
    expect(session.store.getState()).toMatchObject({ phase: "synced", save: "Saved", unsaved: false });
    expect(storage.texts).toEqual(new Map());
  });

  test("what an earlier visit left unsaved is unsaved still, and no other cell is", async () => {
    const { kept, offline, ids } = browserWith("a", "b");
    const server = serverLike(kept);
    server.down = true;
    const storage = memory();
    storage.setItem("collab.unsaved.n.1", JSON.stringify([ids[0]]));
    const session = await join(server, { offline, storage, last: LAST });
    expect(saveOf(session)).toEqual(["Offline", true]);
    write(session, "x", 1);
    expect(JSON.parse(storage.texts.get("collab.unsaved.n.1") ?? "")).toEqual(ids);
    server.down = false;
    server.refuse = { code: 4404, reason: "There is no such notebook." };
    session.retryNow();
    await settle();
    expect(session.store.getState()).toMatchObject({
      phase: "ended",
      recovered: [{ reason: "There is no such notebook.", cells: [{ source: "a" }, { source: "xb" }] }],
    });
    expect([...storage.texts.keys()]).toEqual(["collab.recovered.n"]);
  });

  test("a viewer of the last time reads, and writes nothing", async () => {
    const { kept, offline } = browserWith("a");
    const server = serverLike(kept);
    server.down = true;
    const session = await join(server, { offline, last: { ...LAST, role: "viewer" } });
    expect(sourcesOf(session.notebook)).toEqual(["a"]);
    write(session, "x");
    expect(session.store.getState()).toMatchObject({ phase: "offline", role: "viewer", unsaved: false });
    server.down = false;
    server.role = "viewer";
    session.retryNow();
    await pass(100);
    expect(onServer(server)).toEqual(["a"]);
  });

  test("a role that was lowered meanwhile: what was not sent is recovered work, and leaves the copy", async () => {
    const { kept, offline, fates } = browserWith("a", "b");
    const server = serverLike(kept);
    server.down = true;
    const storage = memory();
    const session = await join(server, { offline, storage, last: LAST });
    write(session, "x");
    server.down = false;
    server.role = "viewer";
    session.retryNow();
    await settle();
    expect(onServer(server)).toEqual(["a", "b"]);
    expect(session.store.getState()).toMatchObject({
      phase: "synced",
      role: "viewer",
      recovered: [{ reason: "Your role was lowered before it was saved.", cells: [{ source: "xa" }] }],
    });
    expect(fates).toEqual(["forgotten"]);
    expect([...storage.texts.keys()]).toEqual(["collab.recovered.n"]);
  });

  test("who comes back as a viewer finds what they left unsaved as recovered work", async () => {
    const { kept, offline, ids, fates } = browserWith("a", "mine b");
    const server = serverLike(kept);
    server.role = "viewer";
    const storage = memory();
    storage.setItem("collab.unsaved.n.1", JSON.stringify([ids[1]]));
    const session = await join(server, { offline, storage });
    expect(session.store.getState().recovered).toMatchObject([{ cells: [{ source: "mine b" }] }]);
    expect(fates).toEqual(["forgotten"]);
    expect([...storage.texts.keys()]).toEqual(["collab.recovered.n"]);
  });

  test("without a copy it waits for the server", async () => {
    const server = serverOf("a");
    server.down = true;
    const session = await join(server, { offline: async () => null, last: LAST });
    expect(session.store.getState()).toMatchObject({ phase: "connecting", kept: "none" });
    server.down = false;
    session.retryNow();
    await settle();
    expect(session.store.getState()).toMatchObject({ phase: "synced", save: "Saved" });
    expect(sourcesOf(session.notebook)).toEqual(["a"]);
  });

  test("what another tab left in the copy goes out with ours", async () => {
    const { kept, offline } = browserWith("a");
    const server = serverLike(kept);
    const session = await join(server, { offline });
    server.down = true;
    connectionOf(server).close(1012);
    await settle();
    const other = openNotebook(kept);
    type(other, orderedIds(other)[0] ?? "", 0, "other tab ");
    server.down = false;
    session.retryNow();
    await settle();
    expect(onServer(server)).toEqual(["other tab a"]);
    expect(sourcesOf(session.notebook)).toEqual(["other tab a"]);
  });
});

describe("a session that ended on the server (4401)", () => {
  test("goes on here, is tried again when somebody signed in, and loses nothing", async () => {
    const server = serverOf("a");
    const session = await join(server);
    server.refuse = { code: 4401, reason: "Your session has ended; sign in again." };
    connectionOf(server).close(4401, "Your session has ended; sign in again.");
    await settle();
    expect(session.store.getState()).toMatchObject({ phase: "offline", signedOut: true, ended: null });
    write(session, "x");
    expect(saveOf(session)).toEqual(["Offline", true]);
    await pass(60_000);
    expect(server.tried).toHaveLength(1);
    session.wake(); // nobody has signed in yet
    await settle();
    expect(session.store.getState()).toMatchObject({ signedOut: true, recovered: [] });
    server.refuse = null;
    session.retryNow();
    await settle();
    expect(session.store.getState()).toMatchObject({ phase: "synced", signedOut: false, save: "Saved" });
    expect(onServer(server)).toEqual(["xa"]);
  });

  test("somebody else's sign-in sends nothing of what was written", async () => {
    const server = serverOf("a");
    const session = await join(server);
    connectionOf(server).close(4401, "");
    await settle();
    write(session, "mine ");
    server.person = { id: "u2", name: "Ben", guest: false };
    session.retryNow();
    await pass(1000);
    expect(session.store.getState()).toMatchObject({
      phase: "ended",
      ended: { code: 4401, reason: "Somebody else is signed in now." },
      user: { id: "u1" },
      recovered: [{ cells: [{ source: "mine a" }] }], // there is no copy in this browser
    });
    expect(onServer(server)).toEqual(["a"]);
    expect(server.connections).toEqual([]);
  });
});

test("the next guest of a browser goes on with the work of the last", async () => {
  const server = serverOf("a");
  const session = await join(server);
  connectionOf(server).close(4401, "");
  await settle();
  write(session, "x");
  server.person = { id: "u2", name: "Guest Heron" };
  session.retryNow();
  await settle();
  expect(session.store.getState()).toMatchObject({ phase: "synced", save: "Saved", user: { id: "u2" } });
  expect(onServer(server)).toEqual(["xa"]);
});

test("a page that wakes up gives a silent connection up at once", async () => {
  const server = serverOf("a");
  const session = await join(server);
  session.wake();
  await settle();
  expect(server.tried).toHaveLength(1);
  vi.setSystemTime(Date.now() + 8 * 3_600_000); // no timer runs while the machine sleeps
  session.wake();
  await settle();
  expect(server.tried).toHaveLength(2);
  expect(session.store.getState().phase).toBe("synced");
});

test("a page that is put aside sends what waits for its window", async () => {
  const server = serverOf("a");
  const session = await join(server);
  write(session, "1");
  write(session, "2");
  session.flush();
  await settle();
  expect(onServer(server)).toEqual(["21a"]);
});

test("copies of earlier epochs are merged once, when this one is here, and what is left of them is recovered work", async () => {
  const server = serverOf("a");
  const asked: number[] = [];
  const work = { at: 1, title: "T", reason: "Why.", cells: [{ type: "code", source: "x" }], taken: false } as const;
  const session = await join(server, {
    earlier: async (epoch) => {
      asked.push(epoch);
      return [work];
    },
  });
  await settle();
  connectionOf(server).close(1012);
  await pass(300);
  expect(asked).toEqual([1]);
  expect(session.store.getState().recovered).toEqual([work]);
});

test("a closed session sends what waits, and then nothing more happens", async () => {
  const server = serverOf("a", "b");
  const session = await join(server);
  write(session, "x");
  write(session, "y");
  session.close();
  await settle();
  expect(onServer(server)).toEqual(["yxa", "b"]);
  expect(server.connections).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("deleting a cell somebody else writes in loses nothing else", async () => {
  const server = serverOf("a", "b");
  const [one, other] = [await join(server), await join(server)];
  connectionOf(server, 1).close(1012);
  await settle();
  write(other, "gone ");
  write(other, "kept ", 1);
  deleteCells(one.notebook, [orderedIds(one.notebook)[0] ?? ""]);
  await pass(500);
  expect(onServer(server)).toEqual(["kept b"]);
  expect(sourcesOf(other.notebook)).toEqual(["kept b"]);
  expect(saveOf(other)).toEqual(["Saved", false]);
});
