"""A look at everything that is kept: each log, snapshot and Blob, and whether each Notebook can still be opened and
taken away. Repairs what can be repaired without a guess; the rest is named, by the Notebook's title.
"""

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pycrdt import Doc

from collab import ipynb, notebook
from collab.compaction import Unsound, pack
from collab.model import NotebookId
from collab.notebook import NotebookDoc
from collab.store import _log
from collab.store.blobs import Blobs
from collab.store.migrations import SCHEMA
from collab.store.store import StoreError

_OLD_S: Final = 24 * 3600.0  # what is younger may be somebody's work of this moment
_BLOB: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}")


@dataclass(frozen=True, slots=True)
class Finding:
    """`where` is a Notebook's title, or empty for what concerns all."""

    where: str
    text: str
    repaired: bool = False


@dataclass(slots=True)
class Report:
    notebooks: int = 0
    blobs: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return all(finding.repaired for finding in self.findings)


class Doctor:
    """Without `repair` nothing is written, and a server may be at work meanwhile."""

    def __init__(self, folder: Path, repair: bool = False) -> None:
        self._folder = folder / "blobs"
        self._blobs = Blobs(self._folder)
        self._database = folder / "collab.sqlite"
        self._repair = repair
        self._report = Report()

    def examine(self) -> Report:
        """Raises StoreError when there is no database that can be read."""
        if not self._database.is_file():
            raise StoreError(f"There are no notebooks in {self._database.parent}; name their folder with --data.")
        mode = "rw" if self._repair else "ro"
        try:
            uri = f"{self._database.absolute().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version != SCHEMA:
                    raise StoreError(f"The data has schema {version} and this collab {SCHEMA}; start collab once.")
                self._examine_database(db)
                for id, title in db.execute("SELECT id, title FROM notebooks ORDER BY title, id").fetchall():
                    self._report.notebooks += 1
                    self._examine_notebook(db, NotebookId(id), title)
                self._examine_blobs(db)
        except sqlite3.Error as error:
            raise StoreError(f"The database cannot be read: {error}. Restore a backup.") from error
        return self._report

    def _examine_database(self, db: sqlite3.Connection) -> None:
        for (said,) in db.execute("PRAGMA integrity_check(20)").fetchall():
            if said != "ok":
                self._find("", f"The database file is damaged: {said}. Restore a backup.")
        for table, *_ in db.execute("PRAGMA foreign_key_check").fetchall():
            self._find("", f"The table {table} has rows of notebooks or people that are gone.")

    def _examine_notebook(self, db: sqlite3.Connection, id: NotebookId, title: str) -> None:
        damaged = _damaged_snapshots(db, id)
        try:
            found = _log.load(db, id)
            snapshot = pack(found.updates).snapshot
        except (StoreError, Unsound) as error:
            self._find(title, f"It cannot be opened. {error}")
            return
        if damaged:
            if self._repair:
                _replace_snapshots(db, id, found.epoch, found.seq, snapshot)
            self._find(title, "A snapshot was damaged; what was before it and after it is whole.", self._repair)
        doc: NotebookDoc = Doc()
        notebook.roots(doc)
        doc.apply_update(snapshot)
        self._examine_export(title, doc)
        self._examine_names(db, id, title, doc)
        self._examine_search(db, id, title, doc)

    def _examine_export(self, title: str, doc: NotebookDoc) -> None:
        import nbformat  # as in `ipynb`: the server imports this module, too

        try:
            nbformat.validate(ipynb.to_notebook(doc, self._blobs.get))
        except (nbformat.ValidationError, ValueError, TypeError, KeyError, OSError) as error:
            self._find(title, f"It cannot be taken away as a valid .ipynb: {str(error).splitlines()[0]:.200}")

    def _examine_names(self, db: sqlite3.Connection, id: NotebookId, title: str, doc: NotebookDoc) -> None:
        """Of Blobs that its outputs name."""
        known = {sha256 for (sha256,) in db.execute("SELECT sha256 FROM blobs WHERE notebook = ?", (id,))}
        named = notebook.blobs_of(doc)
        lost = [sha256 for sha256 in named if self._blobs.path(sha256) is None]
        if lost:
            self._find(title, f"{_count(len(lost), 'large output')} cannot be shown in full, as the files are missing.")
        unknown = sorted(named - known - set(lost))
        if unknown:
            if self._repair:
                now = datetime.now(UTC).isoformat(timespec="milliseconds")
                db.executemany("INSERT INTO blobs VALUES (?, ?, ?)", [(id, sha256, now) for sha256 in unknown])
            self._find(title, f"{_count(len(unknown), 'large output')} could not be read by anybody.", self._repair)

    def _examine_search(self, db: sqlite3.Connection, id: NotebookId, title: str, doc: NotebookDoc) -> None:
        row = db.execute(
            "SELECT 1 FROM search s JOIN notebooks n ON n.search_row = s.rowid WHERE n.id = ?", (id,)
        ).fetchone()
        if row is None:
            if self._repair:
                made = db.execute(
                    "INSERT INTO search (notebook, title, text) VALUES (?, ?, ?)",
                    (id, title, notebook.search_text(doc)),
                )
                db.execute("UPDATE notebooks SET search_row = ? WHERE id = ?", (made.lastrowid, id))
            self._find(title, "Searches did not find it.", self._repair)

    def _examine_blobs(self, db: sqlite3.Connection) -> None:
        used = {sha256 for (sha256,) in db.execute("SELECT DISTINCT sha256 FROM blobs")}
        damaged = unused = parts = 0
        for path in self._files():
            old = time.time() - path.stat().st_mtime > _OLD_S
            if not _BLOB.fullmatch(f"{path.parent.name}/{path.name}"):
                if old and path.suffix == ".part":
                    parts += 1
                    self._remove(path)
                continue
            self._report.blobs += 1
            sha256 = path.parent.name + path.name
            if _sha256(path) != sha256:
                damaged += 1
                if self._repair:  # out of the way of the same output, should it come again
                    path.rename(path.with_name(f"{path.name}.damaged"))
            elif old and sha256 not in used:
                unused += 1
                self._remove(path)
        if damaged:
            self._find("", f"{_count(damaged, 'file')} of large outputs {_was(damaged)} damaged; restore a backup.")
        if unused:
            self._find("", f"{_count(unused, 'file')} of large outputs {_was(unused)} used by nothing.", self._repair)
        if parts:
            self._find("", f"{_count(parts, 'file')} {_was(parts)} left half written.", self._repair)

    def _files(self) -> Iterator[Path]:
        return (path for path in self._folder.glob("??/*") if path.is_file())

    def _remove(self, path: Path) -> None:
        if self._repair:
            path.unlink(missing_ok=True)

    def _find(self, where: str, text: str, repaired: bool = False) -> None:
        self._report.findings.append(Finding(where, text, repaired))


def _damaged_snapshots(db: sqlite3.Connection, id: NotebookId) -> Sequence[int]:
    rows = db.execute("SELECT seq, data, sha256 FROM snapshots WHERE notebook = ?", (id,))
    return [seq for seq, data, sha256 in rows if hashlib.sha256(data).hexdigest() != sha256]


def _replace_snapshots(db: sqlite3.Connection, id: NotebookId, epoch: int, seq: int, snapshot: bytes) -> None:
    """The log is whole without the damaged ones; a fresh one takes the newest one's place."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    db.execute("BEGIN IMMEDIATE")
    try:
        for damaged in _damaged_snapshots(db, id):
            db.execute("DELETE FROM snapshots WHERE notebook = ? AND seq = ?", (id, damaged))
        _log.compact(db, id, epoch, seq, snapshot, now)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
