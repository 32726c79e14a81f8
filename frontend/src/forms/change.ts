/** What a changed field writes: one edit of its own line, or a sentence why it writes nothing. Pure. */

import { type Control, type Field, isDate, readForm } from "./form.ts";
import { isInteger, rawProblem, readNumber, readString, writeString, writeTruth } from "./literal.ts";

export type Written =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "refused"; readonly why: string };

/** An edit of the source: `remove` UTF-16 units at `at` make room for `insert`. */
export interface Change {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

const text = (written: string): Written => ({ kind: "text", text: written });
const refused = (why: string): Written => ({ kind: "refused", why });

/** The value as code. Numbers and dates come as their field has them: as text. */
export function write(field: Field, value: string | boolean): Written {
  if (field.value === null) return refused("This value is code. Change it there.");
  const { control } = field;
  switch (control.kind) {
    case "checkbox":
      return text(writeTruth(value === true, field.text));
    case "text":
      return text(writeString(String(value), readString(field.text)));
    case "choice":
      return control.isRaw ? raw(String(value)) : text(writeString(String(value), readString(field.text)));
    case "raw":
      return raw(String(value));
    case "date":
      return value === "" || isDate(String(value))
        ? text(writeString(String(value), readString(field.text)))
        : refused("A date is needed.");
    case "number":
    case "slider":
      return number(control, String(value).trim());
  }
}

function raw(value: string): Written {
  const problem = rawProblem(value);
  return problem === null ? text(value.trim()) : refused(problem);
}

function number(control: Extract<Control, { kind: "number" | "slider" }>, typed: string): Written {
  // Python takes no zeros in front of an integer.
  const plain = typed.replace(/^([+-]?)0+(?=\d)/, "$1");
  if (control.kind === "number" && control.isInteger && !isInteger(plain)) return refused("A whole number is needed.");
  const value = readNumber(plain);
  if (value === null) return refused("A number is needed.");
  if (control.min !== null && value < control.min) return refused(`The least is ${control.min}.`);
  if (control.max !== null && value > control.max) return refused(`The most is ${control.max}.`);
  return text(plain);
}

/**
 * The edit that gives the field with this key its new value, in the source as it is now; null when nothing changes, or
 * when the field is gone. With `gently` only what differs is replaced, so that two who type in one text merge.
 */
export function changeOf(source: string, key: string, written: string, gently: boolean): Change | null {
  const field = readForm(source)?.items.find((item) => item.kind === "field" && item.key === key);
  if (field?.kind !== "field" || field.text === written) return null;
  const change = { at: field.from, remove: field.to - field.from, insert: written };
  return gently ? narrowed(field.text, change) : change;
}

function narrowed(before: string, { at, insert }: Change): Change {
  const most = Math.min(before.length, insert.length);
  let head = 0;
  while (head < most && before.charCodeAt(head) === insert.charCodeAt(head)) head += 1;
  if (isLow(before, head) || isLow(insert, head)) head -= 1;
  let tail = 0;
  while (
    tail < most - head &&
    before.charCodeAt(before.length - 1 - tail) === insert.charCodeAt(insert.length - 1 - tail)
  )
    tail += 1;
  if (isLow(before, before.length - tail) || isLow(insert, insert.length - tail)) tail -= 1;
  return { at: at + head, remove: before.length - head - tail, insert: insert.slice(head, insert.length - tail) };
}

/** Whether an edit at this offset would part the two halves of a character. */
function isLow(string: string, at: number): boolean {
  const code = string.charCodeAt(at);
  return at > 0 && code >= 0xdc00 && code <= 0xdfff;
}
