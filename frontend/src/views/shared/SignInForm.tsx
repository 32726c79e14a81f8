import { type FormEvent, useState } from "react";
import { signIn } from "../../offline/sign_in.ts";

interface Props {
  readonly onSignedIn: () => void;
  /** Of the dialog that it stands in. */
  readonly onCancel?: () => void;
}

/** Takes what one would otherwise open in the address bar, so that nothing on the page is left behind. */
export function SignInForm({ onSignedIn, onCancel }: Props) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    const refusal = await signIn(text);
    setBusy(false);
    setProblem(refusal ?? "");
    if (refusal === null) onSignedIn();
  };

  return (
    <form className="sign-in" onSubmit={(event) => void submit(event)}>
      <label className="field">
        <span>Sign-in address or link</span>
        <input
          type="password"
          autoComplete="current-password"
          value={text}
          aria-invalid={problem !== ""}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <p className="field-problem" role="alert">
        {problem}
      </p>
      <div className="dialog-actions">
        {onCancel !== undefined && (
          <button type="button" className="button" onClick={onCancel}>
            Cancel
          </button>
        )}
        <button type="submit" className="button button-primary" disabled={isBusy}>
          Sign in
        </button>
      </div>
    </form>
  );
}
