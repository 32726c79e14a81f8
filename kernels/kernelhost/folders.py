"""Short folders for sockets, connection files and logs: one for each host process, gone when it ends.

What a process left that was killed, the next gateway clears away: who holds no lock does not live.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

HOME_PREFIX: Final = "kernelhost-"
LOCK: Final = "lock"
# The path of a Unix socket has at most 107 bytes, on some systems 103.
_MAX_PARENT: Final = 64


def short_parent() -> Path:
    parent = Path(tempfile.gettempdir())
    return parent if len(os.fsencode(parent)) <= _MAX_PARENT else Path("/tmp")


@contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    # Under another name until it is locked: a gateway that clears up would take one without an owner for abandoned.
    made = Path(tempfile.mkdtemp(prefix=f".{HOME_PREFIX}", dir=parent))
    lock = os.open(made / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = made.rename(made.with_name(made.name.removeprefix(".")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def clear_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{HOME_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.getuid():
                continue
            # O_NOFOLLOW, as anybody may write into the parent.
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                log.info("A folder of a process that is gone was removed", extra={"folder": str(folder)})
            finally:
                os.close(lock)
