"""Where connection files, sockets and logs of kernels are: one folder for each gateway process, gone when it ends.

What a gateway left that was killed, the next one clears away: who holds no lock does not live.
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

_PREFIX: Final = "kernelhost-"
_LOCK: Final = "lock"
# The path of a Unix socket has at most 107 bytes, on some systems 103.
_MAX_PARENT: Final = 64


@contextmanager
def own_folder() -> Iterator[Path]:
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent)) > _MAX_PARENT:
        parent = Path("/tmp")
    clear_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def clear_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.getuid():
                continue
            # A folder without a lock was made a moment ago; O_NOFOLLOW, as anybody may write into the parent.
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                log.info("A folder of a gateway that is gone was removed", extra={"folder": str(folder)})
            finally:
                os.close(lock)
