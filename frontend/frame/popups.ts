/** `window.open` of an address is a link to the page, which asks, and gives no window: the sandbox allows none. */
import { safeLink } from "./protocol";

export function catchPopups(target: Window, open: (url: string) => void): void {
  target.open = (address) => {
    const url = safeLink(String(address ?? ""));
    if (url !== null) open(url.href);
    return null;
  };
}
