/** Roles in order, and what is left of them at the end. */
import { expect, test } from "vitest";
import { atLeast, missingRole, ROLES, usableRole } from "./role.ts";

test("each role holds those below it; an unknown one holds none", () => {
  for (const [at, role] of ROLES.entries())
    expect(ROLES.filter((needed) => atLeast(role, needed))).toEqual(ROLES.slice(0, at + 1));
  expect(ROLES.filter((needed) => atLeast("admin", needed) || atLeast(null, needed))).toEqual([]);
});

test("what is missing is said in a word", () => {
  expect(missingRole("runner", "editor")).toBe("needs the role editor");
  expect(missingRole("owner", "editor")).toBeNull();
  expect(missingRole(null, null)).toBeNull();
});

test("once the session has ended an owner can only read", () => {
  expect(usableRole({ role: "owner", phase: "ended" })).toBe("viewer");
  expect(usableRole({ role: null, phase: "ended" })).toBeNull();
  for (const phase of ["connecting", "synced", "offline"]) expect(usableRole({ role: "owner", phase })).toBe("owner");
});
