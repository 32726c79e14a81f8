import { lazy, type ReactElement, Suspense, useEffect, useRef } from "react";
import { useStore } from "zustand";
import { closePane, PANE_TITLES } from "../../actions/panes";
import { Icon } from "../shared/Icon";
import type { NotebookBench } from "./bench";

type View = (props: { readonly bench: NotebookBench }) => ReactElement;

const VIEWS = {
  resources: lazy(() =>
    import("../runtime/Resources").then(({ Resources }): { default: View } => ({ default: Resources }), unreachable),
  ),
  executions: lazy(() =>
    import("../runtime/ExecutedCode").then(
      ({ ExecutedCode }): { default: View } => ({ default: ExecutedCode }),
      unreachable,
    ),
  ),
  secrets: lazy(() =>
    import("../secrets/Secrets").then(({ Secrets }): { default: View } => ({ default: Secrets }), unreachable),
  ),
};

function unreachable(): { default: View } {
  return { default: () => <p>The server does not answer. Close this pane and open it again.</p> };
}

/** The frame of the pane at the right; what is in it comes when it is opened. */
export function Pane({ bench }: { readonly bench: NotebookBench }) {
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
        <Suspense fallback={<p className="hint">Loading…</p>}>
          <View bench={bench} />
        </Suspense>
      </div>
    </aside>
  );
}
