"""Tags of outputs: what carries them, what clearing by them takes away, and what they mean after a restart."""

import json
import random
from typing import Any

import pytest

from collab.messages import Clear, Display, Stream, Tags, to_event
from tests.collab.test_outputs import A, Bench


def shown(bench: Bench) -> list[str]:
    return [entry.get("text") or entry["data"]["text/plain"] for entry in bench.outputs()]


def display(text: str, id: str = "", update: bool = False) -> Display:
    return Display({"text/plain": text}, display_id=id, update=update)


def test_a_display_that_shows_nothing_changes_the_tags_that_hold() -> None:
    def heard(metadata: object) -> object:
        content = {"data": {}, "metadata": metadata, "transient": {}}
        return to_event({"header": {"msg_type": "display_data"}, "content": content})

    area = {"nodisplay": True, "add_tags": ["x", 3], "remove_tags": "y"}
    assert heard({"outputarea": area}) == Tags(("x",), ("y",))
    assert heard({"outputarea": {"nodisplay": True}}) == Tags()
    assert isinstance(heard({"outputarea": {"add_tags": ["x"]}}), Display)


@pytest.mark.parametrize(
    ("content", "clear"),
    [
        ({}, Clear(False)),
        ({"wait": True, "output_tags": []}, Clear(True)),
        ({"wait": False, "output_tags": ["a", "b"]}, Clear(False, ("a", "b"))),
        ({"output_tags": {"a": 1}}, Clear(False)),
    ],
)
def test_a_clear_may_name_tags(content: dict[str, Any], clear: Clear) -> None:
    assert to_event({"header": {"msg_type": "clear_output"}, "content": content}) == clear


def test_outputs_carry_the_tags_that_hold_when_they_come() -> None:
    bench = Bench()
    bench.put(Stream("stdout", "1"), Tags(("x", "y")), Stream("stdout", "2"), display("3"), Tags((), ("x", "y")))
    bench.put(Stream("stdout", "4"))
    assert shown(bench) == ["1", "2", "3", "4"]
    assert [json.loads(entry.get("tags", "[]")) for entry in bench.outputs()] == [[], ["x", "y"], ["x", "y"], []]


def test_clearing_takes_what_carries_every_tag_and_nothing_else() -> None:
    bench = Bench()
    bench.put(Stream("stdout", "1"), Tags(("x",)), display("2"), Tags(("y",)), display("3"), Tags((), ("x",)))
    bench.put(display("4"), Clear(False, ("x", "y")))
    assert shown(bench) == ["1", "2", "4"]
    bench.put(Clear(False, ("y",)))
    assert shown(bench) == ["1", "2"]
    bench.put(Clear(False, ("nobody",)), Clear(True, ("x",)))
    assert shown(bench) == ["1", "2"]
    bench.put(display("5"))
    assert shown(bench) == ["1", "5"]
    bench.put(Clear(False))
    assert shown(bench) == []


def test_displays_and_streams_behind_what_went_are_found_where_they_are_now() -> None:
    bench = Bench()
    bench.put(Tags(("x",)), display("gone"), Tags((), ("x",)), display("kept", "id"), Stream("stdout", "a"))
    bench.put(Clear(False, ("x",)))
    bench.put(display("new", "id", update=True), Stream("stdout", "b"))
    assert shown(bench) == ["new", "ab"]
    bench.put(Tags(("x",)), display("1", "id"), Clear(False, ("x",)), display("newer", "id", update=True))
    assert shown(bench) == ["newer", "ab"]


def test_a_server_that_comes_next_knows_the_tags() -> None:
    bench = Bench()
    bench.put(Tags(("x",)), Stream("stdout", "1"), Tags((), ("x",)), display("2"))
    after = Bench(bench.doc)
    after.writer.adopt()
    after.put(Clear(False, ("x",)))
    assert shown(after) == ["2"]


def test_tags_end_with_their_run() -> None:
    bench = Bench()
    bench.put(Tags(("x",)), display("1"))
    bench.writer.begin(A)
    bench.put(display("2"), Clear(False, ("x",)))
    assert shown(bench) == ["2"]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_tags_clears_and_updates_leaves_what_a_plain_list_would(seed: int) -> None:
    """Against a model that knows nothing of windows and places."""
    choose = random.Random(seed)
    bench = Bench()
    model: list[tuple[str, frozenset[str], str]] = []
    held: frozenset[str] = frozenset()
    for number in range(60):
        tag = choose.choice("xy")
        match choose.choice(["display", "display", "update", "add", "remove", "clear", "write"]):
            case "display":
                id = choose.choice(["", "i", "j"])
                bench.writer.receive(A, display(str(number), id))
                model.append((str(number), held, id))
            case "update":
                bench.writer.receive(A, display(f"u{number}", "i", update=True))
                model = [(f"u{number}" if id == "i" else text, tags, id) for text, tags, id in model]
            case "add":
                bench.writer.receive(A, Tags((tag,)))
                held |= {tag}
            case "remove":
                bench.writer.receive(A, Tags((), (tag,)))
                held -= {tag}
            case "clear":
                bench.writer.receive(A, Clear(False, (tag,)))
                model = [item for item in model if tag not in item[1]]
            case _:
                bench.write()
                assert shown(bench) == [text for text, _, _ in model]
    bench.write()
    assert shown(bench) == [text for text, _, _ in model]
