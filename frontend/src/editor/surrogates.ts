/** Widens every local change to whole code points: an edit inside a surrogate pair makes Yjs and the server disagree for
 * good (crdt.md U2), and CodeMirror's comparison with the DOM can make one. Line ends that come in become "\n". */
import { EditorState, type Extension, type Text, Transaction } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { ySyncAnnotation } from "y-codemirror.next";

const isHigh = (unit: string): boolean => unit >= "\ud800" && unit <= "\udbff";
const isLow = (unit: string): boolean => unit >= "\udc00" && unit <= "\udfff";

const withLineFeeds = (text: string): string => text.replace(/\r\n?/g, "\n");

export function wholeCodePoints(): Extension {
  return [EditorView.clipboardInputFilter.of(withLineFeeds), filter];
}

const filter = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged || transaction.annotation(ySyncAnnotation) !== undefined) return transaction;
  const doc = transaction.startState.doc;
  const changes: Change[] = [];
  let isWidened = false;
  transaction.changes.iterChanges((from, to, _fromB, _toB, inserted) => {
    const change = { from, to, insert: inserted.toString() };
    const wide = widen(doc, { ...change, insert: withLineFeeds(change.insert) });
    changes.push(wide);
    isWidened ||= wide.from !== from || wide.to !== to || wide.insert !== change.insert;
  });
  const last = changes.at(-1);
  if (!isWidened || last === undefined) return transaction;
  // Its selection counts other offsets; a single caret goes where the last change ends, the rest moves along.
  const caret = transaction.selection?.ranges.length === 1;
  const userEvent = transaction.annotation(Transaction.userEvent);
  return {
    changes,
    scrollIntoView: transaction.scrollIntoView,
    ...(caret && { selection: { anchor: transaction.startState.changes(changes).mapPos(last.to, 1) } }),
    ...(userEvent !== undefined && { userEvent }),
  };
});

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
