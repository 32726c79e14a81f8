"""What one kernel is held in: how much it may take, what it may see, and what else it was given. A value, so that it
travels to the host process as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from kernelhost.limits import UNLIMITED, Limits

Level: TypeAlias = Literal["none", "bwrap"]
Network: TypeAlias = Literal["host", "none"]


@dataclass(frozen=True, slots=True)
class Confinement:
    """`shown` are folders that are seen besides those that programs need, `hidden` ones that never are, `devices` the
    nodes of its GPUs. `adopting`: whoever starts the kernel holds no other, and takes what it leaves behind. `venv`: a
    Python kernel has a virtual environment of its own, in its working folder."""

    limits: Limits = UNLIMITED
    level: Level = "none"
    network: Network = "host"
    shown: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ()
    adopting: bool = False
    venv: bool = False

    def as_json(self) -> dict[str, Any]:
        paths = {"shown": [str(path) for path in self.shown], "hidden": [str(path) for path in self.hidden]}
        return asdict(self) | paths

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Confinement":
        """The inverse of `as_json`; what is absent is not confined."""
        return Confinement(
            Limits.from_json(value.get("limits") or {}),
            value.get("level", "none"),
            value.get("network", "host"),
            tuple(map(Path, value.get("shown", ()))),
            tuple(map(Path, value.get("hidden", ()))),
            tuple(value.get("devices", ())),
            bool(value.get("adopting")),
            bool(value.get("venv")),
        )


OPEN: Final = Confinement()
