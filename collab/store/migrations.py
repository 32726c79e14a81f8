"""The database's schema, as the numbered steps that lead to it. A step that was released never changes."""

import sqlite3
from typing import Final

from collab.store.store import StoreError

_STEPS: Final = (
    """
    CREATE TABLE notebooks (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL DEFAULT 0,
        created TEXT NOT NULL,
        updated TEXT NOT NULL,
        trashed TEXT,
        live INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE updates (
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        user TEXT NOT NULL,
        kind TEXT NOT NULL DEFAULT 'update',
        data BLOB NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (notebook, epoch, seq)
    ) STRICT;
    CREATE TABLE remembered (
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (notebook, key)
    ) STRICT;
    CREATE TABLE blobs (
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (notebook, sha256)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE imports (
        path TEXT PRIMARY KEY,
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        sha256 TEXT NOT NULL
    ) STRICT;
    CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT NOT NULL, color TEXT NOT NULL, guest INTEGER NOT NULL) STRICT;
    CREATE TABLE sessions (
        token_hash TEXT PRIMARY KEY,
        user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        created TEXT NOT NULL
    ) STRICT;
    CREATE TABLE links (
        id TEXT PRIMARY KEY,
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        token_hash TEXT NOT NULL UNIQUE,
        role TEXT NOT NULL,
        expires TEXT,
        created TEXT NOT NULL,
        revoked TEXT
    ) STRICT;
    CREATE INDEX links_by_notebook ON links (notebook);
    CREATE TABLE grants (
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        link TEXT NOT NULL REFERENCES links (id) ON DELETE CASCADE,
        PRIMARY KEY (notebook, user, link)
    ) STRICT;
    CREATE INDEX grants_by_user ON grants (user);
    CREATE VIRTUAL TABLE search USING fts5 (notebook UNINDEXED, title, text, tokenize = 'unicode61');
    """,
    # An FTS5 table is found by its rowid only; by anything else it is read from end to end.
    """
    ALTER TABLE notebooks ADD COLUMN search_row INTEGER;
    UPDATE notebooks SET search_row = search.rowid FROM search WHERE search.notebook = notebooks.id;
    CREATE UNIQUE INDEX notebooks_by_search_row ON notebooks (search_row);
    """,
    # A snapshot stands for the updates up to its `seq`. Blobs of before have no time: they are old.
    """
    CREATE TABLE snapshots (
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        data BLOB NOT NULL,
        sha256 TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (notebook, epoch, seq)
    ) STRICT;
    ALTER TABLE blobs ADD COLUMN added TEXT;
    """,
    # What was executed; `id` counts on, so that pages of it stay where they are.
    """
    CREATE TABLE executed (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        run TEXT NOT NULL,
        cell TEXT NOT NULL,
        source TEXT NOT NULL,
        shortened INTEGER NOT NULL,
        kernel TEXT NOT NULL,
        user TEXT NOT NULL,
        user_id TEXT NOT NULL,
        requested INTEGER NOT NULL,
        started INTEGER NOT NULL,
        finished INTEGER,
        state TEXT NOT NULL,
        status TEXT NOT NULL,
        count INTEGER,
        UNIQUE (notebook, run)
    ) STRICT;
    CREATE INDEX executed_by_notebook ON executed (notebook, id);
    """,
    # Secrets of people, encrypted before they come here, and which notebooks may read each.
    """
    CREATE TABLE secrets (
        user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        value BLOB NOT NULL,
        changed TEXT NOT NULL,
        PRIMARY KEY (user, name)
    ) STRICT;
    CREATE TABLE secret_grants (
        user TEXT NOT NULL,
        name TEXT NOT NULL,
        notebook TEXT NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
        PRIMARY KEY (user, name, notebook),
        FOREIGN KEY (user, name) REFERENCES secrets (user, name) ON DELETE CASCADE
    ) STRICT;
    """,
    """
    ALTER TABLE notebooks ADD COLUMN place TEXT NOT NULL DEFAULT ''
    """,
)
SCHEMA: Final = len(_STEPS)


def migrate(db: sqlite3.Connection) -> None:
    """Brings a database, also an empty one, to the newest schema. Raises StoreError for one that is newer."""
    while (version := _version(db)) < len(_STEPS):
        db.execute("BEGIN IMMEDIATE")
        try:
            if _version(db) == version:  # still, now that nobody else can be at it
                for statement in _STEPS[version].split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {version + 1}")
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
    if version > len(_STEPS):
        raise StoreError(
            f"The data was written by a newer collab (schema {version}; this one knows {len(_STEPS)}). Update collab."
        )


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version
