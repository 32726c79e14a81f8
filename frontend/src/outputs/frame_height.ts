/** How high one frame is: what it reports, at most once per animation frame, and what was remembered until then (M1). */

const FIRST_HEIGHT_PX = 48;

export interface FrameHeight {
  readonly px: number;
  report(px: number): void;
  /** All is drawn: from now on the frame may also become lower. */
  settle(): void;
  /** Another document begins: until it is drawn, its place may only grow, so that a redraw moves nothing. */
  restart(): void;
}

export function createHeight(remembered: number | null, apply: (px: number) => void): FrameHeight {
  let px = remembered ?? FIRST_HEIGHT_PX;
  let next: number | null = null;
  let isPlanned = false;
  let isSettled = false;

  const act = (): void => {
    isPlanned = false;
    if (next === null || (!isSettled && next < px)) return;
    px = next;
    next = null;
    apply(px);
  };
  const plan = (): void => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(act);
  };

  return {
    get px() {
      return px;
    },
    report(height) {
      next = height;
      plan();
    },
    settle() {
      isSettled = true;
      if (next !== null) plan();
    },
    restart() {
      isSettled = false;
      next = null;
    },
  };
}
