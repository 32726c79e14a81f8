/** Key bindings as text ("Mod+Shift+P", "D D", "Leader A"): reading, matching against events, showing.
 *
 * Mod is Ctrl, on macOS Cmd; Leader is Ctrl+M. Letters match by what they type, digits by where they are.
 */

export interface Chord {
  readonly ctrl: boolean;
  readonly mod: boolean;
  readonly shift: boolean;
  readonly alt: boolean;
  readonly key: string;
}

/** The part of a KeyboardEvent that matters here, so that tests need no DOM. */
export interface Press {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}

export const LEADER = "Ctrl+M";

/** Keys that need Shift on some layouts and not on others: Shift is not looked at. */
const SHIFTLESS = new Set(["?", "/", "."]);
const BY_CODE: Readonly<Record<string, string>> = { "-": "Minus" };

/** "D D" is two chords; "Leader A" is Ctrl+M, then A. */
export function parseKeys(text: string): readonly Chord[] {
  return text.replace("Leader", LEADER).split(" ").map(parseChord);
}

function parseChord(text: string): Chord {
  const parts = text.split("+");
  const key = parts.at(-1) ?? "";
  const held = new Set(parts.slice(0, -1));
  return { ctrl: held.has("Ctrl"), mod: held.has("Mod"), shift: held.has("Shift"), alt: held.has("Alt"), key };
}

export function matches(chord: Chord, press: Press, mac: boolean): boolean {
  const ctrl = chord.ctrl || (chord.mod && !mac);
  const meta = chord.mod && mac;
  if (press.ctrlKey !== ctrl || press.metaKey !== meta || press.altKey !== chord.alt) return false;
  if (press.shiftKey !== chord.shift && !SHIFTLESS.has(chord.key)) return false;
  if (/^[0-9]$/.test(chord.key)) return press.code === `Digit${chord.key}` || press.code === `Numpad${chord.key}`;
  const code = BY_CODE[chord.key];
  if (code !== undefined) return press.code === code || press.key === chord.key;
  if (press.key.toLowerCase() === chord.key.toLowerCase()) return true;
  // Layouts without Latin letters, and Option on macOS, which types signs and accents: the place of the key decides.
  const isElse = press.key === "Dead" || /^[^\0-\x7f]$/u.test(press.key);
  return isElse && press.code === `Key${chord.key.toUpperCase()}`;
}

/** The part of a KeyboardEvent that tells whether somebody is writing a character with it. */
export interface Composition {
  readonly isComposing: boolean;
  readonly key: string;
  readonly keyCode: number;
  getModifierState(name: string): boolean;
}

/** AltGr types characters on many layouts, and an input method composes its own: neither is a shortcut. */
export function isComposing(event: Composition): boolean {
  // 229 is what some browsers say of the key that ends a composition.
  return event.isComposing || event.key === "Process" || event.keyCode === 229 || event.getModifierState("AltGraph");
}

/** Two chords that one key press can both mean. Used by the test that no key is bound twice. */
export function sameChord(a: Chord, b: Chord): boolean {
  return (
    (a.ctrl || a.mod) === (b.ctrl || b.mod) &&
    a.alt === b.alt &&
    a.key.toLowerCase() === b.key.toLowerCase() &&
    (a.shift === b.shift || SHIFTLESS.has(a.key))
  );
}

const NAMES: Readonly<Record<string, string>> = {
  ArrowUp: "Up",
  ArrowDown: "Down",
  ArrowLeft: "Left",
  ArrowRight: "Right",
  Escape: "Esc",
};

/** "Ctrl+Shift+P" on most systems, "⇧⌘P" on macOS; sequences as "D, D". */
export function showKeys(text: string, mac: boolean): string {
  return parseKeys(text)
    .map((chord) => showChord(chord, mac))
    .join(", ");
}

function showChord(chord: Chord, mac: boolean): string {
  const name = NAMES[chord.key] ?? chord.key;
  const ctrl = chord.ctrl || (chord.mod && !mac);
  if (mac) {
    return `${ctrl ? "⌃" : ""}${chord.alt ? "⌥" : ""}${chord.shift ? "⇧" : ""}${chord.mod ? "⌘" : ""}${name}`;
  }
  return `${ctrl ? "Ctrl+" : ""}${chord.alt ? "Alt+" : ""}${chord.shift ? "Shift+" : ""}${name}`;
}
