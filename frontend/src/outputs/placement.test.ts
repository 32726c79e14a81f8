import { describe, expect, it } from "vitest";
import { frameUrl, placeFrame } from "./placement";

const BASE = "allow-scripts allow-forms allow-pointer-lock";
const LABEL = "abcdefghijklmnopqrstuvwxyz234567";

describe("[F1] a frame keeps its origin only where that is another site than the page's", () => {
  it.each([
    ["http://127.0.0.1:8888", "http://{label}.localhost:8888", false, true],
    ["http://localhost:8888", "http://{label}.localhost:8888", false, true],
    ["http://[::1]:8888", "http://{label}.localhost:8888", false, true],
    ["https://notes.example.org", "https://{label}.example-usercontent.org", false, true],
    ["https://notes.example.org", "https://{label}.out.example.org", false, false],
    ["https://example.org", "https://{label}.example.org", false, false],
    // Names that only look like one site, or like two: public suffixes.
    ["https://notes.github.io", "https://{label}.other.github.io", false, false],
    ["https://a.co.uk", "https://{label}.b.co.uk", false, false],
    ["https://a.co.uk", "https://{label}.b.co.uk", true, true],
    // What the operator says never makes the page's own host another site.
    ["https://x.example.org", "https://x.example.org/{label}", true, "own"],
    [`https://${LABEL}.example.org`, "https://{label}.example.org", true, "own"],
    ["http://192.168.1.5:8888", "http://{label}.localhost:8888", false, true],
    ["http://192.168.1.5:8888", "http://{label}.lan:8888", false, false],
  ])("page %s, frames %s, cross-site %s: %s", (page, template, isCrossSite, keeps) => {
    const origin = new URL(template.replace("{label}", LABEL)).origin;
    expect(placeFrame(template, LABEL, new URL(page), isCrossSite)).toEqual({
      origin,
      sandbox: keeps === true ? `${BASE} allow-same-origin` : BASE,
      messageOrigin: keeps === true ? origin : "null",
    });
  });

  it.each([
    ["no template", "", LABEL],
    ["a template without a label", "http://out.localhost:8888", LABEL],
    ["a label that is none", "http://{label}.localhost:8888", "a.b"],
    ["a label with a port in it", "http://{label}.localhost:8888", "x:1/"],
    ["another scheme", "javascript:{label}", LABEL],
  ])("%s: the page's own host, opaque", (_what, template, label) => {
    expect(placeFrame(template, label, new URL("http://192.168.1.5:8888/n/1"), true)).toEqual({
      origin: "http://192.168.1.5:8888",
      sandbox: BASE,
      messageOrigin: "null",
    });
  });
});

it("the address of a frame carries its policy, its nonce and whom to answer", () => {
  const placement = placeFrame("http://{label}.localhost:8888", LABEL, new URL("http://127.0.0.1:8888"));
  expect(frameUrl(placement, "stored", "n0", "http://127.0.0.1:8888")).toBe(
    `http://${LABEL}.localhost:8888/_out/stored/frame.html#n0,http://127.0.0.1:8888`,
  );
});
