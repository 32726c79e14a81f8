/** F6: the focus goes round the parts of the page. */

const PARTS = [
  "header[data-part]",
  "[data-part='toolbar']",
  "main[data-part]",
  "aside[data-part]",
  "footer[data-part]",
];

export function movePart(direction: 1 | -1): void {
  const parts = PARTS.flatMap((selector) => [...document.querySelectorAll<HTMLElement>(selector)]);
  const at = parts.findIndex((part) => part.contains(document.activeElement));
  const next = parts[(at + direction + parts.length) % parts.length];
  const inside =
    next?.querySelector<HTMLElement>(".cell[tabindex='0']") ??
    next?.querySelector<HTMLElement>("a[href], button:not([tabindex='-1']):not(:disabled), input");
  inside?.focus();
}
