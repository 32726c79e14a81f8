/** Where the rows of a table come from: the output itself, or the kernel as long as it answers. */

import { applied } from "./filter";
import { type Page, readPage, type Spec } from "./page";

/** Calls a function of the kernel; rejects with a sentence. */
export type CallKernel = (name: string, args: readonly unknown[]) => Promise<unknown>;

export interface Asked {
  readonly spec: Spec;
  readonly start: number;
  readonly count: number;
  /** The first column, of those that are not the index. */
  readonly first: number;
}

export interface Source {
  page(asked: Asked): Promise<Page>;
  /** All rows of the spec as CSV, in pieces. */
  csv(spec: Spec): AsyncIterable<string>;
}

const COLUMNS = 100;
/** Of a file that is made in the browser. */
const MOST_CSV_CHARS = 60_000_000;

/** The rows that are in the output: all of a small table, the first of a large one. */
export function rowsHere(whole: Page): Source {
  return {
    async page({ spec, start, count }) {
      const rows = applied(whole, spec);
      const from = Math.min(start, Math.max(0, rows.length - 1));
      return { ...whole, found: rows.length, start: from, rows: rows.slice(from, from + count) };
    },
    async *csv(spec) {
      const header = [...whole.index, ...whole.columns].map(({ name }) => name.filter((part) => part !== "").join(" "));
      const lines = [
        header,
        ...applied(whole, spec).map((row) => row.map((value) => (typeof value === "object" ? "" : value))),
      ];
      yield lines.map((line) => `${line.map((cell) => csvCell(String(cell))).join(",")}\n`).join("");
    },
  };
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function rowsOfKernel(key: string, call: CallKernel): Source {
  return {
    async page({ spec, start, count, first }) {
      const page = readPage(await call("collab.table.page", [key, spec, start, count, first, COLUMNS]));
      if (page === null) throw new Error("The kernel did not answer with a table.");
      return page;
    },
    async *csv(spec) {
      let chars = 0;
      for (let start: number | null = 0; start !== null; ) {
        const answer: unknown = await call("collab.table.csv", [key, spec, start]);
        const fields = new Map<string, unknown>(
          typeof answer === "object" && answer !== null ? Object.entries(answer) : [],
        );
        const text = String(fields.get("text") ?? "");
        chars += text.length;
        if (chars > MOST_CSV_CHARS)
          throw new Error("The table is larger than 60 MB as CSV; write it with to_csv() instead.");
        yield text;
        const next = fields.get("next");
        start = typeof next === "number" && next > start ? next : null;
      }
    },
  };
}

/** Whether all of the table is in this page: then nobody has to be asked. */
export function isWhole(page: Page): boolean {
  return page.rows.length === page.total && page.columns.length === page.width;
}
