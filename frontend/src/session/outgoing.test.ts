/** Edits on their way: in order, together where that is safe, again after a loss. */
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { createOutgoing, type Outgoing } from "./outgoing.ts";

interface Line {
  readonly outgoing: Outgoing;
  /** What arrived that was new, frame by frame. */
  readonly frames: string[];
  up: boolean;
  /** One more letter, as an update of its own. */
  add(letter: string, isStructure?: boolean): void;
  /** All that has arrived. */
  arrived(): string;
}

function line(): Line {
  const [here, there] = [new Y.Doc(), new Y.Doc()];
  let isStructure = false;
  const made: Line = {
    frames: [],
    up: true,
    outgoing: createOutgoing((update) => {
      if (!made.up) return 0;
      const before = made.arrived();
      Y.applyUpdate(there, update);
      return made.frames.push(made.arrived().slice(before.length));
    }),
    add(letter, structure = false) {
      isStructure = structure;
      here.getText("t").insert(here.getText("t").length, letter);
    },
    arrived: () => there.getText("t").toString(),
  };
  here.on("update", (update: Uint8Array) => made.outgoing.add(update, isStructure));
  return made;
}

describe("what is sent", () => {
  test("goes together as far as it was not sent, and in order", () => {
    const { add, outgoing, frames } = line();
    for (const letter of "abc") add(letter);
    outgoing.flush();
    outgoing.flush();
    add("d");
    outgoing.flush();
    expect(frames).toEqual(["abc", "d"]);
  });

  test("goes alone when it makes or removes cells", () => {
    const { add, outgoing, frames } = line();
    for (const letter of "abSScd") add(letter, letter === "S");
    outgoing.flush();
    expect(frames).toEqual(["ab", "S", "S", "cd"]);
  });

  test("goes again on the next connection, but for what was acknowledged", () => {
    const bench = line();
    const { add, outgoing, frames } = bench;
    for (const letter of "aSb") {
      add(letter, letter === "S");
      outgoing.flush();
    }
    outgoing.acknowledged(2);
    outgoing.lost();
    bench.up = false;
    add("c");
    outgoing.flush();
    bench.up = true;
    frames.length = 0;
    outgoing.flush();
    // What arrived twice adds nothing; "b" was there already.
    expect(frames).toEqual(["c"]);
    outgoing.acknowledged(1);
    outgoing.lost();
    frames.length = 0;
    outgoing.flush();
    expect(frames).toEqual([]);
  });
});

test("however much is written offline, it stays in bounds", () => {
  const bench = line();
  bench.up = false;
  for (let nth = 0; nth < 2000; nth += 1) bench.add("x", nth % 2 === 0);
  bench.outgoing.flush();
  bench.up = true;
  bench.outgoing.flush();
  expect(bench.frames.length).toBeLessThanOrEqual(500);
  expect(bench.arrived()).toBe("x".repeat(2000));
});
