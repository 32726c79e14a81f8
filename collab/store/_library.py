"""Notebooks, search, what is remembered beside them: the Store's Library in SQL."""

import re
import sqlite3
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from collab.model import NotebookId, Role, UserId
from collab.sharing import Grant
from collab.store.store import Found, NotebookRow

T = TypeVar("T")

_COLUMNS = "n.id, n.title, n.epoch, n.updated, n.trashed"
_WORD = re.compile(r"\w+")
# Scripts that put no spaces between words: each character is a word of its own to the search, or nothing in the
# middle of a sentence would be found.
_UNSPACED = re.compile("([\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff])")
_SPACED = re.compile(f" ?{_UNSPACED.pattern} ?")


class Transactions(Protocol):
    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T: ...
    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T: ...


class SQLiteLibrary:
    def __init__(self, database: Transactions) -> None:
        self._db = database

    async def create(self, notebook: NotebookRow, update: bytes, text: str, blobs: Collection[str] = ()) -> None:
        now = _text(notebook.updated)

        def change(db: sqlite3.Connection) -> None:
            found = db.execute(
                "INSERT INTO search (notebook, title, text) VALUES (?, ?, ?)",
                (notebook.id, _spaced(notebook.title), _spaced(text)),
            )
            db.execute(
                "INSERT INTO notebooks (id, title, epoch, seq, created, updated, search_row)"
                " VALUES (?, ?, ?, 1, ?, ?, ?)",
                (notebook.id, notebook.title, notebook.epoch, now, now, found.lastrowid),
            )
            db.execute(
                "INSERT INTO updates (notebook, epoch, seq, user, data, at) VALUES (?, ?, 1, '', ?, ?)",
                (notebook.id, notebook.epoch, update, now),
            )
            db.executemany(
                "INSERT INTO blobs (notebook, sha256, added) VALUES (?, ?, ?)",
                [(notebook.id, sha256, now) for sha256 in blobs],
            )

        await self._db.write(change)

    async def notebook(self, id: NotebookId) -> NotebookRow | None:
        def query(db: sqlite3.Connection) -> NotebookRow | None:
            row = db.execute(f"SELECT {_COLUMNS} FROM notebooks n WHERE n.id = ?", (id,)).fetchone()
            return None if row is None else _notebook(row)

        return await self._db.read(query)

    async def notebooks(self, user: UserId | None, words: str = "", trashed: bool = False) -> list[Found]:
        found = _match(words)
        if words.strip() and not found:
            return []
        return await self._db.read(lambda db: _list(db, user, found, trashed))

    async def index(self, id: NotebookId, title: str, text: str) -> None:
        def change(db: sqlite3.Connection) -> None:
            found = _spaced(title), _spaced(text)
            db.execute("UPDATE notebooks SET title = ?1 WHERE id = ?2 AND title <> ?1", (title, id))
            db.execute(
                "UPDATE search SET title = ?1, text = ?2"
                " WHERE rowid = (SELECT search_row FROM notebooks WHERE id = ?3) AND (title <> ?1 OR text <> ?2)",
                (*found, id),
            )

        await self._db.write(change)

    async def trash(self, id: NotebookId, at: datetime | None) -> None:
        when = None if at is None else _text(at)
        await self._db.write(lambda db: db.execute("UPDATE notebooks SET trashed = ? WHERE id = ?", (when, id)))

    async def delete(self, id: NotebookId) -> None:
        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM search WHERE rowid = (SELECT search_row FROM notebooks WHERE id = ?)", (id,))
            db.execute("DELETE FROM notebooks WHERE id = ?", (id,))

        await self._db.write(change)

    async def set_live(self, id: NotebookId, live: bool) -> None:
        await self._db.write(lambda db: db.execute("UPDATE notebooks SET live = ? WHERE id = ?", (int(live), id)))

    async def live_notebooks(self) -> list[NotebookId]:
        def query(db: sqlite3.Connection) -> list[NotebookId]:
            return [NotebookId(id) for (id,) in db.execute("SELECT id FROM notebooks WHERE live = 1 ORDER BY id")]

        return await self._db.read(query)

    async def remember(self, id: NotebookId, key: str, value: str) -> None:
        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM remembered WHERE notebook = ? AND key = ?", (id, key))
            if value:
                db.execute("INSERT INTO remembered (notebook, key, value) VALUES (?, ?, ?)", (id, key, value))

        await self._db.write(change)

    async def remembered(self, id: NotebookId, key: str) -> str:
        def query(db: sqlite3.Connection) -> str:
            row = db.execute("SELECT value FROM remembered WHERE notebook = ? AND key = ?", (id, key)).fetchone()
            return "" if row is None else str(row[0])

        return await self._db.read(query)

    async def kernels(self) -> dict[str, NotebookId]:
        def query(db: sqlite3.Connection) -> dict[str, NotebookId]:
            rows = db.execute("SELECT value, notebook FROM remembered WHERE key = 'kernel'")
            return {kernel: NotebookId(notebook) for kernel, notebook in rows}

        return await self._db.read(query)

    async def imported(self, path: str) -> tuple[NotebookId, str] | None:
        def query(db: sqlite3.Connection) -> tuple[NotebookId, str] | None:
            row = db.execute("SELECT notebook, sha256 FROM imports WHERE path = ?", (path,)).fetchone()
            return None if row is None else (NotebookId(row[0]), str(row[1]))

        return await self._db.read(query)

    async def set_imported(self, path: str, notebook: NotebookId, sha256: str) -> None:
        await self._db.write(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO imports (path, notebook, sha256) VALUES (?, ?, ?)", (path, notebook, sha256)
            )
        )

    async def add_blob(self, notebook: NotebookId, sha256: str) -> None:
        now = _text(datetime.now(UTC))
        await self._db.write(
            lambda db: db.execute(
                "INSERT INTO blobs (notebook, sha256, added) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET added = ?3",
                (notebook, sha256, now),
            )
        )

    async def keep_blobs(self, notebook: NotebookId, named: Collection[str], before: datetime) -> list[str]:
        def change(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "SELECT sha256 FROM blobs WHERE notebook = ? AND (added IS NULL OR added < ?)",
                (notebook, _text(before)),
            )
            unused = [sha256 for (sha256,) in rows if sha256 not in named]
            db.executemany(
                "DELETE FROM blobs WHERE notebook = ? AND sha256 = ?", [(notebook, sha256) for sha256 in unused]
            )
            used = "SELECT 1 FROM blobs WHERE sha256 = ? LIMIT 1"
            return [sha256 for sha256 in unused if db.execute(used, (sha256,)).fetchone() is None]

        return await self._db.write(change)

    async def has_blob(self, notebook: NotebookId, sha256: str) -> bool:
        def query(db: sqlite3.Connection) -> bool:
            found = db.execute("SELECT 1 FROM blobs WHERE notebook = ? AND sha256 = ?", (notebook, sha256))
            return found.fetchone() is not None

        return await self._db.read(query)


def _list(db: sqlite3.Connection, user: UserId | None, match: str, trashed: bool) -> list[Found]:
    conditions = [f"n.trashed IS {'NOT ' if trashed else ''}NULL"]
    values: list[str] = []
    if match:
        tables = "search JOIN notebooks n ON n.search_row = search.rowid"
        snippet = "snippet(search, 2, '', '', '…', 16)"
        conditions.append("search MATCH ?")
        values.append(match)
        ordered = "bm25(search, 0, 10, 1), n.updated DESC"
    else:
        tables, snippet, ordered = "notebooks n", "''", "n.updated DESC, n.id"
    if user is not None:
        conditions.append("n.id IN (SELECT notebook FROM grants WHERE user = ?)")
        values.append(user)
    rows = db.execute(
        f"SELECT {_COLUMNS}, {snippet} FROM {tables} WHERE {' AND '.join(conditions)} ORDER BY {ordered} LIMIT 1000",
        values,
    ).fetchall()
    return [Found(_notebook(row), grants_of(db, NotebookId(row[0]), user), _SPACED.sub(r"\1", row[5])) for row in rows]


def grants_of(db: sqlite3.Connection, notebook: NotebookId, user: UserId | None) -> tuple[Grant, ...]:
    if user is None:
        return ()
    rows = db.execute(
        "SELECT l.role, l.expires FROM grants g JOIN links l ON l.id = g.link"
        " WHERE g.notebook = ? AND g.user = ? AND l.revoked IS NULL",
        (notebook, user),
    )
    return tuple(Grant(Role.parse(role), time(expires)) for role, expires in rows)


def _match(words: str) -> str:
    """An FTS5 expression: every word as a quoted prefix, so that nothing people type is syntax."""
    return " ".join(f'"{_spaced(word)}"*' for word in _WORD.findall(words)[:16])


def _spaced(text: str) -> str:
    return _UNSPACED.sub(r" \1 ", text)


def _notebook(row: tuple[Any, ...]) -> NotebookRow:
    id, title, epoch, updated, trashed = row[:5]
    changed = time(updated)
    assert changed is not None
    return NotebookRow(NotebookId(id), title, epoch, changed, time(trashed))


def time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
