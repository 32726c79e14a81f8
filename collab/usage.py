"""What a runtime uses and may use, as the gateway reports it. Only gateways of ours do: each of these may be absent.

Parsed here from JSON whose parts may be missing or odd; a number that is none reads as None, never as 0.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from collab.model import CellId
from collab.notebook import clean

_MAX_GPUS: Final = 64
_MAX_TEXT_CHARS: Final = 500

NoticeKind: TypeAlias = Literal[
    "idle", "lifetime", "memory", "disk", "output", "processes", "gpu", "culled", "restarted", "died", "other"
]
_KINDS: Final = get_args(NoticeKind)


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """Of one kernel on one device. `utilisation` is in percent."""

    uuid: str
    memory_bytes: int | None = None
    utilisation: float | None = None


@dataclass(frozen=True, slots=True)
class KernelUsage:
    """`cpu_percent` is 100 for one whole core; `at` is ISO 8601; `cell` the one that ran."""

    at: str
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    disk_bytes: int | None = None
    gpus: tuple[GpuUsage, ...] = ()
    cell: CellId | None = None


@dataclass(frozen=True, slots=True)
class MachineGpu:
    uuid: str
    name: str
    memory_bytes: int | None = None
    memory_total_bytes: int | None = None
    utilisation: float | None = None


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """`cpu_percent` is 100 when every core is busy."""

    cpu_percent: float | None = None
    cpu_count: int | None = None
    memory_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_bytes: int | None = None
    disk_total_bytes: int | None = None
    gpus: tuple[MachineGpu, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit that is known of."""

    memory_bytes: int | None = None
    cpus: float | None = None
    processes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HeldGpu:
    """A device, or a share of one, that a kernel was given."""

    uuid: str
    name: str
    fraction: float | None = None
    memory_bytes: int | None = None


def read_usage(value: object, cell_of: Callable[[str], CellId | None]) -> KernelUsage | None:
    """None for what is no sample. `cell_of` knows the cell whose run has this msg_id."""
    if not isinstance(value, Mapping) or not isinstance(value.get("at"), str):
        return None
    return KernelUsage(
        _text(value.get("at")),
        _number(value.get("cpu_percent")),
        _whole(value.get("memory_bytes")),
        _whole(value.get("processes")),
        _whole(value.get("disk_bytes")),
        tuple(
            GpuUsage(_text(gpu.get("uuid")), _whole(gpu.get("memory_bytes")), _number(gpu.get("utilisation")))
            for gpu in _mappings(value.get("gpus"))
        ),
        cell_of(_text(value.get("request"))),
    )


def read_machine(value: object) -> MachineUsage | None:
    if not isinstance(value, Mapping):
        return None
    return MachineUsage(
        _number(value.get("cpu_percent")),
        _whole(value.get("cpu_count")),
        _whole(value.get("memory_bytes")),
        _whole(value.get("memory_total_bytes")),
        _whole(value.get("disk_bytes")),
        _whole(value.get("disk_total_bytes")),
        tuple(
            MachineGpu(
                _text(gpu.get("uuid")),
                _text(gpu.get("name")),
                _whole(gpu.get("memory_bytes")),
                _whole(gpu.get("memory_total_bytes")),
                _number(gpu.get("utilisation")),
            )
            for gpu in _mappings(value.get("gpus"))
        ),
    )


def read_limits(value: object) -> Limits | None:
    if not isinstance(value, Mapping):
        return None
    return Limits(
        _whole(value.get("memory_bytes")),
        _number(value.get("cpus")),
        _whole(value.get("processes")),
        _whole(value.get("disk_bytes")),
    )


def read_held(value: object) -> tuple[HeldGpu, ...]:
    return tuple(
        HeldGpu(
            _text(gpu.get("uuid")),
            _text(gpu.get("name")),
            _number(gpu.get("fraction")),
            _whole(gpu.get("memory_bytes")),
        )
        for gpu in _mappings(value)
    )


def notice_kind(value: object) -> NoticeKind:
    return value if value in _KINDS else "other"  # type: ignore[return-value]


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)][:_MAX_GPUS] if isinstance(value, list) else []


def _text(value: object) -> str:
    return clean(value)[:_MAX_TEXT_CHARS] if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 2**53 and math.isfinite(value) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
