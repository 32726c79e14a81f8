import { describe, expect, it } from "vitest";
import { putBuffers } from "./buffers";
import { parseCommToFrame, parseCommToPage } from "./protocol";

const SENT = {
  v: 1,
  t: "commToKernel",
  kind: "comm_msg",
  comm: "s",
  id: "m1",
  target: "",
  data: { a: 1 },
  buffers: [],
};

describe("parseCommToPage", () => {
  it("takes what frames may say", () => {
    for (const message of [
      SENT,
      { ...SENT, kind: "comm_open", target: "mine" },
      { v: 1, t: "models", request: 1, ids: ["a", "b"] },
      { v: 1, t: "commTarget", target: "mine" },
      { v: 1, t: "widgetModule", name: "jupyter-matplotlib" },
    ]) {
      expect(parseCommToPage(message)).toEqual(message);
    }
  });

  it.each([
    { ...SENT, kind: "execute_request" },
    { ...SENT, comm: "" },
    { ...SENT, comm: "x".repeat(129) },
    { ...SENT, id: "a b" },
    { ...SENT, data: [] },
    { ...SENT, buffers: [new Uint8Array(1)] },
    { ...SENT, kind: "comm_open" },
    { v: 1, t: "models", request: "1", ids: [] },
    { v: 1, t: "models", request: 1, ids: [5] },
    { v: 1, t: "models", request: 1, ids: Array(1_001).fill("a") },
    { v: 1, t: "commTarget", target: "" },
    { v: 1, t: "widgetModule", name: 5 },
    { v: 1, t: "somethingElse" },
  ])("refuses %o", (message) => {
    expect(parseCommToPage(message)).toBeNull();
  });

  it("passes on no field that it does not know", () => {
    expect(parseCommToPage({ ...SENT, role: "owner", cell: "other" })).toEqual(SENT);
  });
});

describe("parseCommToFrame", () => {
  it("takes what the page says", () => {
    const model = {
      id: "a",
      name: "N",
      module: "m",
      version: "1",
      isLive: true,
      state: {},
      paths: [["x", 0]],
      buffers: [new ArrayBuffer(1)],
    };
    for (const message of [
      { v: 1, t: "models", request: 0, models: [model], missing: ["b"] },
      { v: 1, t: "modelUpdate", comm: "s", parent: "", isEcho: false, state: {}, paths: [], buffers: [] },
      { v: 1, t: "commFromKernel", kind: "comm_msg", comm: "s", target: "", parent: "", data: {}, buffers: [] },
      { v: 1, t: "commIdle", parent: "m" },
      { v: 1, t: "commRefused", parent: "m", reason: "No." },
      { v: 1, t: "hand", comm: "s", name: "Ada", color: "#112233" },
      { v: 1, t: "widgetsUsable", isUsable: true },
      { v: 1, t: "widgetModule", name: "m", source: null },
    ]) {
      expect(parseCommToFrame(message)).toEqual(message);
    }
  });
});

describe("putBuffers", () => {
  it("puts bytes into their places, and leaves places alone that are not there", () => {
    const state = { a: { b: [1] } };
    putBuffers(state, [["a", "b", 1], ["c", "d"], []], [new ArrayBuffer(2), new ArrayBuffer(1), new ArrayBuffer(1)]);
    expect(state).toEqual({ a: { b: [1, new DataView(new ArrayBuffer(2))] } });
  });
});
