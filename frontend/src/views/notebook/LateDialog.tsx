import { lazy, type ReactElement, Suspense } from "react";
import { useStore } from "zustand";
import { Dialog } from "../shared/Dialog";
import type { NotebookBench } from "./bench";

interface Props {
  readonly bench: NotebookBench;
  readonly title: string;
  readonly onClose: () => void;
}

type View = (props: Props) => ReactElement;

const Share = lazy(() =>
  import("./ShareDialog").then(({ ShareDialog: view }): { default: View } => ({ default: view }), unreachable),
);
const Keys = lazy(() =>
  import("./Shortcuts").then(({ Shortcuts: view }): { default: View } => ({ default: view }), unreachable),
);
const About = lazy(() =>
  import("./About").then(({ About: view }): { default: View } => ({ default: view }), unreachable),
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

/** Dialogs that few visits open: they come when they are asked for. */
export function LateDialog({ bench, title, onClose }: Props) {
  const kind = useStore(bench.view, ({ dialog }) => dialog?.kind);
  const props = { bench, title, onClose };
  return (
    <Suspense>
      {kind === "share" && <Share {...props} />}
      {kind === "shortcuts" && <Keys {...props} />}
      {kind === "about" && <About {...props} />}
    </Suspense>
  );
}
