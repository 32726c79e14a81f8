/** Which text cell holds a heading, found in its source: cells far from the viewport are not drawn. */

import { headingId } from "../../outputs/heading";

export interface TextCell {
  readonly id: string;
  readonly source: string;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const ATX = /^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/;

/** `name` is what `headingId` gives for the heading's text. */
export function cellWithHeading(cells: readonly TextCell[], name: string): string | null {
  return cells.find(({ source }) => headings(source).some((text) => headingId(text) === name))?.id ?? null;
}

function headings(source: string): string[] {
  const found: string[] = [];
  let fence = "";
  for (const line of source.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== "") {
      if (mark?.startsWith(fence)) fence = "";
    } else if (mark !== undefined) fence = mark;
    else {
      const text = ATX.exec(line)?.[1];
      if (text !== undefined) found.push(withoutMarks(text));
    }
  }
  return found;
}

/** As it reads: links are their words, code and emphasis lose their marks. */
function withoutMarks(text: string): string {
  return text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[`*]/g, "")
    .replace(/(^|\s)_+|_+(\s|$)/g, "$1$2");
}
