"""The Notebook as a Doc: reading never writes, text is edited at characters, repair puts right what is let through."""

import hashlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from collab import notebook
from collab.model import MAX_POSITION_CHARS, MAX_TITLE_CHARS, CellId
from collab.notebook import (
    SERVER_ORIGIN,
    NewCell,
    NotebookDoc,
    RunMark,
    append,
    clean,
    clean_source,
    create,
    insert_cell,
    order,
    repair,
    replace,
    replace_by_diff,
    roots,
    set_title,
    title,
)
from collab.positions import is_position
from tests.collab.docs import content, copy_of

A, B, C = CellId("a"), CellId("b"), CellId("c")

# Everything Python can hold but lone surrogates, rich in what is more than one unit somewhere.
texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("a\n🙂é漢👩‍👧𝔘e\u0301"), max_size=30)


def made(*cells: NewCell, **more: Any) -> NotebookDoc:
    doc: NotebookDoc = Doc()
    roots(doc)
    create(doc, "Notes", cells, rng=random.Random(1), **more)
    return doc


def three() -> NotebookDoc:
    return made(NewCell(A, "code", "one"), NewCell(B, "markdown", "two"), NewCell(C, "raw", "three"))


def test_a_new_notebook_has_exactly_the_schema() -> None:
    cell = NewCell(A, "code", "x\r\ny", {"tags": '["t"]'}, {"a.png": "{}"})
    doc = made(cell, language="julia", kernelspec="julia-1.10", metadata='{"k": 1}')
    position = content(doc)["cells"]["a"]["position"]
    assert is_position(position)
    assert content(doc) == {
        "meta": {
            "schema": 1,
            "title": "Notes",
            "language": "julia",
            "kernelspec": "julia-1.10",
            "metadata": '{"k": 1}',
        },
        "cells": {
            "a": {
                "type": "code",
                "source": "x\ny",
                "position": position,
                "metadata": {"tags": '["t"]'},
                "attachments": {"a.png": "{}"},
            }
        },
        "outputs": {},
        "runs": {},
    }


def test_s1_the_order_is_by_position_and_survives_a_reload() -> None:
    doc = made(*(NewCell(CellId(f"c{number}"), "code") for number in range(50)))
    expected = [f"c{number}" for number in range(50)]
    assert order(doc) == expected
    assert order(copy_of([doc.get_update()])) == expected


def test_s12_reading_writes_nothing() -> None:
    doc = three()
    heard: list[object] = []
    doc.observe(heard.append)
    state = doc.get_state()
    order(doc), title(doc), notebook.language(doc), notebook.kernelspec(doc), notebook.code_cells(doc)
    notebook.search_text(doc), notebook.run_marks(doc), notebook.written_bytes(doc), notebook.has_cell(doc, A)
    for cell in (A, CellId("gone")):
        notebook.cell_type(doc, cell), notebook.cell_source(doc, cell), notebook.run_mark(doc, cell)
    assert (heard, doc.get_state()) == ([], state)


def test_what_is_read_of_a_sound_notebook() -> None:
    doc = three()
    assert [notebook.cell_type(doc, cell) for cell in (A, B, C, CellId("gone"))] == ["code", "markdown", "raw", None]
    assert notebook.code_cells(doc) == [A]
    assert notebook.search_text(doc) == "Notes\none\ntwo\nthree"
    assert (title(doc), notebook.language(doc), notebook.kernelspec(doc)) == ("Notes", "python", "python3")
    assert notebook.source_sha256("é🙂") == hashlib.sha256("é🙂".encode()).hexdigest()
    assert notebook.written_bytes(doc) < len(doc.get_update())


def test_s9_and_s10_plain_dicts_list_text_and_floats_are_read() -> None:
    doc: NotebookDoc = Doc()
    opened = roots(doc)
    opened.cells["a"] = {"type": "code", "source": ["x = 1\n", "y"], "position": "V"}
    opened.runs["a"] = Map({"state": "finished", "count": 3, "started": 5.0, "finished": 1.5, "user": "Ada"})
    opened.runs["b"] = Map({"state": "flying"})
    assert notebook.cell_source(doc, A) == "x = 1\ny"
    assert notebook.run_marks(doc) == {A: RunMark("finished", count=3, started=5, user="Ada")}


def test_an_empty_doc_reads_as_an_untitled_notebook() -> None:
    doc: NotebookDoc = Doc()
    assert (title(doc), order(doc), notebook.search_text(doc)) == ("Untitled", [], "Untitled")


def test_s3_a_cell_is_inserted_where_it_was_asked_for_and_never_over_another() -> None:
    doc = three()
    rng = random.Random(2)
    insert_cell(doc, NewCell(CellId("first"), "code"), A, rng)
    insert_cell(doc, NewCell(CellId("mid"), "code"), C, rng)
    insert_cell(doc, NewCell(CellId("last"), "code"), None, rng)
    insert_cell(doc, NewCell(CellId("later"), "code"), CellId("gone"), rng)
    assert order(doc) == ["first", "a", "b", "mid", "c", "last", "later"]
    with pytest.raises(ValueError, match="already"):
        insert_cell(doc, NewCell(A, "raw", "other"))
    assert notebook.cell_source(doc, A) == "one"


def test_s2_a_cell_fits_between_equal_keys() -> None:
    doc = three()
    with doc.transaction(origin=SERVER_ORIGIN):
        for cell in (A, B, C):
            roots(doc).cells[cell]["position"] = "V"
    insert_cell(doc, NewCell(CellId("new"), "code"), B, random.Random(3))
    assert order(doc) == ["a", "new", "b", "c"]
    assert len({cell["position"] for cell in content(doc)["cells"].values()}) == 4


def test_s2_a_cell_of_the_servers_beside_a_key_at_the_limit_gets_a_short_one() -> None:
    doc = three()
    roots(doc).cells["b"]["position"] = "z" * MAX_POSITION_CHARS
    last = order(doc)[-1]
    insert_cell(doc, NewCell(CellId("new"), "code"))
    assert order(doc)[-2:] == [last, "new"]
    assert all(is_position(value["position"]) for value in content(doc)["cells"].values())


@pytest.mark.parametrize(
    ("given", "expected"),
    [("  My\n notebook\t ", "My notebook"), ("", "Untitled"), ("x" * 500, "x" * MAX_TITLE_CHARS), ("\ud800", "\ufffd")],
)
def test_a_title_is_one_line_of_bounded_length(given: str, expected: str) -> None:
    doc = three()
    set_title(doc, given)
    assert title(doc) == expected


def test_the_same_title_again_is_no_edit() -> None:
    doc = three()
    heard: list[object] = []
    doc.observe(heard.append)
    set_title(doc, "Notes")
    assert heard == []


# -- text ----------------------------------------------------------------------------------------------------------


@given(texts, texts)
def test_u6_a_diff_makes_any_text_of_any_other(old: str, new: str) -> None:
    doc: NotebookDoc = Doc()
    text = doc.get("t", type=Text)
    append(text, old)
    before, peer = doc.get_state(), copy_of([doc.get_update()])
    with doc.transaction(origin=SERVER_ORIGIN):
        replace_by_diff(text, new)
    peer.apply_update(doc.get_update(before))
    assert str(text) == new == str(peer.get("t", type=Text))


@given(texts, st.data())
def test_p2_replacing_counts_characters(old: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(old)))
    stop = data.draw(st.integers(start, len(old)))
    value = data.draw(texts)
    doc: NotebookDoc = Doc()
    text = doc.get("t", type=Text)
    append(text, old)
    replace(text, start, stop, value)
    assert str(text) == old[:start] + value + old[stop:]


@pytest.mark.parametrize(("start", "stop"), [(0, 4), (-1, 1), (2, 1), (4, 4)])
def test_p3_a_range_beyond_the_text_is_refused(start: int, stop: int) -> None:
    doc: NotebookDoc = Doc()
    text = doc.get("t", type=Text)
    append(text, "🙂é漢")
    with pytest.raises(IndexError):
        replace(text, start, stop, "x")
    assert str(text) == "🙂é漢"


def test_a_diff_leaves_what_did_not_change_to_others() -> None:
    doc: NotebookDoc = Doc()
    text = doc.get("t", type=Text)
    append(text, "head middle tail")
    peer = copy_of([doc.get_update()])
    theirs = peer.get("t", type=Text)
    theirs.insert(len(theirs), "!")
    theirs.insert(0, "¡")
    with doc.transaction(origin=SERVER_ORIGIN):
        replace_by_diff(text, "head centre tail")
    doc.apply_update(peer.get_update())
    assert str(text) == "¡head centre tail!"


@given(st.text(max_size=20))
def test_u5_lone_surrogates_never_reach_a_doc(text: str) -> None:
    clean(text).encode()
    source = clean_source(text)
    source.encode()
    assert not {"\r", "\0"} & set(source)


def test_surrogates_that_belong_together_become_their_character() -> None:
    assert clean("a\ud83d\ude42b\ud83d") == "a🙂b\ufffd"
    assert clean_source("a\r\nb\rc\0") == "a\nb\nc\ufffd"


# -- repair --------------------------------------------------------------------------------------------------------


def break_positions(doc: NotebookDoc, *positions: object) -> None:
    with doc.transaction(origin=SERVER_ORIGIN):
        for cell, position in zip((A, B, C), positions, strict=True):
            roots(doc).cells[cell]["position"] = position


def test_a_sound_notebook_is_not_touched() -> None:
    doc = three()
    state = doc.get_state()
    assert repair(doc) == frozenset()
    assert doc.get_state() == state


@pytest.mark.parametrize(
    "positions",
    [
        ("V", "V", "V"),
        ("1", "1", "2"),
        ("", "V", "V"),
        ("A0", "A", "B"),
        ("é", "V", "x" * 80),
        ("V" * 70, "V" * 71, "z"),
    ],
)
def test_repair_gives_every_cell_a_key_of_its_own_and_keeps_the_order(positions: tuple[str, ...]) -> None:
    doc = three()
    break_positions(doc, *positions)
    before = order(doc)
    changed = repair(doc, random.Random(4))
    keys = [content(doc)["cells"][cell]["position"] for cell in order(doc)]
    assert order(doc) == before
    assert all(is_position(key) and len(key) <= MAX_POSITION_CHARS for key in keys)
    assert len(set(keys)) == 3
    assert changed
    assert changed <= {A, B, C}
    assert repair(doc) == frozenset()


@settings(max_examples=60)
@given(st.lists(st.text("0AVz", max_size=3) | st.just("z" * 70), min_size=1, max_size=25), st.randoms())
def test_repair_holds_for_any_keys(positions: list[str], rng: random.Random) -> None:
    doc = made(*(NewCell(CellId(f"c{number:02}"), "code") for number in range(len(positions))))
    with doc.transaction(origin=SERVER_ORIGIN):
        for number, position in enumerate(positions):
            roots(doc).cells[f"c{number:02}"]["position"] = position
    before = order(doc)
    repair(doc, rng)
    assert order(doc) == before
    assert repair(doc) == frozenset()


def test_repair_puts_right_what_a_cell_lacks_and_drops_what_is_none() -> None:
    doc = three()
    with doc.transaction(origin=SERVER_ORIGIN):
        cells = roots(doc).cells
        cells["a"]["type"] = "poem"
        cells["b"]["source"].insert(0, "x\r\ny\r\0")
        del cells["c"]["metadata"]
        cells["plain"] = {"type": "code", "source": ["1\r", "2"], "position": "W"}
        cells["number"] = 5
        cells["no id!"] = Map({})
        roots(doc).meta["title"] = "t" * 300
    assert repair(doc, random.Random(5)) >= {A, B, C, CellId("plain"), CellId("number")}
    fixed = content(doc)
    assert {id: cell["type"] for id, cell in fixed["cells"].items()} == {
        "a": "raw",
        "b": "markdown",
        "c": "raw",
        "plain": "code",
    }
    assert fixed["cells"]["b"]["source"] == "x\ny\n\ufffdtwo"
    assert fixed["cells"]["plain"]["source"] == "1\n2"
    assert fixed["cells"]["c"]["metadata"] == {}
    assert fixed["meta"]["title"] == "t" * MAX_TITLE_CHARS
    assert repair(doc) == frozenset()


def test_two_repairs_of_one_slip_agree_when_they_meet() -> None:
    """Two servers, or one that was killed between writing and committing."""
    doc = three()
    break_positions(doc, "V", "V", "V")
    one, other = copy_of([doc.get_update()]), copy_of([doc.get_update()])
    repair(one, random.Random(6))
    repair(other, random.Random(7))
    one.apply_update(other.get_update())
    other.apply_update(one.get_update())
    assert content(one) == content(other)
    assert len(order(one)) == 3


def test_written_bytes_count_what_browsers_write() -> None:
    doc = made(NewCell(A, "code", "é" * 1000, {"k": '"v"'}, {"a.png": '"' + "x" * 5000 + '"'}))
    before = notebook.written_bytes(doc)
    assert 7000 < before < 7300
    with doc.transaction(origin=SERVER_ORIGIN):
        roots(doc).outputs["a"] = Array([Map({"text": Text("x" * 100_000)})])
    assert notebook.written_bytes(doc) == before


def test_p4_a_real_panic_is_known_as_one() -> None:
    doc: NotebookDoc = Doc()
    target = doc.get("m", type=Map)
    with pytest.raises(BaseException) as raised:  # it has no name to import
        target["x"] = 2**70
    assert notebook.is_panic(raised.value)
    assert not notebook.is_panic(ValueError())
