/** Rows of the Runtime menu: running, interrupting, restarting. */

import { insertCell } from "../notebook/edits.ts";
import { cellOf, orderedIds, runOf } from "../notebook/schema.ts";
import type { Command } from "../session/session.ts";
import { type Action, cell, command, everywhere } from "./action.ts";
import { closeTexts, runCells, staleCells } from "./running.ts";
import { neighbour, only } from "./selection.ts";
import { ask, type Question, setSelection, type Workbench } from "./workbench.ts";

const noKernel = (bench: Workbench): string | null => {
  const { status } = bench.session.store.getState().runtime;
  return status === "none" || status === "dead" ? "nothing is running" : null;
};

const noCell = (bench: Workbench): string | null =>
  bench.view.getState().selection.active === null ? "no cell is selected" : null;

/** Restarts after asking: it takes something away from everyone in the notebook. */
function restart(bench: Workbench, question: Omit<Question, "run">, rest: Omit<Command & { type: "restart" }, "type">) {
  ask(bench, {
    ...question,
    run: () => {
      bench.session.send({ type: "restart", ...rest });
    },
  });
}

export const runtimeActions: readonly Action[] = [
  {
    id: "runtime.connect",
    title: "Connect",
    role: "runner",
    keys: [],
    when: (bench) => (noKernel(bench) === null ? "already connected" : null),
    run: (bench) => {
      bench.session.send({ type: "start_runtime" });
    },
  },
  {
    id: "runtime.runAll",
    title: "Run all",
    role: "runner",
    keys: everywhere("Mod+F9"),
    run: (bench) => runCells(bench, orderedIds(bench.session.notebook)),
  },
  {
    id: "runtime.runBefore",
    title: "Run before",
    role: "runner",
    keys: everywhere("Mod+F8"),
    when: noCell,
    run: (bench) => {
      const order = orderedIds(bench.session.notebook);
      return runCells(bench, order.slice(0, order.indexOf(bench.view.getState().selection.active ?? "")));
    },
  },
  {
    id: "runtime.run",
    title: "Run cell",
    role: "runner",
    keys: cell("Mod+Enter", "Ctrl+Enter"),
    when: noCell,
    run: (bench) => {
      const { ids, active } = bench.view.getState().selection;
      const type = active === null ? null : cellOf(bench.session.notebook, active)?.type;
      if (type === "markdown") bench.cells.leave();
      return runCells(bench, ids);
    },
  },
  {
    id: "runtime.runNext",
    title: "Run cell and go on",
    role: "runner",
    keys: cell("Shift+Enter"),
    when: noCell,
    run: async (bench) => {
      const { notebook, store } = bench.session;
      const { selection } = bench.view.getState();
      const done = runCells(bench, selection.ids);
      const order = orderedIds(notebook);
      const last = selection.ids.at(-1) ?? null;
      const next = neighbour(order, { ...selection, active: last }, 1);
      const role = store.getState().role;
      if (next !== null && next !== last) bench.cells.focus(next);
      else if (role === "editor" || role === "owner") bench.cells.edit(insertCell(notebook, { type: "code" }));
      else bench.cells.leave();
      await done;
    },
  },
  {
    id: "runtime.runInsert",
    title: "Run cell and insert below",
    role: "editor",
    keys: cell("Alt+Enter"),
    when: noCell,
    run: async (bench) => {
      const { notebook } = bench.session;
      const { ids } = bench.view.getState().selection;
      const done = runCells(bench, ids);
      const order = orderedIds(notebook);
      const before = order[order.indexOf(ids.at(-1) ?? "") + 1] ?? null;
      bench.cells.edit(insertCell(notebook, { type: "code", before }));
      await done;
    },
  },
  {
    id: "runtime.runBelow",
    title: "Run cell and below",
    role: "runner",
    keys: everywhere("Mod+F10"),
    when: noCell,
    run: (bench) => {
      const order = orderedIds(bench.session.notebook);
      return runCells(bench, order.slice(order.indexOf(bench.view.getState().selection.active ?? "")));
    },
  },
  {
    id: "runtime.runStale",
    title: "Run stale cells",
    role: "runner",
    keys: [],
    run: async (bench) => {
      const stale = await staleCells(bench);
      if (stale.length === 0) bench.say("No cell is stale.");
      await runCells(bench, stale);
    },
  },
  {
    id: "runtime.renderText",
    title: "Render all text",
    role: "viewer",
    keys: [],
    run: (bench) => closeTexts(bench, orderedIds(bench.session.notebook)),
  },
  {
    id: "runtime.interrupt",
    title: "Interrupt",
    role: "runner",
    keys: [...command("I I"), ...cell("Leader I")],
    when: noKernel,
    run: (bench) => {
      bench.session.send({ type: "interrupt" });
    },
  },
  {
    id: "runtime.cancelMine",
    title: "Cancel my waiting cells",
    role: "runner",
    keys: [],
    run: (bench) => {
      const { notebook, store } = bench.session;
      const me = store.getState().user?.id;
      // The marks, not the queue: of a long line only the beginning is told.
      const mine = orderedIds(notebook).filter((id) => {
        const run = runOf(notebook, id);
        return run?.state === "queued" && run.userId === me;
      });
      if (mine.length === 0) bench.say("None of your cells is waiting.");
      else bench.session.send({ type: "cancel_runs", cells: mine });
    },
  },
  {
    id: "runtime.restart",
    title: "Restart",
    role: "runner",
    keys: [...command("0 0"), ...cell("Leader .")],
    when: noKernel,
    run: (bench) =>
      restart(
        bench,
        {
          title: "Restart the runtime?",
          detail: "Variables are lost for everyone in this notebook. The text and the outputs stay.",
          confirm: "Restart",
        },
        {},
      ),
  },
  {
    id: "runtime.restartRunAll",
    title: "Restart and run all",
    role: "runner",
    keys: [],
    run: (bench) =>
      restart(
        bench,
        {
          title: "Restart the runtime and run all cells?",
          detail: "Variables are lost for everyone in this notebook, then every code cell runs from the top.",
          confirm: "Restart and run all",
        },
        { run_all: true },
      ),
  },
  {
    id: "runtime.restartClear",
    title: "Restart and clear outputs",
    role: "editor",
    keys: [],
    when: noKernel,
    run: (bench) =>
      restart(
        bench,
        {
          title: "Restart the runtime and clear all outputs?",
          detail: "Variables and every output are lost for everyone in this notebook.",
          confirm: "Restart and clear",
        },
        { clear_outputs: true },
      ),
  },
  {
    id: "runtime.shutdown",
    title: "Shut down",
    role: "runner",
    keys: [],
    when: noKernel,
    run: (bench) =>
      ask(bench, {
        title: "Shut down the runtime?",
        detail: "Variables are lost for everyone in this notebook. The next run starts a fresh one.",
        confirm: "Shut down",
        run: () => {
          bench.session.send({ type: "shut_down_runtime" });
        },
      }),
  },
  {
    id: "runtime.goToLastRun",
    title: "Go to the last run cell",
    role: "viewer",
    keys: [],
    run: (bench) => {
      const { notebook } = bench.session;
      const started = (id: string): number => runOf(notebook, id)?.started ?? 0;
      const last = orderedIds(notebook).reduce<string | null>(
        (best, id) => (started(id) > (best === null ? 0 : started(best)) ? id : best),
        null,
      );
      if (last === null) bench.say("No cell has run yet.");
      else {
        setSelection(bench, only(last));
        bench.cells.focus(last);
      }
    },
  },
];
