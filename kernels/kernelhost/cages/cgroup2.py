"""A cage of control groups, version 2, in a subtree that was delegated to us: by systemd (`Delegate=yes`), or a tree
that may be written to.

Processes are in leaves only: we move from the subtree's root into a leaf of its own first.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kernelhost.cages import cgroups
from kernelhost.cages.cgroups import REAL, CannotCage, Tree, read_fields, read_int, read_pids, write
from kernelhost.limits import Limits

_LEAF: Final = "kernelhost.service"
_NEEDED: Final = ("memory", "pids")
_PERIOD_US: Final = 100_000


class Cgroup2:
    driver = "cgroup v2"

    def __init__(self, name: str, limits: Limits, tree: Tree = REAL) -> None:
        """Raises CannotCage."""
        self._tree = tree
        base = _delegated(tree)
        try:
            self._enforced = _enable(base, tree)
            tree.clear_abandoned(base)
            self._group = base / cgroups.group_name(name)
            tree.make(self._group)
        except OSError as error:
            raise CannotCage(f"its group cannot be made ({error})") from error
        try:
            self.apply(limits)
            with suppress(FileNotFoundError):
                write(self._group / "memory.oom.group", 1)
        except OSError as error:
            self.close()
            raise CannotCage(f"its limits cannot be set ({error})") from error

    @property
    def enforced(self) -> frozenset[str]:
        return frozenset({"memory_bytes", "processes"} | ({"cpus"} if "cpu" in self._enforced else set()))

    @property
    def procs(self) -> Sequence[Path]:
        return [self._group / "cgroup.procs"]

    @property
    def rlimits(self) -> Sequence[str]:
        return ()

    def start(self, pid: int) -> None:
        pass

    def apply(self, limits: Limits) -> None:
        # No memory.high: without swap whoever passes it is slowed to a crawl and never meets the end that tells why.
        write(self._group / "memory.max", limits.memory_bytes or "max")
        with suppress(FileNotFoundError):  # a kernel without swap has none
            write(self._group / "memory.swap.max", 0 if limits.memory_bytes else "max")
        write(self._group / "pids.max", limits.processes or "max")
        if "cpu" in self._enforced:
            quota = int(limits.cpus * _PERIOD_US) if limits.cpus else "max"
            write(self._group / "cpu.max", f"{quota} {_PERIOD_US}")

    def pids(self) -> list[int]:
        return read_pids(self._group)

    def memory(self) -> int:
        cached = read_fields(self._group / "memory.stat").get("inactive_file", 0)
        return max(read_int(self._group / "memory.current") - cached, 0)

    def peak_memory(self) -> int:
        return max(read_int(self._group / "memory.peak"), self.memory())

    def cpu_seconds(self) -> float:
        return read_fields(self._group / "cpu.stat").get("usage_usec", 0) / 1e6

    def oom_kills(self) -> int:
        return read_fields(self._group / "memory.events").get("oom_kill", 0)

    def refused_forks(self) -> int:
        return read_fields(self._group / "pids.events").get("max", 0)

    def kill(self) -> None:
        cgroups.kill_group(self._group)

    def close(self) -> None:
        self.kill()
        self._tree.clear(self._group)


def _delegated(tree: Tree) -> Path:
    """The root of our subtree. Raises CannotCage."""
    if not (tree.root / "cgroup.controllers").exists():
        raise CannotCage("there is no tree of version 2")
    group = tree.root / tree.paths().get("", "/").strip("/")
    if not group.is_dir():  # a container that sees the machine's path
        group = tree.root
    return group.parent if group.name == _LEAF else group


def _enable(base: Path, tree: Tree) -> frozenset[str]:
    """The controllers that children of `base` have. Raises CannotCage, OSError."""
    there = set((base / "cgroup.controllers").read_text().split())
    if missing := set(_NEEDED) - there:
        raise CannotCage(f"the controllers {' and '.join(sorted(missing))} are not given to {base}")
    wanted = [name for name in (*_NEEDED, "cpu") if name in there]
    enabled = set((base / "cgroup.subtree_control").read_text().split())
    if not enabled.issuperset(wanted):
        _move_to_leaf(base, tree)
        write(base / "cgroup.subtree_control", " ".join(f"+{name}" for name in wanted))
    return frozenset(wanted)


def _move_to_leaf(base: Path, tree: Tree) -> None:
    leaf = base / _LEAF
    if not leaf.is_dir():
        tree.make(leaf)
    for pid in read_pids(base):
        with suppress(ProcessLookupError):
            write(leaf / "cgroup.procs", pid)
