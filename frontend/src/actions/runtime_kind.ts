/** Rows of the Runtime menu about which runtime it is: its type, another server's, its end, its original state. */

import type { Action } from "./action.ts";
import { openDialog, type Workbench } from "./workbench.ts";

/** Why nobody can put the end off, or null. */
export function cannotExtend(bench: Workbench): string | null {
  const { stopsAt, stopsWhy } = bench.session.store.getState().runtime;
  if (stopsAt === null) return "it is not about to stop";
  return stopsWhy === "idle" ? null : "its lifetime ends";
}

export const runtimeKindActions: readonly Action[] = [
  {
    id: "runtime.changeType",
    title: "Change runtime type…",
    role: "editor",
    keys: [],
    when: (bench) => (bench.session.store.getState().runtime.attached === "" ? null : "another server runs this"),
    run: (bench) => openDialog(bench, { kind: "changeType" }),
  },
  {
    id: "runtime.attach",
    title: "Attach to a Jupyter server…",
    role: "owner",
    keys: [],
    run: (bench) => openDialog(bench, { kind: "attach" }),
  },
  {
    id: "runtime.extendIdle",
    title: "Extend idle time",
    role: "runner",
    keys: [],
    when: cannotExtend,
    run: (bench) => {
      bench.session.send({ type: "extend_runtime" });
    },
  },
  {
    id: "runtime.reset",
    title: "Reset to original state…",
    role: "owner",
    keys: [],
    run: (bench) => openDialog(bench, { kind: "reset", all: false }),
  },
  {
    id: "runtime.resetAll",
    title: "Reset all my runtimes…",
    role: "owner",
    keys: [],
    run: (bench) => openDialog(bench, { kind: "reset", all: true }),
  },
];
