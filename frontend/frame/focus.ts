/**
 * Keeps the keyboard where its person types: scripts of a frame that has no focus cannot take it, unless its reader has
 * just done something in it. Only what means no harm is held by this; the page guards against the rest.
 * What a script wanted to focus is focused when the reader comes in by Tab.
 */

const SAY_EVERY_MS = 1_000;

/** Before any output is drawn. */
export function holdFocus(target: Window & typeof globalThis): void {
  for (const kind of [target.HTMLElement, target.SVGElement, target.MathMLElement]) {
    const original = kind.prototype.focus;
    kind.prototype.focus = function (this: HTMLElement | SVGElement | MathMLElement, options?: FocusOptions): void {
      if (mayFocus(target)) original.call(this, options);
    };
  }
  target.focus = () => undefined;
}

/** Tells the page when the reader does something here. */
export function sayActs(target: Window, say: () => void): void {
  let said = Number.NEGATIVE_INFINITY;
  const onAct = (event: Event): void => {
    if (!event.isTrusted || event.timeStamp - said < SAY_EVERY_MS) return;
    said = event.timeStamp;
    say();
  };
  for (const type of ["pointerdown", "keydown"]) target.addEventListener(type, onAct, true);
}

function mayFocus(target: Window): boolean {
  return target.document.hasFocus() || target.navigator.userActivation?.isActive === true;
}
