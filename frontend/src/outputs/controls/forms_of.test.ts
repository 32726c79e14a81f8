import { describe, expect, it } from "vitest";
import type { Output } from "../../notebook/schema.ts";
import { asHtml, asText, filesOf, onlyImage } from "./forms_of.ts";

const stream = (text: string): Output => ({ kind: "stream", name: "stdout", text, blobs: new Map() });
const data = (bundle: Record<string, string>, blobs: Record<string, string> = {}): Output => ({
  kind: "data",
  executeResult: false,
  count: null,
  data: new Map(Object.entries(bundle)),
  metadata: {},
  displayId: null,
  blobs: new Map(Object.entries(blobs).map(([mime, sha256]) => [mime, { sha256, size: 1 }])),
});
const error: Output = { kind: "error", ename: "E", evalue: "v", traceback: ["\u001b[31mred\u001b[0m", "line"] };

describe("as text", () => {
  it("stands what each output says, without colours and with a line each", () => {
    expect(
      asText([stream("\u001b[1mbold\u001b[0m\r"), error, data({ "text/plain": "3", "text/html": "<b>3</b>" })]),
    ).toBe("bold\nred\nline\n3\n");
  });

  it("the words of HTML stand for it where nothing else does, and never its scripts", () => {
    const html = "<style>b{}</style><p>a &lt;b&gt;</p><table><tr><td>1</td><td>2</td></tr></table><script>x()</script>";
    expect(asText([data({ "text/html": html })])).toBe("a <b>\n1\t2\n");
    expect(asText([data({ "image/png": "AAAA" })])).toBe("[image/png]\n");
    expect(asText([])).toBe("");
  });
});

describe("to take away", () => {
  it("a picture goes alone, text beside it stays", () => {
    const png = data({ "image/png": "AAAA", "text/plain": "<Figure>" });
    const file = { ending: "png", mime: "image/png", content: { kind: "base64", data: "AAAA" } };
    expect(filesOf([stream("text"), png])).toEqual([file]);
    expect(onlyImage([stream("text"), png])).toEqual(file);
    expect(onlyImage([png, png])).toBe(null);
    expect(onlyImage([data({ "text/html": "<b>" })])).toBe(null);
  });

  it("without one all text goes as one file, and large things come from the server", () => {
    const text = { ending: "txt", mime: "text/plain", content: { kind: "text", text: "a\nb\n" } };
    expect(filesOf([stream("a\n"), data({ "text/plain": "b" })])).toEqual([text]);
    expect(filesOf([data({ "text/plain": "t" }, { "text/html": "ff" })])).toEqual([
      { ending: "html", mime: "text/html", content: { kind: "blob", sha256: "ff", mime: "text/html" } },
    ]);
    expect(filesOf([])).toEqual([]);
  });

  it("a table is copied as one only where it is the one thing", () => {
    const table = data({ "text/html": "<table>" });
    expect([asHtml([stream("x"), table]), asHtml([table, table]), asHtml([stream("x")])]).toEqual([
      "<table>",
      null,
      null,
    ]);
  });
});
