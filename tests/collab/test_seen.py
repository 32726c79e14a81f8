"""Messages that came already are known, however they are named and in whatever order they came."""

from hypothesis import given
from hypothesis import strategies as st

from collab.seen import SeenMessages

NUMBERED = st.builds(
    "{}_{}".format, st.sampled_from(["a-1_77", "b", ""]), st.integers(0, 40) | st.sampled_from([10**15])
)
IDS = NUMBERED | st.sampled_from(["", "x", "b_", "b_07", "b_7x", "b_\u0667", "_7"])


@given(st.lists(IDS, max_size=200))
def test_an_id_is_new_once(ids: list[str]) -> None:
    seen, model = SeenMessages(), set[str]()
    for id in ids:
        assert seen.add(id) == (id not in model)
        model.add(id)


@given(st.permutations(range(30)))
def test_a_row_is_one_range_in_whatever_order_it_came(numbers: list[int]) -> None:
    seen = SeenMessages()
    assert all(seen.add(f"s_{number}") for number in numbers)
    assert seen._ranges == {"s": [(0, 29)]}
    assert not any(seen.add(f"s_{number}") for number in numbers)


def test_what_is_kept_has_bounds_and_the_newest_stay() -> None:
    seen = SeenMessages()
    for number in range(30_000):
        seen.add(f"s_{2 * number}")  # no two in a row
        seen.add(f"id{number}")
        seen.add(f"process {number}_1")
    assert (len(seen._ranges), len(seen._others), len(seen._ranges.get("s", []))) == (50, 20_000, 0)
    for number in range(30_000):
        seen.add(f"s_{2 * number}")
    assert len(seen._ranges["s"]) == 2_000
    assert not seen.add(f"s_{2 * 29_999}")
    assert not seen.add("id29999")
    assert seen.add("id0")
    seen.clear()
    assert seen.add("s_0")
