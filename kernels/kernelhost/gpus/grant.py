"""What a kernel was promised of the GPUs, and what it is told of that: variables, and files for its sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from kernelhost.gpus.wish import Share, Whole, Wish

# What CUDA itself takes on a device besides what a program asks for: frameworks are told of so much less.
_CONTEXT_BYTES: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Of one device, of which `total_bytes` is the memory."""

    uuid: str
    name: str
    fraction: Fraction
    memory_bytes: int
    total_bytes: int
    nodes: tuple[str, ...] = ()

    @property
    def usable(self) -> float:
        """The part of the device's memory that a program may ask for: what is over is CUDA's own, at most half."""
        return max(self.memory_bytes // 2, self.memory_bytes - _CONTEXT_BYTES) / self.total_bytes


@dataclass(frozen=True, slots=True)
class Grant:
    parts: tuple[Part, ...]

    @property
    def is_shared(self) -> bool:
        return any(part.fraction < 1 for part in self.parts)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Files of `/dev`, each once."""
        return tuple(dict.fromkeys(node for part in self.parts for node in part.nodes))

    def promised(self, uuid: str) -> int:
        return sum(part.memory_bytes for part in self.parts if part.uuid == uuid)

    @property
    def wish(self) -> Wish | None:
        """What is asked for when it is wanted again: as much as this."""
        if not self.parts:
            return None
        if self.is_shared:
            return Share(self.parts[0].fraction, self.parts[0].memory_bytes)
        return Whole(len(self.parts), min(part.total_bytes for part in self.parts))

    def model(self) -> list[dict[str, object]]:
        """As the kernel's model has it."""
        return [
            {
                "uuid": part.uuid,
                "name": part.name,
                "fraction": round(float(part.fraction), 4),
                "memory_bytes": part.memory_bytes,
            }
            for part in self.parts
        ]

    def to_json(self) -> list[dict[str, object]]:
        """For the kernel's file in the state folder, from which `from_json` builds it again."""
        return [
            {
                "uuid": part.uuid,
                "name": part.name,
                "fraction": str(part.fraction),
                "memory_bytes": part.memory_bytes,
                "total_bytes": part.total_bytes,
                "nodes": list(part.nodes),
            }
            for part in self.parts
        ]


NOTHING: Final = Grant(())


def from_json(value: Sequence[Mapping[str, Any]]) -> Grant:
    """Of what `to_json` wrote."""
    return Grant(
        tuple(
            Part(
                uuid=str(part["uuid"]),
                name=str(part["name"]),
                fraction=Fraction(str(part["fraction"])),
                memory_bytes=int(part["memory_bytes"]),
                total_bytes=int(part["total_bytes"]),
                nodes=tuple(map(str, part["nodes"])),
            )
            for part in value
        )
    )


NAMES: Final = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "KERNELHOST_GPU_SHARE",
    "XLA_CLIENT_MEM_FRACTION",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "CUPY_GPU_MEMORY_LIMIT",
    "CUDA_MPS_PIPE_DIRECTORY",
    "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",
    "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
)


def variables(grant: Grant, mps: Path | None) -> dict[str, str]:
    """For the kernel's environment; `mps` is the folder of a CUDA MPS daemon that runs. Devices go by UUID, never by
    number: numbers change with what is visible."""
    told = {"CUDA_VISIBLE_DEVICES": ",".join(part.uuid for part in grant.parts), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if not grant.is_shared:
        return told
    part = grant.parts[0]
    share = f"{part.usable:.4f}"
    told |= {
        "KERNELHOST_GPU_SHARE": share,  # for the launcher, which tells torch and takes it away
        "XLA_CLIENT_MEM_FRACTION": share,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": share,  # its older name
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # TensorFlow has no variable for a bound, and takes it all without this
        "CUPY_GPU_MEMORY_LIMIT": str(int(part.usable * part.total_bytes)),
    }
    if mps is not None:
        told |= {
            "CUDA_MPS_PIPE_DIRECTORY": str(mps),
            # Numbers count what is visible, so the one device is 0.
            "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={part.memory_bytes >> 20}M",
            "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": f"{max(1, int(100 * part.fraction))}",
        }
    return told
