import { DropdownMenu } from "radix-ui";
import { type FormEvent, useRef, useState } from "react";
import { atLeast } from "../../actions/role.ts";
import { changeNotebook, copyNotebook, deleteNotebook, type NotebookSummary } from "../../api.ts";
import { alarm, say } from "../shared/announcements.ts";
import { Confirm } from "../shared/Confirm.tsx";
import { Icon } from "../shared/Icon.tsx";
import { ago, exactly } from "../shared/time.ts";
import { snippetPieces } from "./snippet.ts";

interface Props {
  readonly notebook: NotebookSummary;
  readonly trash: boolean;
  readonly query: string;
  readonly onChanged: () => Promise<void>;
}

export function LibraryRow({ notebook, trash, query, onChanged }: Props) {
  const { id, title, role } = notebook;
  const snippet = snippetPieces(notebook.snippet ?? "", title, query);
  const more = useRef<HTMLButtonElement>(null);
  const [renaming, setRenaming] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const updated = Date.parse(notebook.updated);

  const attempt = async (done: string, request: () => Promise<unknown>): Promise<void> => {
    try {
      await request();
      say(done);
      await onChanged();
    } catch (error) {
      alarm(error instanceof Error ? error.message : "The server could not be reached.");
    }
  };

  const endRenaming = (): void => {
    setRenaming(false);
    more.current?.focus();
  };

  return (
    <li className="library-row">
      <span className="row-icon">
        <Icon name={trash ? "trash" : "notebook"} />
      </span>
      <div className="row-words">
        {renaming ? (
          <RenameForm
            title={title}
            onCancel={endRenaming}
            onRename={(wanted) => {
              endRenaming();
              void attempt(`Renamed to ${wanted}.`, () => changeNotebook(id, { title: wanted }));
            }}
          />
        ) : trash ? (
          <span className="row-title">{title}</span>
        ) : (
          <a href={`/n/${id}`} className="row-title">
            {title}
          </a>
        )}
        {snippet.length > 0 && (
          <span className="row-snippet">
            {snippet.map(({ text, match }, at) => {
              // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no other name and never move.
              return match ? <mark key={at}>{text}</mark> : <span key={at}>{text}</span>;
            })}
          </span>
        )}
      </div>
      <time className="row-when" dateTime={notebook.updated} data-tip={exactly(updated)}>
        {ago(updated, Date.now())}
      </time>
      <span className="row-role">{role}</span>
      {trash ? (
        <div className="row-buttons">
          <button
            type="button"
            className="button"
            disabled={!atLeast(role, "owner")}
            aria-label={`Restore ${title}`}
            onClick={() =>
              void attempt(`${title} is back in the Library.`, () => changeNotebook(id, { trashed: false }))
            }
          >
            <Icon name="restore" />
            Restore
          </button>
          <button
            type="button"
            className="icon-button"
            disabled={!atLeast(role, "owner")}
            aria-label={`Delete ${title} for good`}
            data-tip="Delete for good"
            onClick={() => setDeleting(true)}
          >
            <Icon name="trash" />
          </button>
        </div>
      ) : (
        <DropdownMenu.Root modal={false}>
          <DropdownMenu.Trigger ref={more} className="icon-button" aria-label={`More for ${title}`}>
            <Icon name="more" />
          </DropdownMenu.Trigger>
          <DropdownMenu.Portal>
            <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
              <DropdownMenu.Item
                className="menu-item"
                disabled={!atLeast(role, "editor")}
                onSelect={() => setRenaming(true)}
              >
                <Icon name="pencil" />
                Rename
              </DropdownMenu.Item>
              <DropdownMenu.Item
                className="menu-item"
                onSelect={() => void attempt(`${title} was copied.`, () => copyNotebook(id))}
              >
                <Icon name="copy" />
                Make a copy
              </DropdownMenu.Item>
              <DropdownMenu.Separator className="menu-line" />
              <DropdownMenu.Item
                className="menu-item"
                disabled={!atLeast(role, "owner")}
                onSelect={() =>
                  void attempt(`${title} is in the trash now.`, () => changeNotebook(id, { trashed: true }))
                }
              >
                <Icon name="trash" />
                Move to trash
              </DropdownMenu.Item>
            </DropdownMenu.Content>
          </DropdownMenu.Portal>
        </DropdownMenu.Root>
      )}
      {deleting && (
        <Confirm
          title={`Delete ${title} for good?`}
          detail="Its text, outputs and sharing are gone for everyone. This cannot be undone."
          confirm="Delete for good"
          onClose={() => setDeleting(false)}
          onConfirm={() => void attempt(`${title} was deleted for good.`, () => deleteNotebook(id))}
        />
      )}
    </li>
  );
}

interface RenameProps {
  readonly title: string;
  readonly onRename: (title: string) => void;
  readonly onCancel: () => void;
}

function RenameForm({ title, onRename, onCancel }: RenameProps) {
  const [draft, setDraft] = useState(title);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (draft.trim() === "" || draft.trim() === title) onCancel();
    else onRename(draft.trim());
  };
  return (
    <form className="rename" onSubmit={submit}>
      <input
        // biome-ignore lint/a11y/noAutofocus: somebody just chose Rename.
        autoFocus
        aria-label={`New title of ${title}`}
        value={draft}
        maxLength={200}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onCancel();
        }}
      />
      <button type="submit" className="button button-primary">
        Rename
      </button>
      <button type="button" className="button" onClick={onCancel}>
        Cancel
      </button>
    </form>
  );
}
