/** Whether a URL means a server on the public web, as far as its text tells: what a chart may load its data from. */

export function isPublicHttp(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return false;
  return username === "" && password === "" && !isPrivateHost(hostname);
}

/** Names and addresses of this machine and of networks around it. `hostname` is a URL's, so numbers are in plain form. */
function isPrivateHost(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, "");
  if (host.startsWith("[")) return true;
  if (!host.includes(".") || /\.(?:localhost|local|internal|home\.arpa|lan)$/.test(host)) return true;
  const parts = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(host);
  if (parts === null) return false;
  const [a, b] = [Number(parts[1]), Number(parts[2])];
  return (
    a === 0 ||
    a === 10 ||
    a === 127 ||
    a >= 224 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168)
  );
}
