/**
 * Reads terminal text: SGR colours and styles, OSC 8 links, everything else dropped. Pure; `terminal.ts` draws it.
 * The server has applied carriage returns, backspaces and cursor movement already.
 */
import { safeLink } from "../../frame/protocol";

/** A palette index 0-15 (drawn as a class) or an exact colour `rgb(r, g, b)`; null is the default. */
export type Colour = number | string | null;

export interface Style {
  foreground: Colour;
  background: Colour;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
  hidden: boolean;
  /** Normalised http, https or mailto URL. */
  link: string | null;
}

export interface Segment {
  text: string;
  style: Style;
}

/** Where a reader stands between two pieces of one text. Values: keep the old one to read again from there. */
export interface AnsiState {
  style: Style;
  /** The beginning of an escape sequence whose end has not come yet. */
  pending: string;
}

const PLAIN: Style = {
  foreground: null,
  background: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  strike: false,
  hidden: false,
  link: null,
};

export const ANSI_START: AnsiState = { style: PLAIN, pending: "" };

const LONGEST_SEQUENCE = 4_096;
// CSI, OSC (ended by BEL or ST), other string sequences, charset choice, two-character escapes.
const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are made of them
  /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\]([^\x07\x1b]*)(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]+[0-~]|\x1b[0-Z\\`-~]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: everything but tab, line feed and carriage return
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** Splits `text` into segments of one style, beginning in `state`; returns the state after it as well. */
export function readAnsi(text: string, state: AnsiState = ANSI_START): { segments: Segment[]; state: AnsiState } {
  const all = state.pending + text;
  const segments: Segment[] = [];
  let { style } = state;
  const push = (piece: string): void => {
    const clean = piece.replace(CONTROL, "");
    if (clean === "") return;
    const last = segments.at(-1);
    if (last !== undefined && last.style === style) last.text += clean;
    else segments.push({ text: clean, style });
  };
  let end = all.length;
  let pending = "";
  const open = openSequence(all);
  if (open !== -1) {
    end = open;
    pending = all.slice(open);
  }
  const complete = all.slice(0, end);
  let at = 0;
  for (const match of complete.matchAll(SEQUENCE)) {
    push(complete.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") style = applySgr(style, match[1] ?? "");
    else if (match[3]?.startsWith("8;")) style = { ...style, link: linkOf(match[3]) };
  }
  push(complete.slice(at));
  return { segments, state: { style, pending } };
}

/** Index of a last escape sequence that is still unfinished, or -1. A sequence that never ends is given up as text. */
function openSequence(text: string): number {
  let at = text.lastIndexOf("\x1b");
  if (at === -1 || text.length - at > LONGEST_SEQUENCE) return -1;
  // The ESC of an unfinished string terminator belongs to the sequence before it.
  if (at === text.length - 1 && at > 0) {
    const before = text.lastIndexOf("\x1b", at - 1);
    const isString = before !== -1 && "]PX^_".includes(text[before + 1] ?? " ");
    if (isString && !text.slice(before, at).includes("\x07")) at = before;
  }
  // A line feed ends every hope for a short sequence.
  if (text.includes("\n", at) && !"]PX^_".includes(text[at + 1] ?? " ")) return -1;
  SEQUENCE.lastIndex = at;
  const match = SEQUENCE.exec(text);
  SEQUENCE.lastIndex = 0;
  return match !== null && match.index === at ? -1 : at;
}

function linkOf(osc: string): string | null {
  const url = osc.slice(osc.indexOf(";", 2) + 1);
  if (url === "" || /[\s"'<>`]/.test(url)) return null;
  return safeLink(url)?.href ?? null;
}

function applySgr(style: Style, parameters: string): Style {
  const link = style.link;
  let next: Style = { ...style };
  const codes = parameters.split(/[;:]/).map((part) => (part === "" ? 0 : Number(part)));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) next = { ...PLAIN, link };
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 8) next.hidden = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) {
      next.bold = false;
      next.dim = false;
    } else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code === 28) next.hidden = false;
    else if (code === 29) next.strike = false;
    else if (code >= 30 && code <= 37) next.foreground = code - 30;
    else if (code === 39) next.foreground = null;
    else if (code >= 40 && code <= 47) next.background = code - 40;
    else if (code === 49) next.background = null;
    else if (code >= 90 && code <= 97) next.foreground = code - 90 + 8;
    else if (code >= 100 && code <= 107) next.background = code - 100 + 8;
    else if (code === 38 || code === 48) {
      const { colour, used } = extendedColour(codes.slice(i + 1));
      i += used;
      if (colour === null) continue;
      if (code === 38) next.foreground = colour;
      else next.background = colour;
    }
  }
  return next;
}

function extendedColour(codes: number[]): { colour: Colour; used: number } {
  const [mode, first = -1, second = -1, third = -1] = codes;
  const isByte = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 255;
  if (mode === 5) return { colour: isByte(first) ? indexedColour(first) : null, used: 2 };
  if (mode === 2) {
    const known = isByte(first) && isByte(second) && isByte(third);
    return { colour: known ? `rgb(${first}, ${second}, ${third})` : null, used: 4 };
  }
  return { colour: null, used: 1 };
}

/** xterm's 256 colours: 16 of the palette, a 6 x 6 x 6 cube, 24 greys. */
function indexedColour(index: number): Colour {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey}, ${grey}, ${grey})`;
  }
  const level = (step: number): number => (step === 0 ? 0 : 55 + step * 40);
  const cube = index - 16;
  return `rgb(${level(Math.floor(cube / 36))}, ${level(Math.floor(cube / 6) % 6)}, ${level(cube % 6)})`;
}
