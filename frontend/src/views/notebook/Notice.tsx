import type { ReactNode } from "react";
import { Icon } from "../shared/Icon";
import type { IconName } from "../shared/icons";

interface Props {
  readonly look: "info" | "warn" | "bad" | "quiet";
  readonly sign: IconName;
  readonly text: string;
  readonly children?: ReactNode;
  readonly onDismiss?: () => void;
}

/** One line of the notices: sign, words, and the one thing to do. */
export function Notice({ look, sign, text, children, onDismiss }: Props) {
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
