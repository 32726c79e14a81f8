/** What comes from outside is parsed where it comes in, whatever it is. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Event, parseEvent, parseUser } from "./events.ts";

const parse = (value: unknown): Event | null => parseEvent(JSON.stringify(value));
const ANA = { id: "u1", name: "Ana", color: "#336699", guest: false };

describe("events", () => {
  const EVENTS: readonly Event[] = [
    { type: "joined", notebook: "n", epoch: 3, user: ANA, role: "owner" },
    { type: "acknowledged", frames: 7 },
    { type: "cannot_save", reason: "The disk is full." },
    { type: "role_changed", role: "viewer" },
    { type: "renamed", user: ANA },
    {
      type: "runtime_changed",
      status: "busy",
      kernel: "Python 3",
      session: "k:1",
      reason: "",
      by: "Ben",
      stopsAt: "",
      stopsWhy: "",
      attached: "",
      place: 0,
    },
    { type: "queue_changed", cells: ["a", "b"], more: 3 },
    { type: "refused", reason: "No.", request: 4, command: "interrupt" },
    { type: "refused", reason: "No.", request: null, command: "" },
    { type: "completions", request: 5, matches: ["x"], start: 0, end: 1, types: ["name"] },
    { type: "inspection", request: 6, text: "doc" },
    { type: "notice", text: "Ben restarted the runtime.", user: "u2" },
    { type: "notice", text: "It stopped.", user: null },
  ];

  test.each(EVENTS)("$type as the server writes it", (event) => {
    expect(parse(event)).toEqual(event);
  });

  test.each(["", "no JSON", "{", "null", "[]", "3", '"joined"', "{}", '{"type": 3}', '{"type": "later"}'])(
    "%s is none",
    (text) => {
      expect(parseEvent(text)).toBeNull();
    },
  );

  test("fields of another type count as absent", () => {
    expect(parse({ type: "joined", epoch: "1", user: [], role: null })).toEqual({
      type: "joined",
      notebook: "",
      epoch: 0,
      user: { id: "", name: "Guest", color: "#777777", guest: true },
      role: "",
    });
    expect(parse({ type: "runtime_changed", status: "exploded" })).toMatchObject({ status: "none" });
    expect(parse({ type: "queue_changed", cells: ["a", 3, null, ["b"]] })).toEqual({
      type: "queue_changed",
      cells: ["a"],
      more: 0,
    });
    expect(parse({ type: "completions", request: 1, matches: "x", types: {} })).toMatchObject({
      matches: [],
      types: [],
    });
  });

  test("anything at all is an event with fields of the right types, or none", () => {
    const types = fc.constantFrom(...EVENTS.map(({ type }) => type));
    const fields = fc.dictionary(
      fc.constantFrom("user", "role", "epoch", "frames", "cells", "status", "request", "matches", "text", "__proto__"),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(types, fields, (type, rest) => {
        const event = parse({ ...rest, type });
        expect(event).not.toBeNull();
        for (const [key, value] of Object.entries(event ?? {})) {
          if (["role", "reason", "kernel", "session", "by", "text", "notebook"].includes(key))
            expect(typeof value).toBe("string");
          if (["epoch", "frames", "start", "end"].includes(key)) expect(typeof value).toBe("number");
          if (["cells", "matches", "types"].includes(key))
            expect(Array.isArray(value) && value.every((item) => typeof item === "string")).toBe(true);
        }
      }),
    );
  });
});

describe("a person", () => {
  test("as the server stamps them", () => {
    expect(parseUser(ANA)).toEqual(ANA);
  });

  test.each([
    ["red; background: url(//evil)", "#777777"],
    ["#12", "#777777"],
    ["#AbCdEf", "#AbCdEf"],
    [{ toString: "x" }, "#777777"],
  ])("the colour %s becomes %s: it goes into a style", (color, expected) => {
    expect(parseUser({ ...ANA, color }).color).toBe(expected);
  });

  test("without a name is a guest", () => {
    expect(parseUser({ id: "u", name: "" })).toEqual({ id: "u", name: "Guest", color: "#777777", guest: true });
    expect(parseUser(null).name).toBe("Guest");
  });
});
