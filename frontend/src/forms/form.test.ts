/**
 * Forms of real spellings, and what their fields write: tests/vectors/forms.json. To write the file anew:
 * `WRITE_VECTORS=1 npx vitest run src/forms/form.test.ts`, and read what changed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changeOf, write } from "./change.ts";
import { type Field, type Form, readForm } from "./form.ts";
import { readString, writeString } from "./literal.ts";

const FILE = new URL("../../../tests/vectors/forms.json", import.meta.url);

interface Vectors {
  readonly read: { readonly source: string; readonly form: Form | null }[];
  readonly write: { readonly source: string; readonly value: string | boolean; readonly result: string }[];
}

const vectors = JSON.parse(readFileSync(FILE, "utf8")) as Vectors;

const fieldsOf = (source: string): Field[] => readForm(source)?.items.filter((item) => item.kind === "field") ?? [];

/** The source after its first field got this value, or why it did not. */
function written(source: string, value: string | boolean, gently = false): string {
  const [field] = fieldsOf(source);
  if (field === undefined) return "no field";
  const result = write(field, value);
  if (result.kind === "refused") return result.why;
  const change = changeOf(source, field.key, result.text, gently);
  if (change === null) return source;
  return source.slice(0, change.at) + change.insert + source.slice(change.at + change.remove);
}

if (process.env.WRITE_VECTORS === "1") {
  const fresh: Vectors = {
    read: vectors.read.map(({ source }) => ({ source, form: readForm(source) })),
    write: vectors.write.map(({ source, value }) => ({ source, value, result: written(source, value) })),
  };
  writeFileSync(FILE, `${JSON.stringify(fresh, null, 1)}\n`);
}

describe("a form is read from its source", () => {
  it.each(vectors.read)("$source", ({ source, form }) => {
    expect(readForm(source)).toEqual(form);
  });
});

describe("a field writes its own value and nothing else", () => {
  it.each(vectors.write)("$source gets $value", ({ source, value, result }) => {
    expect(written(source, value)).toBe(result);
    expect(written(source, value, true)).toBe(result);
  });
});

const piece = fc.constantFrom(
  "x",
  "y",
  " ",
  "=",
  "#",
  "@param",
  "@title",
  "#@param",
  "# @markdown",
  "{",
  "}",
  "[",
  "]",
  "'",
  '"',
  "\\",
  "\n",
  '"""',
  "1",
  ".5",
  "True",
  "type:",
  '"slider"',
  "é",
  "😀",
  ",",
);
const anySource = fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(""));

describe("whatever stands in a cell", () => {
  it("can be read, and every value lies in the line of its field", () => {
    fc.assert(
      fc.property(anySource, (source) => {
        for (const field of fieldsOf(source)) {
          expect(source.slice(field.from, field.to)).toBe(field.text);
          expect(field.text).not.toContain("\n");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("a text comes back from the code that it was written as, and the rest of the cell stays", () => {
    const quotes = fc.constantFrom("''", '""', "r''", 'R""', "u''", "''''''", '""""""', "");
    fc.assert(
      fc.property(quotes, fc.string({ unit: "binary", maxLength: 20 }), fc.boolean(), (before, text, gently) => {
        const source = `# é😀\nx = ${before} #@param {type:"string"}\ny = 1 #@param\n`;
        const after = written(source, text, gently);
        const [x, y] = fieldsOf(after);
        expect([x?.value, y?.text]).toEqual([text.toWellFormed(), "1"]);
        expect(after.startsWith("# é😀\nx = ") && after.endsWith(' #@param {type:"string"}\ny = 1 #@param\n')).toBe(
          true,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it("gentle edits come to the same and never part the halves of a character", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "😀", "😁", "'", "\\"), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (from, to) => {
        const source = `x = ${writeString(from, null)} #@param`;
        const change = changeOf(source, "x 0", writeString(to, null), true);
        if (change === null) return;
        expect(written(source, to, true)).toBe(written(source, to));
        const parts = [source.slice(0, change.at), change.insert, source.slice(change.at + change.remove)];
        expect(parts.every((part) => part.isWellFormed())).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("a string that Python would not take is none", () => {
    for (const text of ["'a", "'a'b'", "'a\\'", "b'a'", "f'{a}'", "'\\x4'", "'\\N{DASH}'", "'a' 'b'", "r'\\'"])
      expect([text, readString(text)]).toEqual([text, null]);
  });
});
