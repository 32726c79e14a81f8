/** Jupyter counts code points, CodeMirror and Yjs count UTF-16 units; the conversion has its one home here. */

/** How many code points lie before the UTF-16 offset. */
export function toCodePoints(text: string, offset: number): number {
  let count = 0;
  for (const character of text.slice(0, offset)) count += character === "" ? 0 : 1;
  return count;
}

/** The UTF-16 offset after so many code points; the end when there are fewer. */
export function toUnits(text: string, codePoints: number): number {
  let offset = 0;
  let left = codePoints;
  for (const character of text) {
    if (left <= 0) break;
    offset += character.length;
    left -= 1;
  }
  return offset;
}
