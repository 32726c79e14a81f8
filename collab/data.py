"""The data folder: what is where in it, the secrets it keeps, and the lock that lets one server at a time in."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from collab.config import BadSetting

if os.name != "nt":
    import fcntl


@dataclass(slots=True)
class Data:
    """`token` signs the owner in; `secret` makes names that cannot be guessed. Use it as a context manager."""

    folder: Path
    token: str
    secret: bytes
    is_new: bool
    _lock: int = -1

    @property
    def database(self) -> Path:
        return self.folder / "collab.sqlite"

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    def __enter__(self) -> "Data":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def open_data(folder: Path, token: str) -> Data:
    """Makes the folder at the first start. Raises BadSetting when it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise BadSetting(
            f"The data folder {folder} cannot be used: {error.strerror}; choose another with --data."
        ) from error
    if os.name != "nt":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise BadSetting(
                f"Another collab serves {folder}; end it first, or choose another folder with --data."
            ) from error
    is_new = not (folder / "collab.sqlite").exists()
    kept = _secrets(folder / "secrets.json")
    return Data(folder, token or kept["token"], bytes.fromhex(kept["secret"]), is_new, lock)


def _secrets(file: Path) -> dict[str, str]:
    """Made once, readable by this user alone: the sign-in link stays the same over restarts."""
    try:
        value = json.loads(file.read_text())
        return {"token": str(value["token"]), "secret": str(value["secret"])}
    except FileNotFoundError:
        made = {"token": secrets.token_urlsafe(24), "secret": secrets.token_hex(32)}
        part = file.with_suffix(".part")
        descriptor = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(made, stream)
        part.replace(file)
        return made
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BadSetting(f"{file} cannot be read; restore it, or delete it to get a new sign-in token.") from error
