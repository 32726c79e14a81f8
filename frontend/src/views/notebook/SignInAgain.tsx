import { say } from "../shared/announcements";
import { Dialog } from "../shared/Dialog";
import { SignInForm } from "../shared/SignInForm";
import type { NotebookBench } from "./bench";

interface Props {
  readonly bench: NotebookBench;
  readonly onClose: () => void;
}

/** After a session that ended: the notebook stays open behind it, and goes on. */
export function SignInAgain({ bench, onClose }: Props) {
  return (
    <Dialog title="Sign in again" onClose={onClose} className="dialog-small">
      <p className="dialog-text">
        Paste the address that the server printed when it started, or the link that somebody sent you. Signing in in
        another tab does as well. What you wrote here meanwhile is sent then.
      </p>
      <SignInForm
        onCancel={onClose}
        onSignedIn={() => {
          bench.session.retryNow();
          say("You are signed in again.");
          onClose();
        }}
      />
    </Dialog>
  );
}
