import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/placements.json";
import { frameUrl, placeFrame } from "./placement";

const BASE = "allow-scripts allow-forms allow-pointer-lock";
const { rows } = vectors;
const LABEL = "abcdefghijklmnopqrstuvwxyz234567";

describe("[F1] a frame keeps its origin only where that is another site than the page's", () => {
  it.each(rows)("page $page, frames $template, cross-site $cross_site: $keeps", (row) => {
    const { origin } = new URL(row.template.replace("{label}", LABEL));
    const page = new URL(row.page);
    expect(placeFrame(row.template, LABEL, page, row.cross_site)).toEqual({
      origin,
      sandbox: row.keeps ? `${BASE} allow-same-origin` : BASE,
      messageOrigin: row.keeps ? origin : "null",
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
    `http://${LABEL}.localhost:8888/_out/stored/frame.html?n0#n0,http://127.0.0.1:8888`,
  );
});
