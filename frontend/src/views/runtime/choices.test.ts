import { expect, test } from "vitest";
import { addressOf, gpuChoices, MEMORY_CHOICES, withChosen } from "./choices.ts";

test.each([
  ["http://127.0.0.1:8888/lab?token=abc", "http://127.0.0.1:8888", "abc"],
  ["http://127.0.0.1:8888/tree/folder/a.ipynb?token=abc", "http://127.0.0.1:8888", "abc"],
  ["https://hub.example.org/user/ana/lab/tree/x", "https://hub.example.org/user/ana", null],
  ["https://example.org/base/", "https://example.org/base", null],
  ["  http://localhost:8888  ", "http://localhost:8888", null],
  ["localhost:8888/lab", "http://localhost:8888", null],
  ["no address", "no address", null],
  ["", "", null],
])("an address as it is copied: %s", (pasted, url, token) => {
  expect(addressOf(pasted)).toEqual({ url, token });
});

test("what is chosen stays to be chosen, offered or not", () => {
  expect(withChosen(MEMORY_CHOICES, "4GiB")).toBe(MEMORY_CHOICES);
  expect(withChosen(MEMORY_CHOICES, "3000M").at(-1)).toEqual({ value: "3000M", words: "3000M" });
});

test("whole GPUs are offered as far as there are some, shares only of what is there", () => {
  expect(gpuChoices(0).map(({ value }) => value)).toEqual([""]);
  expect(gpuChoices(2).map(({ value }) => value)).toEqual(["", "0", "any", "0.25", "0.5", "1", "2"]);
});
