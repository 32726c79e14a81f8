"""What runs leave in the document: marks and outputs, in coalesced windows, Blobs before what names them.

A mark and the outputs that belong to it are written in one transaction, and committed together with the Room's `place`,
which says exactly which message was the last to take effect.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Final

import anyio
from pycrdt import Map

from collab import notebook
from collab.events import CannotSave
from collab.execution import Run
from collab.model import CellId
from collab.notebook import SERVER_ORIGIN
from collab.outputs import OutputEvent, OutputWriter
from collab.room import Room
from collab.store.blobs import Blobs
from collab.store.store import NoNotebook, Store, StoreError
from collab.takeover import place_of

log = logging.getLogger(__name__)

_WINDOW_S: Final = 0.05
_WINDOW_BYTES: Final = 16 << 10
_MAX_PENDING_BYTES: Final = 8 << 20
_LAST_WRITE_S: Final = 10.0
_RETRY_S: Final = (0.5, 1.0, 2.0, 5.0)
# What stays of a cleared mark of this kernel: who comes after a crash has to know what was dealt with.
_KEPT: Final = ("session", "started", "cursor")


class Recorder:
    """A mark says which message was the last when its run began; the Room's `place`, which is now."""

    def __init__(self, room: Room, store: Store, blobs: Blobs) -> None:
        self._room = room
        self._store = store
        self._blobs = blobs
        self._writer = OutputWriter(room.doc)
        self._marks: dict[CellId, dict[str, object]] = {}
        self._session = ""
        self._cursor = ""
        self._passed = False
        self._stale: set[CellId] = set()
        self._due: list[bytes] = []  # Blobs to be stored before the next transaction
        self._storing = False
        self._work = anyio.Event()
        self._hurry = anyio.Event()
        self._written = anyio.Event()

    # -- what is to be written ------------------------------------------------------------------------------------

    def mark(self, cell: CellId, **changes: object) -> None:
        """None takes a key away. A change of state is not kept waiting: the next cell starts, somebody is asked."""
        self._marks.setdefault(cell, {}).update(changes)
        self._work.set()
        if "state" in changes or "prompt" in changes:
            self._hurry.set()

    def mark_again(self, cell: CellId, run: Run | None) -> None:
        """A run that waits while its own cell runs: for who comes after a crash."""
        asked = None if run is None else {"requested": run.requested, "user": run.user.name, "id": run.user.id}
        self.mark(cell, again=None if asked is None else json.dumps(asked))

    def marked(self, cell: CellId, key: str) -> object:
        """As it will be once everything is written."""
        changes = self._marks.get(cell, {})
        if key in changes or ("state" in changes and changes["state"] is None):
            return changes.get(key)
        entry = notebook.roots(self._room.doc).runs.get(cell)
        return entry.get(key) if isinstance(entry, Map) else None

    def use(self, session: str, cursor: str = "") -> None:
        """From now on messages are this kernel session's; `cursor` is that of a server before."""
        if session != self._session:
            self._writer.forget_displays()
        self._session = session
        self._cursor, self._passed = cursor, False

    def passed(self, message: str) -> None:
        """Everything up to this iopub message has been dealt with."""
        self._cursor, self._passed = message, True

    def begin(self, cell: CellId, **changes: object) -> None:
        """A run begins, with what its mark says of it."""
        self.mark(cell, **changes, session=self._session, cursor=self._cursor or None)
        self.expect(cell)

    def expect(self, cell: CellId) -> None:
        """The outputs there are belong to the run before until the first new one comes: `stale` in the mark, for who
        comes after a crash."""
        self._writer.begin(cell)
        self._stale.add(cell)
        self.mark(cell, stale=True)

    def receive(self, cell: CellId, event: OutputEvent) -> None:
        self._writer.receive(cell, event)
        self._work.set()
        if self._writer.pending_bytes >= _WINDOW_BYTES:
            self._hurry.set()

    def clear_stale(self, cell: CellId) -> None:
        self._writer.clear_stale(cell)
        self._work.set()

    def end(self, cell: CellId) -> None:
        self._writer.clear_stale(cell)
        self._writer.end(cell)
        self._work.set()

    def clear(self, cells: Iterable[CellId], running: frozenset[CellId]) -> None:
        """Outputs go, and with them the marks of what neither runs nor waits."""
        roots = notebook.roots(self._room.doc)
        known = [cell for cell in cells if cell in roots.runs or cell in roots.outputs or cell in self._marks]
        self._writer.clear(known)
        for cell in known:
            if cell not in running:
                self._marks[cell] = {"state": None}
        self._work.set()

    def adopt(self) -> None:
        """Takes up what another server left."""
        self._writer.adopt(lambda cell: self.marked(cell, "session") == self._session)

    def has_lost(self, cell: CellId) -> bool:
        """Output of the cell went with that server; `restore` brings it back."""
        return self._writer.has_lost(cell)

    def restore(self, cell: CellId, events: Iterable[OutputEvent]) -> None:
        """All that a run put out so far, in place of what the document has of it."""
        self._writer.clear([cell])
        for event in events:
            self._writer.receive(cell, event)
        self._work.set()

    # -- writing --------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """So much waits that who brings more has to wait for `written`."""
        return self._writer.pending_bytes > _MAX_PENDING_BYTES

    async def written(self) -> None:
        """Until what is pending by now is in the document."""
        if self._marks or self._due or self._passed or self._writer.pending:
            self._work.set()
            self._hurry.set()
            await self._written.wait()

    def flush(self) -> None:
        """Writes now, unless a Blob has to be stored first."""
        self._due += self._writer.blobs()
        if self._due or self._storing:
            self._work.set()
        else:
            self._write()

    async def write_forever(self) -> None:
        """At once after quiet, then in windows."""
        try:
            while True:
                await self._work.wait()
                self._work = anyio.Event()
                await self._store_and_write()
                with anyio.move_on_after(_WINDOW_S):
                    await self._hurry.wait()
        finally:
            with anyio.move_on_after(_LAST_WRITE_S, shield=True):
                await self._store_and_write()

    async def _store_and_write(self) -> None:
        self._storing = True
        try:
            self._due += self._writer.blobs()
            while self._due:
                await self._keep_blob(self._due[0])
                del self._due[0]
                self._due += self._writer.blobs()
        finally:
            self._storing = False
        self._write()

    def _write(self) -> None:
        marks, self._marks = self._marks, {}
        doc = self._room.doc
        with doc.transaction(origin=SERVER_ORIGIN):
            self._writer.write()
            for cell in [cell for cell in self._stale if not self._writer.is_stale(cell)]:
                self._stale.discard(cell)
                marks.setdefault(cell, {})["stale"] = None
            runs = notebook.roots(doc).runs
            for cell, changes in marks.items():
                self._write_mark(runs, cell, changes)
        if self._passed:
            self._passed = False
            self._room.move(place_of(self._session, self._cursor))
        hurry, self._hurry = self._hurry, anyio.Event()
        hurry.set()
        written, self._written = self._written, anyio.Event()
        written.set()

    def _write_mark(self, runs: Any, cell: CellId, changes: Mapping[str, object]) -> None:
        entry = runs.get(cell)
        if "state" in changes and changes["state"] is None:
            self._clear_mark(runs, cell)
            return
        if not isinstance(entry, Map):
            if "state" not in changes:
                return
            runs[cell] = entry = Map({})
        for key, value in changes.items():
            if value is None:
                if key in entry:
                    del entry[key]
            elif entry.get(key) != value:
                entry[key] = value

    def _clear_mark(self, runs: Any, cell: CellId) -> None:
        entry = runs.get(cell)
        if isinstance(entry, Map) and self._session and entry.get("session") == self._session:
            for key in [key for key in entry.keys() if key not in _KEPT]:  # noqa: SIM118 - a pycrdt Map iterates over no keys
                del entry[key]
        elif entry is not None:
            del runs[cell]

    async def _keep_blob(self, data: bytes) -> None:
        """Until it is stored: outputs wait, nothing is lost (crdt.md D7)."""
        for attempt in count():
            try:
                sha256 = await anyio.to_thread.run_sync(self._blobs.put, data)
                await self._store.add_blob(self._room.id, sha256)
                return
            except NoNotebook:
                return  # it was deleted, and its outputs with it
            except (OSError, StoreError) as error:
                log.error("An output cannot be stored", extra={"notebook": self._room.id, "reason": str(error)})
                self._room.tell(CannotSave(f"An output cannot be stored: {error}"))
                await anyio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
