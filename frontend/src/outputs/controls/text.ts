/** The outputs of a cell as text, in their place: for who cannot see them, or wants to select and search. */

import { observeOutputs } from "../../notebook/observe.ts";
import { outputsOf } from "../../notebook/schema.ts";
import type { Session } from "../../session/session.ts";
import { element, setText } from "../../views/shared/element.ts";
import { asText } from "./forms_of.ts";

/** Long enough for anything that is read; what is longer can be downloaded. */
const MOST = 1_000_000;

export function mountText(parent: HTMLElement, session: Session, cellId: string): () => void {
  const dom = element("pre", {
    class: "output-as-text",
    tabindex: 0,
    role: "document",
    "aria-label": "Output as text",
  });
  let planned = 0;
  const draw = (): void => {
    planned = 0;
    const text = asText(outputsOf(session.notebook, cellId));
    setText(dom, text.length > MOST ? `${text.slice(0, MOST)}\n[shortened]` : text);
  };
  const stop = observeOutputs(session.notebook, cellId, () => {
    planned ||= window.setTimeout(draw, 100);
  });
  draw();
  parent.append(dom);
  return () => {
    stop();
    clearTimeout(planned);
    dom.remove();
  };
}
