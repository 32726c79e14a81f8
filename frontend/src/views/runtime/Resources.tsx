import "./runtime.css";
import { useStore } from "zustand";
import { actionOf, disabledReason, perform } from "../../actions";
import { missingRole } from "../../actions/role";
import type { Limits } from "../../session/usage";
import type { NotebookBench } from "../notebook/bench";
import { bytes } from "./amounts";
import { Charts } from "./Charts";
import { Held } from "./Held";
import { stretchesOf } from "./history";
import { RunningNow } from "./RunningNow";
import { Stretches } from "./Stretches";
import { useHistory } from "./use_history";

interface Props {
  readonly bench: NotebookBench;
}

/** What the runtime used over the last hour and may use, which cell it was, and who holds the GPUs. */
export function Resources({ bench }: Props) {
  const { session } = bench;
  const usage = useStore(session.store, (state) => state.usage);
  const role = useStore(session.store, (state) => state.role);
  const history = useHistory(session);
  const mayRun = missingRole(role, "runner") === null;
  const mayChange = missingRole(role, "editor") === null;

  return (
    <>
      <RunningNow bench={bench} />
      {history.length > 0 ? <Charts session={session} history={history} usage={usage} /> : <Unmeasured bench={bench} />}
      {history.length > 0 && <Stretches bench={bench} stretches={stretchesOf(history)} />}
      {usage !== null && <LimitList limits={usage.limits} />}
      {mayRun && <Held session={session} />}
      {mayChange && disabledReason(actionOf("runtime.changeType"), bench) === null && (
        <button type="button" className="button" onClick={() => perform("runtime.changeType", bench)}>
          Change runtime type…
        </button>
      )}
    </>
  );
}

function Unmeasured({ bench }: Props) {
  const { status, attached } = useStore(bench.session.store, (state) => state.runtime);
  const words =
    attached !== ""
      ? `${attached} does not say what its kernels use.`
      : status === "none" || status === "dead"
        ? "Nothing runs. What the runtime uses is shown here from its start on."
        : "Nothing has been measured yet.";
  return <p className="hint pane-part">{words}</p>;
}

function LimitList({ limits }: { readonly limits: Limits }) {
  const rows = [
    ["Memory", limits.memoryBytes === null ? null : bytes(limits.memoryBytes)],
    ["CPUs", limits.cpus === null ? null : String(limits.cpus)],
    ["Processes", limits.processes === null ? null : String(limits.processes)],
    ["Working folder", limits.diskBytes === null ? null : bytes(limits.diskBytes)],
  ].filter(([, value]) => value !== null);
  if (rows.length === 0) return null;
  return (
    <section className="pane-part">
      <h3>Limits</h3>
      <dl className="pane-facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
