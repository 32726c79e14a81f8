/** Widens every local change to whole code points: an edit inside a surrogate pair makes Yjs and the server disagree for
 * good (crdt.md U2), and CodeMirror's comparison with the DOM can make one. */
import { type ChangeSpec, EditorState, type Extension, type Text } from "@codemirror/state";
import { ySyncAnnotation } from "y-codemirror.next";

const isHigh = (unit: string): boolean => unit >= "\ud800" && unit <= "\udbff";
const isLow = (unit: string): boolean => unit >= "\udc00" && unit <= "\udfff";

export function wholeCodePoints(): Extension {
  return EditorState.transactionFilter.of((transaction) => {
    if (!transaction.docChanged || transaction.annotation(ySyncAnnotation) !== undefined) return transaction;
    const doc = transaction.startState.doc;
    const changes: ChangeSpec[] = [];
    let isWidened = false;
    transaction.changes.iterChanges((from, to, _fromB, _toB, inserted) => {
      const change = { from, to, insert: inserted.toString() };
      const wide = widen(doc, change);
      changes.push(wide);
      isWidened ||= wide.from !== from || wide.to !== to || wide.insert !== change.insert;
    });
    return isWidened ? [{ changes, scrollIntoView: transaction.scrollIntoView }] : transaction;
  });
}

interface Change {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

/** The change with half a pair completed where the other half stays, or taken out with its half where it does not. */
export function widen(doc: Text, { from, to, insert }: Change): Change {
  const at = (offset: number): string =>
    offset >= 0 && offset < doc.length ? doc.sliceString(offset, offset + 1) : "";
  const splits = (offset: number): boolean => isHigh(at(offset - 1)) && isLow(at(offset));
  let [start, end, text] = [from, to, insert];
  if (from === to && splits(from)) {
    // Between the halves nothing can be put: it goes before them.
    return { from: from - 1, to: from - 1, insert: text.toWellFormed() };
  }
  if (splits(start)) {
    start -= 1;
    if (isLow(text.slice(0, 1))) text = at(start) + text;
  }
  if (splits(end)) {
    if (isHigh(text.slice(-1))) text += at(end);
    end += 1;
  }
  return { from: start, to: end, insert: text.toWellFormed() };
}
