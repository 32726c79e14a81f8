import { expect, it } from "vitest";
import type { FrameMessage } from "../protocol";
import { createCalls, toText } from "./calls";

const invoke = (id: number) => ({ v: 1, t: "invoke", id, name: "f", args: "[]", kwargs: "{}" }) as const;
const ids = (sent: readonly FrameMessage[]): number[] =>
  sent.map((message) => (message.t === "invoke" ? message.id : -1));

it("sends eight calls at a time, and the next as each is answered", async () => {
  const sent: FrameMessage[] = [];
  const calls = createCalls((message) => void sent.push(message));
  const asked = Array.from({ length: 10 }, () => calls.ask(invoke));
  expect(ids(sent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  calls.answer({ v: 1, t: "colabAnswer", id: 2, value: '{"a":1}', error: "" });
  calls.answer({ v: 1, t: "colabAnswer", id: 1, value: null, error: "No." });
  expect(ids(sent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  await expect(asked[1]).resolves.toEqual({ a: 1 });
  await expect(asked[0]).rejects.toThrow("No.");
});

it("refuses what would wait behind 64 others", async () => {
  const calls = createCalls(() => undefined);
  for (let number = 0; number < 72; number++) void calls.ask(invoke);
  await expect(calls.ask(invoke)).rejects.toThrow("too much at once");
});

it("makes JSON of what has some, and says what has none", () => {
  expect(toText(undefined)).toBe("null");
  expect(toText([1, "é"])).toBe('[1,"é"]');
  const circle: unknown[] = [];
  circle.push(circle);
  expect(() => toText(circle)).toThrow();
  expect(() => toText("x".repeat(1 << 20))).toThrow("larger than 1 MB");
});
