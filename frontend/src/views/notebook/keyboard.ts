/** Keys of the whole notebook, before the editors see them. What a key means is in the action table. */

import { ACTIONS, perform } from "../../actions";
import type { Place } from "../../actions/action";
import { createDispatch, SEQUENCE_MS } from "../../actions/dispatch";
import { isComposing } from "../../actions/keys";
import type { Workbench } from "../../actions/workbench";
import { isMac } from "../shared/platform";

/** Letters and digits count only here; anywhere else they would be typed. */
function placeOf(target: EventTarget | null): Place | "elsewhere" {
  if (!(target instanceof Element)) return "page";
  if (target.closest("dialog, [role='menu']") !== null) return "elsewhere";
  if (target.closest(".cm-editor") !== null) return "edit";
  if (target.matches(".cell")) return "command";
  if (target.closest(".cell") !== null && !target.matches("input, select, textarea, button, a")) return "command";
  return "page";
}

export function mountKeyboard(bench: Workbench): () => void {
  const mac = isMac();
  const dispatch = createDispatch(ACTIONS, mac, () => performance.now());
  let hint = 0;
  const endLeader = (): void => {
    clearTimeout(hint);
    if (bench.view.getState().leader) bench.view.setState({ leader: false });
  };

  const down = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    const saves = (mac ? event.metaKey : event.ctrlKey) && !event.altKey && event.key.toLowerCase() === "s";
    const place = placeOf(event.target);
    if (place === "elsewhere") {
      if (saves) event.preventDefault();
      return;
    }
    if (event.repeat && place === "command" && /^[a-z0-9]$/i.test(event.key)) return;
    const outcome = dispatch.press(event, place);
    if (outcome.kind === "nothing" && !outcome.swallow) {
      endLeader();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    switch (outcome.kind) {
      case "leader":
        if (bench.view.getState().mode === "edit") bench.cells.leave();
        bench.view.setState({ leader: true });
        clearTimeout(hint);
        hint = window.setTimeout(endLeader, SEQUENCE_MS);
        return;
      case "run":
        endLeader();
        perform(outcome.action.id, bench);
        return;
      default:
        endLeader();
    }
  };
  // A sequence that was begun on one cell is not ended on another.
  const forget = (): void => {
    dispatch.reset();
    endLeader();
  };
  document.addEventListener("keydown", down, true);
  document.addEventListener("pointerdown", forget, true);
  return () => {
    endLeader();
    document.removeEventListener("pointerdown", forget, true);
    document.removeEventListener("keydown", down, true);
  };
}
