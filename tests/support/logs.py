"""An update log in memory whose commits can be held back or refused, to see what a Room does meanwhile."""

import asyncio
from collections.abc import Sequence

from collab.model import NotebookId
from collab.store.store import Log, LogEntry, NoNotebook, StoreError


class MemoryLog:
    def __init__(self) -> None:
        self._epochs: dict[NotebookId, int] = {}
        self._rows: dict[NotebookId, list[LogEntry]] = {}
        self._places: dict[NotebookId, str] = {}
        self._snapshots: dict[NotebookId, list[tuple[int, bytes]]] = {}
        self._ends: dict[tuple[NotebookId, int], bytes] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._disk = asyncio.Event()
        self._disk.set()
        self.trouble: str = ""
        self.disk_trouble: str = ""
        self.appends = self.syncs = 0
        self.loads = self.loading = self.most_loading = 0
        self.indexed: dict[NotebookId, tuple[str, str]] = {}
        self.live: set[NotebookId] = set()

    def add(self, notebook: NotebookId, update: bytes, epoch: int = 1) -> None:
        self._epochs[notebook] = epoch
        self._rows[notebook] = [LogEntry("", update)]

    def hold(self) -> None:
        """Appends wait from now on."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def hold_disk(self) -> None:
        """Syncs wait from now on."""
        self._disk.clear()

    def release_disk(self) -> None:
        self._disk.set()

    def delete(self, notebook: NotebookId) -> None:
        del self._epochs[notebook], self._rows[notebook]
        self._snapshots.pop(notebook, None)

    def rows(self, notebook: NotebookId) -> list[LogEntry]:
        return list(self._rows[notebook])

    # -- store.UpdateLog ---------------------------------------------------------------------------------------------

    async def append(
        self, notebook: NotebookId, epoch: int, updates: Sequence[LogEntry], place: str | None = None
    ) -> None:
        self.appends += 1
        await asyncio.sleep(0)
        await self._open.wait()
        if self.trouble:
            raise StoreError(self.trouble)
        if self._epochs.get(notebook) != epoch:
            raise NoNotebook("The notebook is gone.")
        self._rows[notebook] += updates
        if place is not None:
            self._places[notebook] = place

    async def sync(self, hurry: bool = True) -> None:
        self.syncs += 1
        await self._disk.wait()
        if self.disk_trouble:
            raise StoreError(self.disk_trouble)

    async def load(self, notebook: NotebookId) -> Log:
        self.loads += 1
        self.loading += 1
        self.most_loading = max(self.loading, self.most_loading)
        await asyncio.sleep(0.001)
        self.loading -= 1
        if notebook not in self._epochs:
            raise NoNotebook("The notebook is gone.")
        rows = [entry.data for entry in self._rows[notebook]]
        place = self._places.get(notebook, "")
        snapshots = self._snapshots.get(notebook)
        if snapshots:
            seq, snapshot = snapshots[-1]
            return Log(self._epochs[notebook], (snapshot, *rows[seq:]), len(rows), True, place)
        return Log(self._epochs[notebook], tuple(rows), len(rows), False, place)

    async def compact(self, notebook: NotebookId, epoch: int, seq: int, snapshot: bytes) -> None:
        await asyncio.sleep(0)
        if self._epochs.get(notebook) != epoch:
            raise NoNotebook("The notebook is gone.")
        snapshots = self._snapshots.setdefault(notebook, [])
        if (snapshots[-1][0] if snapshots else 0) < seq <= len(self._rows[notebook]):
            snapshots.append((seq, snapshot))

    async def rebase(self, notebook: NotebookId, epoch: int, seq: int, end: bytes, start: bytes) -> bool:
        await asyncio.sleep(0)
        if notebook not in self._epochs:
            raise NoNotebook("The notebook is gone.")
        if (self._epochs[notebook], len(self._rows[notebook])) != (epoch, seq):
            return False
        self._ends[notebook, epoch] = end
        self._ends.pop((notebook, epoch - 5), None)
        self._snapshots.pop(notebook, None)
        self._epochs[notebook], self._rows[notebook] = epoch + 1, [LogEntry("", start)]
        return True

    async def epoch_end(self, notebook: NotebookId, epoch: int) -> bytes | None:
        return self._ends.get((notebook, epoch))

    # -- what Rooms need besides -------------------------------------------------------------------------------------

    async def index(self, id: NotebookId, title: str, text: str) -> None:
        self.indexed[id] = title, text

    async def set_live(self, id: NotebookId, live: bool) -> None:
        (self.live.add if live else self.live.discard)(id)

    async def live_notebooks(self) -> list[NotebookId]:
        return sorted(self.live)
