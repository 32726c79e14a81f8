"""The real SQLite store against a model, in every order: appends (also many at once, and into epochs that are over),
snapshots, new epochs, the trash, deletion, a snapshot that rots, and kills, after which another opens the same files.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from collab.model import NotebookId
from collab.store.sqlite import SQLiteStore, open_sqlite
from collab.store.store import Log, LogEntry, NoNotebook, NotebookRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAX_ENDS = 5


@dataclass
class Kept:
    """A notebook, as the model has it."""

    rows: list[bytes]
    epoch: int = 1
    snapshot: tuple[int, bytes] | None = None
    previous: tuple[int, bytes] | None = None
    is_damaged: bool = False  # the newest snapshot
    is_trashed: bool = False
    text: str = "text"
    ends: dict[int, bytes] = field(default_factory=dict)

    def log(self) -> Log:
        found = self.previous if self.is_damaged else self.snapshot
        seq, snapshot = found or (0, None)
        tail = tuple(self.rows[seq:])
        return Log(self.epoch, tail if snapshot is None else (snapshot, *tail), len(self.rows), snapshot is not None)


class Stored(RuleBasedStateMachine):
    notebooks: Bundle[NotebookId] = Bundle("notebooks")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[NotebookId, Kept] = {}
        self.made = 0
        self.lives = 0
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "0").mkdir()
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(start_blocking_portal())
        self.open()

    def run(self, work: Any) -> Any:
        return self.portal.call(lambda: work)

    def open(self) -> None:
        opening = open_sqlite(self.folder / str(self.lives) / "collab.sqlite")
        self.opened = ExitStack()
        self.store: SQLiteStore = self.opened.enter_context(self.portal.wrap_async_context_manager(opening))

    def teardown(self) -> None:
        self.opened.close()
        self.stack.close()
        shutil.rmtree(self.folder)

    # -- notebooks ---------------------------------------------------------------------------------------------------

    @rule(target=notebooks, data=st.binary(max_size=20))
    def create(self, data: bytes) -> NotebookId:
        self.made += 1
        id = NotebookId(f"n{self.made}")
        self.run(self.store.create(NotebookRow(id, f"title {id}", 1, NOW), data, f"words of {id}"))
        self.model[id] = Kept([data])
        return id

    @rule(id=notebooks, trashed=st.booleans())
    def trash(self, id: NotebookId, trashed: bool) -> None:
        self.run(self.store.trash(id, NOW if trashed else None))
        self.model[id].is_trashed = trashed

    @rule(id=consumes(notebooks))
    def delete(self, id: NotebookId) -> None:
        self.run(self.store.delete(id))
        del self.model[id]
        for attempt in (self.store.load(id), self.store.append(id, 1, [LogEntry("u", b"x")])):
            try:
                self.run(attempt)
            except NoNotebook:
                continue
            raise AssertionError("a deleted notebook took an update or gave one back")

    # -- the log -----------------------------------------------------------------------------------------------------

    @rule(id=notebooks, updates=st.lists(st.binary(max_size=30), min_size=1, max_size=5), late=st.booleans())
    def append(self, id: NotebookId, updates: list[bytes], late: bool) -> None:
        kept = self.model[id]
        entries = [LogEntry("u", data) for data in updates]
        if late:
            try:
                self.run(self.store.append(id, kept.epoch - 1, entries))
            except NoNotebook:
                return
            raise AssertionError("an epoch that is over took updates")
        self.run(self.store.append(id, kept.epoch, entries))
        kept.rows += updates

    @rule(batches=st.lists(st.tuples(notebooks, st.lists(st.binary(max_size=30), min_size=1)), max_size=6))
    def append_at_once(self, batches: list[tuple[NotebookId, list[bytes]]]) -> None:
        """Of one that waits with others for the same transaction. Who was deleted meanwhile fails alone."""

        async def all_of_them() -> list[object]:
            return await asyncio.gather(
                *(
                    self.store.append(
                        id, self.model[id].epoch if id in self.model else 1, [LogEntry("", u) for u in us]
                    )
                    for id, us in batches
                ),
                return_exceptions=True,
            )

        for (id, updates), outcome in zip(batches, self.run(all_of_them()), strict=True):
            if id in self.model:
                assert outcome is None
                self.model[id].rows += updates
            else:
                assert isinstance(outcome, NoNotebook)

    @rule(id=notebooks, updates=st.lists(st.binary(max_size=30), max_size=3), back=st.integers(0, 3))
    def compact(self, id: NotebookId, updates: list[bytes], back: int) -> None:
        """By one that read the log when it was a little shorter."""
        kept = self.model[id]
        if kept.is_damaged:
            return  # what two snapshots stand for is not kept a third time
        self.run(self.store.append(id, kept.epoch, [LogEntry("u", data) for data in updates]))
        kept.rows += updates
        seq = len(kept.rows) - back
        newest = 0 if kept.snapshot is None else kept.snapshot[0]
        if seq < 1:
            return
        snapshot = b"up to %d:" % seq + b"|".join(kept.rows[:seq])
        self.run(self.store.compact(id, kept.epoch, seq, snapshot))
        if seq > newest:
            kept.previous, kept.snapshot = kept.snapshot, (seq, snapshot)

    @rule(id=notebooks, ahead=st.integers(0, 1))
    def rebase(self, id: NotebookId, ahead: int) -> None:
        kept = self.model[id]
        end = b"end of %d" % kept.epoch
        done = self.run(self.store.rebase(id, kept.epoch, len(kept.rows) - ahead, end, b"start"))
        assert done == (ahead == 0)
        if done:
            kept.ends[kept.epoch] = end
            kept.ends.pop(kept.epoch - MAX_ENDS, None)
            kept.epoch, kept.rows = kept.epoch + 1, [b"start"]
            kept.snapshot = kept.previous = None
            kept.is_damaged = False

    @precondition(lambda self: any(kept.previous for kept in self.model.values()))
    @rule(which=st.integers(0, 9))
    def rot(self, which: int) -> None:
        """On the disk; the store hears of it only when it reads."""
        ids = [id for id, kept in self.model.items() if kept.previous]
        id = ids[which % len(ids)]
        kept = self.model[id]
        if kept.snapshot is not None and not kept.is_damaged:
            with closing(sqlite3.connect(self.folder / str(self.lives) / "collab.sqlite")) as db, db:
                db.execute(
                    "UPDATE snapshots SET data = ? WHERE notebook = ? AND epoch = ? AND seq = ?",
                    (b"rotten", id, kept.epoch, kept.snapshot[0]),
                )
            kept.is_damaged = True

    # -- lives -------------------------------------------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        self.opened.close()
        self.open()

    @rule(synced=st.booleans())
    def kill(self, synced: bool) -> None:
        """What a killed program leaves are its files as they are now: the next one opens a copy of them."""
        if synced:
            self.run(self.store.sync())
        before = self.folder / str(self.lives)
        self.lives += 1
        shutil.copytree(before, self.folder / str(self.lives), ignore=shutil.ignore_patterns("*-shm"))
        self.opened.close()
        self.open()

    # -- what holds always -------------------------------------------------------------------------------------------

    @invariant()
    def everything_is_there(self) -> None:
        for id, kept in self.model.items():
            assert self.run(self.store.load(id)) == kept.log()
            ends = {epoch: self.run(self.store.epoch_end(id, epoch)) for epoch in range(kept.epoch + 1)}
            assert {epoch: end for epoch, end in ends.items() if end is not None} == kept.ends
        for trashed in (False, True):
            found = self.run(self.store.notebooks(None, trashed=trashed))
            listed = {row.notebook.id: (row.notebook.epoch, row.notebook.title) for row in found}
            assert listed == {
                id: (kept.epoch, f"title {id}") for id, kept in self.model.items() if kept.is_trashed == trashed
            }


Stored.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestStored = Stored.TestCase
