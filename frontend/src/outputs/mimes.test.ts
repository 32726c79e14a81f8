import { describe, expect, it } from "vitest";
import { chooseMime, isBase64, needsFrame } from "./mimes";

describe("the form of a bundle that is shown", () => {
  it.each([
    [["text/plain", "text/html", "application/vnd.plotly.v1+json"], "application/vnd.plotly.v1+json"],
    [["text/html", "application/vnd.vegalite.v6.json", "text/plain"], "application/vnd.vegalite.v6.json"],
    [["application/vnd.vega.v5+json", "image/png", "text/plain"], "application/vnd.vega.v5+json"],
    [["application/javascript", "application/vnd.bokehjs_load.v0+json"], "application/vnd.bokehjs_load.v0+json"],
    [["application/javascript", "application/vnd.bokehjs_exec.v0+json"], "application/javascript"],
    [["text/html", "application/vnd.bokehjs_exec.v0+json"], "text/html"],
    [
      ["text/html", "text/plain", "application/vnd.jupyter.widget-view+json"],
      "application/vnd.jupyter.widget-view+json",
    ],
    [["text/plain", "application/geo+json"], "application/geo+json"],
    [["text/plain", "text/latex", "image/png"], "text/latex"],
    [["text/plain", "image/png"], "image/png"],
    [["text/plain", "audio/wav"], "audio/wav"],
    [["text/plain", "application/vnd.nobody.v1+json"], "text/plain"],
    [["application/vnd.nobody.v1+json"], "application/vnd.nobody.v1+json"],
    [["text/x-poem"], "text/x-poem"],
    [["application/octet-stream"], null],
  ])("of %j is %s", (mimes, chosen) => expect(chooseMime(mimes)).toBe(chosen));

  it("is text in the page and everything that can run in the frame", () => {
    const drawn = ["text/plain", "image/png", "text/html", "image/svg+xml", "application/vnd.vegalite.v6.json"];
    expect(drawn.map(needsFrame)).toEqual([false, false, true, true, true]);
  });

  it("is base64 where a notebook says so", () => {
    const values = ["image/png", "application/pdf", "audio/wav", "video/mp4", "image/svg+xml", "text/html"];
    expect(values.map(isBase64)).toEqual([true, true, true, true, false, false]);
  });
});
