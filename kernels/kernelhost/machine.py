"""What the machine that the gateway runs on uses, all programs together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU; `utilisation` is a percentage, None where the driver does not tell."""

    uuid: str
    name: str
    memory_bytes: int
    memory_total_bytes: int
    utilisation: float | None

    def json(self) -> dict[str, object]:
        return {
            "uuid": self.uuid,
            "name": self.name,
            "memory_bytes": self.memory_bytes,
            "memory_total_bytes": self.memory_total_bytes,
            "utilisation": self.utilisation,
        }


@dataclass(frozen=True, slots=True)
class Machine:
    """`cpu_percent` is of all cores together, since the sample before; the disk is the one of the kernels' root."""

    cpu_percent: float
    cpu_count: int
    memory_bytes: int
    memory_total_bytes: int
    disk_bytes: int
    disk_total_bytes: int
    gpus: tuple[Device, ...] = ()

    def json(self) -> dict[str, object]:
        return {
            "cpu_percent": self.cpu_percent,
            "cpu_count": self.cpu_count,
            "memory_bytes": self.memory_bytes,
            "memory_total_bytes": self.memory_total_bytes,
            "disk_bytes": self.disk_bytes,
            "disk_total_bytes": self.disk_total_bytes,
            "gpus": [gpu.json() for gpu in self.gpus],
        }


def sample_machine(root: Path, devices: Callable[[], tuple[Device, ...]] = tuple) -> Machine:
    memory = psutil.virtual_memory()
    disk = psutil.disk_usage(str(root))
    return Machine(
        psutil.cpu_percent(),
        psutil.cpu_count() or 1,
        memory.total - memory.available,
        memory.total,
        disk.used,
        disk.used + disk.free,  # without what only root may use, as `df` counts
        devices(),
    )
