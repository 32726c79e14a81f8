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
    const height = contentHeight(document.body);
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
  const texts = new MutationObserver(plan);
  const observeParts = (): void => {
    for (const part of document.body.childNodes) {
      if (part instanceof Element) observer.observe(part);
      else if (part instanceof Text) texts.observe(part, { characterData: true });
    }
    plan();
  };
  new MutationObserver(observeParts).observe(document.body, { childList: true });
  observeParts();
  // Without animation frames the observer is silent as well.
  return { check: plan };
}

/** Down to the lowest part in the body's flow: what output code puts beside our own areas counts, bare text too. */
function contentHeight(body: HTMLElement): number {
  const { top } = body.getBoundingClientRect();
  let bottom = top;
  for (const part of body.childNodes) {
    if (part instanceof Element && isInFlow(part)) bottom = Math.max(bottom, part.getBoundingClientRect().bottom);
    if (part instanceof Text && part.data.trim() !== "") bottom = Math.max(bottom, textBottom(part));
  }
  return bottom - top;
}

function textBottom(text: Text): number {
  const range = document.createRange();
  range.selectNode(text);
  return range.getBoundingClientRect().bottom;
}

/** What floats above the rest does not count. */
function isInFlow(part: Element): boolean {
  const { position, float, display } = getComputedStyle(part);
  return (position === "static" || position === "relative") && float === "none" && display !== "none";
}
