import { describe, expect, it } from "vitest";
import { parseFrameMessage, parsePageMessage } from "../protocol";
import { MAX_TEXT_LENGTH } from "./protocol";

const long = "x".repeat(MAX_TEXT_LENGTH + 1);

describe("what a frame says of google.colab", () => {
  it.each([
    { v: 1, t: "evalResult", id: 0, value: "1", error: "" },
    { v: 1, t: "evalResult", id: 1, value: null, error: "Error: no" },
    { v: 1, t: "invoke", id: 2, name: "f'\u2028", args: "[]", kwargs: "{}" },
    { v: 1, t: "proxyPort", id: 3, port: 8000, path: "/" },
    { v: 1, t: "viewFile", path: "/content/a.txt", line: 0 },
    { v: 1, t: "addCell", code: "1" },
  ])("is taken as it is, without what does not belong to it: %j", (message) => {
    expect(parseFrameMessage({ ...message, cell: "forged", role: "owner" })).toEqual(message);
  });

  it.each([
    { v: 1, t: "evalResult", id: -1, value: "1", error: "" },
    { v: 1, t: "evalResult", id: 1.5, value: "1", error: "" },
    { v: 1, t: "evalResult", id: 1, value: 1, error: "" },
    { v: 1, t: "evalResult", id: 1, value: long, error: "" },
    { v: 1, t: "evalResult", id: 1, error: "" },
    { v: 1, t: "invoke", id: 1, name: "f".repeat(1_001), args: "[]", kwargs: "{}" },
    { v: 1, t: "invoke", id: 1, name: "f", args: [], kwargs: {} },
    { v: 1, t: "invoke", id: "1", name: "f", args: "[]", kwargs: "{}" },
    { v: 1, t: "invoke", id: 1, name: "f", args: long, kwargs: "{}" },
    { v: 1, t: "proxyPort", id: 1, port: 80, path: "/" },
    { v: 1, t: "proxyPort", id: 1, port: 65_536, path: "/" },
    { v: 1, t: "proxyPort", id: 1, port: "8000", path: "/" },
    { v: 1, t: "viewFile", path: "x".repeat(4_097), line: 0 },
    { v: 1, t: "viewFile", path: "a", line: Number.NaN },
    { v: 1, t: "addCell", code: "x".repeat((64 << 10) + 1) },
    { v: 1, t: "execute", code: "1" },
    { v: 2, t: "addCell", code: "1" },
  ])("is nothing when it is malformed: %#", (message) => {
    expect(parseFrameMessage(message)).toBeNull();
  });
});

describe("what the page says of google.colab", () => {
  it.each([
    { v: 1, t: "eval", id: 4, script: "1" },
    { v: 1, t: "colabAnswer", id: 4, value: null, error: "No." },
  ])("is read: %j", (message) => {
    expect(parsePageMessage(message)).toEqual(message);
  });

  it("is nothing when it is malformed", () => {
    expect(parsePageMessage({ v: 1, t: "eval", id: null, script: "1" })).toBeNull();
    expect(parsePageMessage({ v: 1, t: "colabAnswer", id: 4, value: "1" })).toBeNull();
  });
});
