"""Offline work of an earlier epoch arrives by content: once, where it belongs, or as text that is given back."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc

from collab import notebook
from collab.compaction import rebuilt
from collab.merging import Outcome, merge, merge_text
from collab.model import CellId
from collab.notebook import NewCell, NotebookDoc, create, roots

A, B, C, D = (CellId(id) for id in "abcd")


def new(*sources: str) -> NotebookDoc:
    doc: NotebookDoc = Doc()
    roots(doc)
    cells = [NewCell(CellId(id), "code", source) for id, source in zip("abcd", sources, strict=False)]
    create(doc, "Notes", cells, rng=random.Random(1))
    return doc


def copy(doc: NotebookDoc) -> NotebookDoc:
    made: NotebookDoc = Doc()
    roots(made)
    made.apply_update(doc.get_update())
    return made


def next_epoch(doc: NotebookDoc) -> NotebookDoc:
    made: NotebookDoc = Doc()
    roots(made)
    made.apply_update(rebuilt(doc))
    return made


def set_source(doc: NotebookDoc, cell: CellId, text: str) -> None:
    notebook.replace_by_diff(roots(doc).cells[cell]["source"], text)


def sources(doc: NotebookDoc) -> dict[CellId, str]:
    return {cell: notebook.cell_source(doc, cell) for cell in notebook.order(doc)}


def merged(
    base: NotebookDoc, mine: Callable[[NotebookDoc], None], theirs: Callable[[NotebookDoc], None] = lambda doc: None
) -> tuple[NotebookDoc, Outcome]:
    wanted, now = copy(base), next_epoch(base)
    mine(wanted)
    theirs(now)
    outcome = merge(base, wanted, now)
    again = merge(base, wanted, copy(now))
    assert again.unmerged == outcome.unmerged
    return now, outcome


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "both"),
    [
        ("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"),
        ("a\nb\nc\n", "a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n"),
        ("a\nb\nc\n", "a\nc\n", "a\nb\nc\nd\n", "a\nc\nd\n"),
        ("a\nb\n", "a\nB\n", "a\nB\n", "a\nB\n"),
        ("a\nb\nc\nd\n", "new\na\nb\nc\nd\n", "a\nb\nc\nD\n", "new\na\nb\nc\nD\n"),
        ("one", "one\ntwo", "one", "one\ntwo"),
        ("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", None),
        ("a\nb\n", "a\nmine\nb\n", "a\ntheirs\nb\n", None),
        ("", "mine", "theirs", None),
    ],
)
def test_changes_of_different_lines_are_both_kept(base: str, mine: str, theirs: str, both: str | None) -> None:
    assert merge_text(base, mine, theirs) == both
    assert merge_text(base, theirs, mine) == both


TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "🐳\n"]), max_size=8).map("".join)


@given(TEXTS, TEXTS, TEXTS)
def test_a_merge_is_even_handed_and_changes_nothing_by_itself(base: str, mine: str, theirs: str) -> None:
    both = merge_text(base, mine, theirs)
    assert both == merge_text(base, theirs, mine)
    assert merge_text(base, mine, base) == mine
    assert merge_text(base, base, theirs) == theirs
    if both is not None:
        assert set(both.splitlines()) <= set((base + mine + theirs).splitlines())


# -- cells ------------------------------------------------------------------------------------------------------------


def test_an_edit_arrives_beside_another_persons() -> None:
    base = new("one\ntwo\nthree\n", "other")
    doc, outcome = merged(
        base, lambda doc: set_source(doc, A, "ONE\ntwo\nthree\n"), lambda doc: set_source(doc, A, "one\ntwo\nTHREE\n")
    )
    assert sources(doc) == {A: "ONE\ntwo\nTHREE\n", B: "other"}
    assert (outcome.merged, outcome.unmerged) == (1, [])


def test_what_somebody_deletes_at_this_moment_tears_no_other_word() -> None:
    base = new("[36]")
    wanted, now = copy(base), next_epoch(base)
    set_source(wanted, A, "[35][36]")
    other = copy(now)
    text = roots(other).cells[A]["source"]
    del text[0 : len(text)]  # and has not arrived
    merge(base, wanted, now)
    now.apply_update(other.get_update())
    assert sources(now)[A] == "[35][36]"


def test_two_edits_of_one_line_leave_theirs_and_give_mine_back() -> None:
    doc, outcome = merged(new("one"), lambda doc: set_source(doc, A, "mine"), lambda doc: set_source(doc, A, "theirs"))
    assert sources(doc) == {A: "theirs"}
    assert [(lost.cell, lost.type, lost.source) for lost in outcome.unmerged] == [(A, "code", "mine")]


def test_a_cell_that_was_added_offline_is_added_once_and_in_its_place() -> None:
    base = new("one", "two")

    def add(doc: NotebookDoc) -> None:
        notebook.insert_cell(doc, NewCell(C, "markdown", "between"), before=B)
        roots(doc).cells[C]["metadata"]["tags"] = ["x"]

    doc, outcome = merged(base, add)
    assert list(sources(doc).items()) == [(A, "one"), (C, "between"), (B, "two")]
    assert (notebook.cell_type(doc, C), roots(doc).cells[C]["metadata"].to_py()) == ("markdown", {"tags": ["x"]})
    assert outcome.merged == 1
    wanted = copy(base)
    add(wanted)
    assert merge(base, wanted, doc) == Outcome()  # sent twice, as after a lost answer


def test_a_deletion_arrives_unless_somebody_went_on_with_the_cell() -> None:
    base = new("one", "two", "three")

    def delete(doc: NotebookDoc) -> None:
        del roots(doc).cells[A]
        del roots(doc).cells[B]

    doc, outcome = merged(base, delete, lambda doc: set_source(doc, B, "two, and more"))
    assert sources(doc) == {B: "two, and more", C: "three"}
    assert outcome.merged == 1


def test_an_edit_of_a_cell_that_was_deleted_meanwhile_is_given_back() -> None:
    def delete(doc: NotebookDoc) -> None:
        del roots(doc).cells[A]
        del roots(doc).cells[B]

    doc, outcome = merged(new("one", "two"), lambda doc: set_source(doc, A, "one, and more"), delete)
    assert sources(doc) == {}
    assert [(lost.source, lost.why) for lost in outcome.unmerged] == [
        ("one, and more", "The cell was deleted meanwhile.")
    ]


def test_moves_types_titles_and_metadata_arrive_where_nobody_changed_them() -> None:
    base = new("one", "two", "three")

    def mine(doc: NotebookDoc) -> None:
        cells = roots(doc).cells
        cells[C]["position"] = "A"
        cells[A]["type"] = "markdown"
        cells[A]["metadata"]["mine"] = 1.0
        cells[B]["metadata"]["both"] = "mine"
        notebook.set_title(doc, "Mine")

    def theirs(doc: NotebookDoc) -> None:
        roots(doc).cells[A]["metadata"]["theirs"] = 2.0
        roots(doc).cells[B]["metadata"]["both"] = "theirs"

    doc, _ = merged(base, mine, theirs)
    cells = roots(doc).cells
    assert list(sources(doc)) == [C, A, B]
    assert (notebook.cell_type(doc, A), notebook.title(doc)) == ("markdown", "Mine")
    assert cells[A]["metadata"].to_py() == {"mine": 1.0, "theirs": 2.0}
    assert cells[B]["metadata"].to_py() == {"both": "theirs"}


SOURCES = st.lists(TEXTS, min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(SOURCES, st.data())
def test_every_line_typed_offline_is_in_the_notebook_or_given_back(before: list[str], data: st.DataObject) -> None:
    base = new(*before)
    typed: dict[CellId, str] = {}

    def change(doc: NotebookDoc, who: str) -> None:
        for cell in list(sources(doc)):
            act = data.draw(st.sampled_from(["keep", "edit", "edit", "delete"]))
            if act == "edit":
                lines = notebook.cell_source(doc, cell).splitlines(keepends=True)
                lines.insert(data.draw(st.integers(0, len(lines))), f"{who} in {cell}\n")
                set_source(doc, cell, "".join(lines))
                if who == "mine":
                    typed[cell] = f"mine in {cell}\n"
            elif act == "delete":
                del roots(doc).cells[cell]

    doc, outcome = merged(base, lambda doc: change(doc, "mine"), lambda doc: change(doc, "theirs"))
    left = sources(doc)
    given_back = {lost.cell: lost.source for lost in outcome.unmerged}
    for cell, line in typed.items():
        assert (line in left.get(cell, "")) != (line in given_back.get(cell, ""))
