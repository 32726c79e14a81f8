/** What is said about saving, from acknowledgements alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  acknowledged,
  edited,
  isUnsaved,
  NOTHING_SENT,
  PATIENCE_MS,
  patienceLeft,
  type Saving,
  saveState,
  sent,
} from "./saving.ts";

const ONLINE: Saving = { ...NOTHING_SENT, connected: true };

describe("the word", () => {
  test.each([
    { what: "nothing was written", saving: ONLINE, now: 0, word: "Saved" },
    { what: "there is no connection", saving: NOTHING_SENT, now: 0, word: "Offline" },
    { what: "an edit is not sent yet", saving: edited(ONLINE, 0), now: 10, word: "Saving" },
    { what: "a frame is on its way", saving: sent(ONLINE, 0), now: PATIENCE_MS - 1, word: "Saving" },
    { what: "patience is over", saving: sent(ONLINE, 0), now: PATIENCE_MS, word: "Not saved" },
    { what: "an edit waits too long to be sent", saving: edited(ONLINE, 0), now: PATIENCE_MS, word: "Not saved" },
    { what: "it was acknowledged", saving: acknowledged(sent(ONLINE, 0), 1, 5), now: 9000, word: "Saved" },
    { what: "one of two was", saving: acknowledged(sent(sent(ONLINE, 0), 1), 1, 5), now: 10, word: "Saving" },
    { what: "the server says it cannot", saving: { ...sent(ONLINE, 0), trouble: "Full." }, now: 1, word: "Not saved" },
    { what: "trouble, but nothing of ours", saving: { ...ONLINE, trouble: "Full." }, now: 1, word: "Saved" },
  ])("$what: $word", ({ saving, now, word }) => {
    expect(saveState(saving, now)).toBe(word);
  });

  test("the clock runs from the first edit that waits, and anew with every acknowledgement", () => {
    const two = sent(sent(ONLINE, 0), 2000);
    expect(patienceLeft(two, 2000)).toBe(1000);
    expect(patienceLeft(acknowledged(two, 1, 2500), 2500)).toBe(PATIENCE_MS);
    expect(acknowledged(two, 2, 2500).waitingSince).toBeNull();
  });

  test("an edit made since is not covered by an acknowledgement", () => {
    expect(saveState(acknowledged(edited(sent(ONLINE, 0), 1), 1, 5), 5)).toBe("Saving");
  });

  test("trouble is over with an acknowledgement, and no business of later edits", () => {
    expect(acknowledged({ ...sent(ONLINE, 0), trouble: "Full." }, 1, 5).trouble).toBe("");
    expect(sent({ ...ONLINE, trouble: "Full." }, 0).trouble).toBe("");
    expect(edited({ ...sent(ONLINE, 0), trouble: "Full." }, 1).trouble).toBe("Full.");
  });
});

test("Saved is said exactly when every frame sent was acknowledged and nothing waits", () => {
  const step = fc.oneof(
    fc.constant({ op: "edit" as const }),
    fc.constant({ op: "send" as const }),
    fc.record({ op: fc.constant("acknowledge" as const), frames: fc.integer({ min: -1, max: 12 }) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let saving = ONLINE;
      let [frames, durable, waits, now] = [0, 0, false, 0];
      for (const item of steps) {
        now += 1;
        if (item.op === "edit") {
          saving = edited(saving, now);
          waits = true;
        } else if (item.op === "send") {
          saving = sent(saving, now);
          frames += 1;
          waits = false;
        } else {
          saving = acknowledged(saving, item.frames, now);
          durable = Math.max(durable, Math.min(item.frames, frames));
        }
        expect(saveState(saving, now) === "Saved").toBe(durable === frames && !waits);
        expect(isUnsaved(saving)).toBe(durable < frames || waits);
      }
    }),
  );
});
