"""Appends to the log on the event loop's own thread, and brings what was appended to the disk from another.

A commit writes into the write-ahead log and no further: some microseconds, where a visit to a thread costs more.
From then on whoever opens the database finds it, also after this program was killed; a power cut needs `sync`, too.
What could take long is refused, and left to the thread that writes. Never makes a checkpoint.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Protocol

from collab.model import NotebookId
from collab.store import _log
from collab.store.store import LogEntry, StoreError

log = logging.getLogger(__name__)

# A disk that stalls shall stall nobody but those who wait for it.
_SLOW_S: Final = 0.1
_PAUSE_S: Final = 1.0
_PAGES_BYTES: Final = 16 << 10  # about what the smallest append writes
_sync_file: Final = getattr(os, "fdatasync", os.fsync)


class Append(Protocol):
    notebook: NotebookId
    epoch: int
    updates: Sequence[LogEntry]
    place: str | None


class Appender:
    def __init__(self, db: sqlite3.Connection, wal: int) -> None:
        """`wal`: the open write-ahead log."""
        self.written = 0  # about as many bytes since the last checkpoint
        self._db = db
        self._wal = wal
        self._not_before = 0.0

    def commit(self, appends: Sequence[Append], now: str) -> bool:
        """All or nothing, at once; False when nothing, for whatever reason: the ordinary way finds that out."""
        began = time.monotonic()
        if began < self._not_before:
            return False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for append in appends:
                _log.append(self._db, append.notebook, append.epoch, append.updates, append.place, now)
            self._db.execute("COMMIT")
        except (StoreError, sqlite3.Error, ValueError) as error:
            log.debug("An append goes the ordinary way", extra={"reason": str(error)})
            return False
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if time.monotonic() - began > _SLOW_S:
                self._not_before = time.monotonic() + _PAUSE_S
        self.written += sum(_PAGES_BYTES + sum(len(entry.data) for entry in append.updates) for append in appends)
        return True

    def sync(self) -> None:
        """Everything that was committed before the call is on the disk after it, whoever committed it. For a thread.
        Raises OSError."""
        _sync_file(self._wal)


@contextmanager
def open_appender(path: Path) -> Iterator[Appender]:
    """The database is open already, by whoever makes its checkpoints: so the write-ahead log is there, and stays."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None, cached_statements=16)) as db:
        # NORMAL: the log is synced by `sync`, and by SQLite itself where it begins anew. Less would be unsafe there.
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON", "wal_autocheckpoint = 0", "cache_size = -512"):
            db.execute(f"PRAGMA {pragma}")
        wal = os.open(f"{path}-wal", os.O_RDWR)
        try:
            _sync_folder(path.parent)
            yield Appender(db, wal)
        finally:
            os.close(wal)


def _sync_folder(folder: Path) -> None:
    """So that the file's name is kept, too."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
