/** What edits write, for both languages: tests/vectors/edits.json, which tests/vectors/test_edits.py runs through the gate.
 *
 * A vector has the notebook before, what somebody did, the updates their browser sent and the cells afterwards. To write
 * the file anew: `WRITE_VECTORS=1 npx vitest run src/notebook/edit_vectors.test.ts`. It is seeded.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import * as Y from "yjs";
import {
  type CellData,
  deleteCells,
  duplicateCells,
  insertCell,
  mergeCells,
  moveCells,
  pasteCells,
  setCellMetadata,
  setTitle,
  setType,
  splitCell,
} from "./edits.ts";
import { fresh, type PlainCell, plain, type } from "./peers.ts";
import { type CellType, type Notebook, orderedIds } from "./schema.ts";

const FILE = new URL("../../../tests/vectors/edits.json", import.meta.url);

type Edit =
  | { readonly op: "insert"; readonly type: CellType; readonly source: string; readonly before: string | null }
  | { readonly op: "delete"; readonly ids: readonly string[] }
  | { readonly op: "move"; readonly ids: readonly string[]; readonly before: string | null }
  | { readonly op: "split"; readonly id: string; readonly offset: number }
  | { readonly op: "merge"; readonly ids: readonly string[] }
  | { readonly op: "type"; readonly id: string; readonly type: CellType }
  | { readonly op: "duplicate"; readonly ids: readonly string[] }
  | { readonly op: "paste"; readonly cells: readonly CellData[]; readonly before: string | null }
  | { readonly op: "title"; readonly title: string }
  | { readonly op: "metadata"; readonly id: string; readonly key: string; readonly value: unknown }
  | {
      readonly op: "text";
      readonly id: string;
      readonly offset: number;
      readonly remove: number;
      readonly text: string;
    };

interface Start extends CellData {
  readonly id: string;
  readonly position: string;
}

interface Vector {
  readonly name: string;
  /** A Yjs update, base64: the whole notebook. */
  readonly before: string;
  /** What each person did to it, without knowing of the others. Offsets count UTF-16 units. */
  readonly edits: readonly Edit[];
  /** What each one's browser sent, base64. */
  readonly updates: readonly string[];
  readonly title: string;
  readonly after: readonly PlainCell[];
}

function perform(nb: Notebook, edit: Edit): void {
  switch (edit.op) {
    case "insert":
      insertCell(nb, edit);
      break;
    case "delete":
      deleteCells(nb, edit.ids);
      break;
    case "move":
      moveCells(nb, edit.ids, edit.before);
      break;
    case "split":
      splitCell(nb, edit.id, edit.offset);
      break;
    case "merge":
      mergeCells(nb, edit.ids);
      break;
    case "type":
      setType(nb, edit.id, edit.type);
      break;
    case "duplicate":
      duplicateCells(nb, edit.ids);
      break;
    case "paste":
      pasteCells(nb, edit.cells, edit.before);
      break;
    case "title":
      setTitle(nb, edit.title);
      break;
    case "metadata":
      setCellMetadata(nb, edit.id, edit.key, edit.value);
      break;
    case "text":
      type(nb, edit.id, edit.offset, edit.text, edit.remove);
      break;
  }
}

const start = (id: string, position: string, source: string, rest: Partial<CellData> = {}): Start => ({
  id,
  position,
  type: "code",
  source,
  metadata: {},
  attachments: {},
  ...rest,
});
const ABC = [start("a", "8aaa", "x = 1\ny = 2"), start("b", "Gbbb", "print(x)"), start("c", "Occc", "z 😀 中\n")];
const EQUAL = [start("a", "V", "1"), start("b", "V", "2"), start("c", "V", "3")];
const image = (data: string): string => JSON.stringify({ "image/png": data });
const PICTURES = [
  start("m", "8aaa", "![](attachment:image.png)\nand\n![](attachment:other.png)", {
    type: "markdown",
    metadata: { tags: '["figure"]', big: '{"n":1.0,"id":12345678901234567890}' },
    attachments: { "image.png": image("AAAA"), "other.png": image("BBBB") },
  }),
  start("n", "Gbbb", "![](attachment:image.png)", { type: "markdown", attachments: { "image.png": image("CCCC") } }),
];

const CASES: readonly { readonly name: string; readonly cells: readonly Start[]; readonly edits: readonly Edit[] }[] = [
  { name: "the first cell", cells: [], edits: [{ op: "insert", type: "code", source: "1 + 1", before: null }] },
  { name: "insert at the end", cells: ABC, edits: [{ op: "insert", type: "markdown", source: "# end", before: null }] },
  { name: "insert at the start", cells: ABC, edits: [{ op: "insert", type: "raw", source: "", before: "a" }] },
  {
    name: "insert between equal positions",
    cells: EQUAL,
    edits: [{ op: "insert", type: "code", source: "new", before: "b" }],
  },
  {
    name: "insert foreign line ends",
    cells: ABC,
    edits: [{ op: "insert", type: "code", source: "a\r\nb\rc", before: "b" }],
  },
  { name: "delete two", cells: ABC, edits: [{ op: "delete", ids: ["c", "a"] }] },
  { name: "delete all", cells: ABC, edits: [{ op: "delete", ids: ["a", "b", "c"] }] },
  { name: "move up", cells: ABC, edits: [{ op: "move", ids: ["c"], before: "a" }] },
  { name: "move to the end", cells: ABC, edits: [{ op: "move", ids: ["a"], before: null }] },
  { name: "move two", cells: ABC, edits: [{ op: "move", ids: ["c", "b"], before: "a" }] },
  { name: "move among equal positions", cells: EQUAL, edits: [{ op: "move", ids: ["c"], before: "b" }] },
  { name: "split at a line break", cells: ABC, edits: [{ op: "split", id: "a", offset: 6 }] },
  { name: "split inside a line", cells: ABC, edits: [{ op: "split", id: "b", offset: 5 }] },
  { name: "split inside a surrogate pair goes before it", cells: ABC, edits: [{ op: "split", id: "c", offset: 3 }] },
  { name: "split a cell with attachments", cells: PICTURES, edits: [{ op: "split", id: "m", offset: 29 }] },
  { name: "merge three", cells: ABC, edits: [{ op: "merge", ids: ["a", "b", "c"] }] },
  { name: "merge attachments of one name", cells: PICTURES, edits: [{ op: "merge", ids: ["m", "n"] }] },
  { name: "code becomes text", cells: ABC, edits: [{ op: "type", id: "a", type: "markdown" }] },
  { name: "duplicate keeps JSON as it was written", cells: PICTURES, edits: [{ op: "duplicate", ids: ["m"] }] },
  {
    name: "paste several in one gap",
    cells: ABC,
    edits: [
      {
        op: "paste",
        before: "b",
        cells: ["1", "2", "3", "4"].map((source) => ({ type: "code", source, metadata: {}, attachments: {} })),
      },
    ],
  },
  { name: "a new title", cells: ABC, edits: [{ op: "title", title: "Fourier 😀" }] },
  { name: "metadata of a cell", cells: ABC, edits: [{ op: "metadata", id: "a", key: "tags", value: ["slow"] }] },
  {
    name: "typing beyond the basic plane",
    cells: ABC,
    edits: [{ op: "text", id: "c", offset: 4, remove: 2, text: "👩‍🔬é文" }],
  },
  {
    name: "two insert at one gap",
    cells: ABC,
    edits: [
      { op: "insert", type: "code", source: "mine", before: "b" },
      { op: "insert", type: "code", source: "theirs", before: "b" },
    ],
  },
  {
    name: "two move one cell, a third writes in it",
    cells: ABC,
    edits: [
      { op: "move", ids: ["b"], before: "a" },
      { op: "move", ids: ["b"], before: null },
      { op: "text", id: "b", offset: 0, remove: 0, text: "# here\n" },
    ],
  },
  {
    name: "one deletes what the other writes in",
    cells: ABC,
    edits: [
      { op: "delete", ids: ["b"] },
      { op: "text", id: "b", offset: 0, remove: 0, text: "lost " },
    ],
  },
  {
    name: "two write in one cell",
    cells: ABC,
    edits: [
      { op: "text", id: "a", offset: 0, remove: 0, text: "# first 😀\n" },
      { op: "text", id: "a", offset: 11, remove: 0, text: "\n# last 中" },
    ],
  },
  {
    name: "one splits, the other writes in the upper half",
    cells: ABC,
    edits: [
      { op: "split", id: "a", offset: 6 },
      { op: "text", id: "a", offset: 0, remove: 0, text: "# up\n" },
    ],
  },
];

function notebookWith(cells: readonly Start[], clientId: number): Notebook {
  const nb = fresh(clientId);
  nb.doc.transact(() => {
    nb.meta.set("schema", 1);
    nb.meta.set("title", "T");
    for (const { id, position, type: kind, source, metadata, attachments } of cells) {
      const cell = new Y.Map<unknown>();
      cell.set("type", kind);
      cell.set("source", new Y.Text(source));
      cell.set("position", position);
      cell.set("metadata", new Y.Map(Object.entries(metadata)));
      cell.set("attachments", new Y.Map(Object.entries(attachments)));
      nb.cells.set(id, cell);
    }
  });
  return nb;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

function record(): Vector[] {
  return CASES.map(({ name, cells, edits }) => {
    const before = Y.encodeStateAsUpdate(notebookWith(cells, 1).doc);
    const updates = edits.map((edit, at) => {
      const person = fresh(100 + at);
      Y.applyUpdate(person.doc, before);
      const known = Y.encodeStateVector(person.doc);
      perform(person, edit);
      return Y.encodeStateAsUpdate(person.doc, known);
    });
    const all = fresh(900);
    for (const update of [before, ...updates]) Y.applyUpdate(all.doc, update);
    return {
      name,
      before: base64(before),
      edits,
      updates: updates.map(base64),
      title: String(all.meta.get("title")),
      after: plain(all),
    };
  });
}

/** One vector a line, so that a change of one shows as one. */
const text = (vectors: readonly Vector[]): string =>
  `[\n${vectors.map((vector) => JSON.stringify(vector)).join(",\n")}\n]\n`;

let state = 20240229;
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
beforeAll(() => {
  vi.spyOn(Math, "random").mockImplementation(random);
  vi.spyOn(crypto, "getRandomValues").mockImplementation((array) => {
    if (array instanceof Uint8Array) for (const at of array.keys()) array[at] = Math.floor(random() * 256);
    return array;
  });
});
afterAll(() => {
  vi.restoreAllMocks();
});

test("the file is what this writes", () => {
  const made = text(record());
  if (process.env["WRITE_VECTORS"] === "1") writeFileSync(FILE, made);
  expect(readFileSync(FILE, "utf8")).toBe(made);
});

/** New cells have ids of chance: they are named by their order. */
function withoutChance(cells: readonly PlainCell[], known: ReadonlySet<string>): PlainCell[] {
  let nth = 0;
  return cells.map((cell) => (known.has(cell.id) ? cell : { ...cell, id: `new ${String(nth++)}` }));
}

describe("each vector", () => {
  const vectors = JSON.parse(readFileSync(FILE, "utf8")) as Vector[];

  test.each(vectors)("$name: read", ({ before, updates, after, title }) => {
    const nb = fresh();
    for (const update of [before, ...updates]) Y.applyUpdate(nb.doc, bytes(update));
    expect(plain(nb)).toEqual(after);
    expect(nb.meta.get("title")).toBe(title);
  });

  test.each(vectors.filter(({ edits }) => edits.length === 1))("$name: done again", ({ before, edits, after }) => {
    const nb = fresh();
    Y.applyUpdate(nb.doc, bytes(before));
    const known = new Set(orderedIds(nb));
    for (const edit of edits) perform(nb, edit);
    expect(withoutChance(plain(nb), known)).toEqual(withoutChance(after, known));
  });
});
