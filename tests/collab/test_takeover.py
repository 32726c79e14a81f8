"""What run marks say about the runs of a server that is gone."""

from typing import Any

from pycrdt import Doc, Map

from collab import notebook
from collab.execution import Run
from collab.model import CellId, User, UserId
from collab.notebook import NewCell
from collab.takeover import Heard, Left, LeftRun, cell_of_run, place_of, read_heard, read_left, run_id

A, B, C, D = (CellId(name) for name in "abcd")
ADA = User(UserId("ada"), "Ada", "#777777", True)
NOW = 9000


def document(**marks: dict[str, object]) -> "Doc[Any]":
    doc: Doc[Any] = Doc()
    notebook.create(doc, cells=[NewCell(cell, "code") for cell in (A, B, C, D)])
    for cell, mark in marks.items():
        notebook.roots(doc).runs[cell] = Map({"user": "Ada", "user_id": "ada", **mark})
    return doc


def test_what_ran_and_what_waited_in_order_and_by_request() -> None:
    doc = document(
        a={"state": "queued", "requested": 30},
        b={"state": "queued", "requested": 20},
        c={"state": "running", "requested": 20, "started": 25, "session": "k:1", "status": "ok", "stale": True},
        d={"state": "queued", "requested": 20},
    )
    running = LeftRun(Run(C, 1, ADA, 20), "c.25", "k:1", "ok", began=True, is_stale=True, started=25)
    waiting = (Run(B, 1, ADA, 20), Run(D, 1, ADA, 20), Run(A, 2, ADA, 30))
    left = read_left(doc, NOW)
    assert left == Left(running, waiting, ())
    assert left.requests == 2


def test_a_running_cell_that_waits_again_is_in_the_line_too() -> None:
    again = '{"requested": 30, "user": "Ada", "id": "ada"}'
    doc = document(
        a={"state": "running", "requested": 10, "started": 25, "session": "k:1", "again": again},
        b={"state": "queued", "requested": 40},
    )
    left = read_left(doc, NOW)
    assert left.waiting == (Run(A, 2, ADA, 30), Run(B, 3, ADA, 40))
    notebook.roots(doc).runs["a"]["again"] = "[broken"  # nobody but a server writes it; it is read all the same
    assert read_left(doc, NOW).waiting == (Run(A, 1, ADA, 10), Run(B, 2, ADA, 40))


def test_the_cell_of_a_run_is_in_its_id() -> None:
    assert cell_of_run(run_id(CellId("a.b"), 25)) == "a.b"
    assert [cell_of_run(id) for id in ("", "a", ".5", "a.b", "ask-1-2")] == [None] * 5


def test_of_several_that_claim_to_run_the_last_one_does() -> None:
    doc = document(a={"state": "running", "started": 30}, b={"state": "running", "started": 20}, c={"state": "running"})
    left = read_left(doc, NOW)
    assert left.running is not None
    assert (left.running.run, left.running.began) == (Run(A, 1, ADA, NOW), False)
    assert left.broken == (C, B)


def test_nothing_is_left_of_a_notebook_that_never_ran() -> None:
    doc = document(a={"state": "finished", "started": 5, "status": "imported"})
    assert read_left(doc, NOW) == Left(None, (), ())
    assert read_heard(doc, "k:1") == Heard({}, "")


def test_the_newest_run_of_the_session_holds_the_last_message_even_when_it_was_cleared() -> None:
    doc = document(
        a={"state": "finished", "started": 10, "session": "k:1", "cursor": "m1"},
        b={"state": "failed", "started": 40, "session": "k:2", "cursor": "other"},
    )
    notebook.roots(doc).runs["c"] = Map({"started": 20, "session": "k:1", "cursor": "m7"})
    notebook.roots(doc).runs["d"] = Map({"started": 30, "session": "k:1"})
    assert read_heard(doc, "k:1") == Heard({"a.10": A, "c.20": C, "d.30": D}, "m7")


def test_the_place_beside_the_log_is_newer_than_any_mark_of_its_session() -> None:
    doc = document(a={"state": "finished", "started": 10, "session": "k:1", "cursor": "m1"})
    assert read_heard(doc, "k:1", place_of("k:1", "m9")).cursor == "m9"
    assert read_heard(doc, "k:1", place_of("k:0", "m9")).cursor == "m1"
