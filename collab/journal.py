"""What is in a Room's Doc and not in the log yet: the batch that gathers, its commit, and who waits for that.

Commits under way gather the next batch by themselves, and so do syncs of the disk, which come after. What either means
to Connections is the Room's business.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import anyio
from pycrdt import merge_updates

from collab.compaction import Growth
from collab.connection import Connection
from collab.model import NotebookId
from collab.store.store import LogEntry, NoNotebook, StoreError, UpdateLog

log = logging.getLogger(__name__)

MAX_MERGED: Final = 500  # updates; the time of merge_updates grows with the square of their number
_RETRY_S: Final = (0.2, 0.5, 1.0)
_GIVE_UP_S: Final = 5.0  # not saved for so long: better nobody goes on in memory only (crdt.md D7)


class RoomClosed(StoreError):
    """What was written is not kept, as the Room is over; the next one may take it."""

    def __init__(self) -> None:
        super().__init__("The notebook was closed meanwhile; try again.")


@dataclass(slots=True)
class _Entry:
    """An update of the Doc; no author stands for the server."""

    number: int
    update: bytes
    author: Connection | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit made durable: updates with their authors in order, and the Doc's state before them."""

    parts: tuple[tuple[Connection | None, bytes], ...]
    state_before: bytes

    @property
    def only_author(self) -> Connection | None:
        """None when there are several, and for the server."""
        first = self.parts[0][0]
        return first if all(author is first for author, _ in self.parts) else None

    def updates(self) -> list[bytes]:
        """As few as may be."""
        parts = [update for _, update in self.parts]
        return [merged(parts[start : start + MAX_MERGED]) for start in range(0, len(parts), MAX_MERGED)]


class Journal:
    """Numbers count updates: those applied to the Doc, those of them that are in the log and may be sent to people, and
    those that outlive a power cut and may be acknowledged. What the server wrote is sent only then, as nobody could
    give it back (crdt.md N7).

    `place`, how far the kernel's messages have been dealt with, is kept beside the updates that came of them, and not
    in the Doc: a field that is written each time is never small there."""

    def __init__(
        self,
        notebook: NotebookId,
        epoch: int,
        store: UpdateLog,
        state: bytes,
        growth: Growth | None = None,
        place: str = "",
    ) -> None:
        self.growth = Growth() if growth is None else growth
        self.applied = 0
        self.committed = 0
        self.durable = 0
        self.pending_bytes = 0
        self.place = place
        self._new_place: str | None = None
        self._notebook = notebook
        self._epoch = epoch
        self._store = store
        self._state = state  # of the Doc, as far as it is durable
        self._entries: list[_Entry] = []
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._work = asyncio.Event()
        self._committed = asyncio.Event()
        self._over = False

    @property
    def all_durable(self) -> bool:
        return self.durable >= self.applied

    def add(self, update: bytes, author: Connection | None) -> None:
        self.applied += 1
        self.pending_bytes += len(update)
        self._entries.append(_Entry(self.applied, update, author))
        self._work.set()

    def move(self, place: str) -> None:
        """Together with what was added since the last await."""
        self.place = self._new_place = place
        self._work.set()

    async def wait(self) -> None:
        """Until everything that was added by now is durable. Raises RoomClosed."""
        if self.all_durable:
            return
        if self._over:
            raise RoomClosed
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.applied, done))
        await done

    async def run(
        self,
        state_now: Callable[[], bytes],
        trouble: Callable[[StoreError, bool], None],
        committed: Callable[[Batch], None],
        durable: Callable[[], None],
    ) -> None:
        """Until cancelled. `trouble` hears of every attempt that failed, and whether it was the last one: then this
        raises the StoreError. Authors still have what was not acknowledged, and send it at their next join."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._sync_forever, trouble, durable)
                while True:
                    await self._work.wait()
                    self._work.clear()
                    while self._entries or self._new_place is not None:
                        await self._commit(state_now(), trouble, committed, durable)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._over = True
            for _, done in self._waiting:
                if not done.done():
                    done.set_exception(RoomClosed())

    async def _commit(
        self,
        state: bytes,
        trouble: Callable[[StoreError, bool], None],
        committed: Callable[[Batch], None],
        durable: Callable[[], None],
    ) -> None:
        entries, self._entries = self._entries, []
        place, self._new_place = self._new_place, None
        if not entries:
            await self._insist(lambda: self._store.append(self._notebook, self._epoch, [], place), trouble)
            return
        batch = Batch(tuple(_parts(entries)), self._state)
        rows = [LogEntry("" if author is None else author.user.id, update) for author, update in batch.parts]
        await self._insist(lambda: self._store.append(self._notebook, self._epoch, rows, place), trouble)
        by_server = any(author is None for author, _ in batch.parts)
        if by_server:
            await self._insist(self._store.sync, trouble)
        self._state = state
        self.committed = entries[-1].number
        self.pending_bytes -= sum(len(entry.update) for entry in entries)
        self.growth.add(len(batch.parts), sum(len(update) for _, update in batch.parts))
        committed(batch)
        if by_server:
            self._made_durable(self.committed, durable)
        else:
            self._committed.set()

    async def _sync_forever(self, trouble: Callable[[StoreError, bool], None], durable: Callable[[], None]) -> None:
        while True:
            await self._committed.wait()
            self._committed.clear()
            number = self.committed
            if number > self.durable:
                await self._insist(lambda: self._store.sync(hurry=bool(self._waiting)), trouble)
                self._made_durable(number, durable)

    def _made_durable(self, number: int, durable: Callable[[], None]) -> None:
        self.durable = max(self.durable, number)
        durable()
        while self._waiting and self._waiting[0][0] <= self.durable:
            done = self._waiting.popleft()[1]
            if not done.done():
                done.set_result(None)

    async def _insist(self, step: Callable[[], Awaitable[None]], trouble: Callable[[StoreError, bool], None]) -> None:
        """The same until it succeeds, or nothing helps."""
        began = asyncio.get_running_loop().time()
        for attempt in count():
            try:
                await step()
                return
            except StoreError as error:
                log.error("Cannot save a notebook", extra={"notebook": self._notebook, "reason": str(error)})
                late = asyncio.get_running_loop().time() - began >= _GIVE_UP_S
                hopeless = late or isinstance(error, NoNotebook)
                trouble(error, hopeless)
                if hopeless:
                    raise
                await anyio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])


def _parts(entries: Sequence[_Entry]) -> list[tuple[Connection | None, bytes]]:
    """What one author wrote in a row, merged."""
    groups: list[tuple[Connection | None, list[bytes]]] = []
    for entry in entries:
        if groups and groups[-1][0] is entry.author and len(groups[-1][1]) < MAX_MERGED:
            groups[-1][1].append(entry.update)
        else:
            groups.append((entry.author, [entry.update]))
    return [(author, merged(updates)) for author, updates in groups]


def merged(updates: Sequence[bytes]) -> bytes:
    return updates[0] if len(updates) == 1 else merge_updates(*updates)
