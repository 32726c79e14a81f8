"""The control groups that kernels are in, for a driver that lets the operating system hold one to a part of a GPU."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kernelhost.gpus.grant import Grant
from kernelhost.gpus.nvml import Nvml, NvmlFailed


class Groups:
    """`proc` and `ours`, our own process, are where it looks."""

    def __init__(self, nvml: Nvml, ours: int, proc: Path = Path("/proc")) -> None:
        self._nvml = nvml
        self._ours = ours
        self._proc = proc
        self._told: set[str] = set()

    def hold(self, members: Mapping[int, str], grants: Mapping[str, Grant]) -> None:
        """Of each kernel that has a share, the group that its processes are in and we are not: once."""
        ours = group_of(self._ours, self._proc)
        found: set[str] = set()
        for pid, kernel in members.items():
            grant = grants.get(kernel)
            if grant is None or not grant.is_shared:
                continue
            group = group_of(pid, self._proc)
            if group in ("", "/", ours) or group in found:
                continue
            found.add(group)
            if group not in self._told:
                for part in grant.parts:
                    with suppress(NvmlFailed):  # without it, the watch is what holds it
                        self._nvml.limit(part.uuid, group, part.memory_bytes)
        self._told = found


def group_of(pid: int, proc: Path) -> str:
    """Its place in the tree of version 2; empty when there is none, or no such process."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return ""
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")
