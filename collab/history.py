"""The code that a Notebook's runtime has executed: who ran what, when, how long, and how it ended; in the store.

Written in batches behind the runs, never before them. After a crash the marks in the document say how runs ended.
"""

import logging
from dataclasses import replace
from typing import Final

import anyio

from collab import notebook
from collab.flight import Flight
from collab.model import CellId
from collab.room import Room
from collab.store.store import ExecutedRun, Store, StoreError
from collab.takeover import run_id

log = logging.getLogger(__name__)

_WINDOW_S: Final = 0.25
_LAST_WRITE_S: Final = 5.0
_MAX_PENDING: Final = 1_000
MAX_SOURCE_CHARS: Final = 20_000
_SERVER_ENDED: Final = "The server ended during this run."


class History:
    def __init__(self, room: Room, store: Store) -> None:
        self._room = room
        self._store = store
        self._pending: dict[str, ExecutedRun] = {}
        # Of a Notebook one run at a time. Kept here: with its kernel the Flight is forgotten before its end is told.
        self._open: tuple[Flight, ExecutedRun] | None = None
        self._news = anyio.Event()

    def begun(self, flight: Flight, kernel: str) -> None:
        source, run = flight.source, flight.run
        executed = ExecutedRun(
            run=flight.id,
            cell=run.cell,
            source=source[:MAX_SOURCE_CHARS],
            shortened=len(source) > MAX_SOURCE_CHARS,
            kernel=kernel,
            user=run.user.name,
            user_id=run.user.id,
            requested=run.requested,
            started=flight.started,
        )
        self._open = flight, executed
        self._note(executed)

    def ended(self, cell: CellId, state: str, status: str, now: int) -> None:
        if self._open is None or self._open[0].run.cell != cell:
            return
        (flight, begun), self._open = self._open, None
        self._note(replace(begun, state=state, status=status, finished=now, count=flight.count))

    async def write_forever(self) -> None:
        try:
            while True:
                await self._news.wait()
                await anyio.sleep(_WINDOW_S)
                self._news = anyio.Event()
                await self._write()
        finally:
            with anyio.move_on_after(_LAST_WRITE_S, shield=True):
                await self._write()

    def _note(self, run: ExecutedRun) -> None:
        if run.run in self._pending or len(self._pending) < _MAX_PENDING:  # beyond, the store has not written for long
            self._pending[run.run] = run
            self._news.set()

    async def _write(self) -> None:
        runs, self._pending = self._pending, {}
        if not runs:
            return
        try:
            await self._store.note_runs(self._room.id, list(runs.values()))
        except StoreError as error:
            self._pending = runs | self._pending
            log.warning("Runs could not be noted", extra={"notebook": self._room.id, "reason": str(error)})

    async def settle(self, before: int) -> None:
        """Ends what a server before us left open, but for what still runs. `before` in ms is when we came; the marks
        in the document are up to date."""
        try:
            left = await self._store.unfinished_runs(self._room.id)
        except StoreError as error:
            log.warning("Runs could not be looked up", extra={"notebook": self._room.id, "reason": str(error)})
            return
        marks = notebook.run_marks(self._room.doc)
        for run in (run for run in left if run.started < before):
            mark = marks.get(run.cell)
            if mark is None or mark.started is None or run_id(run.cell, mark.started) != run.run:
                self._note(replace(run, state="failed", status=_SERVER_ENDED))
            elif mark.state in ("finished", "failed"):
                self._note(replace(run, state=mark.state, status=mark.status, finished=mark.finished, count=mark.count))
