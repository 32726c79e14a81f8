import { type KeyboardEvent, useRef } from "react";
import { useStore } from "zustand";
import { actionOf, disabledReason, perform } from "../../actions";
import { showKeys } from "../../actions/keys";
import { Icon } from "../shared/Icon";
import type { IconName } from "../shared/icons";
import { isMac } from "../shared/platform";
import type { NotebookBench } from "./bench";
import { RuntimeChip } from "./RuntimeChip";

/** The row under the menus. One tab stop, arrows inside. */
export function Toolbar({ bench }: { readonly bench: NotebookBench }) {
  const status = useStore(bench.session.store, (state) => state.runtime.status);
  useStore(bench.session.store, (state) => state.role);
  const ref = useRef<HTMLDivElement>(null);
  const busy = status === "busy";

  const move = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0 || ref.current === null) return;
    const buttons = [...ref.current.querySelectorAll<HTMLButtonElement>("button")];
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    if (at === -1 || next === undefined) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  };

  return (
    <div ref={ref} role="toolbar" aria-label="Notebook" className="toolbar" data-part="toolbar" onKeyDown={move}>
      <ToolButton bench={bench} id="tools.palette" name="Commands" sign="search" first />
      <span className="toolbar-line" aria-hidden="true" />
      <ToolButton bench={bench} id="insert.codeBelow" name="Code" sign="plus" open />
      <ToolButton bench={bench} id="insert.markdownBelow" name="Text" sign="plus" open />
      <span className="toolbar-line" aria-hidden="true" />
      {busy ? (
        <ToolButton bench={bench} id="runtime.interrupt" name="Interrupt" sign="stop" />
      ) : (
        <ToolButton bench={bench} id="runtime.runAll" name="Run all" sign="play" />
      )}
      <span className="toolbar-space" />
      <RuntimeChip bench={bench} />
    </div>
  );
}

interface Props {
  readonly bench: NotebookBench;
  readonly id: string;
  readonly name: string;
  readonly sign: IconName;
  readonly first?: boolean;
  /** A new cell made by button opens for writing. */
  readonly open?: boolean;
}

function ToolButton({ bench, id, name, sign, first = false, open = false }: Props) {
  const action = actionOf(id);
  const reason = disabledReason(action, bench);
  const keys = action.keys[0]?.keys;
  const tip = reason ?? (keys === undefined ? action.title : `${action.title} (${showKeys(keys, isMac())})`);
  return (
    <button
      type="button"
      className="tool-button"
      tabIndex={first ? 0 : -1}
      aria-disabled={reason !== null}
      data-tip={tip}
      // Pressed with the pointer it leaves the focus in the notebook, where the keys go on working.
      onMouseDown={(event) => event.preventDefault()}
      onClick={() => {
        perform(id, bench);
        const { active } = bench.view.getState().selection;
        if (open && reason === null && active !== null) bench.cells.edit(active);
      }}
    >
      <Icon name={sign} />
      <span className="tool-name">{name}</span>
    </button>
  );
}
