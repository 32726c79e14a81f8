/** Decides where a frame comes from and what its sandbox may allow. Pure; its test is a table. */

// No popups, modals, top navigation or presentation. Downloads go through the page, which asks (A9).
const BASE = "allow-scripts allow-forms allow-pointer-lock";

/** Which headers a document comes under; `remote` is a stored output that may load from other hosts (C1). */
export type Policy = "live" | "stored" | "remote";

export interface Placement {
  /** `{scheme}://{host}` that serves the frame. */
  origin: string;
  sandbox: string;
  /** The origin that messages of the frame carry: "null" when the sandbox makes it opaque. */
  messageOrigin: string;
}

/**
 * `template` is `http://{label}.localhost:8888` or alike; empty, or not usable under this page, means the page's own
 * host with an opaque sandbox. `allow-same-origin` is given only to a frame of another *site* than the page, which an
 * operator may know better than names can tell (`isCrossSite`).
 */
export function placeFrame(template: string, label: string, page: URL, isCrossSite = false): Placement {
  const own: Placement = { origin: page.origin, sandbox: BASE, messageOrigin: "null" };
  if (!template.includes("{label}") || !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) return own;
  const text = template.replace("{label}", label);
  if (!URL.canParse(text)) return own;
  const { origin, hostname, protocol } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return own;
  if (hostname === page.hostname) return own;
  if (!isCrossSite && isSameSite(hostname, page.hostname)) return { origin, sandbox: BASE, messageOrigin: "null" };
  return { origin, sandbox: `${BASE} allow-same-origin`, messageOrigin: origin };
}

/** Errs towards "same": equal last two labels and addresses count as one site. */
function isSameSite(a: string, b: string): boolean {
  if (a === b) return true;
  if (isAddress(a) || (isAddress(b) && !a.endsWith(".localhost"))) return true;
  const site = (host: string): string => host.split(".").slice(-2).join(".");
  return site(a) === site(b);
}

function isAddress(host: string): boolean {
  return host.startsWith("[") || /^[0-9.]+$/.test(host);
}

/**
 * An address of its own for each document: a browser's cache lets one request for an address wait for the one before,
 * and twenty frames that open at once on a busy machine waited in line until the last gave up.
 */
export function frameUrl(placement: Placement, policy: Policy, nonce: string, pageOrigin: string): string {
  return `${placement.origin}/_out/${policy}/frame.html?${nonce}#${nonce},${pageOrigin}`;
}
