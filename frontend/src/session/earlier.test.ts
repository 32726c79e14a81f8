/** What a browser kept of earlier epochs: taken to the server once, and given back where it has no place any more. */
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { ApiError, type Merged } from "../api.ts";
import { notebookOf } from "../notebook/peers.ts";
import { type Earlier, mergeCopies, takeAway } from "./earlier.ts";

type Answer = Merged | Error;

/** A browser with these copies, and what the server says to each. */
function browser(
  copies: Record<number, Y.Doc | null>,
  answers: Record<number, Answer>,
  unsaved: readonly number[] = [],
) {
  const did: string[] = [];
  const earlier: Earlier = {
    epochs: async () => Object.keys(copies).map(Number),
    read: async (epoch) => copies[epoch] ?? null,
    forget: (epoch) => void did.push(`forgot ${epoch}`),
    async merge(epoch, work) {
      const sent = new Y.Doc();
      Y.applyUpdate(sent, work);
      did.push(`sent ${epoch} with ${sent.getMap("cells").size} cells`);
      const answer = answers[epoch] ?? new Error("Nobody asked for this.");
      if (answer instanceof Error) throw answer;
      return answer;
    },
    unsaved: (epoch) => (unsaved.includes(epoch) ? "all" : null),
  };
  return { earlier, did };
}

const NOTHING: Merged = { merged: 0, unmerged: [] };

test("[G4] copies of earlier epochs go to the server, newest first, and then from the browser", async () => {
  const { earlier, did } = browser(
    { 1: notebookOf("a").doc, 2: notebookOf("a", "b").doc, 3: notebookOf("now").doc },
    { 1: NOTHING, 2: { merged: 1, unmerged: [] } },
  );
  expect(await mergeCopies(earlier, 3, 5)).toEqual([]);
  expect(did).toEqual(["sent 2 with 2 cells", "forgot 2", "sent 1 with 1 cells", "forgot 1"]);
});

test("an empty copy just goes", async () => {
  const { earlier, did } = browser({ 1: null }, {});
  expect(await mergeCopies(earlier, 2, 5)).toEqual([]);
  expect(did).toEqual(["forgot 1"]);
});

test("what the server could not merge is recovered work", async () => {
  const unmerged = [{ cell: "x", type: "code", source: "mine", why: "Somebody else changed it." }] as const;
  const { earlier } = browser({ 1: notebookOf("mine").doc }, { 1: { merged: 0, unmerged } });
  expect(await mergeCopies(earlier, 2, 5)).toMatchObject([
    { at: 5, title: "Untitled", cells: [{ type: "code", source: "mine" }], taken: false },
  ]);
});

describe("work that the server does not take", () => {
  test.each([410, 413, 422])("(%i) is kept as text when it was not saved", async (status) => {
    const answer = new ApiError(status, "Too long ago.");
    const { earlier, did } = browser({ 1: notebookOf("mine").doc }, { 1: answer }, [1]);
    expect(await mergeCopies(earlier, 2, 5)).toMatchObject([
      { reason: "Too long ago.", cells: [{ type: "code", source: "mine" }] },
    ]);
    expect(did).toContain("forgot 1");
  });

  test("is no loss when all of it was saved", async () => {
    const { earlier, did } = browser({ 1: notebookOf("old").doc }, { 1: new ApiError(410, "Too long ago.") });
    expect(await mergeCopies(earlier, 2, 5)).toEqual([]);
    expect(did).toContain("forgot 1");
  });

  test.each([0, 403, 500, 503])("(%i) stays for the next time", async (status) => {
    const { earlier, did } = browser({ 1: notebookOf("mine").doc }, { 1: new ApiError(status, "Not now.") }, [1]);
    expect(await mergeCopies(earlier, 2, 5)).toEqual([]);
    expect(did).toEqual(["sent 1 with 1 cells"]);
  });
});

test("when the access is gone every copy goes, and what was unsaved in one is kept as text", async () => {
  const { earlier, did } = browser(
    { 1: notebookOf("old").doc, 2: notebookOf("saved").doc, 3: notebookOf("mine").doc },
    {},
    [3],
  );
  expect(await takeAway(earlier, "You have no access any more.", 5)).toMatchObject([
    { at: 5, reason: "You have no access any more.", cells: [{ type: "code", source: "mine" }] },
  ]);
  expect(did).toEqual(["forgot 3", "forgot 2", "forgot 1"]);
});
