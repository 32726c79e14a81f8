import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { actionOf, disabledReason, perform } from "../../actions";
import { orderedIds, runOf } from "../../notebook/schema";
import type { NotebookBench } from "../notebook/bench";
import { Icon } from "../shared/Icon";
import { clock, exactly, ordinal } from "../shared/time";
import { CellLink } from "./CellLink";
import { useCountdown } from "./use_countdown";

/** Queued cells that are listed; the rest is a number. */
const MOST = 5;

/** Which cell runs, whose it is and since when; who waits behind it, and for a GPU; and when the runtime ends. */
export function RunningNow({ bench }: { readonly bench: NotebookBench }) {
  const { session } = bench;
  const { status, reason, place, stopsWhy } = useStore(session.store, (state) => state.runtime);
  const queue = useStore(session.store, (state) => state.queue);
  const waiting = queue.length + useStore(session.store, (state) => state.queueMore);
  const left = useCountdown(session);
  const busy = status === "busy";
  useSeconds(busy);
  const running = busy
    ? orderedIds(session.notebook).find((id) => runOf(session.notebook, id)?.state === "running")
    : undefined;
  const run = running === undefined ? null : runOf(session.notebook, running);
  const mayExtend = stopsWhy === "idle" && disabledReason(actionOf("runtime.extendIdle"), bench) === null;

  return (
    <section className="pane-part">
      <h3>Now</h3>
      {place > 0 && <p>{reason === "" ? `${ordinal(place)} in line for a GPU.` : reason}</p>}
      {run !== null && running !== undefined ? (
        <p className="run-now">
          <CellLink bench={bench} cell={running} />
          <span>{run.user}</span>
          {run.started !== null && (
            <span data-tip={`Since ${exactly(run.started)}`}>{clock(Date.now() - run.started)}</span>
          )}
          {disabledReason(actionOf("runtime.interrupt"), bench) === null && (
            <button type="button" className="button button-quiet" onClick={() => perform("runtime.interrupt", bench)}>
              Interrupt
            </button>
          )}
        </p>
      ) : (
        place === 0 && <p className="hint">{busy ? "Code runs that belongs to no cell." : "No cell runs."}</p>
      )}
      {queue.length > 0 && (
        <ol className="queue" aria-label="Waiting">
          {queue.slice(0, MOST).map((id, at) => (
            <li key={id}>
              <span className="hint">{ordinal(at + 1)}</span>
              <CellLink bench={bench} cell={id} />
              <span>{runOf(session.notebook, id)?.user}</span>
            </li>
          ))}
          {waiting > MOST && <li className="hint">and {waiting - MOST} more</li>}
        </ol>
      )}
      {left !== null && (
        <p className="run-now">
          <Icon name="clock" />
          <span>
            Stops in {clock(left)}: {stopsWhy === "lifetime" ? "its lifetime ends" : "nobody uses it"}
          </span>
          {mayExtend && (
            <button type="button" className="button button-quiet" onClick={() => perform("runtime.extendIdle", bench)}>
              Stay
            </button>
          )}
        </p>
      )}
    </section>
  );
}

function useSeconds(on: boolean): void {
  const [, redraw] = useState(0);
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => redraw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [on]);
}
