import { useStore } from "zustand";
import type { Kept } from "../../session/session";
import type { NotebookBench } from "./bench";

const MEANING = {
  Saved: "The server has everything you wrote",
  Saving: "Your last changes are on their way",
  "Not saved": "The server has not confirmed your last changes",
} as const;

/** One of four words, about acknowledgements only (ui.md 1). */
export function SaveState({ bench }: { readonly bench: NotebookBench }) {
  const save = useStore(bench.session.store, (state) => state.save);
  const reason = useStore(bench.session.store, (state) => state.saveReason);
  const kept = useStore(bench.session.store, (state) => state.kept);
  const signedOut = useStore(bench.session.store, (state) => state.signedOut);
  const tip =
    save === "Not saved" && reason !== "" ? reason : save === "Offline" ? offlineWords(kept, signedOut) : MEANING[save];
  return (
    <span className="save-state" data-save={save} data-tip={tip}>
      <span className="save-dot" aria-hidden="true" />
      <span role="status">{save}</span>
    </span>
  );
}

function offlineWords(kept: Kept | null, signedOut: boolean): string {
  const until = signedOut ? "sent when you sign in again" : "merged when the connection is back";
  return `${kept === "full" || kept === "none" ? "On this page alone" : "Kept in this browser"}; ${until}`;
}
