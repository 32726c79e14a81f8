/** Brings a cell into view. Cells on the way get their real heights only as they come near, which moves the aim: the
 * scroll is repeated until the cell stands still (ui.md 9), or the person scrolls themselves. */

const MOST_FRAMES = 30;
const STILL_FRAMES = 4;

/** A cell that is in view already is left where it is. */
export function bringIntoView(cell: HTMLElement): void {
  let frames = 0;
  let still = 0;
  let last = Number.NaN;
  let over = false;
  const stop = new AbortController();
  const end = (): void => {
    over = true;
    stop.abort();
  };
  for (const type of ["wheel", "touchstart", "keydown", "pointerdown"])
    document.addEventListener(type, end, { capture: true, passive: true, signal: stop.signal });

  const step = (): void => {
    if (over) return;
    const { top, bottom } = cell.getBoundingClientRect();
    const style = getComputedStyle(document.documentElement);
    const above = Number.parseFloat(style.scrollPaddingTop) || 0;
    const below = window.innerHeight - (Number.parseFloat(style.scrollPaddingBottom) || 0);
    const fits = bottom - top <= below - above;
    if (top < above || (fits ? bottom > below : top > above + 1))
      cell.scrollIntoView({ block: fits ? "center" : "start" });
    const now = cell.getBoundingClientRect().top;
    still = Math.abs(now - last) < 1 ? still + 1 : 0;
    last = now;
    frames += 1;
    if (still >= STILL_FRAMES || frames >= MOST_FRAMES || !cell.isConnected) end();
    else requestAnimationFrame(step);
  };
  step();
}
