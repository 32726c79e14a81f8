/**
 * Gives the keyboard back when an output takes it by itself (outputs.md L6). Pointers inside a frame are invisible to
 * the page, so a frame under the pointer may have the focus, unless the user was just typing; so may one reached by Tab.
 * `inert` on the iframe does not keep Chromium's frames of another process from taking the focus. The frame itself
 * keeps libraries from it (frame/focus.ts), so what comes here while somebody types is no accident.
 */
import type { CellFrame } from "./frame";
import { createRate } from "./limits";

const USER_ACTION_MS = 500;
const TYPING_MS = 1_000;

export interface FocusGuard {
  /** The frame says that its reader did something in it; believed when it has the focus by right. */
  acted(frame: CellFrame): void;
  destroy(): void;
}

/** `onAct`: the reader clicked into the frame, or pressed a key in it. */
export function guardFocus(frames: () => readonly CellFrame[], onAct: (frame: CellFrame) => void): FocusGuard {
  let last: HTMLElement | null = null;
  let rightful: CellFrame | null = null;
  let tabAt = Number.NEGATIVE_INFINITY;
  let keyAt = Number.NEGATIVE_INFINITY;
  let pointerAt = Number.NEGATIVE_INFINITY;
  const mayTake = new WeakMap<CellFrame, (now: number) => boolean>();
  const hasNoHover = matchMedia("(hover: none)");

  const onFocusIn = (event: FocusEvent): void => {
    if (event.target instanceof HTMLElement && !(event.target instanceof HTMLIFrameElement)) last = event.target;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Tab" || event.key === "F6") tabAt = performance.now();
    else keyAt = performance.now();
  };
  const onPointerDown = (): void => {
    pointerAt = performance.now();
  };

  // A press that the page saw was not one in the frame.
  const isUnderPointer = (frame: CellFrame, now: number): boolean =>
    frame.element.matches(":hover") || (hasNoHover.matches && now - pointerAt > USER_ACTION_MS);

  const focused = (): CellFrame | undefined =>
    frames().find((frame) => frame.iframe !== null && frame.iframe === document.activeElement);

  const judge = (): void => {
    const now = performance.now();
    const taker = focused();
    rightful = null;
    if (taker === undefined) return;
    const isPointers = isUnderPointer(taker, now) && now - keyAt > USER_ACTION_MS;
    if (isPointers || now - tabAt < USER_ACTION_MS) {
      taker.activeAt = now;
      rightful = taker;
      if (isPointers && isActive()) onAct(taker);
      return;
    }
    const rate = mayTake.get(taker) ?? createRate(2, 60_000);
    mayTake.set(taker, rate);
    taker.iframe?.blur();
    const isFromTyping = now - keyAt < TYPING_MS && !isUnderPointer(taker, now);
    if (isFromTyping || !rate(now)) taker.stop("Output stopped: it kept taking the keyboard.", "Draw again");
    if (last?.isConnected === true) last.focus({ preventScroll: true });
  };
  // While the event is handed out the focus is still on its way: what is focused now would be so in name only.
  const onBlur = (): void => {
    setTimeout(judge, 0);
  };

  document.addEventListener("focusin", onFocusIn);
  document.addEventListener("keydown", onKeyDown, true);
  document.addEventListener("pointerdown", onPointerDown, true);
  window.addEventListener("blur", onBlur);
  return {
    acted(frame) {
      const now = performance.now();
      // From one frame to the next the focus goes without a blur of the page, which is blurred already.
      if (focused() === frame && isUnderPointer(frame, now) && now - keyAt > USER_ACTION_MS) rightful = frame;
      if (frame === rightful && focused() === frame && isActive()) onAct(frame);
    },
    destroy() {
      document.removeEventListener("focusin", onFocusIn);
      document.removeEventListener("keydown", onKeyDown, true);
      document.removeEventListener("pointerdown", onPointerDown, true);
      window.removeEventListener("blur", onBlur);
    },
  };
}

/** A real act in a frame activates the page around it as well, which a frame's own word does not. */
function isActive(): boolean {
  return navigator.userActivation?.isActive !== false;
}
