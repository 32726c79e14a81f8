/** Positions of cells: keys between which there is always room (ARCHITECTURE.md, "Positions"; same vectors as Python). */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE = DIGITS.length;
// With fewer free keys around each one, the next insert between two of them would already need a longer key.
const ROOM_PER_KEY = 8;

export class BadPosition extends Error {}

/** A new key with `low < key < high`; either may be empty, which means open. Throws BadPosition when nothing fits. */
export function between(low: string, high: string): string {
  return betweenWithSuffix(low, high, randomSuffix());
}

/** `count` new keys in ascending order. They share one random beginning, so that two people's pastes at one gap stay apart. */
export function betweenMany(count: number, low: string, high: string): string[] {
  if (count < 1) return [];
  const first = between(low, high);
  if (count === 1) return [first];
  let width = 1;
  while (BASE ** width < (count + 1) * ROOM_PER_KEY) width += 1;
  const step = BASE ** width / (count + 1);
  return Array.from({ length: count }, (_, nth) => first + digits(Math.floor(step * (nth + 1)), width));
}

/** A number in digits, the last of which is not `0`. */
function digits(value: number, width: number): string {
  let rest = value % BASE === 0 ? value + 1 : value;
  let text = "";
  for (let at = 0; at < width; at += 1) {
    text = DIGITS.charAt(rest % BASE) + text;
    rest = Math.floor(rest / BASE);
  }
  return text;
}

/** `between` with the random part given; what the vectors pin down. */
export function betweenWithSuffix(low: string, high: string, suffix: string): string {
  for (const neighbour of [low, high]) {
    if (neighbour !== "" && !wellFormed(neighbour)) throw new BadPosition(`'${neighbour}' is no position.`);
  }
  if (high !== "" && low >= high) throw new BadPosition(`Nothing lies between '${low}' and '${high}'.`);
  let bounded = high !== "";
  let taken = "";
  for (;;) {
    const a = digit(low, taken.length);
    const b = bounded ? digit(high, taken.length) : BASE;
    if (b - a > 1) {
      const value = high === "" ? a + 1 + Math.min(7, Math.floor((BASE - a - 1) / 2)) : Math.floor((a + b) / 2);
      return taken + DIGITS.charAt(value) + suffix;
    }
    taken += DIGITS.charAt(a);
    bounded = bounded && a === b;
  }
}

function digit(key: string, at: number): number {
  return at < key.length ? DIGITS.indexOf(key.charAt(at)) : 0;
}

function wellFormed(key: string): boolean {
  return !key.endsWith("0") && [...key].every((character) => DIGITS.includes(character));
}

function randomSuffix(): string {
  const pick = (from: number) => DIGITS.charAt(from + Math.floor(Math.random() * (BASE - from)));
  return pick(0) + pick(0) + pick(1);
}
