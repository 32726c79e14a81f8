/** Tab moves the focus on while the switch says so (actions/tab_focus.ts): nobody has to be caught in an editor. */
import type { Extension } from "@codemirror/state";
import { ViewPlugin } from "@codemirror/view";
import { tabFocusStore } from "../actions/tab_focus.ts";

export function tabFocus(): Extension {
  return ViewPlugin.define((view) => {
    const follow = (): void => view.setTabFocusMode(tabFocusStore.getState().on);
    const stop = tabFocusStore.subscribe(follow);
    // Before the constructor is through the view has no input state.
    queueMicrotask(follow);
    return { destroy: stop };
  });
}
