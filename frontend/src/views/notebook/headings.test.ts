import { describe, expect, it } from "vitest";
import { cellWithHeading } from "./headings";

const CELLS = [
  { id: "a", source: "# Bicycles\n\nText\n\n```python\n# not a heading\n```" },
  { id: "b", source: "Words\n## What the *model* cannot `explain` ##\n" },
  { id: "c", source: "### See [the docs](https://example.org) now" },
];

describe("the cell of a heading", () => {
  it("is found by the heading's text, as it reads", () => {
    expect(cellWithHeading(CELLS, "Bicycles")).toBe("a");
    expect(cellWithHeading(CELLS, "What-the-model-cannot-explain")).toBe("b");
    expect(cellWithHeading(CELLS, "See-the-docs-now")).toBe("c");
  });

  it("is none for a comment in code and for what is not there", () => {
    expect(cellWithHeading(CELLS, "not-a-heading")).toBeNull();
    expect(cellWithHeading(CELLS, "Text")).toBeNull();
  });
});
