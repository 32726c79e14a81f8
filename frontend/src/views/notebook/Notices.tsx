import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { perform } from "../../actions";
import { atLeast } from "../../actions/role";
import type { Kept } from "../../session/session";
import { late, MissingDialog } from "../shared/late";
import type { NotebookBench } from "./bench";
import { endedWords } from "./ended";
import { Notice } from "./Notice";
import { RuntimeNotices } from "./RuntimeNotices";
import { useOmission } from "./use_notebook";

const SignInAgain = late<{ readonly bench: NotebookBench; readonly onClose: () => void }>(
  () => import("./SignInAgain").then(({ SignInAgain: view }) => view),
  MissingDialog,
);

/** What happened, what it means for the work, and the one thing to do. The most serious comes first. */
export function Notices({ bench }: { readonly bench: NotebookBench }) {
  const { store } = bench.session;
  const phase = useStore(store, (state) => state.phase);
  const save = useStore(store, (state) => state.save);
  const saveReason = useStore(store, (state) => state.saveReason);
  const role = useStore(store, (state) => state.role);
  const ended = useStore(store, (state) => state.ended);
  const recovered = useStore(store, (state) => state.recovered);
  const signedOut = useStore(store, (state) => state.signedOut);
  const kept = useStore(store, (state) => state.kept);
  const [signingIn, setSigningIn] = useState(false);
  const apart = !signedOut && saveReason === "";
  const offline = useLater(phase === "offline" && apart, 1000);
  const unopened = useLater(phase === "connecting" && kept === "none" && apart, 1000);
  const changed = useRoleChange(role);
  const omitted = useOmission(bench.session);

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
      {signedOut && ended === null && (
        <Notice
          look="warn"
          sign="warning"
          text={`You are signed out. ${keptWords(kept)} and sent when you sign in again.`}
        >
          <button type="button" className="button button-primary" onClick={() => setSigningIn(true)}>
            Sign in again
          </button>
        </Notice>
      )}
      {signingIn && signedOut && <SignInAgain bench={bench} onClose={() => setSigningIn(false)} />}
      {unopened && <Notice look="warn" sign="cloud" text={NOT_HERE} />}
      {offline && (
        <Notice
          look="warn"
          sign="cloud"
          text={`You are offline. ${keptWords(kept)} and merged when the connection is back.`}
        />
      )}
      {kept === "full" && phase === "synced" && save !== "Saved" && <Notice look="warn" sign="warning" text={FULL} />}
      {save !== "Not saved" && saveReason !== "" && phase !== "synced" && (
        <Notice
          look="warn"
          sign="warning"
          text={`${saveReason} What is newest in this notebook appears as soon as the server can save again.`}
        />
      )}
      {save === "Not saved" && !offline && ended === null && (
        <Notice
          look="warn"
          sign="warning"
          text={`Your last changes are not saved yet. ${saveReason === "" ? "The server has not answered." : saveReason} ${keptWords(kept)} and saved as soon as the server can.`}
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
      <RuntimeNotices bench={bench} />
      {changed.was !== null && (
        <Notice
          look="info"
          sign="info"
          text={`You are ${article(role)} ${role ?? ""} here now; before, you were ${article(changed.was)} ${changed.was}.`}
          onDismiss={changed.dismiss}
        />
      )}
      {omitted !== null && (
        <Notice
          look="quiet"
          sign="info"
          text={`${omitted === "server" ? "This server" : "This notebook"} saves no outputs: they last as long as the runtime, and no copy or download has them.`}
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

const NOT_HERE =
  "The server cannot be reached, and this browser has no copy of this notebook. It opens by itself when the server answers.";
const FULL =
  "The browser's storage is full: what you write is not kept here until the server has it. Keep this page open while it says Saving.";

/** Where what is written without the server goes; the sentence goes on with when it is sent. */
function keptWords(kept: Kept | null): string {
  switch (kept) {
    case "full":
      return "The browser's storage is full, so keep this page open: what you write stays on it";
    case "none":
      return "This browser keeps nothing, so keep this page open: what you write stays on it";
    default:
      return "What you write is kept in this browser";
  }
}

function limitWords(role: string): string {
  return atLeast(role, "runner")
    ? "You can run cells here. Changing them needs the role editor."
    : "View only. Changing and running cells needs a higher role.";
}

function article(role: string | null): string {
  return /^[aeiou]/.test(role ?? "") ? "an" : "a";
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
