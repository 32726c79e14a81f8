/** New lines of a form: a title where there is none, and a field below the last one. Pure. */

import type { Change } from "./change.ts";
import { readForm } from "./form.ts";

export function addForm(source: string): Change {
  const form = readForm(source);
  const names = new Set(form?.items.map((item) => (item.kind === "field" ? item.name : "")));
  let name = "name";
  for (let nth = 2; names.has(name); nth += 1) name = `name_${nth}`;
  const field = `${name} = "" #@param {type:"string"}\n`;
  if (form === null) return { at: 0, remove: 0, insert: `#@title Form\n${field}` };
  const last = form.items.findLast((item) => item.kind === "field");
  const from = last?.kind === "field" ? last.to : source.search(/^[^\n]*#\s*@(?:title|markdown)/mu);
  const end = source.indexOf("\n", Math.max(0, from));
  return end < 0
    ? { at: source.length, remove: 0, insert: `\n${field.trimEnd()}` }
    : { at: end + 1, remove: 0, insert: field };
}
