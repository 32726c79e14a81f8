import { only } from "../../actions/selection";
import { setSelection } from "../../actions/workbench";
import type { NotebookBench } from "../notebook/bench";
import { placeOf } from "./place";

interface Props {
  readonly bench: NotebookBench;
  readonly cell: string;
}

/** "Cell 3": leads there. A cell that was deleted leads nowhere. */
export function CellLink({ bench, cell }: Props) {
  const at = placeOf(bench.session, cell);
  if (at === 0) return <span className="hint">Deleted cell</span>;
  return (
    <button
      type="button"
      className="cell-link"
      onClick={() => {
        setSelection(bench, only(cell));
        bench.cells.focus(cell);
        bench.cells.scrollTo(cell);
      }}
    >
      Cell {at}
    </button>
  );
}
