"""A Room with Executions on a fake gateway and a real store, for tests that watch what runs leave behind.

`crash` is what kill -9 is: the next server has what was committed by then, and the kernels.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

import anyio
from pycrdt import Doc

from collab import notebook
from collab.commands import Command, RunCells, StartRuntime
from collab.events import Event
from collab.executions import Executions
from collab.model import CellId, NotebookId, User, UserId
from collab.notebook import NewCell, RunMark
from collab.room import Room, load_doc
from collab.store.blobs import Blobs
from collab.store.sqlite import open_sqlite
from collab.store.store import NotebookRow, Store
from tests.support.runtime import FakeGateway, FakeRuntime

ADA = User(UserId("ada"), "Ada", "#112233", False)
BO = User(UserId("bo"), "Bo", "#332211", True)
NOTEBOOK = NotebookId("notebook-1")
WITHIN_S = 10.0

_numbers = count(1)


class WitnessedRoom(Room):
    """Keeps what everyone was told."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.told: list[Event] = []
        self.news = anyio.Event()
        self.watch(self.wake)

    def tell(self, event: Event) -> None:
        self.told.append(event)
        super().tell(event)
        self.wake()

    def wake(self) -> None:
        self.news.set()
        self.news = anyio.Event()


class Server:
    """One document server with one open Notebook."""

    def __init__(self, database: Path, store: Store, blobs: Blobs, room: WitnessedRoom, runtime: FakeRuntime) -> None:
        self.store = store
        self.room = room
        self.runtime = runtime
        self.gateway = runtime.gateway
        self.executions = Executions(room, runtime, store, blobs)
        self._database = database
        room.runs = self.executions

    @property
    def doc(self) -> "Doc[Any]":
        return self.room.doc

    def ask(self, command: Command, user: User = ADA) -> list[Event]:
        """Gives the list that answers come into."""
        answers: list[Event] = []

        def answer(event: Event) -> None:
            answers.append(event)
            self.room.wake()

        self.executions.request(command, user, answer)
        return answers

    def run(self, *cells: str, user: User = ADA) -> None:
        self.ask(RunCells(tuple(CellId(cell) for cell in cells)), user)

    def mark(self, cell: str) -> RunMark:
        mark = notebook.run_mark(self.doc, CellId(cell))
        assert mark is not None
        return mark

    def states(self) -> dict[str, str]:
        return {cell: mark.state for cell, mark in notebook.run_marks(self.doc).items()}

    def outputs(self, cell: str) -> list[dict[str, Any]]:
        array = notebook.roots(self.doc).outputs.get(cell)
        return [] if array is None else array.to_py()

    def text(self, cell: str) -> str:
        return "".join(output.get("text", "") for output in self.outputs(cell))

    @property
    def status(self) -> str:
        return self.executions._state.status

    async def until(self, found: Callable[[], bool]) -> None:
        with anyio.fail_after(WITHIN_S):
            while not found():
                with anyio.move_on_after(0.02):  # what the gateway does tells nobody
                    await self.room.news.wait()

    async def started(self) -> None:
        self.ask(StartRuntime())
        await self.until(lambda: self.status == "idle" and self.runtime.is_connected)

    async def ended(self, *cells: str) -> None:
        await self.until(lambda: all(self.states().get(cell) in ("finished", "failed", "cancelled") for cell in cells))

    def committed(self) -> Path:
        """The database as a crash at this moment would leave it."""
        copy = self._database.with_name(f"crash-{next(_numbers)}.sqlite")
        with sqlite3.connect(self._database) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
        return copy


@asynccontextmanager
async def server_on(gateway: FakeGateway, database: Path, blobs: Blobs | None = None) -> AsyncIterator[Server]:
    async with open_sqlite(database) as store:
        found = await store.load(NOTEBOOK)
        room = WitnessedRoom(NOTEBOOK, found.epoch, await load_doc(found.updates), store, place=found.place)
        server = Server(
            database, store, blobs or Blobs(database.parent / "blobs"), room, FakeRuntime(gateway, room.wake)
        )
        async with room.opened():
            yield server


@asynccontextmanager
async def bench(folder: Path, *sources: str, blobs: Blobs | None = None) -> AsyncIterator[Server]:
    """A first server; its cells are a, b, c, ..., z, x26, x27, ... with these sources."""
    database = folder / "collab.sqlite"
    doc: Doc[Any] = Doc()
    names = chain("abcdefghijklmnopqrstuvwxyz", (f"x{number}" for number in count(26)))
    cells = [NewCell(CellId(name), "code", source) for name, source in zip(names, sources, strict=False)]
    notebook.create(doc, cells=cells)
    async with open_sqlite(database) as store:
        await store.create(NotebookRow(NOTEBOOK, "Test", 1, datetime.now(UTC)), doc.get_update(), "")
    async with FakeGateway().running() as gateway, server_on(gateway, database, blobs) as server:
        yield server


@asynccontextmanager
async def crashed(server: Server) -> AsyncIterator[Server]:
    """The next server, as if the first had been killed at this moment; it no longer hears its kernel."""
    database = server.committed()
    server.runtime.cut_off()
    async with server_on(server.gateway, database) as after:
        yield after
