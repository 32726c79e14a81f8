import "./runtime.css";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useStore } from "zustand";
import type { NotebookBench } from "../notebook/bench";
import { Dialog } from "../shared/Dialog";
import { Icon } from "../shared/Icon";
import { addressOf } from "./choices";

interface Asked {
  readonly request: number;
  readonly what: "attach" | "detach";
  /** Where the runtime was then. */
  readonly before: string;
}

interface Props {
  readonly bench: NotebookBench;
  readonly onClose: () => void;
}

/** Runs this notebook on another Jupyter server. The token goes to our server and stays nowhere on this page. */
export function Attach({ bench, onClose }: Props) {
  const { session } = bench;
  const attached = useStore(session.store, (state) => state.runtime.attached);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [problem, setProblem] = useState("");
  const address = useRef<HTMLInputElement>(null);
  const token = useRef<HTMLInputElement>(null);

  // Either the command is refused, or the runtime says where it is now.
  useEffect(() => {
    if (asked === null) return;
    let ended = false;
    const stops = [
      session.onEvent((event) => {
        if (event.type !== "refused" || event.request !== asked.request) return;
        setProblem(event.reason);
        setAsked(null);
      }),
      session.store.subscribe(({ runtime }, old) => {
        if (runtime === old.runtime) return;
        // Attached anew to where it was already, the runtime ends first.
        ended ||= runtime.status === "none";
        const moved = runtime.attached !== asked.before || (ended && runtime.status !== "none");
        const done = asked.what === "detach" ? runtime.attached === "" : runtime.attached !== "" && moved;
        // Everyone is told by the server.
        if (done) onClose();
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [asked, session, onClose]);

  /** An address is often copied with its token. */
  const tidy = (): void => {
    const [url, secret] = [address.current, token.current];
    if (url === null || secret === null) return;
    const found = addressOf(url.value);
    url.value = found.url;
    if (found.token !== null) secret.value = found.token;
  };

  const attach = (event: FormEvent): void => {
    event.preventDefault();
    tidy();
    const [url, secret] = [address.current, token.current];
    if (url === null || secret === null) return;
    setProblem("");
    setAsked({
      request: session.send({ type: "attach_runtime", url: url.value, token: secret.value }),
      what: "attach",
      before: attached,
    });
    secret.value = "";
  };

  return (
    <Dialog title="Attach to a Jupyter server" onClose={onClose}>
      {attached !== "" && (
        <p className="notice notice-info">
          <Icon name="link" />
          <span>This notebook runs on {attached}.</span>
          <button
            type="button"
            className="button"
            disabled={asked !== null}
            onClick={() =>
              setAsked({ request: session.send({ type: "detach_runtime" }), what: "detach", before: attached })
            }
          >
            Detach
          </button>
        </p>
      )}
      <form onSubmit={attach} autoComplete="off">
        <p className="dialog-text">
          The code of this notebook then runs there, for everyone in it: with that server’s files, packages and rights.
          The connection is made by this notebook’s server, not by your browser.
        </p>
        <label className="field">
          <span>Address</span>
          <input
            ref={address}
            required
            inputMode="url"
            placeholder="http://127.0.0.1:8888"
            spellCheck={false}
            onBlur={tidy}
          />
        </label>
        <label className="field">
          <span>Token</span>
          <input ref={token} type="password" autoComplete="off" />
        </label>
        <p className="hint">
          <code>jupyter server list</code> shows both. The token is kept on the server, out of the notebook and this
          page.
        </p>
        <p className="field-problem">{problem}</p>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary" disabled={asked !== null}>
            {asked === null ? "Attach" : "Asking the server…"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
