import { useState } from "react";
import { ACTIONS } from "../../actions";
import type { Action } from "../../actions/action";
import { showKeys } from "../../actions/keys";
import { Dialog } from "../shared/Dialog";
import { isMac } from "../shared/platform";
import { groupOf, rank } from "./palette_rank";

/** The keys, made from the action table: in a cell, in its editor, everywhere. */
export function Shortcuts({ onClose }: { readonly onClose: () => void }) {
  const [query, setQuery] = useState("");
  const rows = rank(
    query,
    ACTIONS.filter((action) => action.keys.length > 0),
  );
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose} className="dialog-wide">
      <p className="dialog-text">
        Single letters work while a cell has the focus (press Esc to leave its editor, Enter to open it). Ctrl+M and a
        key works in both.
      </p>
      <input
        type="search"
        className="filter"
        aria-label="Filter shortcuts"
        placeholder="Filter"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <section className="table-holder" tabIndex={0} aria-label="Shortcuts">
        <table className="shortcuts">
          <thead>
            <tr>
              <th scope="col">Action</th>
              <th scope="col">A cell has the focus</th>
              <th scope="col">In the editor</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((action) => (
              <tr key={action.id}>
                <th scope="row">
                  <span className="palette-group">{groupOf(action.id)}</span> {action.title}
                </th>
                <td data-place="Cell">
                  <Keys action={action} place="command" />
                </td>
                <td data-place="Editor">
                  <Keys action={action} place="edit" />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </Dialog>
  );
}

function Keys({ action, place }: { readonly action: Action; readonly place: "command" | "edit" }) {
  const shown = action.keys.filter(({ keys, places }) => places.includes(place) || keys.startsWith("Leader"));
  const words = [...new Set(shown.map(({ keys }) => showKeys(keys, isMac())))];
  return words.map((text) => <kbd key={text}>{text}</kbd>);
}
