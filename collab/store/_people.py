"""Users, sessions, links and grants: the Store's People in SQL. Tokens are stored as hashes only."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

from collab.model import NotebookId, Role, User, UserId
from collab.sharing import Grant
from collab.store._library import Transactions, grants_of, time
from collab.store.store import Link


class SQLitePeople:
    _db: Transactions

    async def user(self, id: UserId) -> User | None:
        def query(db: sqlite3.Connection) -> User | None:
            return _user(db.execute("SELECT id, name, color, guest FROM users WHERE id = ?", (id,)).fetchone())

        return await self._db.read(query)

    async def save_user(self, user: User) -> None:
        await self._db.write(
            lambda db: db.execute(
                "INSERT INTO users (id, name, color, guest) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, color = excluded.color",
                (user.id, user.name, user.color, int(user.guest)),
            )
        )

    async def add_session(self, token_hash: str, user: UserId) -> None:
        await self._db.write(
            lambda db: db.execute(
                "INSERT INTO sessions (token_hash, user, created) VALUES (?, ?, ?)", (token_hash, user, _now())
            )
        )

    async def session_user(self, token_hash: str, since: datetime) -> User | None:
        def query(db: sqlite3.Connection) -> User | None:
            found = db.execute(
                "SELECT u.id, u.name, u.color, u.guest FROM sessions s JOIN users u ON u.id = s.user"
                " WHERE s.token_hash = ? AND s.created > ?",
                (token_hash, since.astimezone(UTC).isoformat(timespec="milliseconds")),
            )
            return _user(found.fetchone())

        return await self._db.read(query)

    async def session_began(self, token_hash: str) -> datetime | None:
        def query(db: sqlite3.Connection) -> datetime | None:
            found = db.execute("SELECT created FROM sessions WHERE token_hash = ?", (token_hash,)).fetchone()
            return None if found is None else datetime.fromisoformat(found[0])

        return await self._db.read(query)

    async def end_session(self, token_hash: str) -> None:
        await self._db.write(lambda db: db.execute("DELETE FROM sessions WHERE token_hash = ?", (token_hash,)))

    async def forget_sessions(self, before: datetime) -> None:
        began = before.astimezone(UTC).isoformat(timespec="milliseconds")
        await self._db.write(lambda db: db.execute("DELETE FROM sessions WHERE created <= ?", (began,)))

    async def grant(self, notebook: NotebookId, user: UserId, link: Link) -> None:
        await self._db.write(
            lambda db: db.execute(
                "INSERT OR IGNORE INTO grants (notebook, user, link) VALUES (?, ?, ?)", (notebook, user, link.id)
            )
        )

    async def grants(self, notebook: NotebookId, user: UserId) -> list[Grant]:
        return await self._db.read(lambda db: list(grants_of(db, notebook, user)))

    async def add_link(self, link: Link, token_hash: str) -> None:
        expires = None if link.expires is None else link.expires.astimezone(UTC).isoformat()
        await self._db.write(
            lambda db: db.execute(
                "INSERT INTO links (id, notebook, token_hash, role, expires, created) VALUES (?, ?, ?, ?, ?, ?)",
                (link.id, link.notebook, token_hash, link.role.word, expires, _now()),
            )
        )

    async def link(self, token_hash: str) -> Link | None:
        def query(db: sqlite3.Connection) -> Link | None:
            found = db.execute(
                "SELECT id, notebook, role, expires FROM links WHERE token_hash = ? AND revoked IS NULL", (token_hash,)
            )
            row = found.fetchone()
            return None if row is None else _link(row)

        return await self._db.read(query)

    async def links(self, notebook: NotebookId) -> list[Link]:
        def query(db: sqlite3.Connection) -> list[Link]:
            rows = db.execute(
                "SELECT id, notebook, role, expires FROM links WHERE notebook = ? AND revoked IS NULL"
                " ORDER BY created, id",
                (notebook,),
            )
            return [_link(row) for row in rows]

        return await self._db.read(query)

    async def revoke(self, notebook: NotebookId, link: str) -> bool:
        def change(db: sqlite3.Connection) -> bool:
            done = db.execute(
                "UPDATE links SET revoked = ? WHERE id = ? AND notebook = ? AND revoked IS NULL",
                (_now(), link, notebook),
            )
            return done.rowcount > 0

        return await self._db.write(change)


def _user(row: Any) -> User | None:
    return None if row is None else User(UserId(row[0]), row[1], row[2], bool(row[3]))


def _link(row: Any) -> Link:
    return Link(row[0], NotebookId(row[1]), Role.parse(row[2]), time(row[3]))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
