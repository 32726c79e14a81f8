/**
 * Which runs were asked for in this tab. A mark names its person, who may have two tabs open; what a run draws may call
 * the kernel by itself only in the one that asked (outputs.md W13).
 */
import { cellOf, type Notebook, orderedIds, runOf } from "../notebook/schema.ts";
import type { Command } from "./commands.ts";

export interface OwnRuns {
  sent(command: Command, request: number): void;
  refused(request: number): void;
  /** Whether this tab asked for the newest run of the cell. */
  isOwn(cellId: string): boolean;
}

export function createOwnRuns(notebook: Notebook, userId: () => string | null): OwnRuns {
  // What was asked for, with the mark that was there then; the next mark of ours is that of the run.
  const asked = new Map<string, { request: number; before: number | null }>();
  const own = new Map<string, number>();

  const settle = (cellId: string): void => {
    const waiting = asked.get(cellId);
    const mark = runOf(notebook, cellId);
    if (waiting === undefined || mark === null || mark.requested === null) return;
    if (mark.requested === waiting.before || mark.userId !== userId()) return;
    asked.delete(cellId);
    own.set(cellId, mark.requested);
  };

  return {
    sent(command, request) {
      if (command.type === "restart" && command.run_all !== true) return;
      if (command.type !== "run_cells" && command.type !== "restart") return;
      const cells = command.type === "restart" || command.cells === "all" ? orderedIds(notebook) : command.cells;
      for (const id of cells) {
        if (cellOf(notebook, id)?.type !== "code") continue;
        settle(id);
        asked.set(id, { request, before: runOf(notebook, id)?.requested ?? null });
      }
    },
    refused(request) {
      for (const [id, waiting] of asked) if (waiting.request === request) asked.delete(id);
    },
    isOwn(cellId) {
      settle(cellId);
      const requested = runOf(notebook, cellId)?.requested ?? null;
      return requested !== null && own.get(cellId) === requested;
    },
  };
}
