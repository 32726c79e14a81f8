"""What the operator lets kernels take and see: flags of the gateway, and each kernel's Confinement."""

import argparse
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from kernelhost.cages.cage import open_cage
from kernelhost.confinement import Confinement, Level, Network
from kernelhost.limits import UNLIMITED, BadLimit, Limits, default_limits, read_count, read_cpus, read_size, spell
from kernelhost.sandbox import probe

log = logging.getLogger(__name__)

Sandbox: TypeAlias = Literal["auto", "none", "bwrap"]
_NO_LIMIT: Final = ("none", "0")


class NoSandbox(Exception):
    """The sandbox that was asked for does not work here; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Confining:
    """`limits` cap what requests ask for. Kernels may read the folders in `shown`, never those in `hidden`."""

    limits: Limits
    sandbox: Sandbox = "auto"
    network: Network = "host"
    shown: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Walls:
    """What holds on this machine: `why_not_higher` is a clause, empty for the highest level there is."""

    confining: Confining
    level: Level
    why_not_higher: str

    def confinement(self, asked: Mapping[str, object]) -> Confinement:
        """Of a kernel that is asked for with these KERNEL_* variables. Raises BadLimit, a ValueError."""
        settings = self.confining
        limits = settings.limits.asked(asked)
        return Confinement(
            limits,
            self.level,
            settings.network,
            settings.shown,
            settings.hidden,
            adopting=True,
            venv=str(asked.get("KERNEL_VENV", "")).lower() in ("1", "true", "yes"),
        )


def build_walls(confining: Confining, root: Path) -> Walls:
    """Tries what was asked for by running it; takes a moment. Raises NoSandbox."""
    open_cage("start", UNLIMITED).close()  # clears away what hosts left that were killed, and makes room for new ones
    if confining.sandbox == "none":
        return Walls(confining, "none", "the gateway was started with --sandbox none")
    why = probe(confining.network, root)
    if not why:
        return Walls(confining, "bwrap", "")
    if confining.sandbox == "bwrap" or confining.network == "none":
        raise NoSandbox(f"There is no sandbox for kernels here: {why}; mend that, or choose --sandbox none.")
    log.warning("Kernels run without a sandbox", extra={"reason": why})
    return Walls(confining, "none", why)


def add_flags(parser: argparse.ArgumentParser) -> None:
    ours = default_limits()
    assert ours.memory_bytes is not None
    group = parser.add_argument_group(
        "what one kernel may take and see", "Requests may ask for less, with KERNEL_MEMORY, _CPUS, _PROCESSES, _DISK."
    )
    sizes: list[tuple[str, str, str, Callable[[str], Any]]] = [
        ("--memory", "SIZE", f"memory, such as 4GiB ({spell(ours.memory_bytes)}: nearly all there is)", read_size),
        ("--cpus", "N", "CPU time, in processors (no limit)", read_cpus),
        ("--processes", "N", f"processes and threads ({ours.processes})", read_count),
        ("--files", "N", f"open files of one process ({ours.files})", read_count),
        ("--disk", "SIZE", "what its working folder may hold (no limit)", read_size),
        ("--output-rate", "SIZE", "output a second, from which on it is slowed down (no limit)", read_size),
    ]
    for flag, unit, what, read in sizes:
        group.add_argument(flag, metavar=unit, type=_limit(read), default=argparse.SUPPRESS, help=f"{what}; or none")
    group.add_argument(
        "--sandbox",
        choices=["auto", "none", "bwrap"],
        default="auto",
        help="its own view of files and processes, by bubblewrap (auto: where that works)",
    )
    group.add_argument(
        "--network", choices=["host", "none"], default="host", help="the machine's network, or none (host)"
    )
    group.add_argument(
        "--show", action="append", default=[], metavar="DIR", help="a folder that kernels in the sandbox may read"
    )


def read_confining(given: argparse.Namespace, hidden: tuple[Path, ...]) -> Confining:
    """Of the flags above; `hidden` are files and folders of the gateway's own. Raises BadLimit."""
    if given.network == "none" and given.sandbox == "none":
        raise BadLimit("Without a sandbox kernels cannot be kept from the network: leave out --sandbox none.")
    shown = tuple(Path(path).expanduser().absolute() for path in given.show)
    if missing := [path for path in shown if not path.is_dir()]:
        raise BadLimit(f"{missing[0]} is no folder that kernels could be shown; correct --show.")
    names = {
        "memory_bytes": "memory",
        "cpus": "cpus",
        "processes": "processes",
        "files": "files",
        "disk_bytes": "disk",
        "output_bytes_per_s": "output_rate",
    }
    limits = {name: getattr(given, flag) for name, flag in names.items() if hasattr(given, flag)}
    return Confining(replace(default_limits(), **limits), given.sandbox, given.network, shown, hidden)


def _limit(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if text.lower() in _NO_LIMIT:
            return None
        try:
            return read(text)
        except BadLimit as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse
