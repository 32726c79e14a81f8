import { describe, expect, it } from "vitest";
import { type CommEvent, createComms } from "./comms.ts";
import { commFrame, readFrame } from "./wire.ts";

const bytes = (...values: number[]): ArrayBuffer => new Uint8Array(values).buffer;

/** A line whose other end is in the test's hands. */
function line(isOpen = true) {
  const sent: { header: Record<string, unknown>; buffers: ArrayBuffer[] }[] = [];
  const comms = createComms((frame) => {
    const read = readFrame(frame);
    if (!isOpen || read.kind !== "comm") return false;
    sent.push({ header: JSON.parse(read.header), buffers: read.buffers });
    return true;
  });
  const events: CommEvent[] = [];
  comms.onEvent((event) => events.push(event));
  return {
    comms,
    sent,
    events,
    hear: (header: object, ...buffers: ArrayBuffer[]) => comms.hear(JSON.stringify(header), buffers),
  };
}

describe("comm frames", () => {
  it("come out as they went in, buffers and all", () => {
    const frame = readFrame(commFrame({ type: "x", text: "ü🙂" }, [bytes(0, 255), bytes()]));
    expect(frame).toEqual({ kind: "comm", header: '{"type":"x","text":"ü🙂"}', buffers: [bytes(0, 255), bytes()] });
  });
});

describe("comms", () => {
  it("sends a message under the id that its sender chose", () => {
    const { comms, sent } = line();
    const data = { method: "update" };
    expect(
      comms.send({ kind: "comm_msg", comm: "s", id: "m1", cell: "c", target: "", data, buffers: [bytes(1)] }),
    ).toBe(true);
    expect(sent).toEqual([
      { header: { type: "comm_msg", comm: "s", id: "m1", cell: "c", target: "", data }, buffers: [bytes(1)] },
    ]);
  });

  it("sends nothing later when there is no connection", async () => {
    const { comms } = line(false);
    expect(comms.send({ kind: "comm_msg", comm: "s", id: "m1", cell: "c", target: "", data: {}, buffers: [] })).toBe(
      false,
    );
    await expect(comms.models(["s"])).rejects.toThrow("offline");
  });

  it("gives each question its own answer", async () => {
    const { comms, hear } = line();
    const [first, second] = [comms.models(["a"]), comms.models(["b"])];
    const model = { name: "N", module: "m", version: "1", live: true, state: { value: 1 } };
    hear({ type: "models", request: 2, models: {}, missing: ["b"], paths: [], large: [] });
    hear({ type: "models", request: 1, models: { a: model }, missing: [], paths: [["a", "x"]], large: [] }, bytes(7));
    expect(await second).toMatchObject({ models: {}, missing: ["b"] });
    expect(await first).toMatchObject({ models: { a: model }, missing: [], paths: [["a", "x"]], buffers: [bytes(7)] });
  });

  it.each(["gap", "lost"])("lets nobody wait for an answer that went with a %s", async (how) => {
    const { comms, hear } = line();
    const asked = comms.models(["a"]);
    if (how === "gap") hear({ type: "gap" });
    else comms.lost();
    await expect(asked).rejects.toThrow();
  });

  it("says after every joining that something may have been missed", () => {
    const { comms, events } = line();
    comms.joined();
    expect(events).toEqual([{ type: "gap" }]);
  });

  it("reads what it knows and leaves out the rest", () => {
    const { events, hear } = line();
    const by = { id: "u", name: "Ada", color: "#112233" };
    hear({
      type: "update",
      comm: "s",
      state: { value: 1 },
      parent: "m",
      echo: true,
      own: false,
      paths: [],
      large: [],
      by,
    });
    hear({ type: "from the future" });
    hear({ type: "session", live: false });
    expect(events).toEqual([
      {
        type: "update",
        comm: "s",
        state: { value: 1 },
        parent: "m",
        echo: true,
        own: false,
        paths: [],
        large: [],
        buffers: [],
        by,
      },
      { type: "session", live: false },
    ]);
  });
});
