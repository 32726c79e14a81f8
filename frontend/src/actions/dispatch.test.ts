/** From presses to actions: sequences, the leader, and which keys count where. */
import { describe, expect, test } from "vitest";
import { ACTIONS } from "../actions.ts";
import type { Place } from "./action.ts";
import { createDispatch, type Dispatch, SEQUENCE_MS } from "./dispatch.ts";
import { press } from "./fake_press.ts";

interface Keyboard {
  readonly dispatch: Dispatch;
  /** What the last of these presses does. */
  type(place: Place, ...keys: string[]): string;
  /** Now, in ms. */
  at: number;
}

function keyboard(mac = false): Keyboard {
  const keys: Keyboard = {
    at: 0,
    dispatch: createDispatch(ACTIONS, mac, () => keys.at),
    type(place, ...texts) {
      let last = "";
      for (const text of texts) {
        const outcome = keys.dispatch.press(press(text), place);
        if (outcome.kind === "run") last = outcome.action.id;
        else last = outcome.kind === "nothing" && outcome.swallow ? "swallowed" : outcome.kind;
      }
      return last;
    },
  };
  return keys;
}

describe("sequences", () => {
  test("twice in time deletes, once does not", () => {
    expect(keyboard().type("command", "d")).toBe("waiting");
    expect(keyboard().type("command", "d", "d")).toBe("edit.delete");
    expect(keyboard().type("command", "i", "i")).toBe("runtime.interrupt");
    expect(keyboard().type("command", "0", "0")).toBe("runtime.restart");
  });

  test("too late is a new beginning", () => {
    const keys = keyboard();
    keys.type("command", "d");
    keys.at = SEQUENCE_MS + 1;
    expect(keys.type("command", "d")).toBe("waiting");
  });

  test("another letter means itself", () => {
    expect(keyboard().type("command", "d", "a")).toBe("insert.codeAbove");
    expect(keyboard().type("command", "d", "i", "d")).toBe("waiting");
  });

  test("a modifier pressed on the way does not count", () => {
    expect(keyboard().type("command", "d", "Shift", "d")).toBe("edit.delete");
  });

  test("begun on a cell it is not ended by a letter typed into an editor", () => {
    const keys = keyboard();
    keys.type("command", "d");
    expect(keys.type("edit", "d")).toBe("nothing");
  });

  test("reset forgets it", () => {
    const keys = keyboard();
    keys.type("command", "d");
    keys.dispatch.reset();
    expect(keys.type("command", "d")).toBe("waiting");
  });
});

describe("[conflict 1] the leader", () => {
  test.each<Place>(["command", "edit", "page"])("is Ctrl+M, from %s, on every system", (place) => {
    expect(keyboard().type(place, "Ctrl+m")).toBe("leader");
    expect(keyboard(true).type(place, "Ctrl+m")).toBe("leader");
    expect(keyboard(true).type(place, "Meta+m")).toBe("nothing");
    expect(keyboard().type(place, "Ctrl+m", "b")).toBe("insert.codeBelow");
  });

  test("takes one key, within two seconds; a stray one is swallowed, not typed", () => {
    expect(keyboard().type("edit", "Ctrl+m", "q")).toBe("swallowed");
    expect(keyboard().type("edit", "Ctrl+m", "q", "b")).toBe("nothing");
    const keys = keyboard();
    keys.type("edit", "Ctrl+m");
    keys.at = SEQUENCE_MS + 1;
    expect(keys.type("edit", "b")).toBe("nothing");
  });
});

test("[conflict 2] after the leader K and J move the cell, alone they select", () => {
  expect(keyboard().type("command", "k")).toBe("select.previous");
  expect(keyboard().type("command", "j")).toBe("select.next");
  expect(keyboard().type("command", "Ctrl+m", "k")).toBe("edit.moveUp");
  expect(keyboard().type("command", "Ctrl+m", "j")).toBe("edit.moveDown");
});

test("[conflict 4] where Firefox keeps Ctrl+Shift+P for itself, F1 opens the palette", () => {
  for (const place of ["command", "edit", "page"] as const) {
    expect(keyboard().type(place, "Ctrl+Shift+P")).toBe("tools.palette");
    expect(keyboard().type(place, "F1")).toBe("tools.palette");
  }
});

test("[conflict 7] letters, digits and Enter mean something on a cell only", () => {
  for (const key of "abcdhijklmorvxyz0123456?".split("").concat("Enter", "ArrowUp", "Shift+A", "Shift+M")) {
    expect(keyboard().type("edit", key)).toBe("nothing");
    expect(keyboard().type("page", key)).toBe("nothing");
    expect(keyboard().type("command", key)).not.toBe("nothing");
  }
});
