// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { appendTerminalText, terminalText } from "./terminal";

const drawn = (text: string): string => {
  const element = document.createElement("pre");
  appendTerminalText(element, text);
  return element.innerHTML;
};

describe("terminal text", () => {
  it.each([
    ["plain", "plain"],
    ["\x1b[31mred\x1b[0m", '<span class="ansi-fg-1">red</span>'],
    ["\x1b[1;31mbold\x1b[0m", '<span class="ansi-fg-9 ansi-bold">bold</span>'],
    ["\x1b[44mground\x1b[m", '<span class="ansi-bg-4">ground</span>'],
    ["\x1b[38;5;28mexact", '<span class="ansi-fg-exact" style="--ansi-exact: rgb(0, 135, 0);">exact</span>'],
    ["\x1b[2J\x1b[?25lcodes\x07 gone", "codes gone"],
    ["<img src=x onerror=canary=1>", "&lt;img src=x onerror=canary=1&gt;"],
    ["\x1b[31m<b>\x1b[0m", '<span class="ansi-fg-1">&lt;b&gt;</span>'],
  ])("%j is drawn as %j", (text, html) => {
    expect(drawn(text)).toBe(html);
  });

  it.each([
    ["javascript:alert(1)", "click"],
    ["data:text/html,x", "click"],
    ["file:///etc/passwd", "click"],
    ['https://a"onmouseover=alert(1)', "click"],
    ["https://example.org/", '<a href="https://example.org/" target="_blank" rel="noopener noreferrer">click</a>'],
  ])("[A11] a link to %s", (url, html) => {
    expect(drawn(`\x1b]8;;${url}\x07click\x1b]8;;\x07`)).toBe(html);
    expect(drawn(`\x1b]8;;${url}\x1b\\click\x1b]8;;\x1b\\`)).toBe(html);
  });

  it("keeps the nodes of finished lines when text grows, whatever the pieces", () => {
    const text = "one\n\x1b[32mtwo\nthree\x1b[0m\nfour";
    const element = document.createElement("pre");
    const view = terminalText(element);
    for (let end = 1; end <= text.length; end++) {
      const first = element.firstChild;
      view.set(text.slice(0, end));
      if (end > "one\n\x1b[32mtwo\n".length) expect(element.firstChild).toBe(first);
    }
    expect(element.textContent).toBe("one\ntwo\nthree\nfour");
    view.set("other");
    expect(element.textContent).toBe("other");
  });
});
