import { useEffect, useRef } from "react";
import { useStore } from "zustand";
import { closePane, PANE_TITLES } from "../../actions/panes";
import { Icon } from "../shared/Icon";
import { late } from "../shared/late";
import type { NotebookBench } from "./bench";

interface Props {
  readonly bench: NotebookBench;
}

const LOADING = <p className="hint">Loading…</p>;

const VIEWS = {
  resources: late<Props>(() => import("../runtime/Resources").then(({ Resources }) => Resources), Missing, LOADING),
  executions: late<Props>(
    () => import("../runtime/ExecutedCode").then(({ ExecutedCode }) => ExecutedCode),
    Missing,
    LOADING,
  ),
  secrets: late<Props>(() => import("../secrets/Secrets").then(({ Secrets }) => Secrets), Missing, LOADING),
};

function Missing() {
  return <p>The server does not answer. Close this pane and open it again.</p>;
}

/** The frame of the pane at the right; what is in it comes when it is opened. */
export function Pane({ bench }: Props) {
  const pane = useStore(bench.view, (state) => state.pane);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (pane?.asked === true) heading.current?.focus();
  }, [pane]);
  if (pane === null) return null;
  const title = PANE_TITLES[pane.name];
  const View = VIEWS[pane.name];
  return (
    <aside className="pane" data-part="pane" aria-label={title}>
      <header className="pane-head">
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <button type="button" className="icon-button" aria-label={`Close ${title}`} onClick={() => closePane(bench)}>
          <Icon name="close" />
        </button>
      </header>
      <div className="pane-body">
        <View bench={bench} />
      </div>
    </aside>
  );
}
