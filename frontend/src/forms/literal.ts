/** Literals of Python as form fields hold them: read without running anything, and written back. Pure. */

export interface StringLiteral {
  readonly value: string;
  readonly prefix: string;
  readonly quote: string;
}

const SIMPLE: Readonly<Record<string, string>> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
};

/** A string on one line, without formatting and not of bytes; null for everything else. */
export function readString(text: string): StringLiteral | null {
  const match = /^([rRuU]?)("""|'''|"|')/.exec(text);
  if (match === null) return null;
  const [head, prefix = "", quote = ""] = match;
  if (text.length < head.length + quote.length || !text.endsWith(quote)) return null;
  const inner = text.slice(head.length, text.length - quote.length);
  if (inner.includes("\n")) return null;
  const value = prefix.toLowerCase() === "r" ? rawValue(inner, quote) : escapedValue(inner, quote);
  return value === null ? null : { value, prefix, quote };
}

function rawValue(inner: string, quote: string): string | null {
  // In a raw string a backslash keeps the quote after it from ending the string, and stays.
  const free = inner.replace(/\\./g, "");
  return free.includes(quote) || free.endsWith("\\") ? null : inner;
}

function escapedValue(inner: string, quote: string): string | null {
  let value = "";
  for (let at = 0; at < inner.length; ) {
    if (inner.startsWith(quote, at)) return null;
    const sign = inner.charAt(at);
    if (sign !== "\\") {
      value += sign;
      at += 1;
      continue;
    }
    const found = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))/.exec(inner.slice(at));
    if (found === null) return null;
    const [whole, x, u, long, octal, other] = found;
    const hex = x ?? u ?? long;
    if (hex !== undefined || octal !== undefined) {
      const code = hex === undefined ? Number.parseInt(octal ?? "", 8) : Number.parseInt(hex, 16);
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return null;
      value += String.fromCodePoint(code);
    } else {
      const simple = SIMPLE[other ?? ""];
      // Names of characters would need the whole of Unicode; a broken \x or \u is an error in Python.
      if (simple === undefined && /[Nxu]/i.test(other ?? "")) return null;
      value += simple ?? whole;
    }
    at += whole.length;
  }
  return value;
}

/** With the quotes of `like` where there is one, so that only the text of a string changes. */
export function writeString(value: string, like: StringLiteral | null): string {
  const quote = like?.quote ?? '"';
  const isRaw = like?.prefix.toLowerCase() === "r" && rawValue(value, quote) === value && !hasControls(value);
  if (like !== null && isRaw) return `${like.prefix}${quote}${value}${quote}`;
  const prefix = like?.prefix.toLowerCase() === "u" ? like.prefix : "";
  const mark = quote.charAt(0);
  const escaped = value
    .toWellFormed()
    .replaceAll("\\", "\\\\")
    .replaceAll(mark, `\\${mark}`)
    .replace(/[\p{Cc}\u2028\u2029]/gu, escapeControl);
  return `${prefix}${quote}${escaped}${quote}`;
}

function hasControls(value: string): boolean {
  return /[\p{Cc}\u2028\u2029]/u.test(value);
}

function escapeControl(sign: string): string {
  if (sign === "\n") return "\\n";
  if (sign === "\t") return "\\t";
  if (sign === "\r") return "\\r";
  const code = sign.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

const INTEGER = /^[+-]?(?:0|[1-9](?:_?\d)*|0(?:_?0)*|0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)$/;
const FLOAT = /^[+-]?(?:(?:\d(?:_?\d)*)?\.\d(?:_?\d)*|\d(?:_?\d)*\.?)(?:[eE][+-]?\d(?:_?\d)*)?$/;

/** The value of a number as it is written, or null. Integers beyond 2**53 are none: a field would round them. */
export function readNumber(text: string): number | null {
  const isInteger = INTEGER.test(text);
  if (!isInteger && !(FLOAT.test(text) && /[.eE]/.test(text))) return null;
  const plain = text.replaceAll("_", "");
  const sign = plain.startsWith("-") ? -1 : 1;
  const value = sign * Number(plain.replace(/^[+-]/, ""));
  if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) return null;
  return value;
}

export function isInteger(text: string): boolean {
  return INTEGER.test(text) && readNumber(text) !== null;
}

/** The words that a language has for the two: a field writes the kind it found. */
export const TRUTHS = [
  ["False", "True"],
  ["false", "true"],
  ["FALSE", "TRUE"],
] as const;

export function readTruth(text: string): boolean | null {
  const pair = TRUTHS.find(([no, yes]) => text === no || text === yes);
  return pair === undefined ? null : pair[1] === text;
}

export function writeTruth(value: boolean, like: string): string {
  const pair = TRUTHS.find(([no, yes]) => like === no || like === yes) ?? TRUTHS[0];
  return value ? pair[1] : pair[0];
}

/** Why this cannot stand as the value of one line, or null: it would take the rest of the line with it. */
export function rawProblem(text: string): string | null {
  if (text.trim() === "") return "A value is needed, None for example.";
  if (/[\r\n]/.test(text)) return "The value has to stand on one line.";
  const closing: string[] = [];
  for (let at = 0; at < text.length; ) {
    const sign = text.charAt(at);
    if (sign === '"' || sign === "'") {
      const end = endOfString(text, at);
      if (end === null) return "A string is not closed.";
      at = end;
      continue;
    }
    if (sign === "#") return "A comment cannot stand in a value.";
    if (sign === "\\") return "A backslash cannot stand outside of a string.";
    const pair = { "(": ")", "[": "]", "{": "}" }[sign];
    if (pair !== undefined) closing.push(pair);
    else if (")]}".includes(sign) && closing.pop() !== sign) return "A bracket is not open.";
    at += 1;
  }
  return closing.length > 0 ? "A bracket is not closed." : null;
}

/** The offset behind the string that begins at `at`, or null when its line ends before it does. */
export function endOfString(text: string, at: number): number | null {
  const mark = text.charAt(at);
  const quote = text.startsWith(mark.repeat(3), at) ? mark.repeat(3) : mark;
  for (let place = at + quote.length; place < text.length; place += 1) {
    const sign = text.charAt(place);
    if (sign === "\\") place += 1;
    else if (sign === "\n" && quote.length === 1) return null;
    else if (text.startsWith(quote, place)) return place + quote.length;
  }
  return null;
}
