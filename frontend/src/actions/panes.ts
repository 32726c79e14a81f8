/** The pane at the right: one at a time, remembered in this browser. And its rows of the View menu. */

import { type Action, everywhere } from "./action.ts";
import type { Workbench } from "./workbench.ts";

export const PANES = ["resources", "executions", "secrets"] as const;
export type PaneName = (typeof PANES)[number];

export interface OpenPane {
  readonly name: PaneName;
  /** Somebody asked for it just now: it takes the focus. */
  readonly asked: boolean;
}

export const PANE_TITLES: Readonly<Record<PaneName, string>> = {
  resources: "Resources",
  executions: "Executed code",
  secrets: "Secrets",
};

const KEY = "collab.pane";

/** The one that stood open when this browser last had a notebook. */
export function rememberedPane(): OpenPane | null {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(KEY);
  } catch {
    stored = null;
  }
  const name = PANES.find((each) => each === stored);
  return name === undefined ? null : { name, asked: false };
}

export function openPane(bench: Workbench, name: PaneName): void {
  bench.view.setState({ pane: { name, asked: true } });
  remember(name);
}

/** The focus goes to the cells, if it was in the pane. */
export function closePane(bench: Workbench): void {
  bench.view.setState({ pane: null });
  remember(null);
  bench.cells.leave();
}

function remember(name: PaneName | null): void {
  try {
    if (name === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, name);
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
}

const row = (name: PaneName, keys: Action["keys"]): Action => ({
  id: `view.${name}`,
  title: PANE_TITLES[name],
  role: "viewer",
  keys,
  checked: (bench) => bench.view.getState().pane?.name === name,
  run: (bench) => (bench.view.getState().pane?.name === name ? closePane(bench) : openPane(bench, name)),
});

export const paneActions: readonly Action[] = [
  row("resources", []),
  row("executions", everywhere("Ctrl+Alt+H")),
  row("secrets", []),
];
