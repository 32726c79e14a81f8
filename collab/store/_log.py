"""The update log in SQL: rows, and snapshots that stand for the rows up to theirs.

Nothing goes before something else holds it: a snapshot is read back with its hash, and what it stands for stays until
the next one is there.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Sequence
from typing import Final

from collab.model import NotebookId
from collab.store.store import Log, LogEntry, NoNotebook, StoreError

log = logging.getLogger(__name__)

MAX_ENDS: Final = 5


def append(
    db: sqlite3.Connection,
    notebook: NotebookId,
    epoch: int,
    updates: Sequence[LogEntry],
    place: str | None,
    now: str,
) -> None:
    row = db.execute(
        "UPDATE notebooks SET seq = seq + ?1, updated = iif(?1, ?2, updated), place = coalesce(?3, place)"
        " WHERE id = ?4 AND epoch = ?5 RETURNING seq",
        (len(updates), now, place, notebook, epoch),
    ).fetchone()
    if row is None:
        raise NoNotebook("The notebook is gone.")
    first = row[0] - len(updates) + 1
    db.executemany(
        "INSERT INTO updates (notebook, epoch, seq, user, data, at) VALUES (?, ?, ?, ?, ?, ?)",
        [(notebook, epoch, seq, entry.user, entry.data, now) for seq, entry in enumerate(updates, first)],
    )


def load(db: sqlite3.Connection, notebook: NotebookId) -> Log:
    db.execute("BEGIN")  # a compaction between two reads would tear a hole
    try:
        return _load(db, notebook)
    finally:
        db.execute("ROLLBACK")


def _load(db: sqlite3.Connection, notebook: NotebookId) -> Log:
    row = db.execute("SELECT epoch, seq, place FROM notebooks WHERE id = ?", (notebook,)).fetchone()
    if row is None:
        raise NoNotebook("The notebook is gone.")
    epoch, last, place = row
    seq, snapshot = _snapshot(db, notebook, epoch)
    rows = db.execute(
        "SELECT seq, data FROM updates WHERE notebook = ? AND epoch = ? AND seq > ? ORDER BY seq",
        (notebook, epoch, seq),
    ).fetchall()
    if [number for number, _ in rows] != list(range(seq + 1, last + 1)):
        raise StoreError("The notebook's log is damaged: updates are missing. Restore a backup.")
    updates = tuple(data for _, data in rows)
    return Log(epoch, updates if snapshot is None else (snapshot, *updates), last, snapshot is not None, place)


def _snapshot(db: sqlite3.Connection, notebook: NotebookId, epoch: int) -> tuple[int, bytes | None]:
    """The newest that is whole, and its number."""
    rows = db.execute(
        "SELECT seq, data, sha256 FROM snapshots WHERE notebook = ? AND epoch = ? ORDER BY seq DESC", (notebook, epoch)
    )
    for seq, data, sha256 in rows:
        if _hash(data) == sha256:
            return seq, data
        log.error("A snapshot is damaged; the one before it is read", extra={"notebook": notebook, "seq": seq})
    return 0, None


def compact(db: sqlite3.Connection, notebook: NotebookId, epoch: int, seq: int, snapshot: bytes, now: str) -> None:
    found = db.execute("SELECT seq FROM notebooks WHERE id = ? AND epoch = ?", (notebook, epoch)).fetchone()
    if found is None:
        raise NoNotebook("The notebook is gone.")
    place = notebook, epoch
    (newest,) = db.execute("SELECT max(seq) FROM snapshots WHERE notebook = ? AND epoch = ?", place).fetchone()
    if not (newest or 0) < seq <= found[0]:
        return
    before, _ = _snapshot(db, notebook, epoch)  # one that is damaged stands for nothing
    db.execute(
        "INSERT INTO snapshots (notebook, epoch, seq, data, sha256, at) VALUES (?, ?, ?, ?, ?, ?)",
        (*place, seq, snapshot, _hash(snapshot), now),
    )
    db.execute("DELETE FROM snapshots WHERE notebook = ? AND epoch = ? AND seq NOT IN (?, ?)", (*place, before, seq))
    db.execute("DELETE FROM updates WHERE notebook = ? AND epoch = ? AND seq <= ?", (*place, before))


def rebase(
    db: sqlite3.Connection, notebook: NotebookId, epoch: int, seq: int, end: bytes, start: bytes, now: str
) -> bool:
    found = db.execute("SELECT epoch, seq FROM notebooks WHERE id = ?", (notebook,)).fetchone()
    if found is None:
        raise NoNotebook("The notebook is gone.")
    if found != (epoch, seq):
        return False
    db.execute("DELETE FROM updates WHERE notebook = ?", (notebook,))
    db.execute("DELETE FROM snapshots WHERE notebook = ? AND epoch = ?", (notebook, epoch))
    db.execute("DELETE FROM snapshots WHERE notebook = ? AND epoch <= ?", (notebook, epoch - MAX_ENDS))
    db.execute(
        "INSERT INTO snapshots (notebook, epoch, seq, data, sha256, at) VALUES (?, ?, ?, ?, ?, ?)",
        (notebook, epoch, seq, end, _hash(end), now),
    )
    db.execute(
        "INSERT INTO updates (notebook, epoch, seq, user, data, at) VALUES (?, ?, 1, '', ?, ?)",
        (notebook, epoch + 1, start, now),
    )
    db.execute("UPDATE notebooks SET epoch = ?, seq = 1 WHERE id = ?", (epoch + 1, notebook))
    return True


def epoch_end(db: sqlite3.Connection, notebook: NotebookId, epoch: int) -> bytes | None:
    row = db.execute(
        "SELECT s.data, s.sha256 FROM snapshots s JOIN notebooks n ON n.id = s.notebook"
        " WHERE s.notebook = ? AND s.epoch = ? AND s.epoch < n.epoch",
        (notebook, epoch),
    ).fetchone()
    return row[0] if row is not None and _hash(row[0]) == row[1] else None


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
