import { expect, it } from "vitest";
import { dataOf } from "./downloads";

const text = (url: string): string => new TextDecoder().decode(dataOf(url));

it.each([
  ["data:text/csv,a%2Cb%0A1%2C2", "a,b\n1,2"],
  ["data:text/csv;charset=utf-8,ü", "ü"],
  ["data:,100%", "100%"],
  ["data:text/plain;base64,aGVsbG8=", "hello"],
  ["data:text/plain;charset=utf-8; base64,aGVs bG8%3D", "hello"],
])("%s", (url, expected) => {
  expect(text(url)).toBe(expected);
});

it("what holds no data is refused", () => {
  expect(() => dataOf("data:text/plain")).toThrow();
});
