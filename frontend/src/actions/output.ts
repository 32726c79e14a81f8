/** Rows about the outputs of the selected cell: taking them away, and how this person looks at them. */

import { changeNotebook } from "../api.ts";
import { cellOf, orderedIds, outputsOf, titleOf } from "../notebook/schema.ts";
import { type OutputView, viewOf } from "../outputs/controls/views.ts";
import { omission } from "../outputs/omission.ts";
import { type Action, command } from "./action.ts";
import type { Workbench } from "./workbench.ts";

const active = (bench: Workbench): string => bench.view.getState().selection.active ?? "";

const noOutput = (bench: Workbench): string | null =>
  outputsOf(bench.session.notebook, active(bench)).length === 0 ? "the cell has no output" : null;

function shown(bench: Workbench, id: string): OutputView | null {
  return viewOf(cellOf(bench.session.notebook, id), bench.view.getState().outputViews.get(id));
}

function show(bench: Workbench, id: string, view: OutputView): void {
  bench.view.setState(({ outputViews }) => ({ outputViews: new Map(outputViews).set(id, view) }));
}

export const outputActions: readonly Action[] = [
  {
    id: "edit.omitOutputs",
    title: "Omit outputs when saving",
    role: "editor",
    keys: [],
    when: (bench) => (omission(bench.session.notebook) === "server" ? "this server keeps none" : null),
    checked: (bench) => omission(bench.session.notebook) !== null,
    run: async (bench) => {
      const { id, notebook } = bench.session;
      const omits = omission(notebook) === null;
      await changeNotebook(id, { omits_outputs: omits });
      bench.say(omits ? "Outputs are shown, and not saved." : "Outputs are saved with the notebook.");
    },
  },
  {
    id: "edit.copyOutput",
    title: "Copy output",
    role: "viewer",
    keys: [],
    when: noOutput,
    run: async (bench) => {
      const { copyOutputs } = await import("../outputs/controls/take.ts");
      bench.say(`${await copyOutputs(bench.session, active(bench))} copied.`);
    },
  },
  {
    id: "file.downloadOutput",
    title: "Download output",
    role: "viewer",
    keys: [],
    when: noOutput,
    run: async (bench) => {
      const { notebook } = bench.session;
      const id = active(bench);
      const { downloadOutputs } = await import("../outputs/controls/take.ts");
      const title = titleOf(notebook).replace(/[^\p{L}\p{N} ._-]/gu, "_");
      await downloadOutputs(bench.session, id, `${title} cell ${orderedIds(notebook).indexOf(id) + 1}`);
    },
  },
  {
    id: "view.scrollOutput",
    title: "Scroll output in a box",
    role: "viewer",
    keys: command("Shift+O"),
    when: noOutput,
    checked: (bench) => shown(bench, active(bench)) === "scrolled",
    run: (bench) => {
      const id = active(bench);
      show(bench, id, shown(bench, id) === "scrolled" ? "whole" : "scrolled");
    },
  },
  {
    id: "view.outputAsText",
    title: "Read output as text",
    role: "viewer",
    keys: [],
    when: noOutput,
    checked: (bench) => shown(bench, active(bench)) === "text",
    run: (bench) => {
      const id = active(bench);
      if (shown(bench, id) !== "text") return show(bench, id, "text");
      bench.view.setState(({ outputViews }) => {
        const views = new Map(outputViews);
        views.delete(id);
        return { outputViews: views };
      });
    },
  },
  {
    id: "view.outputFullScreen",
    title: "Output full screen",
    role: "viewer",
    keys: [],
    when: (bench) => noOutput(bench) ?? (document.fullscreenEnabled ? null : "this browser has no full screen"),
    run: async (bench) => {
      await bench.cells.output(active(bench))?.requestFullscreen();
    },
  },
];
