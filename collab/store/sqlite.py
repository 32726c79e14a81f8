"""The Store in one SQLite file: the update log and its group commit, and one thread each to write and to read.

What else is in the file, and the log's SQL, is in `_log`, `_library` and `_people`: functions over a connection.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import aiosqlite
import anyio

from collab.model import NotebookId
from collab.store import _log
from collab.store._appender import Appender, open_appender
from collab.store._library import SQLiteLibrary
from collab.store._people import SQLitePeople
from collab.store._runs import SQLiteRuns
from collab.store._secrets import SQLiteSecrets
from collab.store.migrations import migrate
from collab.store.store import Log, LogEntry, StoreError

T = TypeVar("T")
log = logging.getLogger(__name__)

# A Room has one append under way at a time, so this bounds Rooms that wait, not edits.
_MAX_WAITING: Final = 10_000
_GATHER_S: Final = 0.025
_CHECKPOINT_BYTES: Final = 16 << 20

_TROUBLES: Final = {
    sqlite3.SQLITE_FULL: "The server's disk is full.",
    sqlite3.SQLITE_READONLY: "The server may not write into its data folder.",
    sqlite3.SQLITE_BUSY: "Another program keeps the server's database locked.",
}


@dataclass(slots=True)
class _Append:
    notebook: NotebookId
    epoch: int
    updates: Sequence[LogEntry]
    place: str | None
    done: asyncio.Future[None]


class Database:
    """One writing and one reading connection, each in a thread of its own."""

    def __init__(self, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await _in_thread(self._reader, query)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `change` in one transaction, in one visit to the thread: it is carried out even if the caller is
        cancelled, as cancelling an await on aiosqlite stops nothing."""
        return await _in_thread(self._writer, lambda db: _transaction(db, change))

    async def checkpoint(self, mode: str) -> bool:
        """Copies the write-ahead log into the database and syncs both; whether that was all of it."""
        row = await _in_thread(self._writer, lambda db: db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone())
        return bool(row[0] == 0 and row[1] == row[2])


class SQLiteStore(SQLiteLibrary, SQLitePeople, SQLiteRuns, SQLiteSecrets):
    def __init__(self, database: Database, appender: Appender) -> None:
        SQLiteLibrary.__init__(self, database)
        SQLiteRuns.__init__(self, database)
        SQLiteSecrets.__init__(self, database)
        self._database = database
        self.checkpoint_bytes = _CHECKPOINT_BYTES
        self._appender = appender
        self._waiting: list[_Append] = []
        self._refused = False  # the thread has to commit what waits
        self._committed = 0  # how often something was, at once; and how many of these a power cut cannot take
        self._synced = 0
        self._syncing: list[tuple[int, asyncio.Future[None]]] = []
        self._hurry = asyncio.Event()
        self._wake = asyncio.Event()
        self._closed = False

    async def append(
        self, notebook: NotebookId, epoch: int, updates: Sequence[LogEntry], place: str | None = None
    ) -> None:
        if self._closed:
            raise StoreError("The database is closed.")
        if len(self._waiting) >= _MAX_WAITING:
            raise StoreError("Too many notebooks wait to be saved.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append(_Append(notebook, epoch, updates, place, done))
        if len(self._waiting) == 1:
            loop.call_soon(self._commit_at_once)
        await done  # cancelling the caller leaves the append where it is, to be carried out

    async def sync(self, hurry: bool = True) -> None:
        if self._closed:
            raise StoreError("The database is closed.")
        if self._synced >= self._committed:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._syncing.append((self._committed, done))
        if hurry:
            self._hurry.set()
        self._wake.set()
        await done

    async def load(self, notebook: NotebookId) -> Log:
        return await self._database.read(lambda db: _log.load(db, notebook))

    async def compact(self, notebook: NotebookId, epoch: int, seq: int, snapshot: bytes) -> None:
        await self._database.write(lambda db: _log.compact(db, notebook, epoch, seq, snapshot, _now()))

    async def rebase(self, notebook: NotebookId, epoch: int, seq: int, end: bytes, start: bytes) -> bool:
        return await self._database.write(lambda db: _log.rebase(db, notebook, epoch, seq, end, start, _now()))

    async def epoch_end(self, notebook: NotebookId, epoch: int) -> bytes | None:
        return await self._database.read(lambda db: _log.epoch_end(db, notebook, epoch))

    async def commit_forever(self) -> None:
        """The one task that waits for the disk: what was refused at once becomes one transaction of the thread."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._syncing and not self._refused:
                with anyio.move_on_after(_GATHER_S):
                    await self._hurry.wait()
            with anyio.CancelScope(shield=True):  # whoever waits for a commit is always told how it went
                await self._commit_waiting()
                await self._sync_waiting()
                await self._shorten()

    async def close(self) -> None:
        """Commits what still waits; takes nothing more."""
        self._closed = True
        self._refused = True
        await self._commit_waiting()
        await self._sync_waiting()

    def _commit_at_once(self) -> None:
        """Whatever was appended in this tick, by whatever Rooms, unless it has to wait for the thread."""
        if self._refused or not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        if self._appender.commit(batch, _now()):
            self._committed += 1
            _settle(batch, None)
        else:
            self._waiting = batch
            self._refuse()

    def _refuse(self) -> None:
        """What is appended from now on waits for the task, so that all of it keeps its order."""
        self._refused = True
        self._hurry.set()
        self._wake.set()

    async def _commit_waiting(self) -> None:
        while self._refused:
            batch, self._waiting = self._waiting, []
            await self._commit(batch)
            self._refused = bool(self._waiting)

    async def _sync_waiting(self) -> None:
        self._hurry.clear()
        if not self._syncing:
            return
        number = self._committed
        error = await self._sync()
        if error is None:
            self._synced = number
        told = [done for upto, done in self._syncing if upto <= number]
        self._syncing = [later for later in self._syncing if later[0] > number]
        _tell(told, error)
        if self._syncing:
            self._wake.set()

    async def _sync(self) -> StoreError | None:
        try:
            await anyio.to_thread.run_sync(self._appender.sync)
        except OSError as error:
            # The system may have given up on what it held, and a second try would not say so. What is in the log is
            # still to be read, so it goes into the database itself, which is synced then.
            log.error("The write-ahead log cannot be synced", extra={"reason": str(error)})
            try:
                if not await self._database.checkpoint("FULL"):
                    return StoreError("What was written does not get to the server's disk.")
            except StoreError as failed:
                return failed
        return None

    async def _shorten(self) -> None:
        """The write-ahead log begins anew once all of it is in the database, for which nobody may append meanwhile:
        most of the way is gone before that."""
        if self._appender.written < self.checkpoint_bytes:
            return
        self._appender.written = 0
        try:
            await self._database.checkpoint("PASSIVE")
            self._refused = True
            await self._database.checkpoint("PASSIVE")
        except StoreError as error:
            log.warning("The write-ahead log stays long", extra={"reason": str(error)})
        await self._commit_waiting()

    async def _commit(self, batch: list[_Append]) -> None:
        if not batch:
            return
        error = await self._try(batch)
        if error is not None and len(batch) > 1:
            # One of them may be at fault; the others shall not suffer from it.
            for append in batch:
                _settle([append], await self._try([append]))
        else:
            _settle(batch, error)

    async def _try(self, batch: list[_Append]) -> StoreError | None:
        now = _now()

        def change(db: sqlite3.Connection) -> None:
            for append in batch:
                _log.append(db, append.notebook, append.epoch, append.updates, append.place, now)

        try:
            await self._database.write(change)
        except StoreError as error:
            return error
        except Exception as error:
            # Of what was to be written, not of the database: no reason to stop writing the rest.
            log.exception("Updates cannot be written")
            return StoreError(f"These updates cannot be written: {error}.")
        return None


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SQLiteStore]:
    """Raises StoreError when the file is newer than this program, or no database."""
    try:
        async with _connect(path) as writer:
            await _in_thread(writer, migrate)
            async with _connect(path) as reader:
                with open_appender(path) as appender:
                    store = SQLiteStore(Database(writer, reader), appender)
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(store.commit_forever)
                        try:
                            yield store
                        finally:
                            tasks.cancel_scope.cancel()
                            with anyio.CancelScope(shield=True):
                                await store.close()
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"The database {path} cannot be opened: {error}.") from error


@asynccontextmanager
async def _connect(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    connecting = aiosqlite.connect(path, isolation_level=None, cached_statements=256)
    try:
        connection = await connecting
    except BaseException:
        # aiosqlite lets its thread end by itself; it would speak to an event loop that may be closed by then.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(connecting._thread.join)
        raise
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 2000"):
            await connection.execute(f"PRAGMA {pragma}")
        yield connection
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()


async def _in_thread(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    # aiosqlite has no public way to run several statements in one visit to its thread, and a visit costs more than
    # a statement. The pinned version's `_execute` is that way.
    try:
        opened = connection._conn
    except ValueError as error:
        raise StoreError("The database is closed.") from error
    try:
        result: T = await connection._execute(work, opened)  # type: ignore[no-untyped-call]
    except (sqlite3.Error, OSError) as error:
        raise StoreError(_sentence(error)) from error
    return result


def _sentence(error: sqlite3.Error | OSError) -> str:
    """For people: they read it on their pages."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what kind of the trouble it is exactly
    return _TROUBLES.get(code, f"The database says: {error}.")


def _transaction(db: sqlite3.Connection, change: Callable[[sqlite3.Connection], T]) -> T:
    db.execute("BEGIN IMMEDIATE")
    try:
        result = change(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def _settle(batch: Sequence[_Append], error: StoreError | None) -> None:
    _tell([append.done for append in batch], error)


def _tell(waiting: Sequence["asyncio.Future[None]"], error: StoreError | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
