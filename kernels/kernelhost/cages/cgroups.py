"""What both versions of control groups have in common: small files to read and write, and groups that were left."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "kernelhost-"
_GONE_WITHIN_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.005


class CannotCage(Exception):
    """This kind of cage does not work here; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Where control groups are, and where it is written in which of them we are. A fake one has its own `make` and
    `remove`, as the real file system puts files into a new folder."""

    root: Path = Path("/sys/fs/cgroup")
    own: Path = Path("/proc/self/cgroup")
    make: Callable[[Path], None] = os.mkdir
    remove: Callable[[Path], None] = os.rmdir

    def paths(self) -> dict[str, str]:
        """Controller -> our group in its tree; "" is version 2."""
        try:
            lines = self.own.read_text().splitlines()
        except OSError:
            return {}
        found: dict[str, str] = {}
        for line in lines:
            _, controllers, path = line.split(":", 2)
            found |= dict.fromkeys(controllers.split(","), path)
        return found

    def clear(self, group: Path) -> None:
        """Away with it. Its processes were killed; it takes a moment until they are gone."""
        deadline = time.monotonic() + _GONE_WITHIN_S
        while group.is_dir():
            try:
                self.remove(group)
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    return
                time.sleep(_LOOK_EVERY_S)

    def clear_abandoned(self, base: Path) -> None:
        """What a host left that was killed: its kernel may even live, as nobody was there to end it."""
        for group in base.glob(f"{PREFIX}*"):
            if owner_is_gone(group):
                kill_group(group)
                self.clear(group)


REAL: Final = Tree()


def write(file: Path, value: object) -> None:
    """Raises OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def read_int(file: Path) -> int:
    """0 where there is none, or no bound."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def read_fields(file: Path) -> dict[str, int]:
    """Of a file of lines 'name number'."""
    fields: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            name, _, value = line.partition(" ")
            fields[name] = int(value)
    return fields


def read_pids(group: Path) -> list[int]:
    try:
        return [int(line) for line in (group / "cgroup.procs").read_text().split()]
    except (OSError, ValueError):
        return []


def kill_all(pids: Callable[[], Iterable[int]]) -> None:
    """Until there are none: what forks meanwhile is found in the next round."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while (left := list(pids())) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_EVERY_S)


def kill_group(group: Path) -> None:
    """At a stroke where Linux can (5.14), else one by one, with no more of them."""
    for file, value in (("cgroup.kill", 1), ("pids.max", 0)):
        with suppress(OSError):
            write(group / file, value)
            break
    kill_all(lambda: read_pids(group))


def owner_is_gone(group: Path) -> bool:
    """Whether the process that made the group has ended: its number and the time it began are in the name."""
    parts = group.name.removeprefix(PREFIX).split("-")
    return len(parts) < 2 or started(parts[0]) != parts[1]


def started(pid: object) -> str:
    """Field 22 of /proc/pid/stat: process numbers are used again. Empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def group_name(name: str) -> str:
    return f"{PREFIX}{os.getpid()}-{started(os.getpid())}-{name}"
