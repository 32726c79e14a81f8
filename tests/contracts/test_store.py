"""What every store promises: the log's part runs on SQLite and on the fake that tests of Rooms use."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collab.model import CellId, NotebookId, Role, User, UserId
from collab.sharing import Grant
from collab.store import migrations
from collab.store.sqlite import SQLiteStore, open_sqlite
from collab.store.store import (
    MAX_EXECUTED_RUNS,
    ExecutedRun,
    Found,
    Link,
    LogEntry,
    NoNotebook,
    NotebookRow,
    StoreError,
    UpdateLog,
)
from tests.support.logs import MemoryLog

pytestmark = pytest.mark.anyio

A, B, C = NotebookId("a"), NotebookId("b"), NotebookId("c")
ADA = User(UserId("ada"), "Ada", "#aa0000", False)
GUEST = User(UserId("guest"), "Guest", "#00aa00", True)
NOW = datetime(2025, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    async with open_sqlite(tmp_path / "collab.sqlite") as opened:
        yield opened


def row(id: NotebookId, title: str = "Notes", updated: datetime = NOW) -> NotebookRow:
    return NotebookRow(id, title, 1, updated)


# -- the update log ---------------------------------------------------------------------------------------------------


class Shelf(Protocol):
    """A log that holds notebook A with the one update `first`."""

    async def delete(self) -> None: ...

    @property
    def log(self) -> UpdateLog: ...


class SQLiteShelf:
    def __init__(self, store: SQLiteStore) -> None:
        self.log = store

    async def delete(self) -> None:
        await self.log.delete(A)


class MemoryShelf:
    def __init__(self) -> None:
        self.log = MemoryLog()
        self.log.add(A, b"first")

    async def delete(self) -> None:
        self.log.delete(A)


@asynccontextmanager
async def sqlite_shelf(folder: Path) -> AsyncIterator[Shelf]:
    async with open_sqlite(folder / "collab.sqlite") as opened:
        await opened.create(row(A), b"first", "")
        yield SQLiteShelf(opened)


@asynccontextmanager
async def memory_shelf(folder: Path) -> AsyncIterator[Shelf]:
    yield MemoryShelf()


@pytest.fixture(params=[sqlite_shelf, memory_shelf], ids=["sqlite", "memory"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with request.param(tmp_path) as opened:
        yield opened


async def test_a_log_gives_back_what_was_appended_in_order(shelf: Shelf) -> None:
    await shelf.log.append(A, 1, [LogEntry("ada", b"second"), LogEntry("", b"\x00third")])
    await shelf.log.append(A, 1, [LogEntry("ada", b"fourth")])
    log = await shelf.log.load(A)
    assert (log.epoch, log.updates) == (1, (b"first", b"second", b"\x00third", b"fourth"))


async def test_a_place_is_kept_beside_the_updates_that_it_came_with(shelf: Shelf) -> None:
    assert (await shelf.log.load(A)).place == ""
    await shelf.log.append(A, 1, [LogEntry("", b"second")], "at 2")
    await shelf.log.append(A, 1, [LogEntry("ada", b"third")])
    assert (await shelf.log.load(A)).place == "at 2"
    await shelf.log.append(A, 1, [], "at 3")
    log = await shelf.log.load(A)
    assert (log.place, log.updates, log.seq) == ("at 3", (b"first", b"second", b"third"), 3)
    with pytest.raises(NoNotebook):
        await shelf.log.append(A, 2, [LogEntry("", b"x")], "never")
    await shelf.log.compact(A, 1, 2, b"packed")
    assert (await shelf.log.load(A)).place == "at 3"
    assert await shelf.log.rebase(A, 1, 3, b"end", b"start")
    assert (await shelf.log.load(A)).place == "at 3"


async def test_a_log_only_grows(shelf: Shelf) -> None:
    before = (await shelf.log.load(A)).updates
    for number in range(20):
        await shelf.log.append(A, 1, [LogEntry("ada", bytes([number]))])
        now = (await shelf.log.load(A)).updates
        assert now == (*before, bytes([number]))
        before = now


async def test_appends_that_wait_together_keep_their_order(shelf: Shelf) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(shelf.log.append, A, 1, [LogEntry("ada", b"%d" % number)])
    assert (await shelf.log.load(A)).updates == (b"first", *(b"%d" % number for number in range(50)))


async def test_there_is_no_log_of_a_notebook_that_is_not_there(shelf: Shelf) -> None:
    with pytest.raises(NoNotebook):
        await shelf.log.load(B)
    with pytest.raises(NoNotebook):
        await shelf.log.append(B, 1, [LogEntry("", b"x")])
    await shelf.delete()
    with pytest.raises(NoNotebook):
        await shelf.log.load(A)
    with pytest.raises(NoNotebook):
        await shelf.log.append(A, 1, [LogEntry("", b"x")])


async def test_n1_another_epoch_takes_nothing(shelf: Shelf) -> None:
    with pytest.raises(NoNotebook):
        await shelf.log.append(A, 2, [LogEntry("", b"x")])
    assert (await shelf.log.load(A)).updates == (b"first",)


async def test_g1_a_snapshot_stands_for_what_was_before_it(shelf: Shelf) -> None:
    await shelf.log.append(A, 1, [LogEntry("ada", b"second"), LogEntry("ada", b"third")])
    await shelf.log.compact(A, 1, 2, b"first and second")
    await shelf.log.append(A, 1, [LogEntry("ada", b"fourth")])
    found = await shelf.log.load(A)
    assert found.updates == (b"first and second", b"third", b"fourth")
    assert (found.seq, found.has_snapshot, found.tail) == (4, True, (b"third", b"fourth"))
    assert found.snapshot_bytes == len(b"first and second")
    await shelf.log.compact(A, 1, 4, b"all four")
    assert (await shelf.log.load(A)).updates == (b"all four",)


async def test_a_snapshot_that_is_no_newer_or_of_what_was_never_logged_changes_nothing(shelf: Shelf) -> None:
    await shelf.log.append(A, 1, [LogEntry("ada", b"second")])
    await shelf.log.compact(A, 1, 2, b"both")
    for seq in (1, 2, 3):
        await shelf.log.compact(A, 1, seq, b"other")
    assert (await shelf.log.load(A)).updates == (b"both",)
    with pytest.raises(NoNotebook):
        await shelf.log.compact(A, 2, 2, b"of another epoch")
    with pytest.raises(NoNotebook):
        await shelf.log.compact(B, 1, 1, b"of another notebook")


async def test_g3_a_new_epoch_begins_with_what_it_is_given_and_keeps_the_end_of_the_old_one(shelf: Shelf) -> None:
    await shelf.log.append(A, 1, [LogEntry("ada", b"second")])
    await shelf.log.compact(A, 1, 2, b"both")
    await shelf.log.append(A, 1, [LogEntry("ada", b"third")])
    assert not await shelf.log.rebase(A, 1, 2, b"end", b"start")  # the third came meanwhile
    assert not await shelf.log.rebase(A, 2, 3, b"end", b"start")
    assert (await shelf.log.load(A)).updates == (b"both", b"third")
    assert await shelf.log.epoch_end(A, 1) is None
    assert await shelf.log.rebase(A, 1, 3, b"end", b"start")
    found = await shelf.log.load(A)
    assert (found.epoch, found.updates, found.seq, found.has_snapshot) == (2, (b"start",), 1, False)
    assert [await shelf.log.epoch_end(A, epoch) for epoch in (1, 2)] == [b"end", None]
    with pytest.raises(NoNotebook):
        await shelf.log.append(A, 1, [LogEntry("ada", b"late")])
    await shelf.log.append(A, 2, [LogEntry("ada", b"new")])
    await shelf.log.compact(A, 2, 2, b"start and new")
    assert (await shelf.log.load(A)).updates == (b"start and new",)
    with pytest.raises(NoNotebook):
        await shelf.log.rebase(B, 1, 1, b"", b"")


async def test_the_ends_of_the_last_five_epochs_are_kept(shelf: Shelf) -> None:
    for epoch in range(1, 8):
        assert await shelf.log.rebase(A, epoch, 1, b"end of %d" % epoch, b"start")
    ends = [await shelf.log.epoch_end(A, epoch) for epoch in range(1, 9)]
    assert ends == [None, None, *(b"end of %d" % epoch for epoch in range(3, 8)), None]


async def test_one_append_that_fails_fails_alone(shelf: Shelf) -> None:
    failed: list[NotebookId] = []

    async def append(id: NotebookId, entries: Sequence[LogEntry]) -> None:
        try:
            await shelf.log.append(id, 1, entries)
        except NoNotebook:
            failed.append(id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(append, A, [LogEntry("", b"one")])
        tasks.start_soon(append, B, [LogEntry("", b"lost")])
        tasks.start_soon(append, A, [LogEntry("", b"two")])
    assert failed == [B]
    assert (await shelf.log.load(A)).updates == (b"first", b"one", b"two")


# -- SQLite: durability -----------------------------------------------------------------------------------------------


async def test_d1_commits_are_on_the_disk_when_they_are_said_to_be(store: SQLiteStore) -> None:
    def pragmas(db: sqlite3.Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    full = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert await store._database.write(pragmas) == full
    assert await store._database.read(pragmas) == full


async def test_d1_another_process_reads_what_was_appended(store: SQLiteStore, tmp_path: Path) -> None:
    await store.create(row(A), b"first", "")
    await store.append(A, 1, [LogEntry("ada", b"second")])
    with sqlite3.connect(tmp_path / "collab.sqlite") as other:
        rows = other.execute("SELECT epoch, seq, user, kind, data FROM updates ORDER BY seq").fetchall()
    other.close()
    assert rows == [(1, 1, "", "update", b"first"), (1, 2, "ada", "update", b"second")]


async def test_d2_appends_that_wait_at_the_same_time_share_a_transaction(store: SQLiteStore) -> None:
    for id in (A, B):
        await store.create(row(id), b"first", "")
    commits: list[str] = []

    def watch(db: sqlite3.Connection) -> None:
        db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)

    await store._database.write(watch)
    watch(store._appender._db)
    commits.clear()
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(store.append, (A, B)[number % 2], 1, [LogEntry("", b"x")])
    assert 1 <= len(commits) <= 3
    assert len((await store.load(A)).updates) == len((await store.load(B)).updates) == 51


async def test_d1_a_sync_waits_for_the_disk_and_callers_share_it(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    real = store._appender.sync

    def sync() -> None:
        syncs.append(len(syncs))
        real()

    monkeypatch.setattr(store._appender, "sync", sync)
    await store.create(row(A), b"first", "")
    await store.sync()
    assert syncs == []  # whatever the thread writes is on the disk at once
    for number in range(10):
        await store.append(A, 1, [LogEntry("", b"%d" % number)])
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(store.sync, False)
    await store.sync()
    assert syncs == [0]


async def test_d1_what_the_disk_refused_to_sync_goes_into_the_database_itself(
    store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync() -> None:
        raise OSError(5, "Input/output error")

    await store.create(row(A), b"first", "")
    await store.append(A, 1, [LogEntry("", b"second")])
    monkeypatch.setattr(store._appender, "sync", sync)
    await store.sync()
    # Without its write-ahead log, which is what a power cut would have left.
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "collab.sqlite").write_bytes((tmp_path / "collab.sqlite").read_bytes())
    with sqlite3.connect(tmp_path / "left" / "collab.sqlite") as left:
        assert left.execute("SELECT data FROM updates ORDER BY seq").fetchall() == [(b"first",), (b"second",)]
    left.close()


async def test_d1_a_sync_that_fails_is_told_and_may_be_tried_again(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def checkpoint(mode: str) -> bool:
        return False

    def sync() -> None:
        raise OSError(5, "Input/output error")

    await store.create(row(A), b"first", "")
    await store.append(A, 1, [LogEntry("", b"second")])
    with monkeypatch.context() as broken:
        broken.setattr(store._appender, "sync", sync)
        broken.setattr(store._database, "checkpoint", checkpoint)
        with pytest.raises(StoreError, match="disk"):
            await store.sync()
    await store.sync()
    assert store._synced == store._committed == 1


async def test_d2_appends_that_another_program_keeps_out_wait_in_their_order(
    store: SQLiteStore, tmp_path: Path
) -> None:
    await store.create(row(A), b"first", "")
    other = sqlite3.connect(tmp_path / "collab.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.append, A, 1, [LogEntry("", b"second")])
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(store.append, A, 1, [LogEntry("", b"third")])
        await anyio.wait_all_tasks_blocked()
        other.execute("COMMIT")
    other.close()
    await store.append(A, 1, [LogEntry("", b"fourth")])
    assert (await store.load(A)).updates == (b"first", b"second", b"third", b"fourth")
    assert store._committed == 1  # the fourth, at once again


async def test_the_write_ahead_log_begins_anew_while_appends_go_on(store: SQLiteStore, tmp_path: Path) -> None:
    store.checkpoint_bytes = 256 << 10
    await store.create(row(A), b"first", "")
    for number in range(300):
        await store.append(A, 1, [LogEntry("", bytes(4000))])
        if number % 10 == 0:
            await store.sync()
    assert (tmp_path / "collab.sqlite-wal").stat().st_size < 4 << 20
    assert len((await store.load(A)).updates) == 301


async def test_d2_an_append_whose_caller_is_gone_is_carried_out(store: SQLiteStore) -> None:
    await store.create(row(A), b"first", "")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.append, A, 1, [LogEntry("", b"second")])
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await store.append(A, 1, [LogEntry("", b"third")])
    assert (await store.load(A)).updates == (b"first", b"second", b"third")


async def test_what_waits_when_the_store_closes_is_written(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "collab.sqlite") as store, anyio.create_task_group() as tasks:
        await store.create(row(A), b"first", "")
        for _ in range(20):
            tasks.start_soon(store.append, A, 1, [LogEntry("", b"x")])
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    with pytest.raises(StoreError, match="closed"):
        await store.append(A, 1, [LogEntry("", b"late")])
    with pytest.raises(StoreError, match="closed"):
        await store.notebook(A)
    async with open_sqlite(tmp_path / "collab.sqlite") as again:
        assert len((await again.load(A)).updates) == 21


async def test_t24_a_locked_database_refuses_and_takes_the_same_again_later(store: SQLiteStore, tmp_path: Path) -> None:
    await store.create(row(A), b"first", "")
    await store._database.write(lambda db: None)
    await store._database._writer.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(tmp_path / "collab.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"Another program keeps the server's database locked\."):
        await store.append(A, 1, [LogEntry("", b"second")])
    other.execute("ROLLBACK")
    other.close()
    await store.append(A, 1, [LogEntry("", b"second")])
    assert (await store.load(A)).updates == (b"first", b"second")


async def test_t24_a_full_disk_refuses_and_loses_nothing(store: SQLiteStore) -> None:
    await store.create(row(A), b"first", "")

    def limit(pages: int) -> Callable[[sqlite3.Connection], object]:
        return lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    limit(1)(store._appender._db)
    await store._database._writer._execute(limit(1), store._database._writer._conn)  # type: ignore[no-untyped-call]
    with pytest.raises(StoreError, match=r"The server's disk is full\."):
        await store.append(A, 1, [LogEntry("", b"x" * 1_000_000)])
    await store._database._writer._execute(limit(1 << 30), store._database._writer._conn)  # type: ignore[no-untyped-call]
    await store.append(A, 1, [LogEntry("", b"x" * 1_000_000)])
    assert [len(update) for update in (await store.load(A)).updates] == [5, 1_000_000]


async def test_t24_data_that_may_not_be_written_is_named_and_taken_later(store: SQLiteStore) -> None:
    await store.create(row(A), b"first", "")
    store._appender._db.execute("PRAGMA query_only = on")
    await store._database._writer.execute("PRAGMA query_only = on")
    with pytest.raises(StoreError, match=r"The server may not write into its data folder\."):
        await store.append(A, 1, [LogEntry("", b"second")])
    await store._database._writer.execute("PRAGMA query_only = off")
    await store.append(A, 1, [LogEntry("", b"second")])
    assert (await store.load(A)).updates == (b"first", b"second")


async def test_what_cannot_be_written_is_refused_and_the_store_goes_on(store: SQLiteStore) -> None:
    await store.create(row(A), b"first", "")
    with pytest.raises(StoreError):
        await store.append(A, 1, [LogEntry("\ud800", b"a user with half a character")])
    await store.append(A, 1, [LogEntry("", b"second")])
    assert (await store.load(A)).updates == (b"first", b"second")


async def test_a_transaction_that_fails_leaves_nothing(store: SQLiteStore) -> None:
    await store.create(row(A), b"first", "text")
    with pytest.raises(StoreError):
        await store.create(row(A, "Again"), b"other", "other")
    assert await store.notebook(A) == row(A)
    assert (await store.load(A)).updates == (b"first",)
    assert await store.notebooks(None, "other") == []


# -- migrations -------------------------------------------------------------------------------------------------------


def schema(path: Path) -> tuple[int, list[tuple[object, ...]]]:
    db = sqlite3.connect(path)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    rows = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    db.close()
    return version, rows


async def test_migrations_are_numbered_and_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "collab.sqlite"
    async with open_sqlite(path) as store:
        await store.create(row(A), b"first", "some text")
    first = schema(path)
    assert first[0] == len(migrations._STEPS)
    async with open_sqlite(path) as store:
        assert [found.notebook.id for found in await store.notebooks(None, "some")] == [A]
    assert schema(path) == first


async def test_data_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "collab.sqlite"
    db = sqlite3.connect(path)
    db.executescript(f"{migrations._STEPS[0]} PRAGMA user_version = 1;")
    for id, text in ((A, "apples"), (B, "pears")):
        db.execute("INSERT INTO notebooks VALUES (?, 'Old', 1, 1, ?, ?, NULL, 0)", (id, str(NOW), str(NOW)))
        db.execute("INSERT INTO search VALUES (?, 'Old', ?)", (id, text))
    db.commit()
    db.close()
    async with open_sqlite(path) as store:
        assert [found.notebook.id for found in await store.notebooks(None, "pears")] == [B]
        await store.index(B, "New", "plums")
        assert [found.notebook.title for found in await store.notebooks(None, "plums")] == ["New"]
        await store.delete(A)
        assert await store.notebooks(None, "apples") == []
    assert schema(path)[0] == len(migrations._STEPS)


async def test_a_migration_that_breaks_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "collab.sqlite"
    async with open_sqlite(path) as store:
        await store.create(row(A), b"first", "")
    before = schema(path)
    broken = (*migrations._STEPS, "CREATE TABLE fresh (id TEXT) STRICT; CREATE NONSENSE;")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_STEPS", broken)
        with pytest.raises(StoreError, match="syntax error"):
            async with open_sqlite(path):
                pass
    assert schema(path) == before
    async with open_sqlite(path) as store:
        assert await store.notebook(A) == row(A)


async def test_data_of_a_newer_collab_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "collab.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(StoreError, match="written by a newer collab"):
        async with open_sqlite(path):
            pass


async def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "collab.sqlite"
    path.write_bytes(b"this is a text file, and not a small one" * 100)
    with pytest.raises(StoreError, match=r"collab\.sqlite cannot be opened"):
        async with open_sqlite(path):
            pass
    with pytest.raises(StoreError, match="cannot be opened"):
        async with open_sqlite(tmp_path / "no folder" / "collab.sqlite"):
            pass


# -- the library ------------------------------------------------------------------------------------------------------


async def ids(found: Awaitable[list[Found]]) -> list[NotebookId]:
    return [item.notebook.id for item in await found]


async def test_a_notebook_is_made_with_its_first_update(store: SQLiteStore) -> None:
    assert await store.notebook(A) is None
    made = row(A, "Notes", datetime(2025, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2))))
    await store.create(made, b"first", "text")
    assert await store.notebook(A) == row(A)
    log = await store.load(A)
    assert (log.epoch, log.updates) == (1, (b"first",))


async def test_the_most_recent_comes_first(store: SQLiteStore) -> None:
    for number, id in enumerate((A, B, C)):
        await store.create(row(id, updated=NOW + timedelta(minutes=number)), b"", "")
    assert await ids(store.notebooks(None)) == [C, B, A]
    await store.append(B, 1, [LogEntry("", b"x")])
    assert await ids(store.notebooks(None)) == [B, C, A]
    await store.index(A, "Renamed", "text")  # is no change
    assert await ids(store.notebooks(None)) == [B, C, A]


async def test_trash_restore_and_delete_for_good(store: SQLiteStore) -> None:
    for id in (A, B):
        await store.create(row(id), b"", "apples")
    await store.add_link(Link("link", A, Role.EDITOR), "hash")
    await store.save_user(GUEST)
    await store.grant(A, GUEST.id, Link("link", A, Role.EDITOR))
    await store.remember(A, "kernel", "k1")
    await store.add_blob(A, "f" * 64)
    await store.set_imported("/x.ipynb", A, "0" * 64)
    await store.trash(A, NOW)
    assert await store.notebook(A) == replace(row(A), trashed=NOW)
    assert (await ids(store.notebooks(None)), await ids(store.notebooks(None, trashed=True))) == ([B], [A])
    assert (await ids(store.notebooks(None, "apples")), await ids(store.notebooks(None, "apples", True))) == ([B], [A])
    await store.trash(A, None)
    assert await ids(store.notebooks(None, "apples")) == [A, B]
    await store.delete(A)
    assert await store.notebook(A) is None
    assert await ids(store.notebooks(None, "apples")) == [B]
    assert await store.link("hash") is None
    assert await store.grants(A, GUEST.id) == []
    assert await store.remembered(A, "kernel") == ""
    assert not await store.has_blob(A, "f" * 64)
    assert await store.imported("/x.ipynb") is None
    assert await store.user(GUEST.id) == GUEST
    await store.delete(A)  # again is no error


async def test_what_was_live_is_remembered(store: SQLiteStore) -> None:
    for id in (A, B):
        await store.create(row(id), b"", "")
    await store.set_live(B, True)
    await store.set_live(A, True)
    await store.set_live(A, True)
    assert await store.live_notebooks() == [A, B]
    await store.set_live(A, False)
    assert await store.live_notebooks() == [B]


async def test_small_texts_are_kept_beside_a_notebook(store: SQLiteStore) -> None:
    await store.create(row(A), b"", "")
    assert await store.remembered(A, "kernel") == ""
    await store.remember(A, "kernel", "k1")
    await store.remember(A, "kernel", "k2")
    await store.remember(A, "other", "x")
    assert (await store.remembered(A, "kernel"), await store.remembered(A, "other")) == ("k2", "x")
    await store.remember(A, "kernel", "")
    assert await store.remembered(A, "kernel") == ""


async def test_the_notebook_of_a_kernel_is_known(store: SQLiteStore) -> None:
    for id in (A, B):
        await store.create(row(id), b"", "")
        await store.remember(id, "kernel", f"kernel of {id}")
    await store.remember(A, "attached", "something else")
    assert await store.kernels() == {"kernel of a": A, "kernel of b": B}
    await store.delete(A)
    assert await store.kernels() == {"kernel of b": B}


def executed(number: int, **changes: Any) -> ExecutedRun:
    run = ExecutedRun(f"r{number}", CellId("c"), f"print({number})", False, "Python 3", "Ada", "ada", number, number)
    return replace(run, **changes)


async def test_what_was_executed_is_kept_newest_first_and_ends_where_it_began(store: SQLiteStore) -> None:
    await store.create(row(A), b"", "")
    await store.create(row(B), b"", "")
    await store.note_runs(A, [executed(1), executed(2)])
    await store.note_runs(B, [executed(1, source="another's")])
    await store.note_runs(A, [executed(1, state="finished", status="ok", finished=9, count=4), executed(3)])
    found = await store.runs(A, 2**63 - 1, 10)
    assert [replace(run, id=0) for run in found] == [
        executed(3),
        executed(2),
        executed(1, state="finished", status="ok", finished=9, count=4),
    ]
    assert await store.runs(A, found[0].id, 1) == [found[1]]
    assert [run.run for run in await store.unfinished_runs(A)] == ["r2", "r3"]
    await store.delete(A)
    await store.note_runs(A, [executed(4)])  # too late, and no error
    assert (await store.runs(A, 2**63 - 1, 10), len(await store.runs(B, 2**63 - 1, 10))) == ([], 1)


async def test_of_what_was_executed_the_newest_thousand_are_kept(store: SQLiteStore) -> None:
    await store.create(row(A), b"", "")
    await store.create(row(B), b"", "")
    await store.note_runs(B, [executed(0)])
    for first in range(0, MAX_EXECUTED_RUNS + 200, 300):
        await store.note_runs(A, [executed(number) for number in range(first, first + 300)])
    kept = await store.runs(A, 2**63 - 1, 10_000)
    assert [run.run for run in kept] == [f"r{number}" for number in range(1199, 199, -1)]
    assert len(await store.runs(B, 2**63 - 1, 10)) == 1


async def test_files_and_blobs(store: SQLiteStore) -> None:
    for id in (A, B):
        await store.create(row(id), b"", "")
    await store.set_imported("/x.ipynb", A, "1" * 64)
    await store.set_imported("/x.ipynb", B, "2" * 64)
    assert await store.imported("/x.ipynb") == (B, "2" * 64)
    assert await store.imported("/y.ipynb") is None
    await store.add_blob(A, "f" * 64)
    await store.add_blob(A, "f" * 64)
    assert (await store.has_blob(A, "f" * 64), await store.has_blob(B, "f" * 64)) == (True, False)


async def test_a_notebook_is_there_with_all_of_its_blobs_or_not_at_all(store: SQLiteStore) -> None:
    await store.create(row(A), b"", "", {"e" * 64, "f" * 64})
    assert (await store.has_blob(A, "e" * 64), await store.has_blob(A, "f" * 64)) == (True, True)
    with pytest.raises(StoreError):
        await store.create(row(A), b"", "", {"d" * 64})
    assert not await store.has_blob(A, "d" * 64)


# -- search -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def searched(store: SQLiteStore) -> SQLiteStore:
    await store.create(row(A, "Fruit"), b"", "apples and pears\nimport numpy as np\nnaïve Bayes, 東京 и Москва")
    await store.create(row(B, "Apples"), b"", "something else: __init__ foo_bar x+y=2 a-b")
    await store.create(row(C, "Empty"), b"", "")
    return store


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("apples", [B, A]),  # a title counts more
        ("APPLES", [B, A]),
        ("app", [B, A]),
        ("fruit pears", [A]),
        ("pears fruit", [A]),
        ("apples and oranges", []),
        ("numpy", [A]),
        ("naive", [A]),
        ("москва", [A]),
        ("東京", [A]),
        ("__init__", [B]),
        ("foo_bar", [B]),
        ("a-b", [B, A]),  # A has an "and" and a "Bayes"
        ("", [A, B, C]),
        ("   ", [A, B, C]),
        ("zzz", []),
    ],
)
async def test_words_are_found_in_titles_and_sources(
    searched: SQLiteStore, words: str, expected: list[NotebookId]
) -> None:
    assert await ids(searched.notebooks(None, words)) == expected


HOSTILE = (
    *('"', '""', "*", "**", "NEAR(", "NEAR(a b)", "title:", "{title text}:x", "^", "-", "a AND", "OR", "NOT", "(", ")"),
    *(
        "'",
        "';--",
        "\\",
        "%",
        "\0",
        "a\0b",
        "+",
        "🙂",
        "\u0301",
        "'; DROP TABLE notebooks; --",
        "_",
        "\ud800",
        '"a" OR "b',
    ),
)


@pytest.mark.parametrize("words", HOSTILE)
async def test_nothing_that_people_type_is_syntax(searched: SQLiteStore, words: str) -> None:
    assert set(await ids(searched.notebooks(None, words))) <= {A, B, C}
    assert await ids(searched.notebooks(None, "apples")) == [B, A]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=40) | st.text('"*():^-+ aNEARODT{}\\', max_size=20))
async def test_no_words_break_the_search(searched: SQLiteStore, words: str) -> None:
    await searched.notebooks(None, words)


async def test_a_snippet_shows_where_the_words_are(searched: SQLiteStore) -> None:
    [found] = await searched.notebooks(None, "numpy")
    assert "import numpy as np" in found.snippet
    assert [item.snippet for item in await searched.notebooks(None)] == ["", "", ""]


async def test_the_same_index_again_writes_nothing(store: SQLiteStore, tmp_path: Path) -> None:
    await store.create(row(A), b"", "apples")
    await store.index(A, "Notes", "pears")
    size = (tmp_path / "collab.sqlite-wal").stat().st_size
    for _ in range(10):
        await store.index(A, "Notes", "pears")
    assert (tmp_path / "collab.sqlite-wal").stat().st_size == size
    assert await ids(store.notebooks(None, "pears")) == [A]


async def test_words_are_found_in_scripts_without_spaces(store: SQLiteStore) -> None:
    text = "用PyTorch训练 卷积神经网络, 東京タワー, 한국어를 공부해요"
    await store.create(row(A, "深度学习入门"), b"", text)
    await store.create(row(B, "学什么习"), b"", "")
    for words in ("深度", "学习", "度学习入", "神经网络", "pytorch训练", "タワ", "국어"):
        assert await ids(store.notebooks(None, words)) == [A], words
    assert await ids(store.notebooks(None, "习学")) == []
    [found] = await store.notebooks(None, "神经")
    assert found.snippet.startswith("用PyTorch训练 卷积神经网络, 東京タワー")
    assert found.notebook.title == "深度学习入门"


async def test_what_was_indexed_anew_is_found_by_its_new_words_only(searched: SQLiteStore) -> None:
    await searched.index(A, "Vegetables", "carrots")
    assert await ids(searched.notebooks(None, "carrots vegetables")) == [A]
    assert await ids(searched.notebooks(None, "pears")) == []
    await searched.index(NotebookId("gone"), "Ghost", "boo")
    assert await ids(searched.notebooks(None, "boo")) == []


# -- people, links, grants --------------------------------------------------------------------------------------------


async def test_people_and_their_sessions(store: SQLiteStore) -> None:
    assert await store.user(ADA.id) is None
    await store.save_user(ADA)
    await store.save_user(replace(ADA, name="Ada L.", color="#bb0000"))
    assert await store.user(ADA.id) == replace(ADA, name="Ada L.", color="#bb0000")
    await store.add_session("hash", ADA.id)
    now = datetime.now(UTC)
    since = now - timedelta(hours=1)
    assert await store.session_user("hash", since) == replace(ADA, name="Ada L.", color="#bb0000")
    assert await store.session_user("hash", now + timedelta(hours=1)) is None
    assert await store.session_user("other", since) is None
    began = await store.session_began("hash")
    assert began is not None
    assert since < began < now + timedelta(minutes=1)
    await store.add_session("ended", ADA.id)
    await store.end_session("ended")
    assert await store.session_began("ended") is None
    assert await store.session_user("ended", since) is None
    await store.forget_sessions(since)
    assert await store.session_began("hash") == began
    await store.add_session("old", ADA.id)
    await store.forget_sessions(now + timedelta(hours=1))
    assert await store.session_began("old") is None
    await store.add_session("hash", ADA.id)
    with pytest.raises(StoreError):
        await store.add_session("hash", ADA.id)
    with pytest.raises(StoreError):
        await store.add_session("third", UserId("nobody"))


async def test_a_link_lets_in_until_it_is_revoked(store: SQLiteStore) -> None:
    for id in (A, B):
        await store.create(row(id), b"", "")
    await store.save_user(GUEST)
    expires = datetime(2025, 6, 1, 10, 0, tzinfo=timezone(timedelta(hours=-3)))
    viewer, editor = Link("v", A, Role.VIEWER, expires), Link("e", A, Role.EDITOR)
    await store.add_link(viewer, "hash v")
    await store.add_link(editor, "hash e")
    assert await store.link("hash v") == viewer
    assert await store.link("hash x") is None
    assert sorted(link.id for link in await store.links(A)) == ["e", "v"]
    assert await store.links(B) == []
    await store.grant(A, GUEST.id, viewer)
    await store.grant(A, GUEST.id, viewer)
    await store.grant(A, GUEST.id, editor)
    assert set(await store.grants(A, GUEST.id)) == {Grant(Role.VIEWER, expires), Grant(Role.EDITOR, None)}
    assert await store.grants(B, GUEST.id) == []
    assert not await store.revoke(B, "e")
    assert await store.revoke(A, "e")
    assert not await store.revoke(A, "e")
    assert await store.link("hash e") is None
    assert await store.links(A) == [viewer]
    assert await store.grants(A, GUEST.id) == [Grant(Role.VIEWER, expires)]


async def test_a_guest_is_shown_what_was_shared_with_them(store: SQLiteStore) -> None:
    for id in (A, B):
        await store.create(row(id), b"", "apples")
    await store.save_user(GUEST)
    link = Link("v", B, Role.VIEWER, NOW)
    await store.add_link(link, "hash")
    assert await store.notebooks(GUEST.id) == []
    await store.grant(B, GUEST.id, link)
    assert await store.notebooks(GUEST.id) == [Found(row(B), (Grant(Role.VIEWER, NOW),))]
    assert await ids(store.notebooks(GUEST.id, "apples")) == [B]
    await store.revoke(B, "v")
    assert [found.grants for found in await store.notebooks(GUEST.id)] == [()]


async def test_tokens_are_not_in_the_database(store: SQLiteStore) -> None:
    """The store is given hashes; whoever reads the file cannot sign in with what is there."""
    columns = await store._database.read(
        lambda db: [
            name
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (_, name, *_) in db.execute(f"PRAGMA table_info({table})").fetchall()
            if "token" in name
        ]
    )
    assert set(columns) == {"token_hash"}


# -- snapshots --------------------------------------------------------------------------------------------------------


async def compacted(store: SQLiteStore) -> None:
    """Five updates, with snapshots of the first two and of the first four."""
    await store.create(row(A), b"1", "")
    await store.append(A, 1, [LogEntry("", b"2"), LogEntry("", b"3")])
    await store.compact(A, 1, 2, b"12")
    await store.append(A, 1, [LogEntry("", b"4"), LogEntry("", b"5")])
    await store.compact(A, 1, 4, b"1234")


async def test_g2_a_damaged_snapshot_is_replaced_by_the_one_before_it_and_loses_nothing(
    store: SQLiteStore, tmp_path: Path
) -> None:
    await compacted(store)
    assert (await store.load(A)).updates == (b"1234", b"5")
    damage(tmp_path, "UPDATE snapshots SET data = x'00' WHERE seq = 4")
    assert (await store.load(A)).updates == (b"12", b"3", b"4", b"5")
    damage(tmp_path, "UPDATE snapshots SET data = x'00'")
    with pytest.raises(StoreError, match=r"damaged: updates are missing\. Restore a backup"):
        await store.load(A)


async def test_g2_what_stands_beside_a_new_snapshot_is_the_last_that_is_whole(
    store: SQLiteStore, tmp_path: Path
) -> None:
    await compacted(store)
    damage(tmp_path, "UPDATE snapshots SET data = x'00' WHERE seq = 4")
    await store.compact(A, 1, 5, b"12345")
    assert (await store.load(A)).updates == (b"12345",)
    damage(tmp_path, "UPDATE snapshots SET data = x'00' WHERE seq = 5")
    assert (await store.load(A)).updates == (b"12", b"3", b"4", b"5")


async def test_a_hole_in_the_log_is_noticed(store: SQLiteStore, tmp_path: Path) -> None:
    await compacted(store)
    damage(tmp_path, "DELETE FROM updates WHERE seq = 5")
    with pytest.raises(StoreError, match="updates are missing"):
        await store.load(A)


async def test_what_two_snapshots_stand_for_is_not_kept_a_third_time(store: SQLiteStore, tmp_path: Path) -> None:
    await compacted(store)
    with closing(sqlite3.connect(tmp_path / "collab.sqlite")) as db:
        assert db.execute("SELECT seq FROM updates ORDER BY seq").fetchall() == [(3,), (4,), (5,)]
        assert db.execute("SELECT seq FROM snapshots ORDER BY seq").fetchall() == [(2,), (4,)]
    await store.compact(A, 1, 5, b"12345")
    with closing(sqlite3.connect(tmp_path / "collab.sqlite")) as db:
        assert db.execute("SELECT seq FROM updates").fetchall() == [(5,)]
        assert db.execute("SELECT seq FROM snapshots ORDER BY seq").fetchall() == [(4,), (5,)]


def damage(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "collab.sqlite")) as db, db:
        db.execute(statement)


# -- what Blobs are kept ----------------------------------------------------------------------------------------------


async def test_blobs_that_are_not_named_are_forgotten_once_they_are_old(store: SQLiteStore, tmp_path: Path) -> None:
    await store.create(row(A), b"", "", ["old", "named", "shared"])
    await store.create(row(B), b"", "", ["shared"])
    await store.add_blob(A, "young")
    damage(tmp_path, "UPDATE blobs SET added = NULL WHERE sha256 = 'old'")
    damage(tmp_path, "UPDATE blobs SET added = '2020-01-01T00:00:00.000+00:00' WHERE sha256 IN ('named', 'shared')")
    before = datetime.now(UTC) - timedelta(hours=1)
    assert await store.keep_blobs(A, ["named"], before) == ["old"]
    assert [await store.has_blob(A, sha256) for sha256 in ("old", "named", "shared", "young")] == [
        False,
        True,
        False,
        True,
    ]
    assert await store.has_blob(B, "shared")
    assert await store.keep_blobs(B, [], before) == ["shared"]


async def test_a_blob_that_is_added_again_is_young_again(store: SQLiteStore, tmp_path: Path) -> None:
    await store.create(row(A), b"", "", ["x"])
    damage(tmp_path, "UPDATE blobs SET added = NULL")
    await store.add_blob(A, "x")
    assert await store.keep_blobs(A, [], datetime.now(UTC) - timedelta(hours=1)) == []
