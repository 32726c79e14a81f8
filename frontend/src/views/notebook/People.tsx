import { useStore } from "zustand";
import type { Person } from "../../session/session";
import { Avatar } from "../shared/Avatar";
import type { NotebookBench } from "./bench";

const MOST = 5;

/** Everybody else here, in order of arrival. A click goes to their cell. */
export function People({ bench }: { readonly bench: NotebookBench }) {
  const people = useStore(bench.session.store, (state) => state.people);
  const others = onePerUser(people);
  const shown = others.slice(0, MOST);
  const rest = others.slice(MOST);

  const visit = (person: Person): void => {
    if (person.cell === null) bench.say(`${person.user.name} is not in a cell.`);
    else bench.cells.scrollTo(person.cell);
  };

  return (
    <ul className="people" aria-label="People">
      {shown.map((person) => (
        <li key={person.clientId} aria-label={`${person.user.name}, ${person.user.role}`}>
          <button
            type="button"
            className="person"
            aria-label={`Go to ${person.user.name}`}
            data-tip={`${person.user.name}, ${person.user.role}${person.cell === null ? "" : "\nClick to go to their cell"}`}
            onClick={() => visit(person)}
          >
            <Avatar name={person.user.name} color={person.user.color} dimmed={person.cell === null} />
          </button>
        </li>
      ))}
      {rest.length > 0 && (
        <li className="people-rest" data-tip={rest.map((person) => person.user.name).join("\n")}>
          +{rest.length}
        </li>
      )}
    </ul>
  );
}

/** Two tabs of one person are one avatar. */
function onePerUser(people: readonly Person[]): readonly Person[] {
  const self = people.find((person) => person.isSelf)?.user.id;
  const seen = new Map<string, Person>();
  for (const person of people) {
    if (person.isSelf || (person.user.id === self && person.cell === null)) continue;
    const known = seen.get(person.user.id);
    if (known === undefined || known.cell === null) seen.set(person.user.id, person);
  }
  return [...seen.values()];
}
