/** `window.element`: the area of the output being drawn, with the few jQuery-like names that notebook code expects of it. */

export function aliasElement(parent: HTMLElement): void {
  const append = (...content: unknown[]): HTMLElement => {
    for (const piece of content.flatMap(nodesOf)) {
      if (piece instanceof Node) Element.prototype.append.call(parent, piece);
      else parent.insertAdjacentHTML("beforeend", String(piece));
    }
    return parent;
  };
  const element = Object.assign(parent, {
    0: parent,
    length: 1,
    append,
    get: () => parent,
    html: (html?: string) => {
      if (html === undefined) return parent.innerHTML;
      parent.innerHTML = html;
      return parent;
    },
    text: (text?: string) => {
      if (text === undefined) return parent.textContent;
      parent.textContent = text;
      return parent;
    },
    empty: () => {
      parent.replaceChildren();
      return parent;
    },
  });
  Object.assign(window, { element });
}

/** What may be appended: nodes, text that is HTML, and jQuery's lists of nodes. */
function nodesOf(content: unknown): unknown[] {
  if (content instanceof Node || typeof content !== "object" || content === null) return [content];
  const length: unknown = Reflect.get(content, "length");
  if (typeof length !== "number" || !Reflect.has(content, "jquery")) return [content];
  return Array.from({ length }, (_, index): unknown => Reflect.get(content, index));
}
