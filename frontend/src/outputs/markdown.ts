/** The door to rendered markdown: parser and sanitiser are a lazy chunk behind it. */

/** A cell's attachments by name: nbformat bundles (`{mime: base64}`), or their JSON text. */
export interface Attachments {
  get(name: string): unknown;
}

export interface MarkdownOptions {
  /** Whether images from elsewhere stay images. In the page they are links: opening a notebook must tell nobody. */
  remoteImages?: boolean;
}

const latest = new WeakMap<HTMLElement, symbol>();

/**
 * Replaces what `parent` shows by the sanitised rendering of `source`; resolves when TeX is drawn as well.
 * A later call on the same parent wins over an earlier one that still loads.
 */
export async function renderMarkdown(
  parent: HTMLElement,
  source: string,
  attachments: Attachments,
  options: MarkdownOptions = {},
): Promise<void> {
  const turn = Symbol("turn");
  latest.set(parent, turn);
  const { markdownInto } = await import("./markdown_nodes");
  if (latest.get(parent) === turn) await markdownInto(parent, source, attachments, options);
}
