import "./runtime.css";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useStore } from "zustand";
import { type Chosen, getRuntime, type RuntimeInfo } from "../../runtime_api";
import type { NotebookBench } from "../notebook/bench";
import { Dialog } from "../shared/Dialog";
import { reasonOf } from "../shared/reason";
import { gpuChoices, MEMORY_CHOICES, withChosen } from "./choices";
import { Devices } from "./Devices";

interface Props {
  readonly bench: NotebookBench;
  readonly onClose: () => void;
}

/** Which kernel, GPU and limits this notebook starts with. */
export function ChangeType({ bench, onClose }: Props) {
  const [info, setInfo] = useState<RuntimeInfo | null>(null);
  const [problem, setProblem] = useState("");
  const id = bench.session.id;

  useEffect(() => {
    getRuntime(id).then(setInfo, (error: unknown) => setProblem(reasonOf(error)));
  }, [id]);

  return (
    <Dialog title="Change runtime type" onClose={onClose}>
      {problem !== "" && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
      {info === null && problem === "" && <p className="dialog-text">Asking the server what there is…</p>}
      {info !== null && <Form bench={bench} info={info} onClose={onClose} />}
    </Dialog>
  );
}

function Form({ bench, info, onClose }: Props & { readonly info: RuntimeInfo }) {
  const status = useStore(bench.session.store, (state) => state.runtime.status);
  const kernel = useRef<HTMLSelectElement>(null);
  // The dialog stood empty before, with the focus on its close button.
  useEffect(() => kernel.current?.focus(), []);
  const runs = status !== "none" && status !== "dead";
  const [chosen, setChosen] = useState<Chosen>(info.chosen);
  const change = (part: Partial<Chosen>): void => setChosen({ ...chosen, ...part });
  const devices = info.gpus?.devices ?? [];
  const kernels = info.kernels.some(({ name }) => name === chosen.kernel)
    ? info.kernels
    : [...info.kernels, { name: chosen.kernel, title: `${chosen.kernel} (not installed here)`, language: "" }];

  const save = (event: FormEvent, restart: boolean): void => {
    event.preventDefault();
    onClose();
    bench.session.send({ type: "choose_runtime", ...chosen, restart });
  };

  return (
    <form onSubmit={(event) => save(event, false)}>
      <label className="field">
        <span>Kernel</span>
        <select ref={kernel} value={chosen.kernel} onChange={(event) => change({ kernel: event.target.value })}>
          {kernels.map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>GPU</span>
        <select
          value={chosen.gpus}
          disabled={devices.length === 0 && chosen.gpus === ""}
          onChange={(event) => change({ gpus: event.target.value })}
        >
          {withChosen(gpuChoices(devices.length), chosen.gpus).map(({ value, words }) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </label>
      {info.gpus !== null && devices.length > 0 && <Devices devices={devices} waiting={info.gpus.waiting} />}
      {devices.length === 0 && <p className="hint">No GPU is known where this notebook runs.</p>}
      <div className="field-pair">
        <label className="field">
          <span>Memory limit</span>
          <select value={chosen.memory} onChange={(event) => change({ memory: event.target.value })}>
            {withChosen(MEMORY_CHOICES, chosen.memory).map(({ value, words }) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          <span>CPUs</span>
          <input
            inputMode="decimal"
            pattern="\d{1,3}(\.\d{1,2})?"
            title="A number such as 2 or 0.5"
            placeholder="The server’s default"
            value={chosen.cpus}
            onChange={(event) => change({ cpus: event.target.value.trim() })}
          />
        </label>
      </div>
      <label className="tick">
        <input type="checkbox" checked={chosen.venv} onChange={(event) => change({ venv: event.target.checked })} />
        <span>
          A virtual environment of this notebook’s own
          <small>What is installed here stays with this notebook and changes no other.</small>
        </span>
      </label>
      {runs && (
        <p className="dialog-text">
          The type counts from the next start. Restarting now loses the variables for everyone in this notebook; text
          and outputs stay.
        </p>
      )}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" className={runs ? "button" : "button button-primary"}>
          {runs ? "Save for the next start" : "Save"}
        </button>
        {runs && (
          <button
            type="button"
            className="button button-primary"
            onClick={(event) => {
              if (event.currentTarget.form?.reportValidity() === true) save(event, true);
            }}
          >
            Save and restart
          </button>
        )}
      </div>
    </form>
  );
}
