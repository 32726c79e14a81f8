/** Whether Tab leaves an editor instead of indenting in it: kept in this browser, the same for all cells. */

import { createStore } from "zustand/vanilla";

const KEY = "collab.tab-focus";

export const tabFocusStore = createStore<{ on: boolean }>(() => ({ on: stored() }));

export function toggleTabFocus(): boolean {
  const on = !tabFocusStore.getState().on;
  tabFocusStore.setState({ on });
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
  return on;
}

function stored(): boolean {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}
