"""How much of the machine one kernel may take, by the gateway's settings and by a request, whichever is less.

What enforces it is in `cages/` and `watch.py`; what a limit is called in a sentence is here too.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

GIB: Final = 1 << 30
MIB: Final = 1 << 20
_UNITS: Final = {"": 1, "K": 1 << 10, "M": MIB, "G": GIB, "T": 1 << 40}
_LEFT_TO_THE_MACHINE: Final = 2 * GIB
_DEFAULT_PROCESSES: Final = 2_000
_DEFAULT_FILES: Final = 65_536
_LEAST_MEMORY: Final = 64 * MIB


class BadLimit(ValueError):
    """The message is one sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. `processes` counts threads too, as the operating system does."""

    memory_bytes: int | None = None
    cpus: float | None = None
    processes: int | None = None
    files: int | None = None
    disk_bytes: int | None = None
    output_bytes_per_s: int | None = None

    def asked(self, environment: Mapping[str, object]) -> "Limits":
        """For a request with these KERNEL_* variables: they may lower what is set here, never raise it.

        Raises BadLimit."""
        wished = {
            "memory_bytes": _wish(environment, "KERNEL_MEMORY", read_size),
            "cpus": _wish(environment, "KERNEL_CPUS", read_cpus),
            "processes": _wish(environment, "KERNEL_PROCESSES", read_count),
            "disk_bytes": _wish(environment, "KERNEL_DISK", read_size),
        }
        memory = wished["memory_bytes"]
        if memory is not None and memory < _LEAST_MEMORY:
            raise BadLimit(f"No kernel runs in less than {spell(_LEAST_MEMORY)}: ask for more in KERNEL_MEMORY.")
        return Limits(**{name: _least(value, wished.get(name)) for name, value in asdict(self).items()})

    def model(self) -> dict[str, object]:
        """As clients see it."""
        return {name: getattr(self, name) for name in ("memory_bytes", "cpus", "processes", "disk_bytes")}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Limits":
        return Limits(**{field.name: value.get(field.name) for field in fields(Limits)})


UNLIMITED: Final = Limits()


def default_limits() -> Limits:
    """Nearly all of the memory, so that a person alone keeps it and the machine never thrashes (M4)."""
    memory = max(machine_memory() - _LEFT_TO_THE_MACHINE, machine_memory() // 2)
    return Limits(memory_bytes=memory, processes=_DEFAULT_PROCESSES, files=_DEFAULT_FILES)


def machine_memory() -> int:
    """Of the machine, or of the container that we are in."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int((Path("/sys/fs/cgroup") / file).read_text()))
        except (OSError, ValueError):  # none, or "max"
            pass
    return total


def read_size(text: str) -> int:
    """'4GiB', '512M', '1.5g' or a number of bytes. Raises BadLimit."""
    found = re.fullmatch(r"([0-9]{1,15}(?:[.][0-9]{1,6})?) ?([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size <= 0:
        raise BadLimit(f"'{text:.20}' is no size; write one like 4GiB.")
    return size


def read_cpus(text: str) -> float:
    """Raises BadLimit."""
    if not re.fullmatch(r"[0-9]{1,4}(?:[.][0-9]{1,3})?", text.strip()) or float(text) < 0.01:
        raise BadLimit(f"'{text:.20}' is no number of CPUs; write one like 2 or 0.5.")
    return float(text)


def read_count(text: str) -> int:
    """Raises BadLimit."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text.strip()):
        raise BadLimit(f"'{text:.20}' is no number; write one like 500.")
    return int(text)


def spell(size: int) -> str:
    """'4.0 GiB', '200 MiB', '500 KiB'."""
    if size < MIB:
        return f"{size / 1024:.0f} KiB"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"


def share(used: int, limit: int) -> str:
    """'3.9 of 4.0 GiB', in the unit of the limit."""
    if limit >= GIB:
        return f"{used / GIB:.1f} of {spell(limit)}"
    return f"{used / MIB:.0f} of {spell(limit)}"


def _wish(environment: Mapping[str, object], name: str, read: Any) -> Any:
    value = environment.get(name)
    if value is None or value == "":
        return None
    try:
        return read(str(value))
    except BadLimit as error:
        raise BadLimit(f"{name}: {error}") from error


def _least(ours: Any, wished: Any) -> Any:
    return min((value for value in (ours, wished) if value is not None), default=None)
