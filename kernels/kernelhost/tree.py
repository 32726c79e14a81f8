"""The processes below one process, and what each uses. From /proc where it lists children, which costs a few reads
however many processes the machine has; a host process each for 200 kernels must not each look through all of them."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_PROCESSES: Final = 4_096
_LISTS_CHILDREN: Final = Path(f"/proc/self/task/{os.getpid()}/children").exists()
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Member:
    """`cpu_s` is its own and that of the children it has waited for, so that a sum over a tree keeps what ended."""

    pid: int
    cpu_s: float
    memory_bytes: int


def members(roots: Iterable[int]) -> list[Member]:
    """Of the trees below `roots`, those included; at most MAX_PROCESSES, the nearest first."""
    member, children = (_member, _children) if _LISTS_CHILDREN else _by_psutil()
    found: dict[int, Member] = {}
    level = list(roots)
    while level and len(found) < MAX_PROCESSES:
        below: list[int] = []
        for pid in level:
            if pid in found or len(found) >= MAX_PROCESSES:
                continue
            seen = member(pid)
            if seen is not None:
                found[pid] = seen
                below += children(pid)
        level = below
    return list(found.values())


def _member(pid: int) -> Member | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        ticks = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
        return Member(pid, ticks / _TICKS_PER_S, int(fields[21]) * _PAGE_BYTES)
    except (OSError, IndexError, ValueError):
        return None


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except (OSError, ValueError):
            continue
    return found


def _by_psutil() -> tuple[Callable[[int], Member | None], Callable[[int], list[int]]]:
    """For systems without /proc, and kernels built without its lists of children."""
    import psutil  # type: ignore[import-untyped]  # 1 MB that a host process on Linux does without

    below: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        below.setdefault(process.info["ppid"], []).append(process.pid)

    def member(pid: int) -> Member | None:
        try:
            process = psutil.Process(pid)
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.Error:
            return None
        return Member(pid, sum(times[:4]), memory.rss)

    return member, lambda pid: below.get(pid, [])
