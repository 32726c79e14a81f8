"""Which kernels there are, in files, so that a gateway that starts finds those of the last one (kernels.md J1, I8).

One folder a kernel, written by its host process alone and removed by it when the kernel ends; whoever comes to a row of
a host that is gone clears up behind it. Nothing is written per message, and no key or variable of a kernel is in it.
"""

import json
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kernelhost import pids
from kernelhost.folders import HOME_PREFIX

log = logging.getLogger(__name__)

_ROW: Final = "row.json"


@dataclass(frozen=True, slots=True)
class Row:
    """`home` is where sockets and logs are. `started` tells a process from a later one of its number. One that is
    `pooled` is nobody's, and of no use to another gateway."""

    id: str
    spec: str
    generation: int
    pid: int
    started: str
    kernel_pid: int
    kernel_started: str
    home: str
    cwd: str
    created: str
    pooled: bool = False

    @property
    def socket(self) -> Path:
        return Path(self.home) / "host"

    @property
    def lives(self) -> bool:
        return pids.is_running(self.pid, self.started)


def write_row(folder: Path, row: Row) -> None:
    """Raises OSError."""
    part = folder / f"{_ROW}.part"
    with open(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        json.dump(asdict(row), file)
    part.replace(folder / _ROW)


def read_row(folder: Path) -> Row | None:
    """None when there is none that makes sense."""
    try:
        value = json.loads((folder / _ROW).read_text())
        row = Row(**value)
        numbers = (row.generation, row.pid, row.kernel_pid)
        texts = (row.id, row.spec, row.started, row.kernel_started, row.home, row.cwd, row.created)
    except (OSError, ValueError, TypeError):
        return None
    return row if all(type(it) is int for it in numbers) and all(type(it) is str for it in texts) else None


def rows(registry: Path) -> Iterator[tuple[Path, Row | None]]:
    """Each folder of the registry, with its row if it has one."""
    for folder in sorted(registry.iterdir()):
        if folder.is_dir() and not folder.is_symlink():
            yield folder, read_row(folder)


def clear_row(folder: Path, row: Row | None) -> None:
    """What a kernel left whose host is gone: its processes and its folders. Without a row only the folder."""
    if row is not None:
        pids.kill_group(row.kernel_pid, row.kernel_started)
        home = Path(row.home)
        if home.name.startswith(HOME_PREFIX) and _is_ours(home):
            shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
