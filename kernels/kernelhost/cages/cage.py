"""What holds the processes of one kernel, and what they use: of the operating system's means, the best that works here.

A kernel's process enters by itself, through a line of shell before its program: from then on all its children are in
too, whatever session or group they choose. The gateway and the host process stay outside (M3).
"""

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from kernelhost.cages.cgroup1 import Cgroup1
from kernelhost.cages.cgroup2 import Cgroup2
from kernelhost.cages.cgroups import REAL, CannotCage, Tree
from kernelhost.cages.rlimits import Rlimits
from kernelhost.limits import Limits

log = logging.getLogger(__name__)

_OOM_SCORE: Final = 800  # when the machine runs out of memory, kernels go first


class Cage(Protocol):
    """One generation of a kernel. `close` it when its first process has ended: whatever is left in it is killed."""

    @property
    def driver(self) -> str:
        """'cgroup v2', 'cgroup v1' or 'rlimits'."""
        ...

    @property
    def enforced(self) -> frozenset[str]:
        """Which of `Limits` the operating system holds; the others are watched, or nothing."""
        ...

    @property
    def procs(self) -> Sequence[Path]:
        """Files to which the process that enters writes its number."""
        ...

    @property
    def rlimits(self) -> Sequence[str]:
        """Lines of shell to run before the program."""
        ...

    def start(self, pid: int) -> None:
        """The first process is in."""
        ...

    def apply(self, limits: Limits) -> None:
        """Other limits, for a kernel that runs."""
        ...

    def pids(self) -> list[int]: ...

    def memory(self) -> int:
        """Bytes that cannot be taken back: without files that are merely cached."""
        ...

    def peak_memory(self) -> int: ...

    def cpu_seconds(self) -> float: ...

    def oom_kills(self) -> int:
        """How many of its processes the memory limit has ended."""
        ...

    def refused_forks(self) -> int:
        """How many processes and threads the limit has refused."""
        ...

    def kill(self) -> None:
        """Every process in it, those in sessions of their own too."""
        ...

    def close(self) -> None: ...


def open_cage(name: str, limits: Limits, gpu: bool = False, adopting: bool = False, tree: Tree = REAL) -> Cage:
    """The best there is here; `name` is unique among those of this process. Never fails: rlimits always work."""
    for kind in (Cgroup2, Cgroup1):
        try:
            return kind(name, limits, tree)
        except CannotCage as error:
            log.debug("A kind of cage does not work here", extra={"kind": kind.__name__, "reason": str(error)})
    return Rlimits(limits, gpu, adopting)


def entry(cage: Cage, limits: Limits) -> list[str]:
    """To put before a command: enters the cage, sets what processes set for themselves, and becomes the command."""
    enter = [
        f'echo $$ >{shlex.quote(str(file))} || {{ echo "It cannot enter {file.parent.name}."; exit 126; }}'
        for file in cage.procs
    ]
    lines = [f"echo {_OOM_SCORE} >/proc/self/oom_score_adj", "ulimit -c 0", *cage.rlimits]
    if limits.files is not None:
        lines.append(f'ulimit -n {limits.files} || ulimit -n "$(ulimit -H -n)"')
    if limits.disk_bytes is not None:
        lines.append(f"ulimit -f {max(limits.disk_bytes // 512, 1)}")  # one file alone never passes the folder's limit
    quiet = [f"{{ {line}; }} 2>/dev/null" for line in lines]
    return ["/bin/sh", "-c", "\n".join([*enter, *quiet, 'exec "$@"']), "kernelhost"]


def holders(cage: Cage) -> dict[str, str]:
    """Limit -> what holds it here."""
    by = {name: cage.driver if name in cage.enforced else what for name, what in _OTHERWISE.items()}
    return by | {"files": "rlimits"}


_OTHERWISE: Final = {
    "memory_bytes": "the watch, which samples resident memory",
    "cpus": "nothing",
    "processes": "rlimits and the watch",
    "files": "rlimits",
    "disk_bytes": "the watch, which sums up the folder",
    "output_bytes_per_s": "back-pressure on Python kernels",
}
