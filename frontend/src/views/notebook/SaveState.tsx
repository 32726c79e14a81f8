import { useStore } from "zustand";
import type { NotebookBench } from "./bench";

const MEANING = {
  Saved: "The server has everything you wrote",
  Saving: "Your last changes are on their way",
  "Not saved": "The server has not confirmed your last changes",
  Offline: "Kept in this browser; merged when the connection is back",
} as const;

/** One of four words, about acknowledgements only (ui.md 1). */
export function SaveState({ bench }: { readonly bench: NotebookBench }) {
  const save = useStore(bench.session.store, (state) => state.save);
  const reason = useStore(bench.session.store, (state) => state.saveReason);
  const tip = save === "Not saved" && reason !== "" ? reason : MEANING[save];
  return (
    <span className="save-state" data-save={save} data-tip={tip}>
      <span className="save-dot" aria-hidden="true" />
      <span role="status">{save}</span>
    </span>
  );
}
