// @vitest-environment jsdom
/** Key presses on the page as browsers send them: what is composed, what is typed elsewhere, and the leader. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { sourcesOf } from "../notebook/peers.ts";
import { mountKeyboard } from "../views/notebook/keyboard.ts";
import { type FakeBench, openFakeBench } from "./fake_bench.ts";

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const stop of cleanup.splice(0)) stop();
  document.body.replaceChildren();
  vi.restoreAllMocks();
});

/** A page with one cell and its editor, a button, a dialog and a menu. */
async function page(): Promise<{ readonly bench: FakeBench; readonly at: (selector: string) => Element }> {
  const bench = await openFakeBench(["a", "b"]);
  document.body.innerHTML =
    '<li class="cell" tabindex="-1"><div class="cm-editor"><div class="cm-content" tabindex="0"></div></div>' +
    '<button id="run">Run</button></li><button id="tool">Tool</button>' +
    '<dialog open><input id="field" /></dialog><div role="menu"><button id="item">Item</button></div>';
  cleanup.push(mountKeyboard(bench), bench.close);
  const at = (selector: string): Element => {
    const found = document.querySelector(selector);
    if (found === null) throw new Error(`There is no ${selector}.`);
    return found;
  };
  return { bench, at };
}

/** True when the page took the key. */
function press(target: Element, key: string, held: KeyboardEventInit = {}): boolean {
  const code = /^[a-z]$/i.test(key) ? `Key${key.toUpperCase()}` : key;
  return !target.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true, ...held }));
}

const sources = ({ session }: FakeBench): string[] => sourcesOf(session.notebook);

describe("[conflict 6]", () => {
  test("nothing fires while an input method composes, nor for the key that ends it", async () => {
    const { bench, at } = await page();
    const cell = at(".cell");
    for (const held of [{ isComposing: true }, { keyCode: 229 }])
      expect(press(cell, "b", held as KeyboardEventInit)).toBe(false);
    expect(press(cell, "Process")).toBe(false);
    expect(press(at(".cm-content"), "Enter", { shiftKey: true, isComposing: true })).toBe(false);
    expect(sources(bench)).toEqual(["a", "b"]);
    expect(press(cell, "b")).toBe(true);
    expect(sources(bench)).toHaveLength(3);
  });

  test("AltGr, which is Ctrl and Alt on many layouts, types", async () => {
    const { bench, at } = await page();
    const held = { ctrlKey: true, altKey: true, modifierAltGraph: true };
    expect(press(at(".cm-content"), "m", held)).toBe(false);
    expect(press(at(".cell"), "m", { ...held, altKey: false })).toBe(false);
    expect(bench.view.getState().leader).toBe(false);
  });
});

describe("[conflict 7] single letters", () => {
  test.each(["#tool", "#run", ".cm-content", "#field", "#item"])("are not taken from %s", async (selector) => {
    const { bench, at } = await page();
    for (const key of ["b", "d", "d", "x", "Enter", "ArrowDown", "0"])
      expect([key, press(at(selector), key)]).toEqual([key, false]);
    expect(sources(bench)).toEqual(["a", "b"]);
  });

  test("held down do not delete cell after cell", async () => {
    const { bench, at } = await page();
    press(at(".cell"), "d");
    press(at(".cell"), "d", { repeat: true });
    expect(sources(bench)).toEqual(["a", "b"]);
    press(at(".cell"), "d");
    expect(sources(bench)).toEqual(["b"]);
  });
});

test("a sequence begun before a click is not ended after it", async () => {
  const { bench, at } = await page();
  press(at(".cell"), "d");
  at(".cell").dispatchEvent(new Event("pointerdown", { bubbles: true }));
  press(at(".cell"), "d");
  expect(sources(bench)).toEqual(["a", "b"]);
});

describe("[conflict 1] Ctrl+M in an editor", () => {
  test("leaves it at once, waits for one key, and CodeMirror never sees either", async () => {
    const { bench, at } = await page();
    const seen = vi.fn();
    at(".cm-content").addEventListener("keydown", seen);
    bench.cells.edit(bench.idAt(0));
    expect(press(at(".cm-content"), "m", { ctrlKey: true })).toBe(true);
    expect(bench.view.getState()).toMatchObject({ mode: "command", leader: true });
    expect(press(at(".cell"), "j")).toBe(true);
    expect(bench.view.getState().leader).toBe(false);
    expect(sources(bench)).toEqual(["b", "a"]);
    expect(seen).not.toHaveBeenCalled();
  });
});

describe("browsers' own", () => {
  test("[conflict 4] F1 opens the palette where Ctrl+Shift+P does not come through", async () => {
    const { bench, at } = await page();
    expect(press(at(".cm-content"), "F1")).toBe(true);
    expect(bench.view.getState().dialog).toEqual({ kind: "palette" });
  });

  test("Ctrl+S never opens the browser's dialog, not even from ours", async () => {
    const { at } = await page();
    for (const selector of [".cell", ".cm-content", "#tool", "#field", "#item"])
      expect([selector, press(at(selector), "s", { ctrlKey: true })]).toEqual([selector, true]);
  });

  test("what means nothing here goes on to the browser", async () => {
    const { at } = await page();
    for (const key of ["t", "w", "n", "1", "f"]) expect(press(at(".cell"), key, { ctrlKey: true })).toBe(false);
  });
});
