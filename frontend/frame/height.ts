/**
 * Reports the height of the content, never of the viewport: what is measured in `vh` depends on the height just given.
 * Past the page's limit the frame scrolls inside.
 */

const LATE_MS = 60;

export function observeHeight(maxHeight: number, report: (px: number) => void): { check(): void } {
  let last = -1;
  let isPlanned = false;
  const measure = (): void => {
    isPlanned = false;
    let height = 0;
    for (const part of document.body.children) {
      // What output code puts into the body counts, unless it floats above the rest.
      if (part.id.startsWith("output-") || isInFlow(part)) height += part.getBoundingClientRect().height;
    }
    const px = Math.min(Math.ceil(height), maxHeight);
    document.documentElement.classList.toggle("scrolls", height > maxHeight);
    if (px === last) return;
    last = px;
    report(px);
  };
  const plan = (): void => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(measure);
    // A frame beside the viewport gets no animation frames; its height must be known before it is scrolled to.
    setTimeout(() => {
      if (isPlanned && document.documentElement.clientWidth > 0) measure();
    }, LATE_MS);
  };
  const observer = new ResizeObserver(plan);
  const observeParts = (): void => {
    for (const part of document.body.children) observer.observe(part);
    plan();
  };
  new MutationObserver(observeParts).observe(document.body, { childList: true });
  observeParts();
  // Without animation frames the observer is silent as well.
  return { check: plan };
}

function isInFlow(part: Element): boolean {
  const { position, float } = getComputedStyle(part);
  return (position === "static" || position === "relative") && float === "none";
}
