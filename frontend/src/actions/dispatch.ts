/** From key presses to actions: sequences ("D D"), the leader, and which of them count where. No DOM. */

import type { Action, Place } from "./action.ts";
import { type Chord, LEADER, matches, type Press, parseKeys } from "./keys.ts";

export type Outcome =
  | { readonly kind: "run"; readonly action: Action }
  | { readonly kind: "leader" }
  | { readonly kind: "waiting" }
  | { readonly kind: "nothing"; readonly swallow: boolean };

export interface Dispatch {
  press(press: Press, place: Place): Outcome;
  /** Forgets a sequence that was begun. */
  reset(): void;
}

/** How long a started sequence waits for its next key. */
export const SEQUENCE_MS = 2000;

interface Row {
  readonly action: Action;
  readonly chords: readonly Chord[];
  readonly places: readonly Place[];
  readonly leader: boolean;
}

const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock"]);

export function createDispatch(actions: readonly Action[], mac: boolean, now: () => number): Dispatch {
  const rows: Row[] = actions.flatMap((action) =>
    action.keys.map(({ keys, places }) => ({
      action,
      places,
      leader: keys.startsWith("Leader"),
      chords: parseKeys(keys),
    })),
  );
  const leader = parseKeys(LEADER)[0];
  let begun: { readonly rows: readonly Row[]; readonly depth: number; readonly at: number; leader: boolean } | null =
    null;

  const pressed = (press: Press, place: Place): Outcome => {
    const waiting = begun !== null && now() - begun.at <= SEQUENCE_MS ? begun : null;
    begun = null;
    if (waiting !== null) {
      const depth = waiting.depth;
      const next = waiting.rows.filter((row) => {
        const chord = row.chords[depth];
        // "D", then a click into an editor, then "d" is a letter.
        const counts = waiting.leader || row.places.includes(place);
        return counts && chord !== undefined && matches(chord, press, mac);
      });
      const done = next.find((row) => row.chords.length === depth + 1);
      if (done !== undefined) return { kind: "run", action: done.action };
      // After the leader a stray key does nothing; after "D" another letter means itself.
      if (waiting.leader) return { kind: "nothing", swallow: true };
    }
    if (leader !== undefined && matches(leader, press, mac)) {
      begun = { rows: rows.filter((row) => row.leader), depth: 1, at: now(), leader: true };
      return { kind: "leader" };
    }
    const first = rows.filter((row) => {
      const chord = row.chords[0];
      return !row.leader && row.places.includes(place) && chord !== undefined && matches(chord, press, mac);
    });
    const single = first.find((row) => row.chords.length === 1);
    if (single !== undefined) return { kind: "run", action: single.action };
    if (first.length > 0) {
      begun = { rows: first, depth: 1, at: now(), leader: false };
      return { kind: "waiting" };
    }
    return { kind: "nothing", swallow: false };
  };

  return {
    press: (press, place) => (MODIFIERS.has(press.key) ? { kind: "nothing", swallow: false } : pressed(press, place)),
    reset: () => {
      begun = null;
    },
  };
}
