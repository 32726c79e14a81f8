import { type ReactNode, useEffect, useId, useRef } from "react";
import { Icon } from "./Icon.tsx";
import { LiveRegions } from "./LiveRegions.tsx";

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** "alertdialog" for questions, where the safe button has the focus. */
  readonly role?: "dialog" | "alertdialog";
  readonly className?: string;
}

/** A modal over the browser's own `<dialog>`: it keeps the focus in, makes the page inert and gives the focus back. */
export function Dialog({ title, onClose, children, role = "dialog", className = "" }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();

  useEffect(() => {
    const dialog = ref.current;
    if (dialog === null) return;
    const before = document.activeElement;
    if (!dialog.open) dialog.showModal();
    // Left alone, the close button would have it, or what stands above the safe one.
    dialog.querySelector<HTMLElement>(role === "dialog" ? "input, select" : ".dialog-actions button")?.focus();
    return () => {
      dialog.close();
      // Only when nothing else took it meanwhile.
      if (before instanceof HTMLElement && before.isConnected && document.activeElement === document.body)
        before.focus();
    };
  }, [role]);

  return (
    <dialog
      ref={ref}
      role={role}
      aria-labelledby={heading}
      className={`dialog ${className}`}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-sheet">
        <header className="dialog-head">
          <h2 id={heading}>{title}</h2>
          {role === "dialog" && (
            <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
              <Icon name="close" />
            </button>
          )}
        </header>
        {children}
      </div>
      <LiveRegions />
    </dialog>
  );
}
