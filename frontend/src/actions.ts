/** The table of everything a person can do in a notebook, and the menus made of it.
 *
 * Ids never change once released. A button, a menu item or a key only names a row of this table.
 */

import type { Action } from "./actions/action.ts";
import { editActions } from "./actions/edit.ts";
import { extendActions } from "./actions/extend.ts";
import { fileActions } from "./actions/file.ts";
import { formActions } from "./actions/form.ts";
import { helpActions } from "./actions/help.ts";
import { insertActions } from "./actions/insert.ts";
import { outputActions } from "./actions/output.ts";
import { paneActions } from "./actions/panes.ts";
import { missingRole } from "./actions/role.ts";
import { runtimeActions } from "./actions/runtime.ts";
import { runtimeKindActions } from "./actions/runtime_kind.ts";
import { viewActions } from "./actions/view.ts";
import type { Workbench } from "./actions/workbench.ts";

export const ACTIONS: readonly Action[] = [
  ...fileActions,
  ...editActions,
  ...extendActions,
  ...viewActions,
  ...outputActions,
  ...paneActions,
  ...insertActions,
  ...formActions,
  ...runtimeActions,
  ...runtimeKindActions,
  ...helpActions,
];

const BY_ID = new Map(ACTIONS.map((action) => [action.id, action]));

/** Throws for an id that is not in the table: a mistake in our own code. */
export function actionOf(id: string): Action {
  const action = BY_ID.get(id);
  if (action === undefined) throw new Error(`There is no action '${id}'.`);
  return action;
}

/** Why the action cannot run now, for people; null when it can. */
export function disabledReason(action: Action, bench: Workbench): string | null {
  const { role, phase } = bench.session.store.getState();
  // Nothing written or asked for after the end would ever reach the server.
  const isOver = phase === "ended" && (action.role === "editor" || action.role === "runner");
  return missingRole(role, action.role) ?? (isOver ? "the connection has ended" : null) ?? action.when?.(bench) ?? null;
}

/** Runs it, or says why not. */
export function perform(id: string, bench: Workbench): void {
  const action = actionOf(id);
  const reason = disabledReason(action, bench);
  if (reason !== null) {
    bench.say(`${action.title}: ${reason}.`);
    return;
  }
  Promise.resolve(action.run(bench)).catch((error: unknown) => {
    bench.alarm(error instanceof Error ? error.message : `${action.title} did not work.`);
  });
}

/** A menu holds ids, submenus and lines between groups. */
export type MenuEntry = string | { readonly label: string; readonly entries: readonly MenuEntry[] };
export const LINE = "|";

export const MENUS: readonly { readonly label: string; readonly entries: readonly MenuEntry[] }[] = [
  {
    label: "File",
    entries: [
      "file.new",
      "file.open",
      LINE,
      "file.rename",
      "file.trash",
      LINE,
      "file.copy",
      LINE,
      "file.save",
      "file.recovered",
      LINE,
      "file.share",
      "file.copyLink",
      {
        label: "Download",
        entries: [
          "file.downloadIpynb",
          "file.downloadClean",
          "file.downloadPy",
          "file.downloadMd",
          "file.downloadHtml",
          LINE,
          "file.downloadOutput",
        ],
      },
      LINE,
      "file.print",
      "file.closeShutdown",
    ],
  },
  {
    label: "Edit",
    entries: [
      "edit.undo",
      "edit.redo",
      LINE,
      "edit.selectAll",
      "edit.deselect",
      "edit.cut",
      "edit.copy",
      "edit.pasteBelow",
      "edit.pasteAbove",
      "edit.duplicate",
      "edit.delete",
      LINE,
      "edit.moveUp",
      "edit.moveDown",
      "edit.split",
      "edit.mergeSelected",
      "edit.mergeAbove",
      "edit.mergeBelow",
      LINE,
      {
        label: "Change to",
        entries: [
          "edit.toCode",
          "edit.toMarkdown",
          "edit.toRaw",
          LINE,
          "edit.toHeading1",
          "edit.toHeading2",
          "edit.toHeading3",
          "edit.toHeading4",
          "edit.toHeading5",
          "edit.toHeading6",
        ],
      },
      LINE,
      "cell.formOnly",
      LINE,
      "edit.copyOutput",
      "edit.clearOutput",
      "edit.clearAllOutputs",
      "edit.omitOutputs",
    ],
  },
  {
    label: "View",
    entries: [
      "view.resources",
      "view.executions",
      "view.secrets",
      LINE,
      "view.toggleSource",
      "view.toggleOutput",
      "view.toggleAllSources",
      "view.toggleAllOutputs",
      LINE,
      "view.scrollOutput",
      "view.outputAsText",
      "view.outputFullScreen",
      LINE,
      "view.lineNumbersCell",
      "view.lineNumbers",
      LINE,
      { label: "Theme", entries: ["view.theme.light", "view.theme.dark", "view.theme.system"] },
      LINE,
      "runtime.goToLastRun",
      "view.nextPart",
      "view.previousPart",
      "view.tabFocus",
    ],
  },
  {
    label: "Insert",
    entries: [
      "insert.codeAbove",
      "insert.codeBelow",
      "insert.markdownAbove",
      "insert.markdownBelow",
      "insert.headingAbove",
      "insert.headingBelow",
      "insert.raw",
      LINE,
      "insert.formField",
    ],
  },
  {
    label: "Runtime",
    entries: [
      "runtime.connect",
      LINE,
      "runtime.runAll",
      "runtime.runBefore",
      "runtime.run",
      "runtime.runNext",
      "runtime.runInsert",
      "runtime.runBelow",
      "runtime.runStale",
      "runtime.renderText",
      LINE,
      "runtime.interrupt",
      "runtime.cancelMine",
      LINE,
      "runtime.restart",
      "runtime.restartRunAll",
      "runtime.restartClear",
      LINE,
      "runtime.changeType",
      "runtime.attach",
      "runtime.extendIdle",
      LINE,
      "runtime.reset",
      "runtime.resetAll",
      "runtime.shutdown",
    ],
  },
  { label: "Help", entries: ["tools.palette", "tools.shortcuts", LINE, "help.about"] },
];
