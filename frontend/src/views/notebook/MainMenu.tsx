import { Menubar } from "radix-ui";
import { useRef, useState } from "react";
import { actionOf, disabledReason, LINE, MENUS, type MenuEntry, perform } from "../../actions";
import { showKeys } from "../../actions/keys";
import { Icon } from "../shared/Icon";
import { isMac } from "../shared/platform";
import type { NotebookBench } from "./bench";

/** File, Edit, View…: made from the action table. What cannot be done now is greyed, with the reason. */
export function MainMenu({ bench }: { readonly bench: NotebookBench }) {
  const [open, setOpen] = useState("");
  const picked = useRef<string | null>(null);

  return (
    <nav className="menus" aria-label="Main menu">
      <Menubar.Root className="menubar" aria-label="Main menu" value={open} onValueChange={setOpen}>
        {MENUS.map(({ label, entries }) => (
          <Menubar.Menu key={label} value={label}>
            <Menubar.Trigger className="menu-trigger">{label}</Menubar.Trigger>
            <Menubar.Portal>
              <Menubar.Content
                className="menu"
                align="start"
                sideOffset={4}
                collisionPadding={8}
                onCloseAutoFocus={(event) => {
                  const id = picked.current;
                  picked.current = null;
                  if (id === null) return;
                  // The action decides where the focus goes, starting from the cell the person was in.
                  event.preventDefault();
                  giveFocusBack(bench);
                  perform(id, bench);
                }}
              >
                {open === label && (
                  <Entries
                    entries={entries}
                    bench={bench}
                    onPick={(id) => {
                      picked.current = id;
                    }}
                  />
                )}
              </Menubar.Content>
            </Menubar.Portal>
          </Menubar.Menu>
        ))}
      </Menubar.Root>
    </nav>
  );
}

function giveFocusBack(bench: NotebookBench): void {
  const { selection, mode } = bench.view.getState();
  const { active, ids } = selection;
  if (active === null) return;
  if (mode === "edit") bench.cells.edit(active);
  else if (ids.length === 1) bench.cells.focus(active);
  else bench.cells.leave();
}

interface EntriesProps {
  readonly entries: readonly MenuEntry[];
  readonly bench: NotebookBench;
  readonly onPick: (id: string) => void;
}

function Entries({ entries, bench, onPick }: EntriesProps) {
  return entries.map((entry, at) => {
    if (entry === LINE) return <Menubar.Separator key={`line ${String(at)}`} className="menu-line" />;
    if (typeof entry === "string") return <Item key={entry} id={entry} bench={bench} onPick={onPick} />;
    return (
      <Menubar.Sub key={entry.label}>
        <Menubar.SubTrigger className="menu-item">
          <span className="menu-check" />
          {entry.label}
          <span className="menu-keys">
            <Icon name="chevron" />
          </span>
        </Menubar.SubTrigger>
        <Menubar.Portal>
          <Menubar.SubContent className="menu" sideOffset={2} collisionPadding={8}>
            <Entries entries={entry.entries} bench={bench} onPick={onPick} />
          </Menubar.SubContent>
        </Menubar.Portal>
      </Menubar.Sub>
    );
  });
}

interface ItemProps {
  readonly id: string;
  readonly bench: NotebookBench;
  readonly onPick: (id: string) => void;
}

function Item({ id, bench, onPick }: ItemProps) {
  const action = actionOf(id);
  const reason = disabledReason(action, bench);
  const keys = action.keys[0]?.keys;
  const words = (
    <>
      <span className="menu-title">{action.title}</span>
      {reason !== null && (
        <span className="menu-reason" aria-hidden="true">
          {reason}
        </span>
      )}
      {reason === null && keys !== undefined && (
        <span className="menu-keys" aria-hidden="true">
          {showKeys(keys, isMac())}
        </span>
      )}
    </>
  );
  if (action.checked !== undefined) {
    const on = action.checked(bench);
    return (
      <Menubar.CheckboxItem
        className="menu-item"
        checked={on}
        textValue={action.title}
        disabled={reason !== null}
        aria-description={reason ?? undefined}
        onSelect={() => onPick(id)}
      >
        <span className="menu-check">{on && <Icon name="check" />}</span>
        {words}
      </Menubar.CheckboxItem>
    );
  }
  return (
    <Menubar.Item
      className="menu-item"
      textValue={action.title}
      disabled={reason !== null}
      aria-description={reason ?? undefined}
      onSelect={() => onPick(id)}
    >
      <span className="menu-check" />
      {words}
    </Menubar.Item>
  );
}
