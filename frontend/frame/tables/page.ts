/** What the kernel says of a table (`google/colab/data_table.py`): one page of it, read by hand. Pure. */

/** A missing value is a list of its name. Text also stands for numbers that JSON cannot hold. */
export type Value = string | number | boolean | readonly [string];

export const NONE: Value = ["None"];

export type Kind = "number" | "integer" | "boolean" | "date" | "text";

export interface Column {
  /** One name for each level of the header. */
  readonly name: readonly string[];
  readonly kind: Kind;
}

export interface Page {
  /** By it the kernel knows the DataFrame; empty when nobody can be asked. */
  readonly key: string;
  /** Rows of the DataFrame, and those that search and filters leave. */
  readonly total: number;
  readonly found: number;
  readonly start: number;
  /** Columns of the DataFrame, and the first of those that are here. */
  readonly width: number;
  readonly first: number;
  readonly index: readonly Column[];
  readonly columns: readonly Column[];
  /** Each begins with its index. */
  readonly rows: readonly (readonly Value[])[];
  readonly pageRows: number;
  readonly showsIndex: boolean;
}

/** Columns are numbered from 0; levels of the index are -1, -2 and so on. */
export interface Sort {
  readonly column: number;
  readonly descending: boolean;
}

export interface Spec {
  readonly search: string;
  readonly filters: readonly { readonly column: number; readonly text: string }[];
  readonly sort: readonly Sort[];
}

export const WHOLE: Spec = { search: "", filters: [], sort: [] };

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

const KINDS: readonly Kind[] = ["number", "integer", "boolean", "date", "text"];

function columnsOf(value: unknown): Column[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isFields).map(({ name, kind }) => ({
    name: Array.isArray(name) ? name.map(String) : [String(name ?? "")],
    kind: KINDS.find((known) => known === kind) ?? "text",
  }));
}

function readValue(value: unknown): Value {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return [String(value[0] ?? "")];
  return NONE;
}

/** Null for what is no page. It may come from a file that anybody wrote. */
export function readPage(value: unknown): Page | null {
  if (!isFields(value) || !Array.isArray(value["rows"])) return null;
  const index = columnsOf(value["index"]);
  const columns = columnsOf(value["columns"]);
  const width = index.length + columns.length;
  const rows = value["rows"]
    .filter(Array.isArray)
    .map((row) => Array.from({ length: width }, (_, at) => readValue(row[at])));
  const { key } = value;
  return {
    key: typeof key === "string" ? key : "",
    total: Math.max(count(value["total"]), rows.length),
    found: count(value["found"]),
    start: count(value["start"]),
    width: Math.max(count(value["width"]), columns.length),
    first: count(value["first"]),
    index,
    columns,
    rows,
    pageRows: Math.min(200, count(value["page_rows"]) || 25),
    showsIndex: value["shows_index"] !== false,
  };
}

/** How a value of a column is shown; `decimals` is the column's, for numbers with a fraction. */
export function shownValue(value: Value, decimals: number): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "number") return typeof value === "string" ? value : value[0];
  if (decimals === 0) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e15 || size < 1e-5) ? value.toExponential(decimals) : value.toFixed(decimals);
}

/** As many decimals as the values of a column need, six at most: then their points stand below each other. */
export function decimalsOf(kind: Kind, values: readonly Value[]): number {
  if (kind !== "number") return 0;
  const needed = values.map((value) => (typeof value === "number" ? fraction(value) : 0));
  return Math.max(1, ...needed);
}

function fraction(value: number): number {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e15 || size < 1e-5)) return 6;
  return /\.(\d*?)0*$/.exec(value.toFixed(6))?.[1]?.length ?? 0;
}

/** The text of a value that is looked for, compared and copied. */
export function plainValue(value: Value): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "object" ? "" : String(value);
}
