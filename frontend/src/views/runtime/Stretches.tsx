import { useEffect, useState } from "react";
import { listRuns, type Run } from "../../runtime_api";
import type { NotebookBench } from "../notebook/bench";
import { duration } from "../shared/time";
import { bytes } from "./amounts";
import { CellLink } from "./CellLink";
import type { Stretch } from "./history";
import { runDuring } from "./runs";

const MOST = 5;
/** As far back as the server tells at once. */
const RUNS = 200;

interface Props {
  readonly bench: NotebookBench;
  readonly stretches: readonly Stretch[];
}

/** The runs of the last hour that took most memory. */
export function Stretches({ bench, stretches }: Props) {
  const [runs, setRuns] = useState<readonly Run[]>([]);
  const { id } = bench.session;
  const newest = stretches.at(-1)?.from ?? 0;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a stretch that begins is a run that the history has by then.
  useEffect(() => {
    let gone = false;
    listRuns(id, { limit: RUNS })
      .then((page) => {
        if (!gone) setRuns(page.runs);
      })
      .catch(() => {}); // then the names are missing
    return () => {
      gone = true;
    };
  }, [id, newest]);

  const most = [...stretches].sort((a, b) => b.peakMemory - a.peakMemory).slice(0, MOST);
  if (most.length === 0) return null;
  return (
    <section className="pane-part">
      <h3>Most memory, by run</h3>
      <ol className="pane-list">
        {most.map(({ cell, from, to, peakMemory }) => {
          const run = runDuring(runs, cell, from);
          const took = run === null || run.finished === null ? to - from : run.finished - run.started;
          return (
            <li key={`${cell} ${from}`}>
              <CellLink bench={bench} cell={cell} />
              <span className="hint">{run?.user}</span>
              <span className="hint">{duration(took)}</span>
              <strong>{bytes(peakMemory)}</strong>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
