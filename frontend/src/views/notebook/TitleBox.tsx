import { useState } from "react";
import { useStore } from "zustand";
import { atLeast, usableRole } from "../../actions/role";
import { setTitle } from "../../notebook/edits";
import type { NotebookBench } from "./bench";

const LONGEST = 200;

interface Props {
  readonly bench: NotebookBench;
  readonly title: string;
}

/** The title is written when the box is left or Enter is pressed; Esc takes it back. */
export function TitleBox({ bench, title }: Props) {
  const role = useStore(bench.session.store, usableRole);
  const [draft, setDraft] = useState<string | null>(null);

  const commit = (): void => {
    const wanted = draft?.trim() ?? "";
    if (wanted !== "" && wanted !== title) setTitle(bench.session.notebook, wanted);
    setDraft(null);
  };

  return (
    <span className="title-sizer" data-title={(draft ?? title) || "Untitled"}>
      <input
        className="title-box"
        aria-label="Notebook title"
        placeholder="Untitled"
        maxLength={LONGEST}
        size={1}
        readOnly={!atLeast(role, "editor")}
        value={draft ?? title}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Enter") {
            event.preventDefault();
            commit();
            bench.cells.leave();
          }
          if (event.key === "Escape") setDraft(null);
        }}
      />
    </span>
  );
}
