import { expect, it } from "vitest";
import { createAccess } from "./frame_access";

function open(mayRun = true) {
  const told: boolean[] = [];
  const role = { mayRun };
  const access = createAccess(
    () => role.mayRun,
    (isAllowed) => void told.push(isAllowed),
  );
  return { access, told, role };
}

const LIVE = { kind: "live", isOwnRun: true, isCurrent: true } as const;

it("[W13] the tab that ran the cell may call the kernel while its output is drawn", () => {
  const { access, told } = open();
  access.show(LIVE);
  access.start(false);
  expect([access.isAllowed, told]).toEqual([true, []]);
});

it("[W13] other tabs may from a click on", () => {
  const { access, told } = open();
  access.show({ ...LIVE, isOwnRun: false });
  access.start(false);
  expect(access.isAllowed).toBe(false);
  access.grant();
  expect([access.isAllowed, told]).toEqual([true, [true]]);
});

it("[W13] who may not run never may, nor may a stored output", () => {
  const viewer = open(false);
  viewer.access.show(LIVE);
  viewer.access.start(false);
  viewer.access.grant();
  const stored = open();
  stored.access.show({ ...LIVE, kind: "stored" });
  stored.access.start(false);
  stored.access.grant();
  expect([viewer.access.isAllowed, stored.access.isAllowed, viewer.told, stored.told]).toEqual([false, false, [], []]);
});

it("[L2] a document that loaded itself anew waits for its reader", () => {
  const { access, told } = open();
  access.show(LIVE);
  access.start(true);
  expect(access.isAllowed).toBe(false);
  access.grant();
  expect([access.isAllowed, told]).toEqual([true, [true]]);
});

it("a role that is lowered, and a kernel that is gone, take it away", () => {
  const { access, told, role } = open();
  access.show(LIVE);
  access.start(false);
  role.mayRun = false;
  access.look();
  role.mayRun = true;
  access.look();
  access.show({ ...LIVE, isCurrent: false });
  expect([access.isAllowed, told]).toEqual([false, [false, true, false]]);
});

it("the next run in the same document is another person's, and then one's own again", () => {
  const { access, told } = open();
  access.show(LIVE);
  access.start(false);
  access.show({ ...LIVE, isOwnRun: false });
  access.startRun();
  access.show(LIVE);
  access.startRun();
  expect(told).toEqual([false, true]);
});
