// @vitest-environment jsdom
/** What of a document's markdown reaches the page. The browser tests attack the same with scripts that could run. */
import { describe, expect, it } from "vitest";
import { renderMarkdown } from "./markdown";
import { attachedImage } from "./markdown_nodes";

async function drawn(source: string, attachments = new Map<string, unknown>()): Promise<HTMLElement> {
  const element = document.createElement("div");
  await renderMarkdown(element, source, attachments);
  return element;
}

describe("markdown", () => {
  it("is GitHub's: tables with their alignment, strikethrough, task lists, bare links", async () => {
    const element = await drawn("|a|b|\n|:-|-:|\n|1|2|\n\n~~gone~~ https://example.org\n\n- [x] done\n- [ ] open");
    expect([...element.querySelectorAll("td")].map((cell) => cell.getAttribute("align"))).toEqual(["left", "right"]);
    const raw = await drawn('<ol start="3"><li>x</li></ol><table><tr><td colspan="2">y</td></tr></table>');
    expect([raw.querySelector("ol")?.start, raw.querySelector("td")?.colSpan]).toEqual([3, 2]);
    expect(element.querySelector("s, del")?.textContent).toBe("gone");
    expect(element.querySelector("a")?.rel).toBe("noopener noreferrer");
    const boxes = [...element.querySelectorAll<HTMLInputElement>("input.task")];
    expect(boxes.map(({ checked, disabled }) => [checked, disabled])).toEqual([
      [true, true],
      [false, true],
    ]);
  });

  it("draws TeX, and takes prices for prices", async () => {
    const element = await drawn("It is $x^2$, costs $5 and $6.\n\n$$\n\\frac{a_1}{b_2}\n\n+ c\n$$");
    expect(element.querySelectorAll(".tex .katex").length).toBe(2);
    expect(element.querySelector("p")?.textContent).toContain("costs $5 and $6.");
  });

  it.each([
    "<img src=x onerror=canary=1>",
    "<svg><animate onbegin=canary=1 attributeName=x></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=canary=1&gt;">',
    '<a href="javascript:canary=1">x</a> [x](javascript:canary=1) [x](data:text/html,x)',
    "<form action=//evil.test><input name=x><button formaction=javascript:canary=1>b</button></form>",
    '<p class="cell toasts" data-action="edit.delete" data-tip=x style="position:fixed" contenteditable accesskey=x popovertarget=y is=z>p</p>',
    "<iframe srcdoc=x></iframe><object data=x></object><embed src=x><script>canary=1</script><style>*{}</style>",
    "<x-y onclick=canary=1>z</x-y><video onmouseover=canary=1></video>",
  ])("[A18, A20] leaves nothing that acts of %s", async (source) => {
    const element = await drawn(`before\n\n${source}\n\nafter`);
    const kept = [...element.querySelectorAll("*")].flatMap((node) => [
      node.tagName.toLowerCase(),
      ...[...node.attributes].map(({ name, value }) => `${name}=${value}`),
    ]);
    expect(element.textContent).toContain("before");
    expect(
      kept.filter((part) =>
        /^(on|style|data-|class=|contenteditable|accesskey|popover|is=|form)|javascript:|^(script|style|iframe|object|embed|form|button|input|video|svg|math|x-y)$/.test(
          part,
        ),
      ),
    ).toEqual([]);
  });

  it("[A19] gives names of documents a prefix", async () => {
    const element = await drawn("<p id=root>a</p><a name=config>b</a>\n\n# __proto__\n\n[up](#root)");
    const names = [...element.querySelectorAll("[id], [name]")].map((node) => node.id || node.getAttribute("name"));
    expect(names.every((name) => name?.startsWith("user-content-"))).toBe(true);
    expect(element.querySelector("a[href]")?.getAttribute("href")).toBe("#user-content-root");
  });

  it("asks nobody for images: those from elsewhere become links", async () => {
    const element = await drawn("![a plot](https://example.org/plot.png)");
    expect(element.querySelector("img")).toBe(null);
    expect(element.querySelector("a")?.textContent).toBe("Image: a plot (example.org)");
  });

  it("[A21] shows attached images, of image types alone", async () => {
    const attachments = new Map<string, unknown>([
      ["a.png", { "image/png": "aGk=" }],
      ["b.svg", { "image/svg+xml": "PHN2Zz4=", "text/html": "PGI+" }],
    ]);
    const element = await drawn("![a](attachment:a.png) ![b](attachment:b.svg)", attachments);
    expect([...element.querySelectorAll("img")].map((image) => image.getAttribute("src"))).toEqual([
      "data:image/png;base64,aGk=",
    ]);
    expect(attachedImage("../../x", attachments)).toBe(null);
  });

  it("of a later call wins over an earlier one that still loads", async () => {
    const element = document.createElement("div");
    await Promise.all([renderMarkdown(element, "first", new Map()), renderMarkdown(element, "second", new Map())]);
    expect(element.textContent?.trim()).toBe("second");
  });
});
