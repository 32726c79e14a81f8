import "./runtime.css";
import { useRef } from "react";
import type { NotebookBench } from "../notebook/bench";
import { Dialog } from "../shared/Dialog";

interface Props {
  readonly bench: NotebookBench;
  readonly onClose: () => void;
  /** Every runtime of the server, not only this notebook's. */
  readonly all: boolean;
}

/** Back to the original state. The safe button has the focus. */
export function Reset({ bench, onClose, all }: Props) {
  const folder = useRef<HTMLInputElement>(null);
  return (
    <Dialog
      role="alertdialog"
      title={all ? "Reset all runtimes?" : "Reset the runtime?"}
      onClose={onClose}
      className="dialog-small"
    >
      <p className="dialog-text">
        {all
          ? "Every notebook of this server gets a fresh process. Variables are lost for everyone in all of them, and what runs is stopped."
          : "A fresh process starts. Variables are lost for everyone in this notebook, and what runs is stopped."}{" "}
        Text and outputs stay.
      </p>
      <label className="tick">
        <input ref={folder} type="checkbox" />
        <span>
          {all ? "Also empty the working folders" : "Also empty the working folder"}
          <small>Files that code wrote or downloaded there are deleted, for good.</small>
        </span>
      </label>
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button button-danger"
          onClick={() => {
            const empties = folder.current?.checked === true;
            onClose();
            bench.session.send({ type: all ? "reset_all_runtimes" : "reset_runtime", folder: empties });
          }}
        >
          {all ? "Reset all" : "Reset"}
        </button>
      </div>
    </Dialog>
  );
}
