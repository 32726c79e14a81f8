// @vitest-environment jsdom
/** Source as plain text. */
import { expect, test } from "vitest";
import { renderPlaceholder } from "./placeholder.ts";
import { METRICS } from "./theme.ts";

const drawn = (source: string, type: "code" | "markdown" | "raw" = "code"): HTMLPreElement => {
  const parent = document.createElement("div");
  renderPlaceholder(parent, source, type, "Source of cell 1");
  const pre = parent.firstElementChild;
  if (!(pre instanceof HTMLPreElement)) throw new Error("no pre");
  return pre;
};

test("markup in the source stays text", () => {
  const source = "<img src=x onerror=alert(1)>\n<script>1</script>";
  const pre = drawn(source);
  expect(pre.textContent).toBe(source);
  expect(pre.childElementCount).toBe(0);
});

test("stands in the editor's metrics", () => {
  const pre = drawn("x = 1");
  expect(pre.style.fontSize).toBe(METRICS.fontSize);
  expect(pre.style.lineHeight).toBe(METRICS.lineHeight);
  expect(pre.style.padding).toBe(METRICS.padding);
  expect(pre.style.margin).toBe("0px");
});

test("only text wraps", () => {
  expect(drawn("x", "code").style.whiteSpace).toBe("pre");
  expect(drawn("x", "markdown").style.whiteSpace).toBe("break-spaces");
  expect(drawn("x", "raw").style.whiteSpace).toBe("break-spaces");
});

test("a last empty line keeps its height", () => {
  expect(drawn("").textContent).toBe("\u200b");
  expect(drawn("a\n").textContent).toBe("a\n\u200b");
});

test("drawing again keeps the element, and takes an editor's place", () => {
  const parent = document.createElement("div");
  parent.append(document.createElement("div"), document.createElement("div"));
  renderPlaceholder(parent, "a", "code", "Source of cell 1");
  const pre = parent.firstElementChild;
  renderPlaceholder(parent, "b", "markdown", "Source of cell 2");
  expect(parent.children).toHaveLength(1);
  expect(parent.firstElementChild).toBe(pre);
  expect(pre?.textContent).toBe("b");
  expect(pre?.getAttribute("aria-label")).toBe("Source of cell 2");
});

test("keeps the place of the line numbers that come with the editor", () => {
  const parent = document.createElement("div");
  const paddingOf = (): string =>
    parent.firstElementChild instanceof HTMLElement ? parent.firstElementChild.style.paddingLeft : "";
  renderPlaceholder(parent, "a", "code", "Source", true);
  expect(paddingOf()).toBe("calc(3ch + 1.5rem)");
  renderPlaceholder(parent, "\n".repeat(999), "code", "Source", true);
  expect(paddingOf()).toBe("calc(4ch + 1.5rem)");
  renderPlaceholder(parent, "a", "code", "Source");
  expect(paddingOf()).toBe("0.75rem");
});
