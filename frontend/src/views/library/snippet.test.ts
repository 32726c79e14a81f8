import { expect, it } from "vitest";
import { snippetPieces } from "./snippet";

const plain = (snippet: string, title: string, query: string): string =>
  snippetPieces(snippet, title, query)
    .map(({ text, match }) => (match ? `[${text}]` : text))
    .join("");

it("marks words where they begin, in any case", () => {
  expect(plain("import Pandas as pd; xpandas", "T", "panda AS")).toBe("import [Panda]s [as] pd; xpandas");
});

it("leaves the title out", () => {
  expect(plain("Sales of the year import pandas", "Sales of the year", "sales")).toBe("import pandas");
  expect(snippetPieces("Sales", "Sales", "sales")).toEqual([]);
});

it("takes nothing that people type for a pattern", () => {
  expect(plain("a.b (c) \\d", "T", ".* ( \\")).toBe("a.b (c) \\d");
});
