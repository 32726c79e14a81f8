/** The controls of a cell's outputs, loaded when somebody first comes to outputs: most of them are only looked at. */

import { cellOf } from "../../notebook/schema.ts";
import type { Session } from "../../session/session.ts";
import { setAttribute } from "../../views/shared/element.ts";
import type { OutputToolbar } from "./toolbar.ts";
import { type OutputView, viewOf } from "./views.ts";

export interface OutputControls {
  /** `refused` says why this person cannot clear, or is null. */
  update(number: number, chosen: OutputView | undefined, isActive: boolean, refused: string | null): void;
  destroy(): void;
}

interface Options {
  readonly session: Session;
  readonly id: string;
  readonly output: HTMLElement;
  readonly onAction: (action: string) => void;
}

const load = () => Promise.all([import("./toolbar.ts"), import("./text.ts")]);

export function createOutputControls({ session, id, output, onAction }: Options): OutputControls {
  let toolbar: OutputToolbar | null = null;
  let closeText: (() => void) | null = null;
  let isLoading = false;
  let isOver = false;
  let latest: Parameters<OutputControls["update"]> = [0, undefined, false, null];

  const draw = (): void => {
    const [number, chosen, isActive, refused] = latest;
    const view = viewOf(cellOf(session.notebook, id), chosen);
    setAttribute(output, "data-view", view);
    if (toolbar !== null) {
      toolbar.dom.hidden = output.hidden;
      toolbar.update(number, view, refused);
    }
    if (view !== "text") {
      closeText?.();
      closeText = null;
    }
    if (!output.hidden && (isActive || view !== null) && (toolbar === null || (view === "text" && closeText === null)))
      mount();
  };

  const mount = (): void => {
    if (isLoading) return;
    isLoading = true;
    load().then(
      ([{ createOutputToolbar }, { mountText }]) => {
        isLoading = false;
        if (isOver) return;
        if (toolbar === null) {
          toolbar = createOutputToolbar(onAction);
          output.before(toolbar.dom);
        }
        if (output.dataset["view"] === "text") closeText ??= mountText(output, session, id);
        draw();
      },
      () => {
        isLoading = false;
      },
    );
  };
  output.addEventListener("pointerenter", () => {
    if (toolbar === null) mount();
  });

  return {
    update(...next) {
      latest = next;
      draw();
    },
    destroy() {
      isOver = true;
      closeText?.();
    },
  };
}
