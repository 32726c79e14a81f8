import "./runtime.css";
import { useEffect, useRef, useState } from "react";
import { useStore } from "zustand";
import { missingRole, usableRole } from "../../actions/role";
import { insertCell } from "../../notebook/edits";
import { orderedIds } from "../../notebook/schema";
import { listRuns, type Run } from "../../runtime_api";
import type { NotebookBench } from "../notebook/bench";
import { Icon } from "../shared/Icon";
import { reasonOf } from "../shared/reason";
import { ago, duration, exactly } from "../shared/time";
import { CellLink } from "./CellLink";
import { mergeRuns, outcomeOf } from "./runs";

const PAGE = 30;
/** Of each run, at first. */
const LINES = 8;
/** A run's end is written a moment after it is seen. */
const AGAIN_MS = 1500;

interface Props {
  readonly bench: NotebookBench;
}

/** Everything that ran in this notebook, newest first: whose it was, when, how long and how it ended. */
export function ExecutedCode({ bench }: Props) {
  const { session } = bench;
  const [runs, setRuns] = useState<readonly Run[]>([]);
  const [more, setMore] = useState(false);
  const [problem, setProblem] = useState("");
  const [loaded, setLoaded] = useState(false);
  const [query, setQuery] = useState("");
  const status = useStore(session.store, (state) => state.runtime.status);
  const queue = useStore(session.store, (state) => state.queue);
  const mayEdit = missingRole(useStore(session.store, usableRole), "editor") === null;
  const older = useRef(false);
  const [turn, setTurn] = useState(0);
  const unfinished = runs.some(({ state }) => state === "running");

  // biome-ignore lint/correctness/useExhaustiveDependencies: each turn ends with the next, as long as something runs.
  useEffect(() => {
    if (!unfinished) return;
    const timer = setTimeout(() => setTurn((n) => n + 1), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [unfinished, turn]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a run has begun or ended when the runtime or its queue changes.
  useEffect(() => {
    let gone = false;
    listRuns(session.id, { limit: PAGE })
      .then((page) => {
        if (gone) return;
        setRuns((known) => mergeRuns(known, page.runs));
        if (!older.current) setMore(page.more);
        setProblem("");
      })
      .catch((error: unknown) => {
        if (!gone) setProblem(reasonOf(error));
      })
      .finally(() => {
        if (!gone) setLoaded(true);
      });
    return () => {
      gone = true;
    };
  }, [session, status, queue, turn]);

  const showOlder = async (): Promise<void> => {
    const last = runs.at(-1);
    if (last === undefined) return;
    try {
      const page = await listRuns(session.id, { before: last.id, limit: PAGE });
      older.current = true;
      setRuns((known) => mergeRuns(known, page.runs));
      setMore(page.more);
    } catch (error) {
      setProblem(reasonOf(error));
    }
  };

  const words = query.trim().toLowerCase();
  const shown =
    words === "" ? runs : runs.filter(({ source, user }) => `${source}\n${user}`.toLowerCase().includes(words));

  return (
    <>
      <input
        type="search"
        className="pane-search"
        aria-label="Search executed code"
        placeholder="Search code or names"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      {problem !== "" && <p className="field-problem">{problem}</p>}
      {loaded && problem === "" && shown.length === 0 && (
        <p className="hint pane-part">{runs.length === 0 ? "Nothing has run yet." : "No code here has that."}</p>
      )}
      <ol className="runs" aria-label="Executed code">
        {shown.map((run) => (
          <Entry key={run.id} bench={bench} run={run} mayEdit={mayEdit} />
        ))}
      </ol>
      {more && (
        <button type="button" className="button" onClick={() => void showOlder()}>
          Show older
        </button>
      )}
    </>
  );
}

function Entry({ bench, run, mayEdit }: Props & { readonly run: Run; readonly mayEdit: boolean }) {
  const [whole, setWhole] = useState(false);
  const lines = run.source.split("\n");
  // One line more is no longer than the button that shows it.
  const shown = whole || lines.length <= LINES + 1 ? lines : lines.slice(0, LINES);
  const outcome = outcomeOf(run);
  const took = run.finished === null ? "runs" : duration(run.finished - run.started);
  return (
    <li>
      <div className="run-head">
        <span className={`run-outcome run-${outcome.look}`}>
          <Icon name={outcome.sign} />
          <span className="only-heard">{outcome.words}</span>
        </span>
        <CellLink bench={bench} cell={run.cell} />
        <span className="run-user">{run.user}</span>
        <span className="run-time" data-tip={exactly(run.started)}>
          {ago(run.started, Date.now())}, {took}
        </span>
      </div>
      <pre className="run-code">
        <code>{shown.join("\n")}</code>
      </pre>
      {lines.length > shown.length && (
        <button type="button" className="button button-quiet" onClick={() => setWhole(true)}>
          Show all {lines.length} lines
        </button>
      )}
      {run.shortened && <p className="hint">Shortened: the rest was too long to keep.</p>}
      {outcome.sentence !== "" && <p className="hint">{outcome.sentence}</p>}
      {mayEdit && !run.shortened && (
        <button type="button" className="button button-quiet" onClick={() => insertAgain(bench, run.source)}>
          <Icon name="plus" />
          Insert as new cell
        </button>
      )}
    </li>
  );
}

/** Below the cell this person is in. */
function insertAgain(bench: NotebookBench, source: string): void {
  const { notebook } = bench.session;
  const { active } = bench.view.getState().selection;
  const order = orderedIds(notebook);
  const before = active === null ? null : (order[order.indexOf(active) + 1] ?? null);
  bench.cells.edit(insertCell(notebook, { type: "code", source, before }));
}
