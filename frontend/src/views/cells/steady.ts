/** Keeps a run button where it is while the pointer is on it and outputs above it grow.
 *
 * Browsers anchor the page to what is topmost in view, and at its very top to nothing: a button further down moves away
 * between aiming and pressing, and a press that ends beside it is no click. So the page is anchored to the pointer while
 * that is in a gutter. The scrolling of people is left alone.
 */
import { wantStillness } from "../../outputs/stillness";

export function mountSteady(list: HTMLElement): () => void {
  const root = document.documentElement;
  const main = list.closest("main");
  let held: { readonly dom: Element; place: number } | null = null;

  const placeOf = (dom: Element): number => dom.getBoundingClientRect().top + window.scrollY;

  const release = (): void => {
    held = null;
    wantStillness(false);
    root.style.removeProperty("overflow-anchor");
  };

  const over = (event: PointerEvent): void => {
    // Outputs may have grown since the last frame, and the pointer come to be over something else by that alone.
    settle();
    const gutter = document.elementFromPoint(event.clientX, event.clientY)?.closest(".cell-gutter") ?? null;
    if (gutter === (held?.dom ?? null)) return;
    release();
    if (gutter === null) return;
    held = { dom: gutter, place: placeOf(gutter) };
    wantStillness(true);
    root.style.setProperty("overflow-anchor", "none");
  };

  const settle = (): void => {
    if (held === null) return;
    if (!held.dom.isConnected) {
      release();
      return;
    }
    const moved = placeOf(held.dom) - held.place;
    if (Math.abs(moved) < 1) return;
    // A page that is shorter than the window has nowhere to scroll to.
    const missing = window.scrollY + moved + window.innerHeight - root.scrollHeight;
    if (missing > 0 && main !== null) main.style.minHeight = `${main.offsetHeight + missing}px`;
    const before = window.scrollY;
    window.scrollBy({ top: moved, behavior: "instant" });
    // Scrolled are whole pixels, and nothing beyond an end: what is left is made up for with the next change.
    held.place += window.scrollY - before;
  };

  const scrolled = (): void => {
    if (window.scrollY === 0) main?.style.removeProperty("min-height");
  };

  const sizes = new ResizeObserver(settle);
  sizes.observe(list);
  const notices = main?.querySelector(".notices");
  if (notices != null) sizes.observe(notices);
  document.addEventListener("pointerover", over);
  document.addEventListener("pointerleave", release);
  window.addEventListener("scroll", scrolled, { passive: true });
  return () => {
    release();
    sizes.disconnect();
    main?.style.removeProperty("min-height");
    document.removeEventListener("pointerover", over);
    document.removeEventListener("pointerleave", release);
    window.removeEventListener("scroll", scrolled);
  };
}
