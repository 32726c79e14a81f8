import "../runtime/runtime.css";
import "./secrets.css";
import { type FormEvent, useEffect, useId, useState } from "react";
import { useStore } from "zustand";
import { missingRole, usableRole } from "../../actions/role";
import { deleteSecret, grantSecret, listSecrets, readSecret, type Secret, setSecret } from "../../secrets_api";
import type { NotebookBench } from "../notebook/bench";
import { Icon } from "../shared/Icon";
import { reasonOf } from "../shared/reason";

interface Props {
  readonly bench: NotebookBench;
}

const NAME = "[A-Za-z_][A-Za-z0-9_.\\-]*";

/** This person's secrets: kept on the server, seen by nobody else, read by code of the notebooks that they allow. */
export function Secrets({ bench }: Props) {
  const { session } = bench;
  const [secrets, setSecrets] = useState<readonly Secret[] | null>(null);
  const [problem, setProblem] = useState("");
  const [isAdding, setAdding] = useState(false);
  const [turn, setTurn] = useState(0);
  const mayRun = missingRole(useStore(session.store, usableRole), "runner") === null;

  // biome-ignore lint/correctness/useExhaustiveDependencies: each turn asks again.
  useEffect(() => {
    let gone = false;
    listSecrets(session.id).then(
      (found) => {
        if (gone) return;
        setSecrets(found);
        setProblem("");
      },
      (error: unknown) => {
        if (!gone) setProblem(reasonOf(error));
      },
    );
    return () => {
      gone = true;
    };
  }, [session, turn]);

  /** False when it did not work, which is said. */
  const act = async (what: () => Promise<unknown>, said: string): Promise<boolean> => {
    try {
      await what();
    } catch (error) {
      setProblem(reasonOf(error));
      return false;
    }
    setTurn((n) => n + 1);
    bench.say(said);
    return true;
  };

  return (
    <>
      <p className="hint pane-part">
        Only you see them. Code reads one with <code>google.colab.userdata.get("NAME")</code> when you run it, in the
        notebooks that you allow.
      </p>
      {problem !== "" && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
      {secrets !== null && secrets.length === 0 && !isAdding && <p className="hint pane-part">You have none yet.</p>}
      <ul className="secrets" aria-label="Secrets">
        {secrets?.map((secret) => (
          <Row key={secret.name} bench={bench} secret={secret} mayRun={mayRun} act={act} />
        ))}
      </ul>
      {isAdding ? (
        <Form
          onCancel={() => setAdding(false)}
          onSave={async (name, value) => {
            if (secrets?.some((secret) => secret.name === name) === true) {
              setProblem(`You have a secret ${name} already; change that one.`);
              return;
            }
            if (await act(() => setSecret(name, value), `Secret ${name} added.`)) setAdding(false);
          }}
        />
      ) : (
        <button type="button" className="button" onClick={() => setAdding(true)}>
          <Icon name="plus" />
          Add a secret
        </button>
      )}
    </>
  );
}

interface RowProps extends Props {
  readonly secret: Secret;
  readonly mayRun: boolean;
  readonly act: (what: () => Promise<unknown>, said: string) => Promise<boolean>;
}

function Row({ bench, secret: { name, granted }, mayRun, act }: RowProps) {
  const [state, setState] = useState<"closed" | "editing" | "deleting">("closed");
  const [value, setValue] = useState("");
  const [problem, setProblem] = useState("");
  const id = useId();

  const edit = async (): Promise<void> => {
    try {
      setValue(await readSecret(name));
      setProblem("");
    } catch (error) {
      // One that cannot be read any more can still be entered again.
      setValue("");
      setProblem(reasonOf(error));
    }
    setState("editing");
  };

  return (
    <li>
      <div className="secret-head">
        <span className="secret-name">{name}</span>
        <button type="button" className="icon-button" aria-label={`Change ${name}`} onClick={() => void edit()}>
          <Icon name="pencil" />
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={`Delete ${name}`}
          onClick={() => setState(state === "deleting" ? "closed" : "deleting")}
        >
          <Icon name="trash" />
        </button>
      </div>
      <label className="secret-grant" htmlFor={id}>
        <input
          id={id}
          type="checkbox"
          checked={granted}
          disabled={!mayRun && !granted}
          onChange={() =>
            void act(
              () => grantSecret(bench.session.id, name, !granted),
              granted ? `This notebook may no longer read ${name}.` : `This notebook may read ${name}.`,
            )
          }
        />
        This notebook may read it
      </label>
      {problem !== "" && <p className="field-problem">{problem}</p>}
      {state === "deleting" && (
        <div className="secret-actions">
          <button type="button" className="button" onClick={() => setState("closed")}>
            Keep it
          </button>
          <button
            type="button"
            className="button button-danger"
            onClick={() => void act(() => deleteSecret(name), `Secret ${name} deleted.`)}
          >
            Delete for good
          </button>
        </div>
      )}
      {state === "editing" && (
        <Form
          name={name}
          value={value}
          onCancel={() => setState("closed")}
          onSave={async (_name, changed) => {
            if (await act(() => setSecret(name, changed), `Secret ${name} changed.`)) setState("closed");
          }}
        />
      )}
    </li>
  );
}

interface FormProps {
  /** Of one that is there: its name stays. */
  readonly name?: string;
  readonly value?: string;
  readonly onSave: (name: string, value: string) => Promise<void>;
  readonly onCancel: () => void;
}

function Form({ name: known, value: before = "", onSave, onCancel }: FormProps) {
  const [name, setName] = useState(known ?? "");
  const [value, setValue] = useState(before);
  const [isShown, setShown] = useState(false);
  const id = useId();

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void onSave(name.trim(), value);
  };

  return (
    <form className="secret-form" onSubmit={submit} autoComplete="off">
      {known === undefined && (
        <label className="field" htmlFor={`${id}-name`}>
          <span>Name</span>
          <input
            id={`${id}-name`}
            value={name}
            pattern={NAME}
            maxLength={100}
            required
            // biome-ignore lint/a11y/noAutofocus: it was opened by a button a moment ago.
            autoFocus
            spellCheck={false}
            title="Letters, digits, '_', '.' and '-', beginning with a letter or '_'"
            onChange={(event) => setName(event.target.value)}
          />
        </label>
      )}
      <label className="field" htmlFor={`${id}-value`}>
        <span>Value</span>
        {isShown ? (
          <textarea
            id={`${id}-value`}
            rows={3}
            value={value}
            required
            spellCheck={false}
            onChange={(event) => setValue(event.target.value)}
          />
        ) : (
          <input
            id={`${id}-value`}
            type="password"
            autoComplete="new-password"
            value={value}
            required
            onChange={(event) => setValue(event.target.value)}
          />
        )}
      </label>
      <label className="secret-grant" htmlFor={`${id}-show`}>
        <input id={`${id}-show`} type="checkbox" checked={isShown} onChange={() => setShown(!isShown)} />
        Show the value
      </label>
      <div className="secret-actions">
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="button button-primary">
          Save
        </button>
      </div>
    </form>
  );
}
