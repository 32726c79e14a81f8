"""Blobs: immutable files named by their SHA-256, as `ab/cdef…` below one folder. Who may read them is in the Store."""

import hashlib
import os
import re
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Blobs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def put(self, data: bytes) -> str:
        """Durable when it returns its SHA-256. Waits for the disk: call it in a thread."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        with self._lock:
            if path.exists():
                os.utime(path)  # young again, so that nobody removes it before its new reader is known
                return sha256
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(path.parent.parent)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return sha256

    def remove(self, names: Iterable[str], before: float) -> int:
        """Those of them that were last put before that time (seconds since 1970); how many went."""
        removed = 0
        for sha256 in names:
            path = self._path(sha256)
            with self._lock:
                if path.exists() and path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed

    def get(self, sha256: str) -> bytes:
        """Raises FileNotFoundError."""
        return self._path(sha256).read_bytes()

    def path(self, sha256: str) -> Path | None:
        """Where the Blob lies; None when there is none of this name."""
        if not _SHA256.fullmatch(sha256):
            return None
        path = self._path(sha256)
        return path if path.is_file() else None

    def _path(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise FileNotFoundError(f"'{sha256:.80}' is no SHA-256.")
        return self._folder / sha256[:2] / sha256[2:]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
