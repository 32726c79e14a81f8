import { type FormEvent, useState } from "react";
import { renameMe } from "../../api.ts";
import { say } from "./announcements.ts";
import { Dialog } from "./Dialog.tsx";

const LONGEST = 40;

interface Props {
  readonly name: string;
  readonly onClose: () => void;
  readonly onRenamed: (name: string) => void;
}

/** The name that others see beside your caret. */
export function NameDialog({ name, onClose, onRenamed }: Props) {
  const [draft, setDraft] = useState(name);
  const [problem, setProblem] = useState("");

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const wanted = draft.trim();
    if (wanted === "") {
      setProblem("Write a name.");
      return;
    }
    try {
      await renameMe(wanted);
      onRenamed(wanted);
      say(`You are now called ${wanted}.`);
      onClose();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The name was not changed.");
    }
  };

  return (
    <Dialog title="Your name" onClose={onClose} className="dialog-small">
      <form onSubmit={(event) => void submit(event)}>
        <p className="dialog-text">Everyone in a notebook sees this name beside your avatar and your caret.</p>
        <label className="field">
          <span>Name</span>
          <input
            value={draft}
            maxLength={LONGEST}
            aria-invalid={problem !== ""}
            onFocus={(event) => event.target.select()}
            onChange={(event) => setDraft(event.target.value)}
          />
        </label>
        <p className="field-problem" role="alert">
          {problem}
        </p>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary">
            Change name
          </button>
        </div>
      </form>
    </Dialog>
  );
}
