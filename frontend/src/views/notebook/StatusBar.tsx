import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { orderedIds, runOf } from "../../notebook/schema";
import { clock } from "../shared/time";
import type { NotebookBench } from "./bench";
import { useCellCount } from "./use_notebook";

/** The last line of the page: mode, what runs now and who waits, the kernel. */
export function StatusBar({ bench }: { readonly bench: NotebookBench }) {
  const mode = useStore(bench.view, (state) => state.mode);
  const selected = useStore(bench.view, (state) => state.selection.ids.length);
  const kernel = useStore(bench.session.store, (state) => state.runtime.kernel);
  const role = useStore(bench.session.store, (state) => state.role);
  const count = useCellCount(bench.session);
  return (
    <footer className="status-bar" data-part="status">
      <span className="status-mode">{mode === "edit" ? "Editing" : "Command mode"}</span>
      <span>
        {selected > 1 ? `${selected} of ${count} cells selected` : `${count} ${count === 1 ? "cell" : "cells"}`}
      </span>
      <Running bench={bench} />
      <span className="status-space" />
      {role !== null && <span className="status-role">{role}</span>}
      {kernel !== "" && <span>{kernel}</span>}
    </footer>
  );
}

function Running({ bench }: { readonly bench: NotebookBench }) {
  const status = useStore(bench.session.store, (state) => state.runtime.status);
  const waiting = useStore(bench.session.store, (state) => state.queue.length + state.queueMore);
  const [, redraw] = useState(0);
  const busy = status === "busy";
  useEffect(() => {
    if (!busy) return;
    const timer = setInterval(() => redraw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [busy]);
  if (!busy) return null;
  const { notebook } = bench.session;
  const order = orderedIds(notebook);
  const at = order.findIndex((id) => runOf(notebook, id)?.state === "running");
  const run = runOf(notebook, order[at] ?? "");
  if (run === null) return null;
  const time = run.started === null ? "" : `, ${clock(Date.now() - run.started)}`;
  return (
    <button type="button" className="status-running" onClick={() => bench.cells.scrollTo(order[at] ?? "")}>
      running: cell {at + 1}, {run.user}
      {time}
      {waiting > 0 && ` (${waiting} waiting)`}
    </button>
  );
}
