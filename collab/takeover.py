"""What run marks say about the runs of a server that is gone. Pure: read before anything is written or asked.

The marks are all there is: who ran what, under which msg_id, and how far its messages were dealt with.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pycrdt import Map

from collab import notebook
from collab.execution import Run
from collab.model import CellId, User, UserId
from collab.notebook import NotebookDoc, RunMark

_COLOUR = "#777777"


@dataclass(frozen=True, slots=True)
class LeftRun:
    """A run that was in the kernel. `replied` is the reply's status, when that had come; `began` whether the kernel
    had said that it runs; `is_stale` whether the outputs in the document are still those of the run before."""

    run: Run
    id: str
    session: str
    replied: str
    began: bool
    is_stale: bool
    started: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """`broken` are cells whose marks say that they run beside the one that does."""

    running: LeftRun | None
    waiting: tuple[Run, ...]
    broken: tuple[CellId, ...]

    @property
    def requests(self) -> int:
        """The highest number of a request."""
        return max((run.request for run in self.waiting), default=0)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of one kernel session: cells by msg_id of their runs, and the last message that took effect."""

    cells: Mapping[str, CellId]
    cursor: str


def run_id(cell: CellId, started: int) -> str:
    """msg_id of a run: made of what its mark holds, so that the next server knows it too."""
    return f"{cell}.{started}"


def read_left(doc: NotebookDoc, now: int) -> Left:
    """`now` in ms stands in for times that a mark lacks."""
    marks = notebook.run_marks(doc)
    running = sorted(
        ((cell, mark) for cell, mark in marks.items() if mark.state == "running"),
        key=lambda item: item[1].started or 0,
    )
    places = {cell: at for at, cell in enumerate(notebook.order(doc))}
    again = [(cell, _again(mark)) for cell, mark in running[-1:] if mark.again]
    queued = sorted(
        [*((cell, mark) for cell, mark in marks.items() if mark.state == "queued"), *again],
        key=lambda item: (item[1].requested or 0, places.get(item[0], 0)),
    )
    # Those that were asked for together carry the same time and person.
    requests: dict[tuple[int | None, str], int] = {}
    if running:
        requests[running[-1][1].requested, running[-1][1].user_id] = 1
    waiting = tuple(
        _run(cell, mark, requests.setdefault((mark.requested, mark.user_id), len(requests) + 1), now)
        for cell, mark in queued
    )
    left = _left_run(doc, *running[-1], now) if running else None
    return Left(left, waiting, tuple(cell for cell, _ in running[:-1]))


def place_of(session: str, cursor: str) -> str:
    """For `read_heard`: the last message of this kernel session that has been dealt with."""
    return json.dumps([session, cursor])


def read_heard(doc: NotebookDoc, session: str, place: str = "") -> Heard:
    """Also of marks that were cleared: they keep what this needs. `place` is newer than what the marks say, if it is of
    this session."""
    with doc.transaction():
        runs = notebook.roots(doc).runs
        entries = {CellId(cell): entry for cell, entry in runs.items() if isinstance(entry, Map)}
        started = {
            cell: int(entry["started"])
            for cell, entry in entries.items()
            if entry.get("session") == session and isinstance(entry.get("started"), (int, float))
        }
        cells = {run_id(cell, at): cell for cell, at in started.items()}
        order = sorted(started, key=lambda cell: started[cell])
        cursors = [str(entries[cell]["cursor"]) for cell in order if entries[cell].get("cursor")]
    known = json.loads(place) if place else ["", ""]
    cursor = known[1] if known[0] == session else (cursors[-1] if cursors else "")
    return Heard(cells, cursor)


def cell_of_run(id: str) -> CellId | None:
    """The cell of a msg_id that `run_id` made; of others, as of those of other clients, None."""
    cell, _, started = id.rpartition(".")
    return CellId(cell) if cell and started.isdigit() else None


def _again(mark: RunMark) -> RunMark:
    """The run that waits for its own cell to end, as a mark of its own."""
    try:
        value = json.loads(mark.again)
        return RunMark("queued", requested=int(value["requested"]), user=str(value["user"]), user_id=str(value["id"]))
    except (ValueError, TypeError, KeyError):
        return RunMark("queued", requested=mark.requested, user=mark.user, user_id=mark.user_id)


def _left_run(doc: NotebookDoc, cell: CellId, mark: RunMark, now: int) -> LeftRun:
    entry: Any = notebook.roots(doc).runs[cell]
    return LeftRun(
        _run(cell, mark, 1, now),
        run_id(cell, mark.started or 0),
        mark.session,
        mark.status,
        mark.count is not None or bool(mark.status),
        entry.get("stale") is True,
        mark.started or 0,
    )


def _run(cell: CellId, mark: RunMark, request: int, now: int) -> Run:
    return Run(cell, request, User(UserId(mark.user_id), mark.user, _COLOUR, True), mark.requested or now)
