import { useStore } from "zustand";
import { ACTIONS } from "../../actions";
import { showKeys } from "../../actions/keys";
import { isMac } from "../shared/platform";
import type { NotebookBench } from "./bench";

const ROWS = ACTIONS.flatMap(({ id, title, keys }) =>
  keys
    .filter((binding) => binding.keys.startsWith("Leader "))
    .map((binding) => ({ id, title, keys: binding.keys.slice(7) })),
);

/** What the key after Ctrl+M can be, for the two seconds that it waits. */
export function LeaderHint({ bench }: { readonly bench: NotebookBench }) {
  const waiting = useStore(bench.view, (state) => state.leader);
  if (!waiting) return null;
  return (
    <div className="leader-hint">
      <p>Ctrl+M, then</p>
      <dl>
        {ROWS.map(({ id, title, keys }) => (
          <div key={id}>
            <dt>
              <kbd>{showKeys(keys, isMac())}</kbd>
            </dt>
            <dd>{title}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
