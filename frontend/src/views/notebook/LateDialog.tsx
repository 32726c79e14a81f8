import { useStore } from "zustand";
import { late, MissingDialog } from "../shared/late";
import type { NotebookBench } from "./bench";

interface Props {
  readonly bench: NotebookBench;
  readonly title: string;
  readonly onClose: () => void;
}

const Share = late<Props>(() => import("./ShareDialog").then(({ ShareDialog }) => ShareDialog), MissingDialog);
const Keys = late<Props>(() => import("./Shortcuts").then(({ Shortcuts }) => Shortcuts), MissingDialog);
const About = late<Props>(() => import("./About").then(({ About: view }) => view), MissingDialog);
const ChangeType = late<Props>(
  () => import("../runtime/ChangeType").then(({ ChangeType: view }) => view),
  MissingDialog,
);
const Attach = late<Props>(() => import("../runtime/Attach").then(({ Attach: view }) => view), MissingDialog);
const Reset = late<Props & { readonly all: boolean }>(
  () => import("../runtime/Reset").then(({ Reset: view }) => view),
  MissingDialog,
);

/** Dialogs that few visits open: they come when they are asked for. */
export function LateDialog(props: Props) {
  const dialog = useStore(props.bench.view, (state) => state.dialog);
  switch (dialog?.kind) {
    case "share":
      return <Share {...props} />;
    case "shortcuts":
      return <Keys {...props} />;
    case "about":
      return <About {...props} />;
    case "changeType":
      return <ChangeType {...props} />;
    case "attach":
      return <Attach {...props} />;
    case "reset":
      return <Reset {...props} all={dialog.all} />;
    default:
      return null;
  }
}
