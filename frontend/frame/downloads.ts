/**
 * Downloads go through the page, which asks first (outputs.md A9): the sandbox allows none by itself. Scripts make a link
 * with `download` and click it, in the document or not; its bytes are in a blob, in the link itself, or at a host.
 */

const MOST_BLOBS = 1_000;

export type Save = (name: string, bytes: ArrayBuffer) => void;

/** Before any output is drawn. `open` gets the address of what cannot be read from here. */
export function catchDownloads(target: Window & typeof globalThis, save: Save, open: (url: string) => void): void {
  const blobOf = rememberBlobs(target);

  const download = (link: HTMLAnchorElement): void => {
    const name = link.download === "" ? lastOf(link.href) : link.download;
    bytesOf(target, link.href, blobOf).then(
      (bytes) => save(name, bytes),
      () => open(link.href),
    );
  };

  // A click in the document, after the output's own listeners.
  target.addEventListener("click", (event) => {
    if (event.defaultPrevented) return;
    const link = event.composedPath().find((node) => node instanceof target.HTMLAnchorElement);
    if (link === undefined || !link.hasAttribute("download") || link.getAttribute("href") === null) return;
    event.preventDefault();
    download(link);
  });

  // A link outside of the document gets its click alone.
  const { click } = target.HTMLElement.prototype;
  target.HTMLAnchorElement.prototype.click = function (this: HTMLAnchorElement): void {
    if (this.isConnected || !this.hasAttribute("download")) click.call(this);
    else download(this);
  };
  const { dispatchEvent } = target.EventTarget.prototype;
  target.HTMLAnchorElement.prototype.dispatchEvent = function (this: HTMLAnchorElement, event: Event): boolean {
    if (this.isConnected || event.type !== "click" || !this.hasAttribute("download")) {
      return dispatchEvent.call(this, event);
    }
    download(this);
    return true;
  };
}

/** Blobs by the URLs that scripts made for them: often one is revoked right after the click. */
function rememberBlobs(target: Window & typeof globalThis): (url: string) => Blob | undefined {
  const blobs = new Map<string, Blob>();
  const { createObjectURL } = target.URL;
  const revokeObjectURL = target.URL.revokeObjectURL.bind(target.URL);
  target.URL.createObjectURL = (source) => {
    const url = createObjectURL.call(target.URL, source);
    if (source instanceof target.Blob) blobs.set(url, source);
    for (const oldest of blobs.keys()) {
      if (blobs.size <= MOST_BLOBS) break;
      blobs.delete(oldest);
    }
    return url;
  };
  target.URL.revokeObjectURL = (url) => {
    blobs.delete(url);
    revokeObjectURL(url);
  };
  return (url) => blobs.get(url);
}

async function bytesOf(
  target: Window & typeof globalThis,
  url: string,
  blobOf: (url: string) => Blob | undefined,
): Promise<ArrayBuffer> {
  const blob = blobOf(url);
  if (blob !== undefined) return blob.arrayBuffer();
  // By hand: the policy of stored outputs lets nothing be fetched.
  if (url.startsWith("data:")) return dataOf(url);
  const answer = await target.fetch(url);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.arrayBuffer();
}

/** The bytes of a `data:` URL. Throws on one that is none. */
export function dataOf(url: string): ArrayBuffer {
  const comma = url.indexOf(",");
  const text = decodeURIComponent(url.slice(comma + 1).replace(/%(?![0-9a-f]{2})/gi, "%25"));
  if (comma === -1) throw new Error("no data");
  if (!/;\s*base64$/i.test(url.slice(0, comma))) return new TextEncoder().encode(text).buffer;
  const binary = atob(text.replace(/\s+/g, ""));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0)).buffer;
}

function lastOf(url: string): string {
  return URL.canParse(url) && !/^(?:blob|data):/.test(url)
    ? (new URL(url).pathname.split("/").pop() ?? "")
    : "download";
}
