"""Backups: the whole data folder in one file, taken while the server runs, and put back.

A zip archive of `manifest.json`, the database, its secrets and the Blobs. Whoever has it has everything: it is written
readable by this user alone.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collab.store.migrations import SCHEMA

_FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_DATABASE: Final = "collab.sqlite"
_SECRETS: Final = "secrets.json"
_BLOB: Final = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{62})")
# What a server keeps its data in; the rest of the folder is made anew at its start.
_KEPT: Final = (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", _SECRETS, "blobs")
_CHUNK: Final = 1 << 20


class BadBackup(Exception):
    """The message is one sentence; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`database` is the SHA-256 of the database; `blobs` how many there are."""

    made: str
    notebooks: int
    blobs: int
    database: str
    schema: int = SCHEMA
    format: int = _FORMAT


def back_up(folder: Path, file: Path) -> Manifest:
    """Raises BadBackup. A file that is there already is replaced once the new one is whole."""
    if not (folder / _DATABASE).is_file():
        raise BadBackup(f"There is nothing to back up in {folder}; name the folder of the notebooks with --data.")
    try:
        with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".backup-") as scratch:
            # First the database, then the Blobs: a Blob is there before a row names it, and never changes.
            database = Path(scratch) / _DATABASE
            notebooks = _copy_database(folder / _DATABASE, database)
            blobs = [path for path in sorted((folder / "blobs").glob("??/*")) if _BLOB.fullmatch(_name(path))]
            made = datetime.now(UTC).isoformat(timespec="seconds")
            manifest = Manifest(made, notebooks, len(blobs), _sha256(database))
            part = Path(scratch) / "archive"
            descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            with os.fdopen(descriptor, "w+b") as stream:
                with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                    archive.writestr(_MANIFEST, json.dumps(asdict(manifest)))
                    archive.write(database, _DATABASE)
                    if (folder / _SECRETS).is_file():
                        archive.write(folder / _SECRETS, _SECRETS)
                    for path in blobs:
                        archive.write(path, _name(path))
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(file)
    except (OSError, sqlite3.Error) as error:
        raise BadBackup(f"The backup cannot be written to {file}: {error}.") from error
    return manifest


def restore(file: Path, folder: Path, replace: bool = False) -> Manifest:
    """Into a folder that no server uses. Everything is checked before anything is touched, and what was there is put
    aside. Raises BadBackup, also for a folder that has notebooks and may not be replaced."""
    if (folder / _DATABASE).exists() and not replace:
        raise BadBackup(f"There are notebooks in {folder} already; --replace puts them aside and restores the backup.")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _opened(file) as archive, tempfile.TemporaryDirectory(dir=folder, prefix="restoring-") as scratch:
            manifest = _unpack(archive, Path(scratch))
            aside = folder / f"before-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
            _move(folder, aside)
            _move(Path(scratch), folder)
    except OSError as error:
        raise BadBackup(f"The backup {file} cannot be restored: {error}.") from error
    return manifest


def _copy_database(database: Path, copy: Path) -> int:
    """A consistent copy, also while a server writes; how many Notebooks are in it."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy)) as db:
        return int(db.execute("SELECT count(*) FROM notebooks").fetchone()[0])


def _move(source: Path, target: Path) -> None:
    for name in _KEPT:
        if (source / name).exists():
            target.mkdir(mode=0o700, exist_ok=True)
            (source / name).replace(target / name)


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadBackup(f"{file} is no whole backup of collab ({error}).") from error


def _unpack(archive: zipfile.ZipFile, scratch: Path) -> Manifest:
    manifest = _manifest(archive)
    for info in archive.infolist():
        blob = _BLOB.fullmatch(info.filename)
        if info.filename not in (_MANIFEST, _DATABASE, _SECRETS) and blob is None:
            raise BadBackup("The archive holds files that no backup of collab has.")
        target = scratch / info.filename
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with archive.open(info) as source, target.open("wb") as out:
            os.fchmod(out.fileno(), 0o600)
            shutil.copyfileobj(source, out, _CHUNK)
            out.flush()
            os.fsync(out.fileno())
        if blob is not None and _sha256(target) != blob[1] + blob[2]:
            raise BadBackup(f"The backup is damaged: {info.filename} is not what was backed up.")
    if not (scratch / _DATABASE).is_file() or _sha256(scratch / _DATABASE) != manifest.database:
        raise BadBackup("The backup is damaged: its database is not what was backed up.")
    missing = manifest.blobs - sum(1 for _ in scratch.glob("blobs/??/*"))
    if missing:
        raise BadBackup(f"The backup is damaged: {missing} files of outputs are missing.")
    return manifest


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        value = json.loads(archive.read(_MANIFEST))
        manifest = Manifest(
            str(value["made"]),
            int(value["notebooks"]),
            int(value["blobs"]),
            str(value["database"]),
            int(value["schema"]),
            int(value["format"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BadBackup("The file is no backup of collab: it has no manifest.") from error
    if manifest.format > _FORMAT or manifest.schema > SCHEMA:
        raise BadBackup("The backup was made by a newer collab; update collab, then restore it.")
    return manifest


def _name(path: Path) -> str:
    return f"blobs/{path.parent.name}/{path.name}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
