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

/** Cells whose source changed since it ran, or that ran in an earlier kernel process. */
export async function staleCells(bench: Workbench): Promise<string[]> {
  const { notebook, store } = bench.session;
  const ran = orderedIds(notebook).filter(
    (id) => cellOf(notebook, id)?.type === "code" && runOf(notebook, id) !== null,
  );
  const digests = await bench.session.sources(ran);
  const { session } = store.getState().runtime;
  return ran.filter((id) => {
    const run = runOf(notebook, id);
    return run !== null && (run.sourceSha256 !== digests[id] || (session !== "" && run.session !== session));
  });
}
