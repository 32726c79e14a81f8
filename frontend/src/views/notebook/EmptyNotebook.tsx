import { useStore } from "zustand";
import { atLeast, usableRole } from "../../actions/role";
import { insertCell } from "../../notebook/edits";
import { Icon } from "../shared/Icon";
import type { NotebookBench } from "./bench";

export function EmptyNotebook({ bench }: { readonly bench: NotebookBench }) {
  const role = useStore(bench.session.store, usableRole);
  const add = (type: "code" | "markdown"): void => {
    const id = insertCell(bench.session.notebook, { type, before: null });
    // The list is hidden while there are no cells: it shows in the next frame.
    requestAnimationFrame(() => bench.cells.edit(id, "start"));
  };
  return (
    <div className="empty">
      <Icon name="notebook" />
      <h2>This notebook has no cells</h2>
      {atLeast(role, "editor") ? (
        <>
          <p>Begin with code, or with words about what it will do.</p>
          <div className="empty-buttons">
            <button type="button" className="button button-primary" onClick={() => add("code")}>
              <Icon name="code" />
              Add a code cell
            </button>
            <button type="button" className="button" onClick={() => add("markdown")}>
              <Icon name="text" />
              Add a text cell
            </button>
          </div>
        </>
      ) : (
        <p>Somebody who may edit it has to write the first one.</p>
      )}
    </div>
  );
}
