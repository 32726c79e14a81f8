/** A cell's form, read from its source: `#@title`, `#@markdown` and `#@param`, in every spelling that files have. Pure. */

import { endOfString, isInteger, readNumber, readString, readTruth } from "./literal.ts";
import { type Entry, readSettings, type Settings } from "./settings.ts";

export interface Form {
  /** Null when the cell has no `#@title`. */
  readonly title: string | null;
  /** Run the cell whenever a field was changed. */
  readonly isAuto: boolean;
  readonly items: readonly (Field | Note)[];
}

/** Neighbouring `#@markdown` lines. */
export interface Note {
  readonly kind: "note";
  readonly markdown: string;
}

export interface Field {
  readonly kind: "field";
  /** What is assigned to. */
  readonly name: string;
  /** The same for the same field of an edited source: the name, and which of that name it is. */
  readonly key: string;
  /** Where the value stands in the source, in UTF-16 units, and how it is written. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly control: Control;
  /** What the control shows; null when the value is code that a field must not touch. */
  readonly value: string | number | boolean | null;
}

export type Control =
  | { readonly kind: "text"; readonly placeholder: string }
  | { readonly kind: "raw"; readonly placeholder: string }
  | {
      readonly kind: "number";
      readonly isInteger: boolean;
      readonly min: number | null;
      readonly max: number | null;
      readonly step: number | null;
      readonly placeholder: string;
    }
  | { readonly kind: "slider"; readonly min: number; readonly max: number; readonly step: number }
  | { readonly kind: "checkbox" }
  | { readonly kind: "date" }
  | { readonly kind: "choice"; readonly choices: readonly Choice[]; readonly isRaw: boolean; readonly isOpen: boolean };

export interface Choice {
  readonly label: string;
  /** The string it stands for, or with `isRaw` the code. */
  readonly value: string;
}

const TARGET =
  /^(?:(?:const|let|var)\s+)?([\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{N}_]*|\[(?:"[^"\\\]]*"|'[^'\\\]]*'|-?\d+|[\p{L}_][\p{L}\p{N}_]*)\])*)(?:\s*:[^=]+)?$/u;
const MARK = /^#+\s*@(title|markdown|param)(?![\p{L}\p{N}_])/u;

/** Behind a line of text it would make a heading of that. */
const RULE = /^\s*(?:-{3,}|={3,})\s*$/;

/** The form, or null when the source has none. */
export function readForm(source: string): Form | null {
  let title: string | null = null;
  let isAuto = false;
  const items: (Field | Note)[] = [];
  const names = new Map<string, number>();
  let noteLine = -2;

  for (const { number, from, comment, end } of linesOf(source)) {
    const text = source.slice(comment, end);
    const mark = MARK.exec(text) ?? (comment < end ? laterParam(text) : null);
    if (mark === null) continue;
    const rest = text.slice(mark.index + mark[0].length);
    const isAlone = source.slice(from, comment).trim() === "";
    if (mark[1] === "title" && isAlone) {
      const { words, map } = readSettings(rest, "title");
      title ??= words;
      isAuto ||= map.get("run") === "auto";
    } else if (mark[1] === "markdown" && isAlone) {
      const line = rest.replace(/^ /, "");
      const last = items.at(-1);
      if (last?.kind === "note" && noteLine === number - 1)
        items[items.length - 1] = {
          kind: "note",
          markdown: `${last.markdown}${RULE.test(line) ? "\n\n" : "\n"}${line}`,
        };
      else items.push({ kind: "note", markdown: line });
      noteLine = number;
    } else if (mark[1] === "param") {
      const assigned = readAssignment(source, from, comment);
      if (assigned === null) continue;
      const nth = names.get(assigned.name) ?? 0;
      names.set(assigned.name, nth + 1);
      items.push({
        kind: "field",
        key: `${assigned.name} ${nth}`,
        ...assigned,
        ...shapeOf(assigned.text, paramSettings(rest)),
      });
    }
  }
  return title === null && items.length === 0 ? null : { title, isAuto, items };
}

/** Settings whose beginning makes no sense are none. */
function paramSettings(text: string): Settings {
  const settings = readSettings(text, "param");
  return /[[\]{}]/.test(settings.words) ? { list: null, map: new Map(), isWhole: false, words: "" } : settings;
}

/** `x = 1  # how many  #@param`: the mark may stand behind another comment. */
function laterParam(comment: string): RegExpExecArray | null {
  return /#\s*@(param)(?![\p{L}\p{N}_])/u.exec(comment);
}

interface Line {
  readonly number: number;
  readonly from: number;
  /** Where its comment begins; `end` when it has none. */
  readonly comment: number;
  readonly end: number;
}

/** The lines that begin outside of strings. */
function linesOf(source: string): Line[] {
  const lines: Line[] = [];
  let number = 0;
  for (let from = 0; from <= source.length; ) {
    let at = from;
    let comment: number | null = null;
    const first = number;
    while (at < source.length && source.charAt(at) !== "\n") {
      const sign = source.charAt(at);
      if (sign === "#") {
        comment = at;
        const ending = source.indexOf("\n", at);
        at = ending < 0 ? source.length : ending;
        break;
      }
      const behind = sign === '"' || sign === "'" ? endOfString(source, at) : null;
      if (behind === null) at += 1;
      else {
        number += countLines(source, at, behind);
        at = behind;
      }
    }
    // A string over several lines cannot be a field's, and its lines are no lines of the form.
    const isOne = first === number;
    lines.push({ number: first, from, comment: isOne ? (comment ?? at) : at, end: at });
    number += 1;
    from = at + 1;
  }
  return lines;
}

function countLines(source: string, from: number, to: number): number {
  let count = 0;
  for (let at = source.indexOf("\n", from); at >= 0 && at < to; at = source.indexOf("\n", at + 1)) count += 1;
  return count;
}

function readAssignment(source: string, from: number, to: number): Pick<Field, "name" | "from" | "to" | "text"> | null {
  const line = source.slice(from, to);
  const sign = assignmentAt(line);
  if (sign === null) return null;
  const name = TARGET.exec(line.slice(0, sign.from).trim())?.[1];
  if (name === undefined) return null;
  const value = line.slice(sign.to);
  const text = value.trim().replace(/\s*;$/, "");
  const start = from + sign.to + (text === "" ? Math.min(1, value.length) : value.indexOf(text));
  return { name, from: start, to: start + text.length, text };
}

/** The first `=` or `<-` outside of strings and brackets. */
function assignmentAt(line: string): { from: number; to: number } | null {
  let depth = 0;
  for (let at = 0; at < line.length; at += 1) {
    const sign = line.charAt(at);
    if (sign === '"' || sign === "'") at = (endOfString(line, at) ?? line.length) - 1;
    else if ("([{".includes(sign)) depth += 1;
    else if (")]}".includes(sign)) depth -= 1;
    else if (depth > 0) continue;
    else if (line.startsWith("<-", at)) return { from: at, to: at + 2 };
    else if (sign === "=") {
      const isPlain = line.charAt(at + 1) !== "=" && !/[=!<>+\-*/%&|^@:~]/.test(line.charAt(at - 1));
      return isPlain ? { from: at, to: at + 1 } : null;
    }
  }
  return null;
}

function shapeOf(text: string, settings: Settings): Pick<Field, "control" | "value"> {
  const control = controlOf(text, settings);
  return { control, value: valueFor(control, text) };
}

function controlOf(text: string, { list, map, isWhole }: Settings): Control {
  const named = map.get("type");
  const kind = typeof named === "string" ? named.toLowerCase() : isWhole ? guess(text) : "unknown";
  const placeholder = String(map.get("placeholder") ?? "");
  const number = (key: string): number | null => {
    const value = map.get(key);
    return typeof value === "number" ? value : null;
  };
  if (list !== null && list.length > 0) {
    const isRaw = typeof named === "string" ? kind !== "string" : readString(text) === null && text !== "";
    const choices = list.map((entry) => choiceOf(entry, isRaw));
    return { kind: "choice", choices, isRaw, isOpen: map.get("allow-input") === true };
  }
  switch (kind) {
    case "string":
      return { kind: "text", placeholder };
    case "integer":
    case "number": {
      const limits = { min: number("min"), max: number("max"), step: number("step") };
      return { kind: "number", isInteger: kind === "integer", ...limits, placeholder };
    }
    case "slider": {
      const [min, max] = [number("min") ?? 0, number("max") ?? 100];
      const step = number("step") ?? 1;
      return { kind: "slider", min, max: Math.max(min, max), step: step > 0 ? step : 1 };
    }
    case "boolean":
      return { kind: "checkbox" };
    case "date":
      return { kind: "date" };
    default:
      return { kind: "raw", placeholder };
  }
}

/** Of a field without a type. */
function guess(text: string): string {
  if (readString(text) !== null || text === "") return "string";
  if (readTruth(text) !== null) return "boolean";
  if (isInteger(text)) return "integer";
  return readNumber(text) !== null ? "number" : "raw";
}

function choiceOf({ text, string }: Entry, isRaw: boolean): Choice {
  const value = string ?? text;
  return { label: value === "" ? (isRaw ? text : "") : value, value: isRaw && value === "" ? text : value };
}

function valueFor(control: Control, text: string): Field["value"] {
  switch (control.kind) {
    case "raw":
      return text;
    case "text":
      return text === "" ? "" : (readString(text)?.value ?? null);
    case "choice":
      if (control.isRaw) return text;
      return text === "" ? "" : (readString(text)?.value ?? null);
    case "date": {
      const date = text === "" ? "" : readString(text)?.value;
      return date !== undefined && (date === "" || isDate(date)) ? date : null;
    }
    case "checkbox":
      return text === "" ? false : readTruth(text);
    case "number":
      if (text === "") return "";
      return control.isInteger && !isInteger(text) ? null : fieldNumber(text);
    case "slider":
      return text === "" ? control.min : readNumber(text);
  }
}

/** A number as a number field takes it: 0xff and 1_000 are none to it. */
function fieldNumber(text: string): string | null {
  const number = readNumber(text);
  if (number === null) return null;
  return /^-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? text : String(number);
}

export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
