"""Sessions of stock clients: which path has which kernel. A session ends with its kernel.

Nothing here starts or ends a kernel; ours, the document server, has no use for sessions.
"""

import json
import logging
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import anyio

log = logging.getLogger(__name__)

MAX_SESSIONS: Final = 1_000


class TooManySessions(Exception):
    """There are as many sessions as there may be."""


@dataclass(frozen=True, slots=True)
class Session:
    """`path` is mostly a notebook's; some clients put any unique text there."""

    id: str
    path: str
    name: str
    type: str
    kernel: str

    def model(self, kernel: dict[str, object]) -> dict[str, object]:
        model: dict[str, object] = {"id": self.id, "path": self.path, "name": self.name, "type": self.type}
        model["kernel"] = kernel
        return model | ({"notebook": {"path": self.path, "name": self.name}} if self.type == "notebook" else {})


class Sessions:
    """Kept in `file`, when one is given, for the next gateway that finds the same kernels. `lives` is asked of a
    kernel's id."""

    def __init__(self, file: Path | None, lives: Callable[[str], bool]) -> None:
        self._file = file
        self._lives = lives
        self._sessions = {session.id: session for session in _read(file)}
        self._locks: dict[str, anyio.Lock] = {}

    @property
    def all(self) -> list[Session]:
        """Those whose kernels there are; the others are forgotten."""
        gone = [session for session in self._sessions.values() if not self._lives(session.kernel)]
        for session in gone:
            del self._sessions[session.id]
        if gone:
            self._write()
        return list(self._sessions.values())

    def of_path(self, path: str) -> Session | None:
        return next((session for session in self.all if session.path == path), None)

    def get(self, id: str) -> Session | None:
        """Also one whose kernel has ended since somebody last asked for all."""
        return self._sessions.get(id)

    def check_room(self) -> None:
        """Raises TooManySessions."""
        if len(self.all) >= MAX_SESSIONS:
            raise TooManySessions(f"There are {MAX_SESSIONS} sessions; close one first.")

    def add(self, path: str, name: str, type: str, kernel: str) -> Session:
        session = Session(str(uuid.uuid4()), path, name, type, kernel)
        self.put(session)
        return session

    def put(self, session: Session) -> None:
        self._sessions[session.id] = session
        self._write()

    def remove(self, id: str) -> None:
        if self._sessions.pop(id, None) is not None:
            self._write()

    @asynccontextmanager
    async def alone(self, path: str) -> AsyncIterator[None]:
        """While a kernel is started for `path`: who asks for it meanwhile gets the same session."""
        lock = self._locks.setdefault(path, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            use = lock.statistics()
            if not use.locked and not use.tasks_waiting:
                self._locks.pop(path, None)

    def _write(self) -> None:
        if self._file is None:
            return
        part = self._file.with_name(f"{self._file.name}.part")
        try:
            part.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump([asdict(session) for session in self._sessions.values()], file)
            part.replace(self._file)
        except OSError as error:  # a full disk ends no session: only the next gateway will not know it
            log.warning("The sessions could not be written", extra={"file": str(self._file), "error": str(error)})


def _read(file: Path | None) -> list[Session]:
    """What a file that is not ours, or not whole, holds is no session."""
    names = [field.name for field in fields(Session)]
    value: object = None
    if file is not None:
        with suppress(OSError, ValueError, RecursionError):
            value = json.loads(file.read_text())
    found = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    return [
        Session(**{name: item[name] for name in names})
        for item in found
        if all(isinstance(item.get(name), str) for name in names)
    ]
