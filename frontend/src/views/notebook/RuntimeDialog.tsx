import { lazy, type ReactElement, Suspense } from "react";
import { useStore } from "zustand";
import { Dialog } from "../shared/Dialog";
import type { NotebookBench } from "./bench";

interface Props {
  readonly bench: NotebookBench;
  readonly onClose: () => void;
}

type View = (props: Props) => ReactElement;

const ChangeType = lazy(() =>
  import("../runtime/ChangeType").then(({ ChangeType: view }): { default: View } => ({ default: view }), unreachable),
);
const Attach = lazy(() =>
  import("../runtime/Attach").then(({ Attach: view }): { default: View } => ({ default: view }), unreachable),
);
const Reset = lazy(() =>
  import("../runtime/Reset").then(
    ({ Reset: view }): { default: (props: Props & { readonly all: boolean }) => ReactElement } => ({ default: view }),
    unreachable,
  ),
);

function unreachable(): { default: View } {
  return {
    default: ({ onClose }) => (
      <Dialog title="The server does not answer" onClose={onClose} className="dialog-small">
        <p className="dialog-text">Try again when the connection is back.</p>
      </Dialog>
    ),
  };
}

/** The dialogs about the runtime, which come when they are asked for. */
export function RuntimeDialog({ bench, onClose }: Props) {
  const dialog = useStore(bench.view, (state) => state.dialog);
  return (
    <Suspense>
      {dialog?.kind === "changeType" && <ChangeType bench={bench} onClose={onClose} />}
      {dialog?.kind === "attach" && <Attach bench={bench} onClose={onClose} />}
      {dialog?.kind === "reset" && <Reset bench={bench} onClose={onClose} all={dialog.all} />}
    </Suspense>
  );
}
