/** Whose hand is on a widget: a ring in their colour and their name, for as long as it moves and a moment longer. */
import type { DOMWidgetView, WidgetModel } from "@jupyter-widgets/base";

const SHOWN_MS = 1_500;
const timers = new WeakMap<HTMLElement, ReturnType<typeof setTimeout>>();

export function showHand(model: WidgetModel, name: string, color: string): void {
  if (!/^#[0-9a-f]{6}$/i.test(color)) return;
  for (const pending of Object.values(model.views ?? {})) {
    void pending.then((view) => {
      if (isDom(view)) ring(view.el, name, color);
    });
  }
}

function isDom(view: object): view is DOMWidgetView {
  return Reflect.get(view, "el") instanceof HTMLElement;
}

function ring(element: HTMLElement, name: string, color: string): void {
  clearTimeout(timers.get(element));
  element.dataset.hand = name;
  element.style.setProperty("--hand", color);
  timers.set(
    element,
    setTimeout(() => {
      delete element.dataset.hand;
      element.style.removeProperty("--hand");
    }, SHOWN_MS),
  );
}
