/** Search, filters and order over rows that are here, as the kernel does it over all of them. Pure. */

import { type Column, type Kind, NONE, type Page, plainValue, type Sort, type Spec, type Value } from "./page";

const MISSING = new Set(["nan", "none", "null", "nat", "<na>"]);
const COMPARED = /^\s*(>=|<=|!=|>|<|=)\s*([\s\S]*?)\s*$/;
const RANGE = /^\s*(\S[\s\S]*?)\s*\.\.\s*(\S[\s\S]*?)\s*$/;

type Test = (value: Value) => boolean;

const isMissing: Test = (value) => typeof value === "object";
const contains = (text: string): Test => {
  const wanted = text.toLowerCase();
  return (value) => plainValue(value).toLowerCase().includes(wanted);
};

/** What a filter as people type it keeps: `abc`, `=abc`, `>3`, `1..5`, `NaN`, `!NaN`; null for an empty one. */
export function filterOf(kind: Kind, text: string): Test | null {
  const plain = text.trim();
  if (plain === "") return null;
  if (MISSING.has(plain.toLowerCase())) return isMissing;
  if (plain.startsWith("!") && MISSING.has(plain.slice(1).trim().toLowerCase())) return (value) => !isMissing(value);
  const range = RANGE.exec(text);
  if (range !== null) {
    const low = comparison(kind, ">=", range[1] ?? "");
    const high = comparison(kind, "<=", range[2] ?? "");
    if (low !== null && high !== null) return (value) => low(value) && high(value);
  }
  const compared = COMPARED.exec(text);
  if (compared !== null) {
    const test = comparison(kind, compared[1] ?? "", compared[2] ?? "");
    if (test !== null) return test;
  }
  const number = kind === "number" || kind === "integer" ? comparison(kind, "=", plain) : null;
  return number ?? contains(plain);
}

/** Null where such values are not compared with this text. */
function comparison(kind: Kind, sign: string, text: string): Test | null {
  const isNumber = kind === "number" || kind === "integer";
  const key = (value: Value): number | string =>
    isNumber ? numberOf(plainValue(value)) : plainValue(value).toLowerCase();
  const other = isNumber ? numberOf(text) : text.toLowerCase();
  if (isNumber && (text.trim() === "" || Number.isNaN(other))) return null;
  const known =
    (test: (mine: number | string) => boolean): Test =>
    (value) =>
      !isMissing(value) && test(key(value));
  switch (sign) {
    case ">":
      return known((mine) => mine > other);
    case ">=":
      return known((mine) => mine >= other);
    case "<":
      return known((mine) => mine < other);
    case "<=":
      return known((mine) => mine <= other);
    case "=":
      // A day stands for all its hours.
      return known((mine) => mine === other || (kind === "date" && String(mine).startsWith(`${other} `)));
    case "!=":
      return (value) => isMissing(value) || key(value) !== other;
    default:
      return null;
  }
}

/** Where a column's values stand in a row. */
export function placeOf(page: Page, column: number): number {
  return column < 0 ? -column - 1 : page.index.length + column - page.first;
}

export function columnOf(page: Page, column: number): Column | undefined {
  return column < 0 ? page.index[-column - 1] : page.columns[column - page.first];
}

/** The rows of the page that the spec leaves, in its order. */
export function applied(page: Page, { search, filters, sort }: Spec): Page["rows"] {
  const tests: ((row: readonly Value[]) => boolean)[] = [];
  if (search.trim() !== "") {
    const test = contains(search.trim());
    tests.push((row) => row.some(test));
  }
  for (const { column, text } of filters) {
    const test = filterOf(columnOf(page, column)?.kind ?? "text", text);
    const at = placeOf(page, column);
    if (test !== null) tests.push((row) => test(row[at] ?? NONE));
  }
  const kept = page.rows.filter((row) => tests.every((test) => test(row)));
  return sort.length === 0 ? kept : kept.toSorted((a, b) => order(page, sort, a, b));
}

function order(page: Page, sort: readonly Sort[], a: readonly Value[], b: readonly Value[]): number {
  for (const { column, descending } of sort) {
    const at = placeOf(page, column);
    const [mine, other] = [a[at] ?? NONE, b[at] ?? NONE];
    // What is missing comes last in either direction.
    if (isMissing(mine) || isMissing(other)) {
      const difference = Number(isMissing(mine)) - Number(isMissing(other));
      if (difference !== 0) return difference;
      continue;
    }
    const kind = columnOf(page, column)?.kind ?? "text";
    const difference =
      kind === "text" || kind === "date"
        ? compareTexts(mine, other)
        : numberOf(plainValue(mine)) - numberOf(plainValue(other));
    if (difference !== 0 && !Number.isNaN(difference)) return descending ? -difference : difference;
  }
  return 0;
}

/** With the words of Python for what JSON has no number for. */
function numberOf(text: string): number {
  const plain = text.trim().toLowerCase().replaceAll("_", "");
  if (plain === "true" || plain === "false") return Number(plain === "true");
  return Number(plain.replace(/^([+-]?)inf(inity)?$/, "$1Infinity"));
}

function compareTexts(a: Value, b: Value): number {
  const [mine, other] = [plainValue(a), plainValue(b)];
  return mine < other ? -1 : mine > other ? 1 : 0;
}
