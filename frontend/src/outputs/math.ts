/**
 * Finds TeX in text, and draws it. Finding is pure; drawing loads KaTeX on first use and renders into nodes, never
 * through strings (under the page's CSP a string would lose its inline styles) and with `trust: false`.
 */

export interface Tex {
  tex: string;
  display: boolean;
  /** Index after the closing delimiter. */
  end: number;
}

const LONGEST_TEX = 20_000;

/** The TeX whose opening delimiter stands at `at`, or null: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`, `\begin{x}…\end{x}`. */
export function texAt(text: string, at: number): Tex | null {
  if (text.startsWith("$$", at)) return between(text, at, 2, "$$", true);
  if (text.startsWith("\\[", at)) return between(text, at, 2, "\\]", true);
  if (text.startsWith("\\(", at)) return between(text, at, 2, "\\)", false);
  if (text[at] === "$") return dollar(text, at);
  if (text.startsWith("\\begin{", at)) return environment(text, at);
  return null;
}

function between(text: string, at: number, skip: number, close: string, display: boolean): Tex | null {
  const end = text.indexOf(close, at + skip);
  if (end === -1 || end - at > LONGEST_TEX) return null;
  const tex = text.slice(at + skip, end);
  return tex.trim() === "" ? null : { tex, display, end: end + close.length };
}

/** One dollar opens before and closes after something that is not a space, and not before a digit: prices are no TeX. */
function dollar(text: string, at: number): Tex | null {
  if (/[\s$]/.test(text[at + 1] ?? " ")) return null;
  for (let end = at + 1; end < text.length && end - at < LONGEST_TEX; end++) {
    if (text[end] === "\\") end++;
    else if (text[end] === "\n" && text[end + 1] === "\n") return null;
    else if (text[end] === "$") {
      if (/\s/.test(text[end - 1] ?? " ") || /[0-9]/.test(text[end + 1] ?? "")) return null;
      return { tex: text.slice(at + 1, end), display: false, end: end + 1 };
    }
  }
  return null;
}

function environment(text: string, at: number): Tex | null {
  const name = /^\\begin\{([A-Za-z]{1,20}\*?)\}/.exec(text.slice(at, at + 40))?.[1];
  if (name === undefined) return null;
  const close = `\\end{${name}}`;
  const end = text.indexOf(close, at);
  if (end === -1 || end - at > LONGEST_TEX) return null;
  const after = end + close.length;
  return { tex: text.slice(at, after), display: true, end: after };
}

/** Text with TeX in it, cut at the delimiters. */
export function splitTex(text: string): (string | Tex)[] {
  const parts: (string | Tex)[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const found = text[at] === "$" || text[at] === "\\" ? texAt(text, at) : null;
    if (found === null) {
      // A backslash protects the character after it.
      if (text[at] === "\\") at++;
      continue;
    }
    if (at > from) parts.push(text.slice(from, at));
    parts.push(found);
    from = found.end;
    at = found.end - 1;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

export interface TexTarget {
  node: HTMLElement;
  tex: string;
  display: boolean;
}

/** Draws TeX into nodes. TeX that KaTeX refuses is shown as its source. */
export async function renderTex(targets: TexTarget[]): Promise<void> {
  if (targets.length === 0) return;
  const { default: katex } = await import("./katex");
  for (const { node, tex, display } of targets) {
    try {
      katex.render(tex, node, {
        displayMode: display,
        trust: false,
        strict: "ignore",
        throwOnError: true,
        maxExpand: 1_000,
        maxSize: 50,
        // A copy for each: \gdef in one formula must not reach the next reader's.
        macros: {},
      });
    } catch (error) {
      node.textContent = tex;
      node.classList.add("tex-error");
      node.title = error instanceof Error ? error.message.slice(0, 300) : "";
    }
  }
}
