import { type ReactNode, useEffect, useState } from "react";
import { useStore } from "zustand";
import { perform } from "../../actions";
import { atLeast } from "../../actions/role";
import { Icon } from "../shared/Icon";
import type { IconName } from "../shared/icons";
import type { NotebookBench } from "./bench";
import { endedWords } from "./ended";

/** What happened, what it means for the work, and the one thing to do. The most serious comes first. */
export function Notices({ bench }: { readonly bench: NotebookBench }) {
  const { phase, save, saveReason, role, runtime, ended, recovered } = useStore(bench.session.store);
  const offline = useLater(phase === "offline", 1000);
  const changed = useRoleChange(role);
  const [quietReason, setQuietReason] = useState("");

  return (
    <div className="notices">
      {ended !== null && (
        <Notice look="bad" sign="warning" text={endedWords(ended.code, ended.reason)}>
          {ended.code === 4409 || ended.code === 4422 ? (
            <button type="button" className="button" onClick={() => location.reload()}>
              Reload
            </button>
          ) : (
            <a className="button" href="/">
              Go to the Library
            </a>
          )}
        </Notice>
      )}
      {offline && (
        <Notice
          look="warn"
          sign="cloud"
          text="You are offline. What you write is kept in this browser and merged when the connection is back."
        />
      )}
      {save === "Not saved" && !offline && ended === null && (
        <Notice
          look="warn"
          sign="warning"
          text={`Your last changes are not saved yet. ${saveReason === "" ? "The server has not answered" : saveReason.replace(/\.$/, "")}. Keep this page open; it goes on trying.`}
        />
      )}
      {recovered.some(({ taken }) => !taken) && (
        <Notice
          look="warn"
          sign="warning"
          text="Some of what you wrote here could not be saved. Its text is kept in this browser until you take it."
        >
          <button type="button" className="button" onClick={() => perform("file.recovered", bench)}>
            Recovered work
          </button>
        </Notice>
      )}
      {runtime.status === "dead" && runtime.reason !== quietReason && (
        <Notice
          look="bad"
          sign="warning"
          text={`The runtime is not running${runtime.reason === "" ? "" : `: ${runtime.reason.replace(/\.$/, "")}`}. Text and outputs are kept, variables are not.`}
          onDismiss={() => setQuietReason(runtime.reason)}
        >
          {atLeast(role, "runner") && (
            <button type="button" className="button" onClick={() => bench.session.send({ type: "start_runtime" })}>
              Start again
            </button>
          )}
        </Notice>
      )}
      {changed.was !== null && (
        <Notice
          look="info"
          sign="info"
          text={`You are ${article(role)} ${role ?? ""} here now; before, you were ${article(changed.was)} ${changed.was}.`}
          onDismiss={changed.dismiss}
        />
      )}
      {role !== null && !atLeast(role, "editor") && ended === null && (
        <Notice look="quiet" sign="info" text={limitWords(role)}>
          <button type="button" className="button button-quiet" onClick={() => perform("file.copy", bench)}>
            Make a copy
          </button>
        </Notice>
      )}
    </div>
  );
}

function limitWords(role: string): string {
  return atLeast(role, "runner")
    ? "You can run cells here. Changing them needs editor."
    : "View only. Changing and running cells needs a higher role.";
}

function article(role: string | null): string {
  return /^[aeiou]/.test(role ?? "") ? "an" : "a";
}

interface Props {
  readonly look: "info" | "warn" | "bad" | "quiet";
  readonly sign: IconName;
  readonly text: string;
  readonly children?: ReactNode;
  readonly onDismiss?: () => void;
}

function Notice({ look, sign, text, children, onDismiss }: Props) {
  return (
    <div className={`notice notice-${look}`}>
      <Icon name={sign} />
      <p>{text}</p>
      {children}
      {onDismiss !== undefined && (
        <button type="button" className="icon-button" aria-label="Dismiss notice" onClick={onDismiss}>
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

/** True once it has been true for a while, so that a blink of the connection moves nothing. */
function useLater(now: boolean, afterMs: number): boolean {
  const [later, setLater] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLater(now), now ? afterMs : 0);
    return () => clearTimeout(timer);
  }, [now, afterMs]);
  return later;
}

/** The role before the last change, until dismissed. */
function useRoleChange(role: string | null): { was: string | null; dismiss: () => void } {
  const [seen, setSeen] = useState(role);
  const [was, setWas] = useState<string | null>(null);
  if (role !== seen) {
    setSeen(role);
    if (seen !== null && role !== null) setWas(seen);
  }
  return { was, dismiss: () => setWas(null) };
}
