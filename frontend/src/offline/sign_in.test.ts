/** What people paste when a page asks them to sign in. */
import { expect, test } from "vitest";
import { signInPath } from "./sign_in.ts";

test.each([
  ["http://127.0.0.1:8899/?token=abcdefgh", "/?token=abcdefgh"],
  ["  http://localhost:8899/n/x?token=a~b.c-d_e&cell=2\n", "/n/x?token=a%7Eb.c-d_e"],
  ["https://notebooks.example.org/n/abc?link=q-w_e", "/n/abc?link=q-w_e"],
  ["a-token-of-the-server", "/?token=a-token-of-the-server"],
  ["short", null],
  ["https://notebooks.example.org/n/abc", null],
  ["two words here", null],
  ["", null],
])("%j leads to %j", (text, path) => {
  expect(signInPath(text)).toBe(path);
});
