import { describe, expect, test } from "vitest";
import { NO_RUNTIME } from "../../session/state.ts";
import { isLimit, runtimeWords } from "./runtime_words.ts";

const NOW = 1_000_000_000;
const IDLE = { ...NO_RUNTIME, status: "idle", session: "k:1" } as const;
const ENDING = { ...IDLE, stopsAt: NOW + 290_000, stopsWhy: "idle" } as const;
const told = (before: Parameters<typeof runtimeWords>[0], after: typeof before, mayStay = true) =>
  runtimeWords(before, after, mayStay, NOW);

describe("the end of an idle runtime", () => {
  test("is told once, with the way to put it off for those who may", () => {
    expect(told(IDLE, ENDING)).toEqual({
      text: "The runtime stops in 5 minutes because nobody uses it. Press Stay at the top of the notebook to keep it.",
      urgent: true,
    });
    expect(told(IDLE, ENDING, false)?.text).toBe("The runtime stops in 5 minutes because nobody uses it.");
    expect(told(ENDING, ENDING)).toBeNull();
    expect(told(ENDING, { ...ENDING, stopsAt: NOW + 280_000 })).toBeNull();
  });

  test("is told again when it ends for another reason, which nobody puts off", () => {
    const lifetime = { ...ENDING, stopsAt: NOW + 20_000, stopsWhy: "lifetime" } as const;
    expect(told(ENDING, lifetime)?.text).toBe("The runtime stops in less than a minute: its lifetime ends.");
  });

  test("is taken back where the same process goes on", () => {
    expect(told(ENDING, IDLE)).toEqual({ text: "The runtime stays.", urgent: false });
    expect(told(ENDING, { ...IDLE, session: "k:2" })).toBeNull();
    expect(told(ENDING, { ...NO_RUNTIME })).toBeNull();
  });
});

test("a death is told with its cause, once", () => {
  const dead = { ...IDLE, status: "dead", reason: "Out of memory: used 4.0 of 4.0 GiB." } as const;
  expect(told(IDLE, dead)).toEqual({
    text: "The runtime is not running: Out of memory: used 4.0 of 4.0 GiB.",
    urgent: true,
  });
  expect(told(dead, dead)).toBeNull();
});

test("the place in the line is told whenever it changes", () => {
  const third = {
    ...NO_RUNTIME,
    status: "starting",
    place: 3,
    reason: "No GPU is free. You are 3rd in line.",
  } as const;
  expect(told(NO_RUNTIME, third)?.text).toBe("No GPU is free. You are 3rd in line.");
  expect(told(third, { ...third, place: 2, reason: "" })?.text).toBe("2nd in line for a GPU.");
  expect(told(third, third)).toBeNull();
  expect(told(third, IDLE)).toBeNull();
});

test("limits stand on the page; what the countdown and the death say does not stand there twice", () => {
  expect((["memory", "disk", "output", "processes", "gpu", "restarted"] as const).every(isLimit)).toBe(true);
  expect((["idle", "lifetime", "culled", "died", "other"] as const).some(isLimit)).toBe(false);
});
