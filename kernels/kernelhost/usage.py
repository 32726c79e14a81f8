"""What one kernel uses now. Sampled where the kernel runs and never through it: a busy kernel answers late, and a
question to it would be work of its own (kernels.md section 15)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import anyio

from kernelhost.disk import folder_bytes
from kernelhost.tree import members

DISK_EVERY_S: Final = 30.0
# A folder too large to count is looked at this seldom; any walk takes at most a twentieth of one core.
_DISK_UNKNOWN_EVERY_S: Final = 600.0
_DISK_SHARE: Final = 20.0
_MAX_PIDS: Final = 512
_MAX_ID_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """`utilisation` is a percentage of the device; None where it cannot be told by process."""

    uuid: str
    memory_bytes: int
    utilisation: float | None

    def json(self) -> dict[str, object]:
        return {"uuid": self.uuid, "memory_bytes": self.memory_bytes, "utilisation": self.utilisation}


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_percent` is of one core, since the sample before. `disk_bytes` None: not counted, or too many files.
    `request` is the msg_id of the execute_request that runs."""

    at: datetime
    cpu_percent: float
    memory_bytes: int
    processes: int
    disk_bytes: int | None = None
    gpus: tuple[GpuUsage, ...] = ()
    request: str | None = None

    def json(self) -> dict[str, object]:
        return {
            "at": self.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "cpu_percent": self.cpu_percent,
            "memory_bytes": self.memory_bytes,
            "processes": self.processes,
            "disk_bytes": self.disk_bytes,
            "gpus": [gpu.json() for gpu in self.gpus],
            "request": self.request,
        }


def usage_of(value: Mapping[str, Any]) -> Usage:
    """The inverse of `Usage.json`, for what a host process of ours sent."""
    return Usage(
        datetime.strptime(value["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC),
        value["cpu_percent"],
        value["memory_bytes"],
        value["processes"],
        value["disk_bytes"],
        tuple(GpuUsage(gpu["uuid"], gpu["memory_bytes"], gpu["utilisation"]) for gpu in value["gpus"]),
        value["request"],
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What a host process tells of its kernel. `pids` are the first 512 numbers on its machine, to tell whose process
    uses a GPU; the rest is what the host holds for clients: bytes of output, bytes dropped at the bound so far, and
    requests that wait."""

    usage: Usage
    pids: tuple[int, ...] = ()
    journal_bytes: int = 0
    dropped_bytes: int = 0
    held: int = 0

    def json(self) -> dict[str, object]:
        return {
            "usage": self.usage.json(),
            "pids": list(self.pids),
            "journal_bytes": self.journal_bytes,
            "dropped_bytes": self.dropped_bytes,
            "held": self.held,
        }


def report_of(value: Mapping[str, Any]) -> Report:
    return Report(
        usage_of(value["usage"]),
        tuple(value["pids"]),
        value["journal_bytes"],
        value["dropped_bytes"],
        value["held"],
    )


class Cage(Protocol):
    """What holds all processes of a kernel, also those that left its tree."""

    def pids(self) -> Iterable[int]: ...

    def memory(self) -> int: ...

    def cpu_seconds(self) -> float:
        """0 where it does not count them."""


class Sampler:
    """Of one process of one kernel; a restarted kernel has another. `now_s` is monotonic seconds."""

    def __init__(self, pid: int, folder: Path, now_s: float, cage: Cage | None = None) -> None:
        self._pid = pid
        self._folder = folder
        self._cage = cage
        self._before_s = now_s
        self._cpu_s = 0.0
        self._disk: int | None = None
        self._disk_at_s = now_s

    def sample(self, now_s: float, at: datetime, request: str | None = None) -> Report:
        cage = self._cage
        if cage is None:
            found = members([self._pid])
            pids, memory = [member.pid for member in found], sum(member.memory_bytes for member in found)
            cpu_s = sum(member.cpu_s for member in found)
        else:
            pids, memory = list(cage.pids()), cage.memory()
            cpu_s = cage.cpu_seconds() or sum(member.cpu_s for member in members([self._pid]))
        # A child that nobody waited for takes its time with it, so the sum may shrink.
        spent_s, passed_s = max(0.0, cpu_s - self._cpu_s), now_s - self._before_s
        self._cpu_s, self._before_s = cpu_s, now_s
        percent = round(100 * spent_s / passed_s, 1) if passed_s > 0 else 0.0
        usage = Usage(at, percent, memory, len(pids), self._disk, (), _short(request))
        return Report(usage, tuple(pids[:_MAX_PIDS]))

    def move(self, folder: Path) -> None:
        """The same process works in another folder from now on."""
        self._folder, self._disk, self._disk_at_s = folder, None, self._before_s

    def disk_is_due(self, now_s: float) -> bool:
        return now_s >= self._disk_at_s

    async def measure_disk(self, clock_s: Callable[[], float] = anyio.current_time) -> None:
        """In a thread, as a folder may be large or on a slow network."""
        begun_s = clock_s()
        self._disk_at_s = begun_s + _DISK_UNKNOWN_EVERY_S  # not twice at once
        folder = self._folder
        found = await anyio.to_thread.run_sync(folder_bytes, folder, abandon_on_cancel=True)
        if folder != self._folder:
            return
        self._disk = found
        ended_s = clock_s()
        wait_s = _DISK_UNKNOWN_EVERY_S if self._disk is None else DISK_EVERY_S
        self._disk_at_s = ended_s + max(wait_s, _DISK_SHARE * (ended_s - begun_s))


def _short(id: str | None) -> str | None:
    """None for what cannot be told in a model: JSON can spell halves of characters, and any length."""
    if id is None or len(id) > _MAX_ID_CHARS:
        return None
    return id if id.isascii() or not any("\ud800" <= character <= "\udfff" for character in id) else None
