/** JSON as a tree of `<details>`. Branches are built when they are opened, so depth and size cost nothing before. */

const MOST_CHILDREN = 1_000;

/** null when `text` is not JSON. */
export function jsonTree(text: string, isExpanded: boolean, root: string): HTMLElement | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const tree = document.createElement("div");
  tree.className = "json-tree";
  const top = row(root, value);
  tree.append(top);
  if (top instanceof HTMLDetailsElement) top.open = true;
  if (isExpanded) expand(tree, 200);
  return tree;
}

function row(name: string, value: unknown): HTMLElement {
  if (typeof value === "object" && value !== null) return branch(name, value);
  const leaf = document.createElement("div");
  leaf.className = "json-leaf";
  leaf.append(
    span("json-name", name),
    ": ",
    span(`json-${value === null ? "null" : typeof value}`, JSON.stringify(value)),
  );
  return leaf;
}

function branch(name: string, value: object): HTMLElement {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const count = Array.isArray(value) ? value.length : Object.keys(value).length;
  const size = Array.isArray(value) ? `[${count}]` : `{${count}}`;
  summary.append(span("json-name", name), " ", span("json-size", size));
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.open) fill(details, value);
  });
  return details;
}

function fill(details: HTMLElement, value: object): void {
  if (details.childElementCount > 1) return;
  const entries = Object.entries(value);
  for (const [name, child] of entries.slice(0, MOST_CHILDREN)) details.append(row(name, child));
  if (entries.length > MOST_CHILDREN) details.append(span("json-size", `… ${entries.length - MOST_CHILDREN} more`));
}

function expand(tree: HTMLElement, most: number): void {
  const closed = [...tree.querySelectorAll("details")].slice(0, most);
  for (const details of closed) {
    if (details.open && details.childElementCount > 1) continue;
    details.open = true;
    details.addEventListener("toggle", () => expand(details, 20), { once: true });
  }
}

function span(className: string, text: string): HTMLElement {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}
