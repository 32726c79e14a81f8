"""The open Notebooks: at most one Room each, opened from the log, closed when nobody and nothing needs it.

Also keeps what the Library says about an open Notebook (title, search text, whether it is live) up to date.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from collab import notebook
from collab.compaction import Compactor, Growth, Pack, Sweep, pack_elsewhere
from collab.model import MAX_ROOMS, NotebookId
from collab.notebook import NotebookDoc
from collab.room import Room, Runs, load_doc
from collab.store.store import Log, NoNotebook, StoreError, UpdateLog
from collab.wire import CLOSE_RESTARTING

log = logging.getLogger(__name__)

_INDEX_QUIET_S: Final = 1.0
_INDEX_AT_LEAST_S: Final = 5.0
_LOOK_S: Final = 1.0
_CELLS_IN_A_ROW: Final = 100
_MAX_LOADS: Final = 8  # at once: a restart brings everyone back together (crdt.md X5)
_REOPEN_S: Final = (1.0, 5.0, 15.0, 30.0)


class RoomStore(UpdateLog, Protocol):
    """What Rooms need of the Store."""

    async def index(self, id: NotebookId, title: str, text: str) -> None: ...
    async def set_live(self, id: NotebookId, live: bool) -> None: ...
    async def live_notebooks(self) -> list[NotebookId]: ...


@dataclass(slots=True)
class _Open:
    room: Room
    users: int = 1
    used: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    indexed: tuple[str, str] = ("", "")
    indexed_edits: int = -1  # not even those of before: a server that was killed may not have come to it

    @property
    def ends(self) -> bool:
        return self.closing.is_set() or self.room.over

    @property
    def needed(self) -> bool:
        return self.users > 0 or _is_live(self.room)


class Rooms:
    """Use `running()`; Rooms live in its task group."""

    def __init__(
        self,
        store: RoomStore,
        runs_of: Callable[[Room], Runs] | None,
        grace_s: float,
        pack: Pack = pack_elsewhere,
        sweep: Sweep | None = None,
    ) -> None:
        self._store = store
        self._runs_of = runs_of
        self._grace_s = grace_s
        self._compactor = Compactor(store, pack, self._rebase, sweep or _sweep_nothing)
        self._open: dict[NotebookId, _Open] = {}
        self._locks: WeakValueDictionary[NotebookId, asyncio.Lock] = WeakValueDictionary()
        self._loads = asyncio.Semaphore(_MAX_LOADS)
        self._tasks: TaskGroup | None = None
        self._ending = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rooms"]:
        """Opens at once what was live when the last server ended; at the end flushes and closes everything."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._compactor.run)
            for id in await self._store.live_notebooks():
                try:
                    async with self.use(id):
                        pass
                except StoreError as error:
                    log.error("A live notebook cannot be opened", extra={"notebook": id, "reason": str(error)})
            try:
                yield self
            finally:
                self._ending = True
                with anyio.CancelScope(shield=True):
                    opens = list(self._open.values())
                    for open in opens:
                        open.room.close_all(CLOSE_RESTARTING, "The server is being stopped.")
                        open.closing.set()
                    for open in opens:
                        await open.closed.wait()
                self._tasks.cancel_scope.cancel()

    def get(self, id: NotebookId) -> Room | None:
        """The Room if it is open. Do not keep it across an await; `use` does that."""
        open = self._open.get(id)
        return None if open is None else open.room

    @property
    def all(self) -> list[Room]:
        return [open.room for open in self._open.values()]

    @asynccontextmanager
    async def use(self, id: NotebookId) -> AsyncIterator[Room]:
        """The Room, opened if it is not, and kept open for as long as this lasts. Raises NoNotebook and StoreError."""
        async with self._locks.setdefault(id, asyncio.Lock()):
            open = self._open.get(id)
            if open is None or open.ends:
                open = await self._load(id, open)
            else:
                open.users += 1
                open.used.set()
        try:
            yield open.room
        finally:
            open.users -= 1

    async def close(self, id: NotebookId) -> None:
        """Flushes and closes the Room if it is open; its Connections end with 1012."""
        open = self._open.get(id)
        if open is not None:
            open.closing.set()
            await open.closed.wait()

    async def _load(self, id: NotebookId, before: _Open | None) -> _Open:
        """Used by the caller, who holds the lock."""
        if before is not None:
            await before.closed.wait()
        async with self._loads:
            if self._ending or self._tasks is None:
                raise StoreError("The server is being stopped.")
            if len(self._open) >= MAX_ROOMS:
                await self._close_one()
            found = await self._store.load(id)
            room = Room(id, found.epoch, await _doc_of(id, found.updates), self._store, Growth.of(found), found.place)
        if self._ending:
            raise StoreError("The server is being stopped.")
        room.runs = None if self._runs_of is None else self._runs_of(room)
        open = _Open(room)
        self._open[id] = open
        self._tasks.start_soon(self._keep, open)
        try:
            await open.ready.wait()
            if open.closed.is_set():
                raise StoreError("The notebook could not be opened; the server's log says why.")
        except BaseException:
            open.users -= 1
            raise
        return open

    async def _close_one(self) -> None:
        """One that nobody uses does not wait out its time. Raises StoreError when all are used."""
        unused = next((open for open in self._open.values() if not open.needed), None)
        if unused is None:
            raise StoreError(f"{MAX_ROOMS} notebooks are open; this one opens when another is closed.")
        unused.closing.set()
        await unused.closed.wait()

    async def _keep(self, open: _Open) -> None:
        """The life of one Room. When it fails, its sockets close with 1012 and the next join loads it again."""
        id, live = open.room.id, False
        open.room.watch(open.changed.set)
        open.changed.set()
        try:
            async with open.room.opened():
                open.ready.set()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._note_changes, open)
                    tasks.start_soon(self._close_unused, open)
                    await open.closing.wait()
                    tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._note(open)
            if open.room.growth.is_worth_it:
                self._compactor.want(id, open.room.growth)
        except BaseException as error:
            if not _is_failure(error):
                raise
            if _is_unsaved(error):
                log.error("A room is given up, as it cannot be saved", extra={"notebook": id})
            else:
                log.exception("A room failed", extra={"notebook": id})
            live = _is_live(open.room)
        finally:
            if self._open.get(id) is open:
                del self._open[id]
            open.closing.set()
            open.closed.set()
            open.ready.set()
        if live and self._tasks is not None:
            self._tasks.start_soon(self._reopen, id)

    async def _reopen(self, id: NotebookId) -> None:
        """What was running goes on, also when no browser comes back."""
        for pause_s in _REOPEN_S:
            await anyio.sleep(pause_s)
            try:
                async with self.use(id):
                    return
            except NoNotebook:
                return
            except StoreError as error:
                log.error("A live notebook cannot be opened", extra={"notebook": id, "reason": str(error)})

    async def _rebase(self, id: NotebookId, found: Log, end: bytes, start: bytes) -> None:
        """Gives a Notebook a new epoch, if nobody has it open; who comes meanwhile waits for it (crdt.md G3)."""
        async with self._locks.setdefault(id, asyncio.Lock()):
            if id not in self._open and await self._store.rebase(id, found.epoch, found.seq, end, start):
                log.info("A notebook has a new epoch", extra={"notebook": id, "epoch": found.epoch + 1})

    async def _close_unused(self, open: _Open) -> None:
        while True:
            if open.needed:
                await anyio.sleep(_LOOK_S)
                continue
            open.used.clear()
            with anyio.move_on_after(self._grace_s) as grace:
                await open.used.wait()
            if grace.cancelled_caught and not open.needed:
                open.closing.set()
                return

    async def _note_changes(self, open: _Open) -> None:
        """After edits, once they pause or every few seconds."""
        while True:
            await open.changed.wait()
            with anyio.move_on_after(_INDEX_AT_LEAST_S):
                while open.changed.is_set():
                    open.changed.clear()
                    await anyio.sleep(_INDEX_QUIET_S)
            open.changed.clear()
            await self._note(open)
            if open.room.growth.is_much:
                self._compactor.want(open.room.id, open.room.growth)

    async def _note(self, open: _Open) -> None:
        room = open.room
        try:
            # Always: whoever runs something says so in the store by itself, before it runs.
            await self._store.set_live(room.id, _is_live(room))
            edits = room.edits
            if edits == open.indexed_edits:
                return
            indexed = await _indexed(room)
            if indexed != open.indexed:
                await self._store.index(room.id, *indexed)
            open.indexed, open.indexed_edits = indexed, edits
        except StoreError as error:
            log.warning("Cannot update the library", extra={"notebook": room.id, "reason": str(error)})


async def _sweep_nothing(id: NotebookId, named: frozenset[str]) -> None:
    """Where there are no Blobs."""


async def _doc_of(id: NotebookId, updates: tuple[bytes, ...]) -> NotebookDoc:
    """Raises StoreError: one notebook that cannot be read is no reason for the others to stay closed."""
    try:
        return await load_doc(updates)
    except BaseException as error:
        if not _is_failure(error):
            raise
        log.exception("The log of a notebook cannot be read", extra={"notebook": id})
        raise StoreError("This notebook cannot be opened, as its log cannot be read; restore a backup.") from error


def _is_failure(error: BaseException) -> bool:
    """Of one Room: an Exception, or a panic of pycrdt, which is none; not the end of a task or of the program."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_failure(inner) for inner in error.exceptions)
    return isinstance(error, Exception) or notebook.is_panic(error)


def _is_unsaved(error: BaseException) -> bool:
    """The Journal has told the reason: it is the disk's, and where it was raised says nothing."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_unsaved(inner) for inner in error.exceptions)
    return isinstance(error, StoreError)


def _is_live(room: Room) -> bool:
    return room.runs is not None and room.runs.live


async def _indexed(room: Room) -> tuple[str, str]:
    """Title and text for the search, read in portions: other Rooms go on meanwhile."""
    title = notebook.title(room.doc)
    lines = [title]
    for number, cell in enumerate(notebook.order(room.doc), 1):
        lines.append(notebook.cell_source(room.doc, cell))
        if number % _CELLS_IN_A_ROW == 0:
            await checkpoint()
    return title, "\n".join(lines)
