import { runOf } from "../../notebook/schema";
import type { NotebookBench } from "../notebook/bench";
import { duration } from "../shared/time";
import { bytes } from "./amounts";
import { CellLink } from "./CellLink";
import type { Stretch } from "./history";

const MOST = 5;

interface Props {
  readonly bench: NotebookBench;
  readonly stretches: readonly Stretch[];
}

/** The runs of the last hour that took most memory. */
export function Stretches({ bench, stretches }: Props) {
  const most = [...stretches].sort((a, b) => b.peakMemory - a.peakMemory).slice(0, MOST);
  if (most.length === 0) return null;
  return (
    <section className="pane-part">
      <h3>Most memory, by run</h3>
      <ol className="pane-list">
        {most.map(({ cell, from, to, peakMemory }) => (
          <li key={`${cell} ${from}`}>
            <CellLink bench={bench} cell={cell} />
            <span className="hint">{runOf(bench.session.notebook, cell)?.user}</span>
            <span className="hint">{duration(to - from)}</span>
            <strong>{bytes(peakMemory)}</strong>
          </li>
        ))}
      </ol>
    </section>
  );
}
