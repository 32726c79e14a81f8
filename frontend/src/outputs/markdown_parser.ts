/**
 * Markdown to HTML that is *not* safe yet: GitHub's tables, strikethrough, task lists, bare links, raw HTML, and TeX
 * as `<span data-tex>` marks. Pure text to text; `markdown.ts` sanitises. A nonce names the marks, so that nobody can write one.
 */
import MarkdownIt from "markdown-it";
import { headingId } from "./heading";
import { texAt } from "./math";

const CLASSES = {
  inline: "tex-inline",
  display: "tex-display",
  task: "task",
} as const;

/** Class names that `markdownToHtml` writes itself; the sanitiser lets only these through. */
export function markClasses(nonce: string): Record<keyof typeof CLASSES, string> {
  return {
    inline: `${CLASSES.inline}-${nonce}`,
    display: `${CLASSES.display}-${nonce}`,
    task: `${CLASSES.task}-${nonce}`,
  };
}

export function markdownToHtml(source: string, nonce: string): string {
  return parser(nonce).render(source);
}

function parser(nonce: string): ReturnType<typeof MarkdownIt> {
  const classes = markClasses(nonce);
  const markdown = new MarkdownIt({ html: true, linkify: true, breaks: false });
  // What a URL may be is decided after sanitising, in one place.
  markdown.validateLink = (url) => !/^\s*(?:javascript|vbscript|file)\s*:/i.test(url);
  const mark = (tex: string, display: boolean): string => {
    const name = display ? classes.display : classes.inline;
    return `<span class="${name}">${markdown.utils.escapeHtml(tex)}</span>`;
  };

  markdown.inline.ruler.before("escape", "tex", (state, silent) => {
    const code = state.src.charCodeAt(state.pos);
    if (code !== 0x24 && code !== 0x5c) return false;
    const found = texAt(state.src, state.pos);
    if (found === null || found.end > state.posMax) return false;
    if (!silent) {
      const token = state.push("tex", "span", 0);
      token.content = found.tex;
      token.meta = { display: found.display };
    }
    state.pos = found.end;
    return true;
  });
  markdown.renderer.rules.tex = (tokens, index) => {
    const token = tokens[index];
    return token === undefined ? "" : mark(token.content, token.meta?.display === true);
  };

  // Display TeX is a block: blank lines, lists and `_` inside it are TeX, not markdown.
  markdown.block.ruler.before(
    "fence",
    "tex_block",
    (state, startLine, endLine, silent) => {
      const start = (state.bMarks[startLine] ?? 0) + (state.tShift[startLine] ?? 0);
      if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
      const opening = state.src.slice(start, start + 7);
      if (!/^(?:\$\$|\\\[|\\begin\{)/.test(opening)) return false;
      const last = state.eMarks[endLine - 1] ?? state.src.length;
      const found = texAt(state.src.slice(0, last), start);
      if (found === null || !found.display) return false;
      let line = startLine;
      while (line < endLine && (state.eMarks[line] ?? 0) < found.end) line++;
      if (state.src.slice(found.end, state.eMarks[line] ?? last).trim() !== "") return false;
      if (silent) return true;
      const token = state.push("tex_block", "p", 0);
      token.content = found.tex.replace(/^[>\s]+/gm, " ");
      token.map = [startLine, line + 1];
      state.line = line + 1;
      return true;
    },
    { alt: ["paragraph", "reference", "blockquote", "list"] },
  );
  markdown.renderer.rules.tex_block = (tokens, index) => `<p>${mark(tokens[index]?.content ?? "", true)}</p>\n`;

  // `- [ ]` and `- [x]`: a mark of our own instead of an input, which a document could fake a form with.
  markdown.core.ruler.after("inline", "tasks", (state) => {
    for (const [index, token] of state.tokens.entries()) {
      if (token.type !== "inline" || state.tokens[index - 2]?.type !== "list_item_open") continue;
      const text = token.children?.[0];
      const found = text?.type === "text" ? /^\[([ xX])\]\s/.exec(text.content) : null;
      if (text === undefined || found === null) continue;
      text.content = text.content.slice(found[0].length);
      const box = new state.Token("task", "span", 0);
      box.meta = { done: found[1] !== " " };
      token.children?.unshift(box);
    }
  });
  markdown.renderer.rules.task = (tokens, index) =>
    `<span class="${classes.task}">${tokens[index]?.meta?.done === true ? "x" : " "}</span>`;

  // Column alignment as the old attribute: a style attribute would not survive the page's CSP.
  const alignCells = (type: string): void => {
    markdown.renderer.rules[type] = (tokens, index, options, _env, self) => {
      const token = tokens[index];
      const style = String(token?.attrGet("style") ?? "");
      const side = /^text-align:(left|center|right)$/.exec(style)?.[1];
      if (token !== undefined && side !== undefined) token.attrs = [["align", side]];
      return self.renderToken(tokens, index, options);
    };
  };
  alignCells("th_open");
  alignCells("td_open");

  // Names for headings, so that links of a table of contents can reach them. Prefixed by the sanitiser.
  markdown.renderer.rules.heading_open = (tokens, index, options, _env, self) => {
    const text = tokens[index + 1]?.children?.map((child) => child.content).join("") ?? "";
    tokens[index]?.attrSet("id", headingId(text));
    return self.renderToken(tokens, index, options);
  };
  return markdown;
}
