import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.model import MAX_POSITION_CHARS
from collab.positions import DIGITS, BadPosition, between, between_with_suffix, is_position, spread
from tests.vectors import build_positions

VECTORS = Path(__file__).parent.parent / "vectors"
positions = st.from_regex(r"[0-9A-Za-z]{0,6}[1-9A-Za-z]", fullmatch=True)


def load(name: str) -> list[dict[str, Any]]:
    return list(json.loads((VECTORS / name).read_text()))


@pytest.mark.parametrize("vector", load("positions.json"), ids=lambda v: f"{v['low']:.12}-{v['high']:.12}")
def test_vectors(vector: dict[str, Any]) -> None:
    if vector.get("error"):
        with pytest.raises(BadPosition):
            between_with_suffix(vector["low"], vector["high"], "abc")
        return
    result = between_with_suffix(vector["low"], vector["high"], vector["suffix"])
    assert result == vector["result"]
    assert vector["low"] < result
    assert not vector["high"] or result < vector["high"]


def test_vectors_are_what_the_script_writes() -> None:
    assert (VECTORS / "positions.json").read_text() == build_positions.text(build_positions.position_vectors())
    assert (VECTORS / "order.json").read_text() == build_positions.text(build_positions.order_vectors())


@given(positions | st.just(""), positions | st.just(""), st.randoms())
def test_between_is_between(low: str, high: str, rng: random.Random) -> None:
    if high and low >= high:
        with pytest.raises(BadPosition):
            between(low, high, rng)
        return
    key = between(low, high, rng)
    assert low < key
    assert not high or key < high
    assert set(key) <= set(DIGITS)
    assert not key.endswith("0")


def test_s2_concurrent_inserts_at_one_gap_differ() -> None:
    keys = {between("A", "B", random.Random(seed)) for seed in range(200)}
    assert len(keys) == 200


def test_t21_keys_stay_unique_and_ordered_wherever_one_inserts() -> None:
    rng = random.Random(21)
    keys: list[str] = []
    for _ in range(1000):
        at = rng.randrange(len(keys) + 1)
        keys.insert(at, between(keys[at - 1] if at else "", keys[at] if at < len(keys) else "", rng))
    assert keys == sorted(set(keys))
    assert all(is_position(key) for key in keys)


def test_two_hundred_appends_stay_under_the_limit() -> None:
    rng, last = random.Random(1), ""
    for _ in range(200):
        last = between(last, "", rng)
    assert len(last) <= MAX_POSITION_CHARS


@given(st.integers(0, 300), positions | st.just(""), positions | st.just(""), st.randoms())
def test_spread_is_ascending_and_between(count: int, low: str, high: str, rng: random.Random) -> None:
    if high and low >= high:
        if count:
            with pytest.raises(BadPosition):
                spread(count, low, high, rng)
        return
    keys = spread(count, low, high, rng)
    assert len(keys) == count
    everything = [low, *keys, *([high] if high else [])]
    assert everything == sorted(set(everything))
    assert all(is_position(key) for key in keys)


def test_spread_over_an_empty_notebook_is_short() -> None:
    rng = random.Random(3)
    assert max(map(len, spread(20, "", "", rng))) == 3
    assert max(map(len, spread(10_000, "", "", rng))) <= 4


@pytest.mark.parametrize("value", ["", "0", "A0", "A" * 65, "A-", "é", None, 5, b"A"])
def test_what_is_no_position(value: object) -> None:
    assert not is_position(value)


@pytest.mark.parametrize("vector", load("order.json"), ids=lambda v: v["name"])
def test_order_vectors(vector: dict[str, Any]) -> None:
    ordered = sorted(vector["cells"], key=lambda cell: (cell["position"], cell["id"]))
    assert [cell["id"] for cell in ordered] == vector["expected"]
