/** Settings behind `#@param` and `#@title`, as people write them: JSON, JavaScript or Python, with commas too many. Pure. */

import { readNumber, readString, readTruth } from "./literal.ts";

/** One entry of a list: its text as it stands, and its value when it is a string. */
export interface Entry {
  readonly text: string;
  readonly string: string | null;
}

export interface Settings {
  /** Of `["a", "b"]`; null when there is no list. */
  readonly list: readonly Entry[] | null;
  readonly map: ReadonlyMap<string, string | number | boolean | null>;
  /** Whether all of it could be read. */
  readonly isWhole: boolean;
  /** What stands before the settings: a title. */
  readonly words: string;
}

interface Token {
  readonly kind: "sign" | "string" | "word";
  readonly text: string;
  /** Where it stands. */
  readonly from: number;
}

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([[\]{},:])|([^\s[\]{},:"']+))/y;

/** The last one stands for all that cannot be read. */
function tokens(text: string): Token[] {
  const found: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) return [...found, { kind: "word", text: text.slice(at), from: at }];
    const [, string, sign, word] = match;
    const token = string ?? sign ?? word ?? "";
    const kind = string !== undefined ? "string" : sign !== undefined ? "sign" : "word";
    found.push({ kind, text: token, from: TOKEN.lastIndex - token.length });
  }
  return found;
}

/** Reads `["a", "b"] {type: "raw"}`, in either order, at the end of `text`; the words before are a title's, which has no list. */
export function readSettings(text: string, kind: "param" | "title"): Settings {
  const begins = kind === "param" ? /[[{]/ : /\{/;
  // A title may hold braces of its own: the settings are the longest end of it that makes sense.
  for (let at = text.search(begins); at >= 0; at = next(text, at, begins)) {
    const read = readAll(text.slice(at));
    if (read !== null) return { ...read, isWhole: true, words: text.slice(0, at).trim() };
  }
  return { list: null, map: new Map(), isWhole: !begins.test(text), words: text.trim() };
}

function next(text: string, at: number, begins: RegExp): number {
  const further = text.slice(at + 1).search(begins);
  return further < 0 ? -1 : at + 1 + further;
}

function readAll(source: string): Pick<Settings, "list" | "map"> | null {
  const all = tokens(source);
  let list: Entry[] | null = null;
  const map = new Map<string, string | number | boolean | null>();
  let at = 0;
  const isSign = (text: string): boolean => all[at]?.kind === "sign" && all[at]?.text === text;

  const readList = (): boolean => {
    at += 1;
    const entries: Entry[] = [];
    while (!isSign("]")) {
      const first = all[at];
      let last: Token | undefined;
      for (let depth = 0; at < all.length && (depth > 0 || !(isSign(",") || isSign("]"))); at += 1) {
        // A list within the list has commas of its own.
        if (isSign("[") || isSign("{")) depth += 1;
        if (isSign("]") || isSign("}")) depth -= 1;
        last = all[at];
      }
      if (first === undefined || last === undefined) return false;
      const string = first === last && first.kind === "string" ? (readString(first.text)?.value ?? null) : null;
      if (first === last && first.kind === "string" && string === null) return false;
      entries.push({ text: source.slice(first.from, last.from + last.text.length), string });
      if (isSign(",")) at += 1;
      else if (!isSign("]")) return false;
    }
    at += 1;
    list = entries;
    return true;
  };

  const readMap = (): boolean => {
    at += 1;
    while (!isSign("}")) {
      const name = all[at];
      if (name === undefined || name.kind === "sign") return false;
      const key = name.kind === "string" ? readString(name.text)?.value : name.text;
      at += 1;
      if (!isSign(":") || key === undefined) return false;
      at += 1;
      const value = all[at];
      if (value === undefined || value.kind === "sign") return false;
      at += 1;
      map.set(key.toLowerCase(), settingOf(value));
      if (isSign(",")) at += 1;
      else if (!isSign("}")) return false;
    }
    at += 1;
    return true;
  };

  while (at < all.length) {
    if (isSign("[") && list === null) {
      if (!readList()) return null;
    } else if (isSign("{") && map.size === 0) {
      if (!readMap()) return null;
    } else break;
  }
  // Words behind the settings are a remark; behind a title's they show that it was none.
  return at > 0 && (at === all.length || list !== null || map.has("type")) ? { list, map } : null;
}

function settingOf(token: Token): string | number | boolean | null {
  if (token.kind === "string") return readString(token.text)?.value ?? "";
  const truth = readTruth(token.text);
  if (truth !== null) return truth;
  if (token.text === "null" || token.text === "None") return null;
  return readNumber(token.text) ?? token.text;
}
