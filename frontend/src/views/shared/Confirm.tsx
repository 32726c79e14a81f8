import { Dialog } from "./Dialog.tsx";

interface Props {
  readonly title: string;
  readonly detail: string;
  readonly confirm: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** A question before something that cannot be taken back. The safe button comes first and has the focus. */
export function Confirm({ title, detail, confirm, onConfirm, onClose }: Props) {
  return (
    <Dialog role="alertdialog" title={title} onClose={onClose} className="dialog-small">
      <p className="dialog-text">{detail}</p>
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button button-danger"
          onClick={() => {
            onClose();
            onConfirm();
          }}
        >
          {confirm}
        </button>
      </div>
    </Dialog>
  );
}
