"""Processes that are no children of ours, by their number and the moment they began: numbers are used again (J1)."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

_LOOK_EVERY_S: Final = 0.1


def started(pid: int) -> str:
    """In the machine's own ticks, field 22 of /proc/pid/stat; empty where there is no such process, or no /proc."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def is_running(pid: int, began: str) -> bool:
    """A zombie is not: nothing of it runs."""
    if pid <= 1:
        return False
    fields = _stat(pid)
    if fields:
        return fields[0] != "Z" and began in ("", fields[19])
    if _stat(os.getpid()):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def kill(pid: int, began: str) -> None:
    if is_running(pid, began):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_group(pid: int, began: str) -> None:
    """Of the process that leads it, or led it: as long as one of a group lives its number is nobody else's."""
    if pid > 1 and (is_running(pid, began) or not _stat(pid)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


async def ended(pid: int, began: str) -> None:
    """Returns when it runs no more; reaps it if it is a child of ours."""
    descriptor = -1
    with suppress(AttributeError, OSError):  # not Linux, or gone already
        descriptor = os.pidfd_open(pid)
    try:
        if descriptor >= 0 and is_running(pid, began):
            noticed = asyncio.Event()
            asyncio.get_running_loop().add_reader(descriptor, noticed.set)
            try:
                await noticed.wait()
            finally:
                asyncio.get_running_loop().remove_reader(descriptor)
        while is_running(pid, began):  # where there is no pidfd, nobody tells
            _reap(pid)
            await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    _reap(pid)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _stat(pid: int) -> list[str]:
    """Fields of /proc/pid/stat from the third on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
