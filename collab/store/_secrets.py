"""Secrets of people, as they come encrypted, and which Notebooks may read them: the Store's share in SQL."""

import sqlite3
from datetime import UTC, datetime

from collab.model import NotebookId, UserId
from collab.store._runs import Transactions


class SQLiteSecrets:
    def __init__(self, database: Transactions) -> None:
        self._secrets_db = database

    async def secrets(self, user: UserId) -> list[tuple[str, datetime]]:
        def query(db: sqlite3.Connection) -> list[tuple[str, datetime]]:
            rows = db.execute("SELECT name, changed FROM secrets WHERE user = ? ORDER BY name", (user,))
            return [(name, datetime.fromisoformat(changed)) for name, changed in rows]

        return await self._secrets_db.read(query)

    async def secret(self, user: UserId, name: str) -> bytes | None:
        def query(db: sqlite3.Connection) -> bytes | None:
            row = db.execute("SELECT value FROM secrets WHERE user = ? AND name = ?", (user, name)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._secrets_db.read(query)

    async def set_secret(self, user: UserId, name: str, value: bytes, most: int) -> bool:
        def change(db: sqlite3.Connection) -> bool:
            others = "SELECT count(*) FROM secrets WHERE user = ? AND name != ?"
            if db.execute(others, (user, name)).fetchone()[0] >= most:
                return False
            db.execute(
                "INSERT INTO secrets (user, name, value, changed) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (user, name) DO UPDATE SET value = excluded.value, changed = excluded.changed",
                (user, name, value, datetime.now(UTC).isoformat(timespec="milliseconds")),
            )
            return True

        return await self._secrets_db.write(change)

    async def delete_secret(self, user: UserId, name: str) -> bool:
        def change(db: sqlite3.Connection) -> bool:
            return db.execute("DELETE FROM secrets WHERE user = ? AND name = ?", (user, name)).rowcount > 0

        return await self._secrets_db.write(change)

    async def grant_secret(self, user: UserId, name: str, notebook: NotebookId, granted: bool) -> bool:
        def change(db: sqlite3.Connection) -> bool:
            if db.execute("SELECT 1 FROM secrets WHERE user = ? AND name = ?", (user, name)).fetchone() is None:
                return False
            row = (user, name, notebook)
            if granted:
                db.execute("INSERT OR IGNORE INTO secret_grants (user, name, notebook) VALUES (?, ?, ?)", row)
            else:
                db.execute("DELETE FROM secret_grants WHERE user = ? AND name = ? AND notebook = ?", row)
            return True

        return await self._secrets_db.write(change)

    async def granted_secrets(self, user: UserId, notebook: NotebookId) -> list[str]:
        def query(db: sqlite3.Connection) -> list[str]:
            rows = db.execute("SELECT name FROM secret_grants WHERE user = ? AND notebook = ?", (user, notebook))
            return [name for (name,) in rows]

        return await self._secrets_db.read(query)
