/** Tells the page which hosts a stored output could not load from, so that its reader can allow it (outputs.md C1). */

const MOST_HOSTS = 8;

export function sayBlocked(target: Document, say: (host: string) => void): void {
  const said = new Set<string>();
  target.addEventListener("securitypolicyviolation", (event) => {
    if (event.disposition !== "enforce" || !URL.canParse(event.blockedURI)) return;
    const { host, protocol } = new URL(event.blockedURI);
    if (!["http:", "https:", "ws:", "wss:"].includes(protocol) || said.has(host) || said.size >= MOST_HOSTS) return;
    said.add(host);
    say(host);
  });
}
