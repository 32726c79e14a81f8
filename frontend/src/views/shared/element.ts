/** Making DOM nodes without strings of HTML, for the parts of the page that React does not draw. */

type Attributes = Readonly<Record<string, string | boolean | number>>;

/** `false` leaves an attribute out, `true` writes it empty. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  children: readonly (Node | string)[] = [],
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** Sets an attribute only when it changes, so that nothing is laid out or announced again for nothing. */
export function setAttribute(node: Element, name: string, value: string | null): void {
  if (node.getAttribute(name) === value) return;
  if (value === null) node.removeAttribute(name);
  else node.setAttribute(name, value);
}

export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
