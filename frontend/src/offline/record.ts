/** Notes what the browser has of an open notebook, so that it opens without the server the next time. */
import type { Me, NotebookInfo } from "../api.ts";
import { observeMeta } from "../notebook/observe.ts";
import { titleOf } from "../notebook/schema.ts";
import type { Session } from "../session/session.ts";
import { dropNotebook, keepNotebook } from "./copies.ts";

const GONE: readonly number[] = [4403, 4404];

export function recordNotebook(me: Me, session: Session, label: NotebookInfo["output_label"]): () => void {
  const { id, notebook, store } = session;
  let noted = "";

  const note = (): void => {
    const { phase, kept, role, epoch, ended } = store.getState();
    if (ended !== null && GONE.includes(ended.code)) void dropNotebook(me, id, ended.reason);
    if (phase !== "synced" || kept !== "kept" || role === null || epoch === null) return;
    const facts = { id, title: titleOf(notebook), role, epoch, output_label: label };
    const text = JSON.stringify(facts);
    if (text === noted) return;
    noted = text;
    keepNotebook(me, { ...facts, opened: Date.now() });
  };

  const stops = [store.subscribe(note), observeMeta(notebook, note)];
  note();
  return () => {
    for (const stop of stops) stop();
  };
}
