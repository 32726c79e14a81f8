/** Key bindings: reading them, matching presses, showing them. */
import { describe, expect, test } from "vitest";
import { press } from "./fake_press.ts";
import { isComposing, matches, type Press, parseKeys, showKeys } from "./keys.ts";

const fits = (keys: string, pressed: Press, mac = false): boolean => {
  const [chord] = parseKeys(keys);
  return chord !== undefined && matches(chord, pressed, mac);
};

describe("matching", () => {
  test("Mod is Ctrl, on macOS Cmd; Ctrl alone is Ctrl everywhere", () => {
    expect(fits("Mod+S", press("Ctrl+s"))).toBe(true);
    expect(fits("Mod+S", press("Meta+s"))).toBe(false);
    expect(fits("Mod+S", press("Meta+s"), true)).toBe(true);
    expect(fits("Mod+S", press("Ctrl+s"), true)).toBe(false);
    expect(fits("Ctrl+M", press("Ctrl+m"), true)).toBe(true);
    expect(fits("Ctrl+M", press("Meta+m"), true)).toBe(false);
  });

  test("what is held besides is another key", () => {
    expect(fits("A", press("a"))).toBe(true);
    for (const other of ["Shift+A", "Ctrl+a", "Alt+a", "Meta+a"]) expect(fits("A", press(other))).toBe(false);
    expect(fits("Shift+A", press("Shift+A"))).toBe(true);
    expect(fits("Mod+Shift+P", press("Ctrl+p"))).toBe(false);
  });

  test("letters go by what they type: CapsLock and other Latin layouts do not matter", () => {
    expect(fits("A", { ...press("a"), key: "A" })).toBe(true);
    expect(fits("Z", press("z", "KeyY"))).toBe(true);
    expect(fits("Z", press("y", "KeyZ"))).toBe(false);
  });

  test("where letters are not Latin, and with Option on macOS, the place of the key decides", () => {
    expect(fits("D", press("в", "KeyD"))).toBe(true);
    expect(fits("Mod+S", press("Ctrl+ы", "KeyS"))).toBe(true);
    expect(fits("Alt+Shift+M", press("Alt+Shift+Â", "KeyM"), true)).toBe(true);
    expect(fits("Alt+Shift+N", press("Alt+Shift+Dead", "KeyN"), true)).toBe(true);
    expect(fits("D", press("в", "KeyE"))).toBe(false);
  });

  test("digits go by their place, on the number pad too", () => {
    expect(fits("1", press("&", "Digit1"))).toBe(true);
    expect(fits("0", press("0", "Numpad0"))).toBe(true);
    expect(fits("1", press("1", "KeyA"))).toBe(false);
  });

  test("signs go by what they type, Shift or not", () => {
    expect(fits("?", press("Shift+?", "Slash"))).toBe(true);
    expect(fits("/", press("Shift+/", "Digit7"))).toBe(true);
    expect(fits("Ctrl+Shift+-", press("Ctrl+Shift+_", "Minus"))).toBe(true);
  });
});

describe("showing", () => {
  test.each([
    ["Mod+Shift+P", "Ctrl+Shift+P", "⇧⌘P"],
    ["Ctrl+M", "Ctrl+M", "⌃M"],
    ["D D", "D, D", "D, D"],
    ["Leader A", "Ctrl+M, A", "⌃M, A"],
    ["Ctrl+Shift+ArrowUp", "Ctrl+Shift+Up", "⌃⇧Up"],
    ["Alt+Shift+M", "Alt+Shift+M", "⌥⇧M"],
    ["Mod+Enter", "Ctrl+Enter", "⌘Enter"],
    ["Leader Escape", "Ctrl+M, Esc", "⌃M, Esc"],
    ["F1", "F1", "F1"],
  ])("%s", (keys, elsewhere, mac) => {
    expect([showKeys(keys, false), showKeys(keys, true)]).toEqual([elsewhere, mac]);
  });
});

test("[conflict 6] what an input method or AltGr types is no shortcut", () => {
  const event = { isComposing: false, key: "a", keyCode: 65, getModifierState: () => false };
  expect(isComposing(event)).toBe(false);
  expect(isComposing({ ...event, isComposing: true })).toBe(true);
  expect(isComposing({ ...event, key: "Process" })).toBe(true);
  expect(isComposing({ ...event, keyCode: 229 })).toBe(true);
  expect(isComposing({ ...event, getModifierState: (name: string) => name === "AltGraph" })).toBe(true);
});
