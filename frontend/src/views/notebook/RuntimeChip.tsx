import { DropdownMenu } from "radix-ui";
import { useRef } from "react";
import { useStore } from "zustand";
import { actionOf, disabledReason, perform } from "../../actions";
import { Icon } from "../shared/Icon";
import type { NotebookBench } from "./bench";

const ENTRIES = [
  "runtime.connect",
  "runtime.interrupt",
  "runtime.restart",
  "runtime.restartRunAll",
  "runtime.goToLastRun",
  "runtime.shutdown",
];

/** The state of the shared Runtime, and what can be done with it. */
export function RuntimeChip({ bench }: { readonly bench: NotebookBench }) {
  const { status, kernel, reason } = useStore(bench.session.store, (state) => state.runtime);
  const phase = useStore(bench.session.store, (state) => state.phase);
  const picked = useRef<string | null>(null);
  // Without a connection nobody knows what the runtime does.
  const known = phase === "offline" ? "reconnecting" : status;
  const word = known === "dead" ? "stopped" : known;
  const tip = [kernel, reason].filter((part) => part !== "").join("\n");

  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        className="runtime-chip"
        tabIndex={-1}
        data-status={known}
        data-tip={tip}
        aria-label={`Runtime: ${word}`}
      >
        <span className="runtime-dot" aria-hidden="true" />
        <span className="runtime-label">Runtime: </span>
        <span>{word}</span>
        <Icon name="chevron" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="menu"
          align="end"
          sideOffset={4}
          onCloseAutoFocus={() => {
            const id = picked.current;
            picked.current = null;
            if (id !== null) perform(id, bench);
          }}
        >
          <DropdownMenu.Label className="menu-label">{kernel === "" ? "No kernel yet" : kernel}</DropdownMenu.Label>
          {reason !== "" && <p className="menu-note">{reason}</p>}
          {ENTRIES.map((id) => {
            const action = actionOf(id);
            const why = disabledReason(action, bench);
            return (
              <DropdownMenu.Item
                key={id}
                className="menu-item"
                textValue={action.title}
                disabled={why !== null}
                aria-description={why ?? undefined}
                onSelect={() => {
                  picked.current = id;
                }}
              >
                <span className="menu-title">{action.title}</span>
                {why !== null && (
                  <span className="menu-reason" aria-hidden="true">
                    {why}
                  </span>
                )}
              </DropdownMenu.Item>
            );
          })}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
