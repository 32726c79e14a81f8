import { DropdownMenu } from "radix-ui";
import { useRef, useState } from "react";
import { useStore } from "zustand";
import { actionOf, disabledReason, LINE, perform } from "../../actions";
import { missingRole } from "../../actions/role";
import { metersOf, meterWords } from "../runtime/amounts";
import { Bar, Meters } from "../runtime/Meters";
import { SHOWN_BEFORE_MS, useCountdown } from "../runtime/use_countdown";
import { Icon } from "../shared/Icon";
import { clock } from "../shared/time";
import type { NotebookBench } from "./bench";

const ENTRIES = [
  "runtime.connect",
  "runtime.interrupt",
  "runtime.restart",
  "runtime.restartRunAll",
  "runtime.extendIdle",
  LINE,
  "runtime.changeType",
  "runtime.attach",
  LINE,
  "view.resources",
  "view.executions",
  "runtime.goToLastRun",
  LINE,
  "runtime.shutdown",
  "runtime.reset",
  "runtime.resetAll",
];

/** The state of the shared Runtime, what it uses, and what can be done with it. */
export function RuntimeChip({ bench }: { readonly bench: NotebookBench }) {
  const { status, kernel, reason, attached } = useStore(bench.session.store, (state) => state.runtime);
  const phase = useStore(bench.session.store, (state) => state.phase);
  const role = useStore(bench.session.store, (state) => state.role);
  const usage = useStore(bench.session.store, (state) => state.usage);
  const left = useCountdown(bench.session);
  const picked = useRef<string | null>(null);
  const chip = useRef<HTMLButtonElement>(null);
  const [description, setDescription] = useState("");
  // Without a connection nobody knows what the runtime does.
  const known = phase === "offline" ? "reconnecting" : status;
  const word = known === "dead" ? "stopped" : known;
  const meters = usage === null || phase === "offline" ? [] : metersOf(usage);
  const ends = left === null ? "" : `Stops in ${clock(left)}`;
  const facts = [kernel, attached, reason, ends, ...meters.map(meterWords)].filter((part) => part !== "");
  // Read out when the chip is reached, and not again with every sample.
  const describe = (): void => setDescription(facts.join(". "));
  // A small menu: without what this person may not do, and without putting off what is not near.
  const entries = ENTRIES.filter((id) => {
    if (id === LINE) return true;
    return missingRole(role, actionOf(id).role) === null && (id !== "runtime.extendIdle" || left !== null);
  });

  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        ref={chip}
        className="runtime-chip"
        tabIndex={-1}
        data-status={known}
        data-tip={facts.join("\n")}
        aria-label={`Runtime: ${word}`}
        aria-description={description}
        onFocus={describe}
        onPointerEnter={describe}
      >
        <span className="runtime-dot" aria-hidden="true" />
        <span className="runtime-label">Runtime:</span>
        <span className="runtime-word">{word}</span>
        {left !== null && left <= SHOWN_BEFORE_MS && (
          <span className="runtime-ends" aria-hidden="true" data-label={clock(left)}>
            <Icon name="clock" />
          </span>
        )}
        <Meters meters={meters} />
        <Icon name="chevron" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="menu"
          align="end"
          sideOffset={4}
          collisionPadding={8}
          onCloseAutoFocus={(event) => {
            const id = picked.current;
            picked.current = null;
            if (id === null) return;
            // First back to the chip, so that a dialog can give it back there; then where the action wants it.
            event.preventDefault();
            chip.current?.focus();
            perform(id, bench);
          }}
        >
          <DropdownMenu.Label className="menu-label">{kernel === "" ? "No kernel yet" : kernel}</DropdownMenu.Label>
          {reason !== "" && <p className="menu-note">{reason}</p>}
          {meters.length > 0 && (
            <dl className="menu-meters">
              {meters.map(({ key, label, name, part, words }) => (
                <div key={key}>
                  <dt data-tip={name === "" ? undefined : name}>{label}</dt>
                  <dd>
                    <Bar part={part} />
                    {words}
                  </dd>
                </div>
              ))}
            </dl>
          )}
          {entries.map((id, at) => {
            if (id === LINE)
              return entries[at + 1] === LINE || at === 0 || at === entries.length - 1 ? null : (
                <DropdownMenu.Separator key={`line ${String(at)}`} className="menu-line" />
              );
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
