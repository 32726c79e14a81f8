/** The place of a cell's form: empty until its cell comes near, as most pages have none and load nothing of it. */

import { cellOf } from "../notebook/schema.ts";
import type { Session } from "../session/session.ts";
import { element } from "../views/shared/element.ts";
import { mayHaveForm } from "./code_view.ts";
import type { FormView } from "./view.ts";

export interface FormSlot {
  readonly dom: HTMLElement;
  /** Whether a form stands there, so that the code may be away. */
  isShown(): boolean;
  /** `refused` says why fields cannot be changed, or is null. */
  update(number: number, refused: string | null, isCodeHidden: boolean): void;
  destroy(): void;
}

interface Options {
  readonly session: Session;
  readonly id: string;
  readonly onAction: (action: string) => void;
  /** The form came or went by itself. */
  readonly onShown: () => void;
}

export function createFormSlot({ session, id, onAction, onShown }: Options): FormSlot {
  const dom = element("div", { class: "cell-form", role: "group", hidden: true });
  let view: FormView | null = null;
  let isLoading = false;
  let isOver = false;
  let latest: Parameters<FormSlot["update"]> = [0, null, false];

  const load = async (): Promise<void> => {
    isLoading = true;
    const { mountForm } = await import("./view.ts");
    if (isOver) return;
    view = mountForm({ parent: dom, session, cellId: id, onAction, onShown });
    isLoading = false;
    view.update(...latest);
    onShown();
  };

  return {
    dom,
    isShown: () => view !== null && !dom.hidden,
    update(...next) {
      latest = next;
      const cell = cellOf(session.notebook, id);
      if (view !== null) view.update(...next);
      // What cannot be loaded now is tried again when the cell is drawn again; until then the code can be shown.
      else if (!isLoading && cell !== null && mayHaveForm(cell))
        load().catch(() => {
          isLoading = false;
        });
    },
    destroy() {
      isOver = true;
      view?.destroy();
    },
  };
}
