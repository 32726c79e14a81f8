"""A cage without control groups: bounds that each process inherits, and a count of who descends from whom.

Whoever leaves its session or loses its parent is still found when we are the one to whom orphans go
(`adopt_orphans`): all that descends from us is the kernel's.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kernelhost.cages.cgroups import kill_all
from kernelhost.limits import GIB, Limits
from kernelhost.tree import Member, members

_PR_SET_CHILD_SUBREAPER: Final = 36
_KIB: Final = 1 << 10
_CLOSE: Final = 0.5


def adopt_orphans() -> bool:
    """For a process that holds one kernel and nothing else: whatever its kernel leaves behind becomes its child. True
    if so, for `Rlimits`."""
    return sys.platform == "linux" and not ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(kernel: int) -> None:
    """Takes notice of the end of adopted ones, which would stay zombies; never of the kernel's own process."""
    for member in members([os.getpid()]):
        if member.pid not in (kernel, os.getpid()):
            with suppress(ChildProcessError):
                os.waitpid(member.pid, os.WNOHANG)


class Rlimits:
    driver = "rlimits"
    enforced: frozenset[str] = frozenset()

    def __init__(self, limits: Limits, gpu: bool = False, adopting: bool = False) -> None:
        self._limits = limits
        self._gpu = gpu
        self._adopting = adopting
        self._pid = 0
        self._peak = 0

    @property
    def procs(self) -> Sequence[Path]:
        return ()

    @property
    def rlimits(self) -> Sequence[str]:
        lines = []
        if self._limits.memory_bytes is not None and not self._gpu:
            # Against one huge allocation; far above the limit, as programs reserve much more than they use (M2).
            lines.append(f"ulimit -v {(2 * self._limits.memory_bytes + 4 * GIB) // _KIB}")
        if self._limits.processes is not None:
            most = self._limits.processes + _threads_of_user()  # counted by user, over all of the machine
            lines.append(f"ulimit -u {most} || ulimit -p {most}")
        return lines

    def start(self, pid: int) -> None:
        self._pid = pid

    def apply(self, limits: Limits) -> None:
        self._limits = limits

    def pids(self) -> list[int]:
        return [member.pid for member in self._members()]

    def memory(self) -> int:
        """Resident. What processes share is counted once where that can be known; it takes longer, and so is asked only
        when it matters."""
        used = sum(member.memory_bytes for member in self._members())
        if self._limits.memory_bytes is not None and used > _CLOSE * self._limits.memory_bytes:
            used = sum(_own_share(member) for member in self._members())
        self._peak = max(self._peak, used)
        return used

    def peak_memory(self) -> int:
        return self._peak

    def cpu_seconds(self) -> float:
        return sum(member.cpu_s for member in self._members())

    def oom_kills(self) -> int:
        return 0

    def refused_forks(self) -> int:
        return 0

    def kill(self) -> None:
        for pid in self.pids():  # whoever is stopped starts no more of them
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP)
        kill_all(lambda: [pid for pid in self.pids() if _lives(pid)])

    def close(self) -> None:
        self.kill()
        reap_orphans(self._pid)

    def _members(self) -> list[Member]:
        if self._adopting:
            return [member for member in members([os.getpid()]) if member.pid != os.getpid()]
        return members([self._pid]) if self._pid else []


def _own_share(member: Member) -> int:
    """Of what several have, a part: what a thousand children share with their parent is there once."""
    try:
        lines = Path(f"/proc/{member.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * _KIB for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration, ValueError):
        return member.memory_bytes


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return not Path("/proc/self/stat").exists()


def _threads_of_user() -> int:
    import psutil  # type: ignore[import-untyped]  # 1 MB that host processes do without where there are cgroups

    count = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        if process.info["uids"] and process.info["uids"].real == os.getuid():
            count += process.info["num_threads"] or 0
    return count
