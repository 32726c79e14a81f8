import { type KeyboardEvent, useId, useMemo, useRef, useState } from "react";
import { ACTIONS, disabledReason } from "../../actions";
import { showKeys } from "../../actions/keys";
import { LiveRegions } from "../shared/LiveRegions";
import { isMac } from "../shared/platform";
import type { NotebookBench } from "./bench";
import { groupOf, rank } from "./palette_rank";

interface Props {
  readonly bench: NotebookBench;
  readonly onClose: () => void;
  readonly onChoose: (id: string) => void;
}

/** Every action by its name. A combobox whose list stays open, after the ARIA pattern. */
export function Palette({ bench, onClose, onChoose }: Props) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const list = useId();
  const dialog = useRef<HTMLDialogElement | null>(null);
  const rows = useMemo(() => {
    const found = rank(query, ACTIONS).map((action) => ({ action, reason: disabledReason(action, bench) }));
    return [...found.filter((row) => row.reason === null), ...found.filter((row) => row.reason !== null)];
  }, [query, bench]);
  const current = rows[Math.min(at, rows.length - 1)];

  const choose = (row: typeof current): void => {
    if (row === undefined || row.reason !== null) return;
    dialog.current?.close();
    onClose();
    onChoose(row.action.id);
  };

  const key = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const step = steps[event.key];
    if (step !== undefined && rows.length > 0) {
      event.preventDefault();
      const next =
        Math.abs(step) === 1
          ? (at + step + rows.length) % rows.length
          : Math.max(0, Math.min(rows.length - 1, at + step));
      setAt(next);
      document.getElementById(`${list}-${String(next)}`)?.scrollIntoView({ block: "nearest" });
    }
    if (event.key === "Enter") {
      event.preventDefault();
      choose(current);
    }
  };

  return (
    <dialog
      ref={(node) => {
        dialog.current = node;
        if (node !== null && !node.open) node.showModal();
      }}
      aria-label="Commands"
      className="dialog palette"
      onCancel={(event) => {
        event.preventDefault();
        dialog.current?.close();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target !== dialog.current) return;
        dialog.current?.close();
        onClose();
      }}
    >
      <div className="palette-sheet">
        <input
          role="combobox"
          className="palette-search"
          aria-label="Search commands"
          aria-expanded="true"
          aria-controls={list}
          aria-autocomplete="list"
          aria-activedescendant={rows.length === 0 ? undefined : `${list}-${String(Math.min(at, rows.length - 1))}`}
          placeholder="Search commands"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={key}
        />
        <div id={list} role="listbox" aria-label="Results" className="palette-list">
          {rows.map((row, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox has the keys (aria-activedescendant).
            // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the combobox.
            <div
              key={row.action.id}
              id={`${list}-${String(index)}`}
              role="option"
              aria-selected={row === current}
              aria-disabled={row.reason !== null}
              className="palette-row"
              onClick={() => choose(row)}
            >
              <span className="palette-group">{groupOf(row.action.id)}</span>
              <span className="palette-title">{row.action.title}</span>
              {row.reason !== null ? (
                <span className="menu-reason">{row.reason}</span>
              ) : (
                row.action.keys[0] !== undefined && <kbd>{showKeys(row.action.keys[0].keys, isMac())}</kbd>
              )}
            </div>
          ))}
        </div>
        {rows.length === 0 && <p className="palette-none">No command is called that.</p>}
      </div>
      <LiveRegions />
    </dialog>
  );
}
