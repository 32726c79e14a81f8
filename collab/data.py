"""The data folder: what is where in it, the secrets it keeps, and the lock that lets one server at a time in."""

import html
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from collab.config import BadSetting

if os.name != "nt":
    import fcntl


OPENER: Final = "open.html"  # a page that goes to the sign-in address
_SERVED: Final = "served.json"


class AlreadyServed(BadSetting):
    """Another collab serves this folder, at `address` if it has said so by now."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(
            f"Another collab serves {folder}; end it first, or choose another folder for this one with --data."
        )
        self.address = address


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

    def announce(self, address: str) -> None:
        """Where this server is signed in to, for the next `collab` on this folder and for the browser: a page that
        goes there, readable by this user alone, so that no token stands in a list of processes."""
        _write_private(self.folder / _SERVED, json.dumps({"address": address}))
        _write_private(self.folder / OPENER, f'<meta http-equiv="refresh" content="0;url={html.escape(address)}">\n')

    def __enter__(self) -> "Data":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._lock >= 0:
            for name in (OPENER, _SERVED):
                (self.folder / name).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1


def open_data(folder: Path, token: str) -> Data:
    """Makes the folder at the first start. Raises BadSetting when it cannot be used, AlreadyServed when it is."""
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
            raise AlreadyServed(folder, _address(folder / _SERVED)) from error
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
        _write_private(file, json.dumps(made))
        return made
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BadSetting(f"{file} cannot be read; restore it, or delete it to get a new sign-in token.") from error


def _write_private(file: Path, text: str) -> None:
    part = file.with_suffix(".part")
    descriptor = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    part.replace(file)


def _address(file: Path) -> str:
    try:
        return str(json.loads(file.read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
