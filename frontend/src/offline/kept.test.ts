// @vitest-environment jsdom
/** What a browser notes about the notebooks it has copies of. */
import { beforeEach, expect, test } from "vitest";
import type { Me } from "../api.ts";
import { dropNotebook, forgetEverything, keepNotebook, unsavedNotebooks } from "./copies.ts";
import {
  forgetPerson,
  type KeptNotebook,
  keptAs,
  keptNotebook,
  keptNotebooks,
  lastPerson,
  rememberPerson,
} from "./kept.ts";

const OWNER: Me = { id: "owner", name: "Owner", color: "#1f6feb", guest: false, owner: true };
const OTTER: Me = { id: "guest-1", name: "Guest Otter", color: "#1f6feb", guest: true, owner: false };
const HERON: Me = { ...OTTER, id: "guest-2", name: "Guest Heron" };

const notebook = (id: string, opened = 1): KeptNotebook => ({
  id,
  title: `Title of ${id}`,
  role: "editor",
  epoch: 1,
  output_label: { live: "l", stored: "s" },
  opened,
});
const idsOf = (me: Me): string[] => keptNotebooks(me).map(({ id }) => id);

beforeEach(() => localStorage.clear());

test("who was here last, until their session ends", () => {
  expect(lastPerson()).toBeNull();
  rememberPerson(OWNER);
  expect(lastPerson()).toEqual(OWNER);
  forgetPerson();
  expect(lastPerson()).toBeNull();
});

test("opened last comes first, once, and with what is known last", () => {
  for (const id of ["a", "b", "c"]) keepNotebook(OWNER, notebook(id));
  keepNotebook(OWNER, { ...notebook("a", 2), title: "Renamed" });
  expect(idsOf(OWNER)).toEqual(["a", "c", "b"]);
  expect(keptNotebook(OWNER, "a")).toMatchObject({ title: "Renamed", opened: 2 });
  expect(keptNotebook(OWNER, "z")).toBeNull();
});

test("people see their own; guests of one browser are one person", () => {
  keepNotebook(OWNER, notebook("private"));
  keepNotebook(OTTER, notebook("shared"));
  expect([idsOf(OWNER), idsOf(OTTER), idsOf(HERON)]).toEqual([["private"], ["shared"], ["shared"]]);
  expect([keptAs(OWNER, "x"), keptAs(OTTER, "x"), keptAs(HERON, "x")]).toEqual(["owner:x", "guest:x", "guest:x"]);
});

test("the last hundred are kept", () => {
  for (let at = 0; at < 103; at += 1) keepNotebook(OWNER, notebook(`n${at}`));
  expect(idsOf(OWNER)).toHaveLength(100);
  expect(idsOf(OWNER).at(-1)).toBe("n3");
});

test("what is unsaved in them is known, and one that may not be seen any more goes", async () => {
  for (const id of ["a", "b"]) keepNotebook(OWNER, notebook(id));
  localStorage.setItem("collab.unsaved.owner:b.1", "[]");
  expect(unsavedNotebooks(OWNER).map(({ id }) => id)).toEqual(["b"]);
  await dropNotebook(OWNER, "b", "Why.");
  expect(idsOf(OWNER)).toEqual(["a"]);
});

test("signing out leaves nothing of anybody, and what is none of it alone", async () => {
  rememberPerson(OWNER);
  keepNotebook(OWNER, notebook("a"));
  keepNotebook(OTTER, notebook("b"));
  localStorage.setItem("collab.unsaved.owner:a.1", "[]");
  localStorage.setItem("collab.recovered.guest:b", "[]");
  localStorage.setItem("collab.theme", "dark");
  await forgetEverything();
  expect(Object.keys(localStorage)).toEqual(["collab.theme"]);
});

test.each(["{", "{}", "[1]", '[{"id":"a"}]', '[{"id":"a","title":"t","role":"r","epoch":1,"opened":1}]', "null"])(
  "%s is passed over",
  (text) => {
    localStorage.setItem("collab.kept.owner", text);
    localStorage.setItem("collab.person", text);
    expect([keptNotebooks(OWNER), lastPerson()]).toEqual([[], null]);
  },
);
