/** Who is here, from awareness: foreign data, of which only the known fields count. */
import { expect, test } from "vitest";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { peopleOf, samePeople } from "./people.ts";

const ME = { user: { id: "me", name: "Me", color: "#112233", guest: false }, role: "owner" };

function awarenessOf(): Awareness {
  const awareness = new Awareness(new Y.Doc());
  clearInterval(awareness._checkInterval as ReturnType<typeof setInterval>);
  awareness.setLocalState({ cell: "c1", cursor: null, mode: "edit", user: { name: "Somebody else" } });
  return awareness;
}

test("oneself is who the server says, whatever the state says", () => {
  const awareness = awarenessOf();
  expect(peopleOf(awareness, ME)).toEqual([
    { clientId: awareness.clientID, user: { ...ME.user, role: "owner" }, cell: "c1", mode: "edit", isSelf: true },
  ]);
});

test("states of any shape are people at worst without a name", () => {
  const awareness = awarenessOf();
  const states: readonly unknown[] = [
    { user: { id: "b", name: "Ben", color: "#445566", guest: true, role: "viewer" }, cell: "c2", mode: "edit" },
    { user: "Ben", cell: 3, mode: "fly" },
    {},
    [],
    "text",
    null,
  ];
  for (const [at, state] of states.entries()) awareness.states.set(at + 1, state as Record<string, unknown>);
  expect(peopleOf(awareness, ME).filter(({ isSelf }) => !isSelf)).toEqual([
    {
      clientId: 1,
      user: { id: "b", name: "Ben", color: "#445566", guest: true, role: "viewer" },
      cell: "c2",
      mode: "edit",
      isSelf: false,
    },
    ...[2, 3].map((clientId) => ({
      clientId,
      user: { id: "", name: "Guest", color: "#777777", guest: true, role: "viewer" },
      cell: null,
      mode: "command",
      isSelf: false,
    })),
  ]);
});

test("before the server said who one is, one is nobody", () => {
  expect(peopleOf(awarenessOf(), null)).toEqual([]);
});

test("the same people are the same, a moved one is not", () => {
  const people = peopleOf(awarenessOf(), ME);
  expect(samePeople(people, structuredClone(people))).toBe(true);
  expect(
    samePeople(
      people,
      people.map((person) => ({ ...person, cell: "elsewhere" })),
    ),
  ).toBe(false);
  expect(samePeople(people, [])).toBe(false);
});
