"""Positions of cells: keys between which there is always room for another (ARCHITECTURE.md, "Positions").

Pure strings in, pure strings out; the TypeScript side runs the same vectors (`tests/vectors/positions.json`).
Does not know cells or Docs: `notebook.repair` decides when a key has to be replaced.
"""

import random
from typing import Final

from collab.model import MAX_POSITION_CHARS

DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE: Final = len(DIGITS)
_VALUE: Final = {digit: value for value, digit in enumerate(DIGITS)}
# With fewer free keys around each one, the next insert into a gap would already need a longer key.
_ROOM_PER_KEY: Final = 8


class BadPosition(ValueError):
    """No key can be made from these neighbours."""


def is_position(text: object) -> bool:
    """Whether a stored value can stand as a position: 1 to 64 digits, the last not `0`."""
    return isinstance(text, str) and 0 < len(text) <= MAX_POSITION_CHARS and _well_formed(text)


def between(low: str, high: str, rng: random.Random) -> str:
    """A new key with `low < key < high`; either neighbour may be empty, which means open.

    Neighbours may be over 64 digits long, and so may the answer: the server shortens such keys later.
    Raises BadPosition when `low >= high`, or when a neighbour is malformed (a foreign character, a final `0`:
    nothing fits between `A` and `A0`).
    """
    return between_with_suffix(low, high, _suffix(rng))


def between_with_suffix(low: str, high: str, suffix: str) -> str:
    """`between` with the random part given; what the vectors pin down."""
    for neighbour in (low, high):
        if neighbour and not _well_formed(neighbour):
            raise BadPosition(f"'{neighbour:.80}' is no position.")
    if high and low >= high:
        raise BadPosition(f"Nothing lies between '{low:.80}' and '{high:.80}'.")
    bounded = bool(high)
    taken: list[str] = []
    while True:
        at = len(taken)
        a = _digit(low, at)
        b = _digit(high, at) if bounded else _BASE
        if b - a > 1:
            # An empty high is the end of the notebook: small steps there, since appending is what people do most.
            value = (a + b) // 2 if high else a + 1 + min(7, (_BASE - a - 1) // 2)
            return "".join(taken) + DIGITS[value] + suffix
        taken.append(DIGITS[a])
        bounded = bounded and a == b


def spread(count: int, low: str, high: str, rng: random.Random) -> list[str]:
    """`count` short keys in ascending order, evenly between `low` and `high` (either may be empty).

    Raises BadPosition like `between`.
    """
    if count == 0:
        return []
    between_with_suffix(low, high, "1")  # for its checks
    width = 1
    while True:
        start = _number(low, width)
        stop = _number(high, width) if high else _BASE**width
        if stop - start >= (count + 1) * _ROOM_PER_KEY:
            break
        width += 1
    numbers = (start + (stop - start) * (nth + 1) // (count + 1) for nth in range(count))
    return [_digits(number, width) + rng.choice(DIGITS[1:]) for number in numbers]


def _well_formed(text: str) -> bool:
    return not text.endswith("0") and all(character in _VALUE for character in text)


def _suffix(rng: random.Random) -> str:
    return rng.choice(DIGITS) + rng.choice(DIGITS) + rng.choice(DIGITS[1:])


def _digit(key: str, at: int) -> int:
    return _VALUE[key[at]] if at < len(key) else 0


def _number(key: str, width: int) -> int:
    number = 0
    for at in range(width):
        number = number * _BASE + _digit(key, at)
    return number


def _digits(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, _BASE)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))
