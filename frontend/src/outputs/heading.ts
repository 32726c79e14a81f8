/** Names of headings, by which links of a table of contents find them. */

/** Ids and names of documents begin with this, so that they never meet ours or a property of `document`. */
export const ID_PREFIX = "user-content-";

/** Jupyter's own rule: spaces become dashes, the rest stays. */
export function headingId(text: string): string {
  return text.trim().replace(/\s+/g, "-").slice(0, 200);
}
