import { Dialog } from "./Dialog.tsx";

/** In place of a dialog that could not be loaded. */
function Missing({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="The server does not answer" onClose={onClose} className="dialog-small">
      <p className="dialog-text">Try again when the connection is back.</p>
    </Dialog>
  );
}

export const unreachable = (): { default: typeof Missing } => ({ default: Missing });
