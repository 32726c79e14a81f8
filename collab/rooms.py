"""The open Notebooks: at most one Room each, opened from the log, closed when nobody and nothing needs it.

Also keeps what the Library says about an open Notebook (title, search text, whether it is live) up to date.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup

from collab import notebook
from collab.connection import Connection
from collab.model import NotebookId
from collab.room import Room, Runs, load_doc
from collab.store.store import Store, StoreError
from collab.wire import CLOSE_RESTARTING

log = logging.getLogger(__name__)

_INDEX_QUIET_S: Final = 1.0


@dataclass(slots=True)
class _Open:
    room: Room
    users: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    live: bool = False
    indexed: tuple[str, str] = ("", "")


class Rooms:
    """Use `running()`; Rooms live in its task group."""

    def __init__(self, store: Store, runs_of: Callable[[Room], Runs] | None, grace_s: float) -> None:
        self._store = store
        self._runs_of = runs_of
        self._grace_s = grace_s
        self._open: dict[NotebookId, _Open] = {}
        self._locks: dict[NotebookId, asyncio.Lock] = {}
        self._tasks: TaskGroup | None = None
        self._ending = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rooms"]:
        """Opens at once what was live when the last server ended; at the end flushes and closes everything."""
        async with anyio.create_task_group() as self._tasks:
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
            if open is None or open.closing.is_set():
                open = await self._load(id)
            open.users += 1
        try:
            yield open.room
        finally:
            open.users -= 1
            open.changed.set()

    async def serve(self, id: NotebookId, connection: Connection) -> None:
        async with self.use(id) as room:
            await room.serve(connection)

    async def close(self, id: NotebookId) -> None:
        """Flushes and closes the Room if it is open; its Connections end with 1012."""
        open = self._open.get(id)
        if open is not None:
            open.closing.set()
            await open.closed.wait()

    async def _load(self, id: NotebookId) -> _Open:
        """The caller holds the lock."""
        if self._ending or self._tasks is None:
            raise StoreError("The server is being stopped.")
        before = self._open.get(id)
        if before is not None:
            await before.closed.wait()
        found = await self._store.load(id)
        room = Room(id, found.epoch, load_doc(found.updates), self._store)
        room.runs = None if self._runs_of is None else self._runs_of(room)
        open = _Open(room, indexed=_indexed(room))
        await self._tasks.start(self._keep, open)
        return open

    async def _keep(self, open: _Open, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """The life of one Room. When it fails, its sockets close with 1012 and the next join loads it again."""
        id = open.room.id
        self._open[id] = open
        open.room.watch(open.changed.set)
        try:
            async with open.room.opened():
                task_status.started()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._note_changes, open)
                    tasks.start_soon(self._close_unused, open)
                    await open.closing.wait()
                    tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._note(open)
        except Exception:
            log.exception("A room failed", extra={"notebook": id})
        finally:
            if self._open.get(id) is open:
                del self._open[id]
            open.closing.set()
            open.closed.set()

    async def _close_unused(self, open: _Open) -> None:
        while True:
            await anyio.sleep(self._grace_s)
            if open.users or _is_live(open.room):
                open.changed.clear()
                await open.changed.wait()
                continue
            open.closing.set()
            return

    async def _note_changes(self, open: _Open) -> None:
        """After edits, once they pause or every few seconds."""
        while True:
            await anyio.sleep(_INDEX_QUIET_S)
            await self._note(open)

    async def _note(self, open: _Open) -> None:
        room = open.room
        try:
            live = _is_live(room)
            if live != open.live:
                await self._store.set_live(room.id, live)
                open.live = live
            indexed = _indexed(room)
            if indexed != open.indexed:
                await self._store.index(room.id, *indexed)
                open.indexed = indexed
        except StoreError as error:
            log.warning("Cannot update the library", extra={"notebook": room.id, "reason": str(error)})


def _is_live(room: Room) -> bool:
    return room.runs is not None and room.runs.live


def _indexed(room: Room) -> tuple[str, str]:
    return notebook.title(room.doc), notebook.search_text(room.doc)
