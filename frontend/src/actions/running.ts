/** Asking the server to run cells. Text cells are rendered, not sent. */

import { cellOf, orderedIds, runOf } from "../notebook/schema.ts";
import type { Workbench } from "./workbench.ts";

/** Runs the code cells among `ids` in that order and renders the text cells. */
export async function runCells(bench: Workbench, ids: readonly string[]): Promise<void> {
  const { notebook } = bench.session;
  closeTexts(bench, ids);
  const code = ids.filter((id) => cellOf(notebook, id)?.type === "code");
  if (code.length === 0) return;
  const sources = await bench.session.sources(code);
  bench.session.send({ type: "run_cells", cells: code, sources });
}

/** Shows these text cells rendered again. */
export function closeTexts(bench: Workbench, ids: readonly string[]): void {
  bench.view.setState(({ openTexts }) => {
    const open = new Set(openTexts);
    for (const id of ids) open.delete(id);
    return { openTexts: open };
  });
}

/** Cells whose source changed since it ran, or that ran in an earlier kernel process; those that wait or run are on
 * their way, and marks that came with a file name neither. */
export async function staleCells(bench: Workbench): Promise<string[]> {
  const { notebook, store } = bench.session;
  const ran = orderedIds(notebook).filter((id) => {
    const state = runOf(notebook, id)?.state;
    return cellOf(notebook, id)?.type === "code" && state !== undefined && state !== "queued" && state !== "running";
  });
  const digests = await bench.session.sources(ran);
  const { session } = store.getState().runtime;
  return ran.filter((id) => {
    const run = runOf(notebook, id);
    if (run === null) return false;
    const isEdited = run.sourceSha256 !== "" && run.sourceSha256 !== digests[id];
    return isEdited || (session !== "" && run.session !== "" && run.session !== session);
  });
}
