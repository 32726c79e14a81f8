"""Long logs become short: a snapshot of what they replay to, made beside the Rooms and checked before it counts.

The live Doc is never asked, as it may be ahead of the log (crdt.md G1). Replaying keeps the interpreter busy, so it
happens in a process of its own.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from anyio import BrokenWorkerProcess, to_process
from pycrdt import Array, Doc, Map, Text, get_update

from collab import notebook
from collab.model import NotebookId
from collab.notebook import SERVER_ORIGIN, NotebookDoc
from collab.store.store import Log, NoNotebook, StoreError, UpdateLog

log = logging.getLogger(__name__)

_MANY_UPDATES: Final = 1_000
_MANY_BYTES: Final = 1 << 20
_WORTH_UPDATES: Final = 100
_WORTH_BYTES: Final = 64 << 10
_MAX_WANTED: Final = 10_000
# When a fresh document with the same content is worth a new epoch (G3).
_OUTGROWN_BYTES: Final = 1 << 20
_OUTGROWN_TIMES: Final = 4
_MANY_CLIENTS: Final = 2_000
_OF_CELLS: Final = ("outputs", "runs")


class Unsound(Exception):
    """What was packed is not what it was packed from."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One update that stands for a log, and the Blobs that its outputs name; `start` is what a new epoch would begin
    with, where one is worth it."""

    snapshot: bytes
    start: bytes | None = None
    blobs: frozenset[str] = frozenset()


Pack: TypeAlias = Callable[[Sequence[bytes]], Awaitable[Packed]]
Rebase: TypeAlias = Callable[[NotebookId, Log, bytes, bytes], Awaitable[None]]
Sweep: TypeAlias = Callable[[NotebookId, frozenset[str]], Awaitable[None]]


@dataclass(slots=True)
class Growth:
    """What was logged since the last snapshot, and the size of that."""

    updates: int = 0
    size: int = 0
    snapshot: int = 0

    @classmethod
    def of(cls, found: Log) -> "Growth":
        return cls(len(found.tail), sum(map(len, found.tail)), found.snapshot_bytes)

    def add(self, updates: int, size: int) -> None:
        self.updates += updates
        self.size += size

    @property
    def is_much(self) -> bool:
        """So much that it makes the next opening slow."""
        return self.updates >= _MANY_UPDATES or self.size >= max(_MANY_BYTES, 2 * self.snapshot)

    @property
    def is_worth_it(self) -> bool:
        """For a Notebook that nobody has open any more."""
        return self.updates >= _WORTH_UPDATES or self.size >= _WORTH_BYTES


async def pack_elsewhere(updates: Sequence[bytes]) -> Packed:
    return await to_process.run_sync(pack, tuple(updates), cancellable=True)


def pack(updates: Sequence[bytes]) -> Packed:
    """Raises Unsound."""
    try:
        doc = _replayed(updates)
        state = doc.get_state()
        # Structs that are left over wait for others that the log does not have; a snapshot would drop them (P12).
        whole = all(get_update(update, state)[0] == 0 for update in updates)
        snapshot = doc.get_update()
        again = _replayed([snapshot])
    except BaseException as error:
        if not isinstance(error, Exception) and not notebook.is_panic(error):
            raise
        raise Unsound(f"The log cannot be replayed: {error}.") from None
    if not whole:
        raise Unsound("The log has updates whose predecessors are missing.")
    if notebook.clocks(again.get_state()) != notebook.clocks(doc.get_state()) or _content(again) != _content(doc):
        raise Unsound("A snapshot does not read like the log that it was made from.")
    return Packed(snapshot, _start(doc, len(snapshot)), notebook.blobs_of(doc))


class Compactor:
    """One log at a time, whoever asks. When too many wait, the rest is for the next time they are opened."""

    def __init__(self, store: UpdateLog, pack: Pack, rebase: Rebase, sweep: Sweep) -> None:
        """`rebase` is called with a log that is worth a new epoch, its end and the new one's start; `sweep` with the
        Blobs that a Notebook names, which are all that it needs."""
        self._store = store
        self._pack = pack
        self._rebase = rebase
        self._sweep = sweep
        self._wanted: dict[NotebookId, Growth] = {}
        self._work = asyncio.Event()

    def want(self, id: NotebookId, growth: Growth) -> None:
        if id in self._wanted or len(self._wanted) < _MAX_WANTED:
            self._wanted[id] = growth
            self._work.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._wanted:
                id = next(iter(self._wanted))
                await self._compact(id, self._wanted[id])
                del self._wanted[id]

    async def _compact(self, id: NotebookId, growth: Growth) -> None:
        """What goes wrong leaves the log as it is, and is tried again when it has grown as much once more."""
        before = growth.updates, growth.size
        try:
            found = await self._store.load(id)
            packed = await self._pack(found.updates)
            await self._store.compact(id, found.epoch, found.seq, packed.snapshot)
            growth.snapshot = len(packed.snapshot)
            await self._sweep(id, packed.blobs)
            if packed.start is not None:
                await self._rebase(id, found, packed.snapshot, packed.start)
        except NoNotebook:
            log.debug("A notebook was deleted before its log was packed", extra={"notebook": id})
        except (StoreError, Unsound, BrokenWorkerProcess, OSError) as error:
            log.error("A log cannot be packed and stays as it is", extra={"notebook": id, "reason": str(error)})
        growth.add(-before[0], -before[1])


def _start(doc: NotebookDoc, size: int) -> bytes | None:
    """Of a new epoch, when the document has outgrown its content. Raises Unsound."""
    many = len(notebook.clocks(doc.get_state())) > _MANY_CLIENTS
    if size <= _OUTGROWN_BYTES and not many:
        return None
    start = rebuilt(doc)
    if size <= _OUTGROWN_TIMES * len(start) and not many:
        return None
    if _content(_replayed([start]), whole=False) != _content(doc, whole=False):
        raise Unsound("A rebuilt document does not read like the one that it was made from.")
    return start


def rebuilt(doc: NotebookDoc) -> bytes:
    """What a fresh document with the same content begins with: nothing of its past, one client, and no outputs and run
    marks of cells that are gone (crdt.md S7)."""
    fresh: NotebookDoc = Doc()
    roots, cells = notebook.roots(fresh), notebook.roots(doc).cells
    with fresh.transaction(origin=SERVER_ORIGIN):
        for name in notebook.ROOT_NAMES:
            target = getattr(roots, name)
            for key, value in getattr(notebook.roots(doc), name).items():
                if name not in _OF_CELLS or key in cells:
                    target[key] = _copied(value)
    return fresh.get_update()


def _copied(value: Any) -> Any:
    """Shared types as new ones of the same kind; JSON as it is."""
    if isinstance(value, Map):
        return Map({key: _copied(inner) for key, inner in value.items()})
    if isinstance(value, Array):
        return Array([_copied(value[at]) for at in range(len(value))])
    return Text(str(value)) if isinstance(value, Text) else value


def _replayed(updates: Sequence[bytes]) -> NotebookDoc:
    doc: NotebookDoc = Doc()
    notebook.roots(doc)
    for update in updates:
        doc.apply_update(update)
    return doc


def _content(doc: NotebookDoc, whole: bool = True) -> str:
    """Everything in it, or everything that belongs to a cell that is there."""
    content = {name: root.to_py() for name, root in doc.items()}
    for name in () if whole else _OF_CELLS:
        content[name] = {cell: value for cell, value in content[name].items() if cell in content["cells"]}
    return json.dumps(content, sort_keys=True)
