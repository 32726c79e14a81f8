/** Who is here, read from awareness. What others say about themselves is foreign: only the known fields count. */
import type { Awareness } from "y-protocols/awareness";
import { isObject, parseUser, type User } from "./events.ts";

export interface Person {
  readonly clientId: number;
  readonly user: User & { readonly role: string };
  /** The cell they are in; null when they are nowhere. */
  readonly cell: string | null;
  readonly mode: "edit" | "command";
  readonly isSelf: boolean;
}

/** In order of arrival, oneself included. `self` is what the server said about oneself. */
export function peopleOf(awareness: Awareness, self: { readonly user: User; readonly role: string } | null): Person[] {
  const people: Person[] = [];
  for (const [clientId, state] of awareness.getStates()) {
    const isSelf = clientId === awareness.clientID;
    if (!isObject(state) || (isSelf && self === null)) continue;
    const stamped: unknown = state["user"];
    const role = isObject(stamped) && typeof stamped["role"] === "string" ? stamped["role"] : "viewer";
    const user = isSelf && self !== null ? { ...self.user, role: self.role } : { ...parseUser(stamped), role };
    const cell: unknown = state["cell"];
    people.push({
      clientId,
      user,
      cell: typeof cell === "string" ? cell : null,
      mode: state["mode"] === "edit" ? "edit" : "command",
      isSelf,
    });
  }
  return people;
}

export function samePeople(one: readonly Person[], other: readonly Person[]): boolean {
  return one.length === other.length && one.every((person, at) => JSON.stringify(person) === JSON.stringify(other[at]));
}
