import { describe, expect, it } from "vitest";
import { MAX_FILE_BYTES, parseFrameMessage, parseHello, parsePageMessage, safeFileName, safeLink } from "./protocol";

describe("what a frame says", () => {
  it.each([
    { v: 1, t: "height", px: 120 },
    { v: 1, t: "ready" },
    { v: 1, t: "pong" },
    { v: 1, t: "openLink", url: "https://example.org/" },
    { v: 1, t: "key", key: "Escape" },
    { v: 1, t: "log", level: "warn", text: "x" },
  ])("is read: $t", (message) => {
    expect(parseFrameMessage({ ...message, extra: 1 })).toEqual(message);
  });

  it.each([
    ["another version", { v: 2, t: "ready" }],
    ["a command", { v: 1, t: "execute", code: "x" }],
    ["what only the page says", { v: 1, t: "output", op: "clear", key: null }],
    ["a height that is no number", { v: 1, t: "height", px: "10" }],
    ["a height beyond the most", { v: 1, t: "height", px: 10_001 }],
    ["a height below nothing", { v: 1, t: "height", px: -1 }],
    ["half a pixel", { v: 1, t: "height", px: 0.5 }],
    ["a key that is not on the list", { v: 1, t: "key", key: "Enter" }],
    ["a link too long", { v: 1, t: "openLink", url: `https://x/${"a".repeat(2_048)}` }],
    ["a file that is none", { v: 1, t: "saveFile", name: "a", bytes: "text" }],
    ["a list", [1, "ready"]],
    ["nothing", null],
    ["text", "ready"],
  ])("is dropped: %s", (_what, message) => {
    expect(parseFrameMessage(message)).toBe(null);
  });

  it("holds files up to 64 MB", () => {
    const saved = { v: 1, t: "saveFile", name: "a.csv", bytes: new ArrayBuffer(8) };
    expect(parseFrameMessage(saved)).toEqual(saved);
    expect(parseFrameMessage({ ...saved, bytes: new ArrayBuffer(MAX_FILE_BYTES + 1) })).toBe(null);
  });
});

it("a hello names its protocol and its nonce, and nothing else is one", () => {
  expect(parseHello({ v: 1, t: "hello", protocol: 1, nonce: "n" })).toEqual({
    v: 1,
    t: "hello",
    protocol: 1,
    nonce: "n",
  });
  for (const bad of [null, {}, { v: 1, t: "hello", protocol: "1", nonce: "n" }, { v: 1, t: "hello", protocol: 1 }])
    expect(parseHello(bad)).toBe(null);
});

it("what the page says is read as strictly", () => {
  const output = { kind: "data", mime: "text/html", value: "<b>", plain: "", metadata: "{}" };
  expect(parsePageMessage({ v: 1, t: "output", op: "add", key: 0, output })).toEqual({
    v: 1,
    t: "output",
    op: "add",
    key: 0,
    output,
  });
  expect(parsePageMessage({ v: 1, t: "output", op: "add", key: "0", output })).toBe(null);
  expect(parsePageMessage({ v: 1, t: "output", op: "add", key: 0, output: { ...output, value: 1 } })).toBe(null);
});

describe("[A9] file names", () => {
  it.each([
    ["../../.bashrc", "bashrc"],
    ["a\r\nX: y", "aX_ y"],
    ["invoice\u202efdp.exe", "invoicefdp.exe"],
    ["C:\\temp\\x.csv", "x.csv"],
    ["...", "output"],
    ["", "output"],
    ["plain name.csv", "plain name.csv"],
  ])("%j becomes %j", (name, safe) => {
    expect(safeFileName(name)).toBe(safe);
  });

  it("are 200 characters at most, and keep their ending", () => {
    const safe = safeFileName(`${"a".repeat(10_000)}.csv`);
    expect([safe.length, safe.endsWith("a.csv")]).toEqual([200, true]);
  });
});

it.each([
  ["https://example.org/a b", "https://example.org/a%20b"],
  ["mailto:a@example.org", "mailto:a@example.org"],
  ["JavaScript:alert(1)", null],
  ["data:text/html,x", null],
  ["file:///etc/passwd", null],
  ["/relative", null],
])("the link %s opens %s", (url, opens) => {
  expect(safeLink(url)?.href ?? null).toBe(opens);
});
