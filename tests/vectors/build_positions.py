"""Writes positions.json and order.json. Seeded: running it again changes nothing.

usage: python -m tests.vectors.build_positions
"""

import json
import random
from pathlib import Path

from collab.positions import DIGITS, BadPosition, between_with_suffix

FOLDER = Path(__file__).parent

BY_HAND: list[tuple[str, str]] = [
    ("", ""),
    ("", "1"),
    ("", "2"),
    ("", "01"),
    ("", "001"),
    ("", "z"),
    ("", "0000000001"),
    ("1", ""),
    ("8", ""),
    ("G", ""),
    ("s", ""),
    ("t", ""),
    ("u", ""),
    ("v", ""),
    ("w", ""),
    ("x", ""),
    ("y", ""),
    ("z", ""),
    ("zz", ""),
    ("zzz", ""),
    ("zzzzzzzzzzzzzzzz", ""),
    ("zA", ""),
    ("yz", ""),
    ("xz", ""),
    ("A", "B"),
    ("A", "C"),
    ("A", "D"),
    ("A", "A1"),
    ("A", "A2"),
    ("A", "A01"),
    ("A", "A001"),
    ("Az", "B"),
    ("Azz", "B"),
    ("Azz", "B1"),
    ("Azz", "B01"),
    ("Az", "C"),
    ("A1", "A2"),
    ("A1", "A11"),
    ("A1", "A101"),
    ("A1", "A1001"),
    ("A1z", "A2"),
    ("A1z", "A21"),
    ("9", "A"),
    ("Z", "a"),
    ("Zz", "a01"),
    ("z", "z1"),
    ("z", "z01"),
    ("zy", "zz"),
    ("8abc", "Gxyz"),
    ("8abc", "8abd"),
    ("8abc", "8abc1"),
    ("8abc", "8abc0001"),
    ("0001", "0002"),
    ("0001", "00011"),
    ("01", "1"),
    ("0z", "1"),
    ("0" * 62 + "1", "0" * 62 + "2"),
    ("z" * 64, ""),
    ("V" * 70, "W"),
]

ERRORS: list[tuple[str, str]] = [
    ("A", "A"),
    ("B", "A"),
    ("a", "Z"),
    ("A1", "A"),
    ("A01", "A"),
    ("A", "A0"),
    ("A0", "B"),
    ("", "0"),
    ("0", ""),
    ("0", "1"),
    ("A", "0"),
    ("A-", "B"),
    ("A", "B!"),
    ("é", ""),
    ("", "\U0001f600"),
    (" ", ""),
]

ORDERS: list[tuple[str, list[tuple[str, str]]]] = [
    ("by position, not by id", [("a", "V"), ("b", "8"), ("c", "G")]),
    ("equal positions go by id", [("zeta", "V"), ("alpha", "V"), ("mid", "V")]),
    (
        "ids by code unit: digits and signs, capitals, underscore, small",
        [("b", "1"), ("B", "1"), ("_b", "1"), ("-b", "1"), ("2b", "1"), ("10", "1"), ("9", "1")],
    ),
    ("positions by code unit", [("a", "a"), ("b", "Z"), ("c", "9"), ("d", "z"), ("e", "A")]),
    ("a prefix comes first", [("a", "V1"), ("b", "V"), ("c", "V01"), ("d", "U" + "z" * 20)]),
    ("equal in the middle", [("first", "1"), ("tie-b", "5abc"), ("tie-a", "5abc"), ("last", "9")]),
    ("a missing position comes first", [("x", "1"), ("none", "")]),
]


def position_vectors() -> list[dict[str, object]]:
    rng = random.Random(20240229)
    pairs = [(low, high, suffix) for low, high in BY_HAND for suffix in ("001", "zzz")]
    keys = [""]
    # What editing makes: each new key goes between two neighbours that are there.
    for _ in range(60):
        at = rng.randrange(len(keys))
        low, high = keys[at], keys[at + 1] if at + 1 < len(keys) else ""
        suffix = "".join(rng.choice(DIGITS) for _ in range(2)) + rng.choice(DIGITS[1:])
        pairs.append((low, high, suffix))
        keys.insert(at + 1, between_with_suffix(low, high, suffix))
    vectors: list[dict[str, object]] = [
        {"low": low, "high": high, "suffix": suffix, "result": between_with_suffix(low, high, suffix)}
        for low, high, suffix in pairs
    ]
    for low, high in ERRORS:
        try:
            between_with_suffix(low, high, "abc")
        except BadPosition:
            vectors.append({"low": low, "high": high, "error": True})
        else:
            raise AssertionError(f"{low!r} and {high!r} should not work")
    return vectors


def order_vectors() -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "cells": [{"id": id, "position": position} for id, position in cells],
            "expected": [id for position, id in sorted((position, id) for id, position in cells)],
        }
        for name, cells in ORDERS
    ]


def text(vectors: list[dict[str, object]]) -> str:
    """One vector a line, so that a change of one shows as one."""
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"


if __name__ == "__main__":
    (FOLDER / "positions.json").write_text(text(position_vectors()))
    (FOLDER / "order.json").write_text(text(order_vectors()))
