/** Key presses for tests, without a DOM. */
import type { Press } from "./keys.ts";

/** "Ctrl+Shift+p" as the event a US keyboard makes; `code` tells another place of the key. */
export function press(text: string, code?: string): Press {
  const parts = text.split(/\+(?!$)/);
  const key = parts.at(-1) ?? "";
  const held = new Set(parts.slice(0, -1));
  const place = /^[a-z]$/i.test(key) ? `Key${key.toUpperCase()}` : /^[0-9]$/.test(key) ? `Digit${key}` : key;
  return {
    key,
    code: code ?? place,
    ctrlKey: held.has("Ctrl"),
    metaKey: held.has("Meta"),
    shiftKey: held.has("Shift"),
    altKey: held.has("Alt"),
  };
}
