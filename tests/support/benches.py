"""A Room on a log in memory, with tabs that come and go: what most tests of a Room begin with."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup
from pycrdt import Doc

from collab.model import CellId, NotebookId
from collab.notebook import NewCell, NotebookDoc, create, roots
from collab.room import Room, Runs, load_doc
from tests.support.logs import MemoryLog
from tests.support.tabs import Tab

ID = NotebookId("n")


def new_notebook(text: str = "one") -> bytes:
    doc: NotebookDoc = Doc()
    roots(doc)
    cells = [NewCell(CellId("a"), "code", text), NewCell(CellId("b"), "markdown", "two")]
    create(doc, "Notes", cells, rng=random.Random(1))
    return doc.get_update()


class Bench:
    def __init__(self, room: Room, log: MemoryLog, tasks: TaskGroup) -> None:
        self.room = room
        self.log = log
        self.tasks = tasks

    async def join(self, tab: Tab | None = None) -> Tab:
        """Until it is in sync."""
        tab = self.enter(tab)
        await tab.until_synced()
        return tab

    def enter(self, tab: Tab | None = None) -> Tab:
        tab = tab or Tab()
        self.tasks.start_soon(self.room.serve, tab.connection)
        return tab

    async def stored(self) -> NotebookDoc:
        """What the next Room would begin with."""
        return await load_doc((await self.log.load(ID)).updates)


@asynccontextmanager
async def open_bench(log: MemoryLog | None = None, runs: Runs | None = None) -> AsyncIterator[Bench]:
    if log is None:
        log = MemoryLog()
        log.add(ID, new_notebook())
    found = await log.load(ID)
    room = Room(ID, found.epoch, await load_doc(found.updates), log)
    room.runs = runs
    async with anyio.create_task_group() as tasks:
        async with room.opened():
            yield Bench(room, log, tasks)
        tasks.cancel_scope.cancel()
