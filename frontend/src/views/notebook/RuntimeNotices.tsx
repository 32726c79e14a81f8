import { useEffect, useState, useSyncExternalStore } from "react";
import { useStore } from "zustand";
import { actionOf, disabledReason, perform } from "../../actions";
import { missingRole } from "../../actions/role";
import { observeRuns } from "../../notebook/observe";
import { type Notebook, orderedIds, runOf } from "../../notebook/schema";
import type { NoticeKind } from "../../session/events";
import { useCountdown } from "../runtime/use_countdown";
import { clock } from "../shared/time";
import type { NotebookBench } from "./bench";
import { Notice } from "./Notice";
import { isLimit } from "./runtime_words";

interface Props {
  readonly bench: NotebookBench;
}

/** What the runtime has to say: that it is gone, will be, waits for a GPU, or has met one of its limits. */
export function RuntimeNotices({ bench }: Props) {
  return (
    <>
      <Dead bench={bench} />
      <Ending bench={bench} />
      <Waiting bench={bench} />
      <LimitsMet bench={bench} />
    </>
  );
}

function Dead({ bench }: Props) {
  const { status, reason, session } = useStore(bench.session.store, (state) => state.runtime);
  const role = useStore(bench.session.store, (state) => state.role);
  const [quiet, setQuiet] = useState("");
  if (status !== "dead" || quiet === `${session} ${reason}`) return null;
  return <Ended bench={bench} reason={reason} role={role} onDismiss={() => setQuiet(`${session} ${reason}`)} />;
}

interface EndedProps extends Props {
  readonly reason: string;
  readonly role: string | null;
  readonly onDismiss: () => void;
}

function Ended({ bench, reason, role, onDismiss }: EndedProps) {
  // Of which cell it was the end stands in the document, which may come after the event.
  const { notebook } = bench.session;
  const last = useSyncExternalStore(
    (changed) => observeRuns(notebook, changed),
    () => endedWith(notebook, reason),
  );
  const at = last === null ? 0 : orderedIds(notebook).indexOf(last) + 1;
  const cause = reason === "" ? "" : `: ${reason.replace(/\.$/, "")}`;
  // Some reasons say so themselves.
  const kept = /variables are lost/i.test(reason) ? "" : " Text and outputs are kept, variables are not.";
  const ran = at === 0 ? "" : ` Cell ${at} was running.`;
  return (
    <Notice look="bad" sign="warning" text={`The runtime is not running${cause}.${ran}${kept}`} onDismiss={onDismiss}>
      {missingRole(role, "runner") === null && (
        <button type="button" className="button" onClick={() => bench.session.send({ type: "start_runtime" })}>
          Start again
        </button>
      )}
      {last !== null && (
        <button type="button" className="button" onClick={() => bench.cells.focus(last)}>
          Go to cell {at}
        </button>
      )}
    </Notice>
  );
}

/** The cell that ran when the runtime ended for this reason: its mark says so. */
function endedWith(notebook: Notebook, reason: string): string | null {
  const started = (id: string): number => {
    const run = runOf(notebook, id);
    return reason !== "" && run?.status === reason ? (run.started ?? 0) : 0;
  };
  return orderedIds(notebook).reduce<string | null>(
    (best, id) => (started(id) > (best === null ? 0 : started(best)) ? id : best),
    null,
  );
}

/** Not in a live region: the end was announced once, and the seconds are for the eye. */
function Ending({ bench }: Props) {
  const why = useStore(bench.session.store, (state) => state.runtime.stopsWhy);
  useStore(bench.session.store, (state) => state.role);
  const left = useCountdown(bench.session);
  if (left === null) return null;
  const mayStay = disabledReason(actionOf("runtime.extendIdle"), bench) === null;
  return (
    <Notice
      look="warn"
      sign="clock"
      text={`The runtime stops in ${clock(left)}${why === "lifetime" ? ": its lifetime ends" : " because nobody uses it"}. Text and outputs are kept, variables are not.`}
    >
      {mayStay && (
        <button type="button" className="button" onClick={() => perform("runtime.extendIdle", bench)}>
          Stay
        </button>
      )}
    </Notice>
  );
}

function Waiting({ bench }: Props) {
  const { place, reason } = useStore(bench.session.store, (state) => state.runtime);
  const role = useStore(bench.session.store, (state) => state.role);
  if (place === 0) return null;
  return (
    <Notice look="info" sign="clock" text={reason === "" ? "The runtime waits for a GPU." : reason}>
      {missingRole(role, "editor") === null && (
        <button type="button" className="button" onClick={() => perform("runtime.changeType", bench)}>
          Change runtime type…
        </button>
      )}
      {missingRole(role, "runner") === null && (
        <button type="button" className="button" onClick={() => bench.session.send({ type: "shut_down_runtime" })}>
          Do not wait
        </button>
      )}
    </Notice>
  );
}

/** One line a limit, its latest sentence; gone with the process that met it. */
function LimitsMet({ bench }: Props) {
  const process = useStore(bench.session.store, (state) => state.runtime.session);
  const [met, setMet] = useState<ReadonlyMap<NoticeKind, string>>(new Map());
  useEffect(
    () =>
      bench.session.onEvent((event) => {
        if (event.type === "runtime_notice" && isLimit(event.kind))
          setMet((known) => new Map(known).set(event.kind, event.text));
      }),
    [bench],
  );
  const [seen, setSeen] = useState(process);
  if (seen !== process) {
    setSeen(process);
    setMet(new Map());
  }
  return [...met].map(([kind, text]) => (
    <Notice
      key={kind}
      look="warn"
      sign="warning"
      text={text}
      onDismiss={() => setMet((known) => new Map([...known].filter(([other]) => other !== kind)))}
    />
  ));
}
