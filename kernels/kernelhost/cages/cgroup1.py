"""A cage of control groups, version 1: one group in the tree of each controller; and one in an empty tree of version 2
beside them, where there is one, as that can be killed at a stroke."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kernelhost.cages import cgroups
from kernelhost.cages.cgroups import REAL, CannotCage, Tree, read_fields, read_int, read_pids, write
from kernelhost.limits import Limits

_NEEDED: Final = ("memory", "pids")
_MORE: Final = ("cpu", "cpuacct")
_PERIOD_US: Final = 100_000
_NONE: Final = -1


class Cgroup1:
    driver = "cgroup v1"

    def __init__(self, name: str, limits: Limits, tree: Tree = REAL) -> None:
        """Raises CannotCage."""
        self._tree = tree
        self._groups: dict[str, Path] = {}
        ours = tree.paths()
        try:
            for controller in (*_NEEDED, *_MORE, "unified"):
                base = tree.root / controller
                below = base / ours.get("" if controller == "unified" else controller, "/").strip("/")
                base = below if below.is_dir() else base
                if not (base / "cgroup.procs").exists():
                    if controller in _NEEDED:
                        raise CannotCage(f"there is no tree of the controller '{controller}'")
                    continue
                tree.clear_abandoned(base)
                group = base / cgroups.group_name(name)
                tree.make(group)
                self._groups[controller] = group
            self.apply(limits)
        except (OSError, CannotCage) as error:
            self.close()
            raise CannotCage(f"its groups cannot be made ({error})") from error

    @property
    def enforced(self) -> frozenset[str]:
        return frozenset({"memory_bytes", "processes"} | ({"cpus"} if "cpu" in self._groups else set()))

    @property
    def procs(self) -> Sequence[Path]:
        return [group / "cgroup.procs" for group in self._groups.values()]

    @property
    def rlimits(self) -> Sequence[str]:
        return ()

    def start(self, pid: int) -> None:
        pass

    def apply(self, limits: Limits) -> None:
        group, memory = self._groups["memory"], limits.memory_bytes or _NONE
        # Memory and swap together may never be less than memory alone: one is to be raised first, or lowered last.
        with suppress(OSError):
            write(group / "memory.memsw.limit_in_bytes", memory)
        write(group / "memory.limit_in_bytes", memory)
        with suppress(OSError):  # a kernel without swap has none
            write(group / "memory.memsw.limit_in_bytes", memory)
        write(self._groups["pids"] / "pids.max", limits.processes or "max")
        if "cpu" in self._groups:
            write(self._groups["cpu"] / "cpu.cfs_period_us", _PERIOD_US)
            write(self._groups["cpu"] / "cpu.cfs_quota_us", int(limits.cpus * _PERIOD_US) if limits.cpus else _NONE)

    def pids(self) -> list[int]:
        return read_pids(self._groups["pids"])

    def memory(self) -> int:
        group = self._groups["memory"]
        cached = read_fields(group / "memory.stat").get("total_inactive_file", 0)
        return max(read_int(group / "memory.usage_in_bytes") - cached, 0)

    def peak_memory(self) -> int:
        return read_int(self._groups["memory"] / "memory.max_usage_in_bytes")

    def cpu_seconds(self) -> float:
        return read_int(self._groups["cpuacct"] / "cpuacct.usage") / 1e9 if "cpuacct" in self._groups else 0.0

    def oom_kills(self) -> int:
        return read_fields(self._groups["memory"] / "memory.oom_control").get("oom_kill", 0)

    def refused_forks(self) -> int:
        return read_fields(self._groups["pids"] / "pids.events").get("max", 0)

    def kill(self) -> None:
        if "unified" in self._groups:
            cgroups.kill_group(self._groups["unified"])
        if "pids" in self._groups:
            cgroups.kill_group(self._groups["pids"])

    def close(self) -> None:
        self.kill()
        for group in self._groups.values():
            self._tree.clear(group)
