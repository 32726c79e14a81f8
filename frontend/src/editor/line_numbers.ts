/** Numbers beside the lines while the cell has them (actions/line_numbers.ts). */
import { Compartment, type Extension } from "@codemirror/state";
import { lineNumbers, ViewPlugin } from "@codemirror/view";
import { hasLineNumbers, lineNumbersStore } from "../actions/line_numbers.ts";

export function numberedLines(cellId: string): Extension {
  const place = new Compartment();
  const wanted = (): Extension => (hasLineNumbers(cellId) ? lineNumbers() : []);
  const follow = ViewPlugin.define((view) => {
    let shown = hasLineNumbers(cellId);
    const stop = lineNumbersStore.subscribe(() => {
      if (hasLineNumbers(cellId) === shown) return;
      shown = !shown;
      view.dispatch({ effects: place.reconfigure(wanted()) });
    });
    return { destroy: stop };
  });
  return [place.of(wanted()), follow];
}

/** What the numbers of a text take away from its width, for the plain text that stands where no editor is. */
export function widthOfNumbers(source: string): string {
  const digits = String(source.split("\n").length).length;
  return `calc(${Math.max(3, digits)}ch + 0.75rem)`;
}
