// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { imageElement } from "./drawing";

const SOURCE = "data:image/png;base64,iVBORw0KGgo=";

function drawn(metadata: unknown): { alt: string; width: number; height: number } {
  const image = imageElement(SOURCE, "image/png", "<Figure size 640x480>", metadata).querySelector("img");
  if (image === null) throw new Error("no image");
  return { alt: image.alt, width: image.width, height: image.height };
}

describe("an image", () => {
  it("has the text that its author gave it, and its size", () => {
    const metadata = { "image/png": { alt: "Counts by hour", width: 320, height: 200 } };
    expect(drawn(metadata)).toEqual({ alt: "Counts by hour", width: 320, height: 200 });
    expect(drawn(new Map(Object.entries(metadata)))).toEqual({ alt: "Counts by hour", width: 320, height: 200 });
  });

  it("has its plain text where there is no other, or none worth reading", () => {
    expect(drawn({}).alt).toBe("<Figure size 640x480>");
    expect(drawn({ "image/png": { alt: 7 } }).alt).toBe("<Figure size 640x480>");
    expect(drawn(null).alt).toBe("<Figure size 640x480>");
  });

  it("takes a size at the top of the metadata, too", () => {
    expect(drawn({ width: 10, height: 20 })).toEqual({ alt: "<Figure size 640x480>", width: 10, height: 20 });
  });
});
