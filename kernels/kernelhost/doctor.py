"""`kernelhost doctor`: what holds kernels on this machine and by what. The same facts are in `/healthz`."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kernelhost.cages.cage import describe, open_cage
from kernelhost.cages.cgroup1 import Cgroup1
from kernelhost.cages.cgroup2 import Cgroup2
from kernelhost.cages.cgroups import CannotCage
from kernelhost.confining import Walls
from kernelhost.limits import UNLIMITED, machine_memory, spell

_NAMES: Final = {
    "memory_bytes": "memory",
    "cpus": "CPU time",
    "processes": "processes",
    "files": "open files",
    "disk_bytes": "working folder",
    "output_bytes_per_s": "output rate",
}
_SOCKET_PATH_BYTES: Final = 100


def facts(walls: Walls) -> dict[str, Any]:
    """Makes a cage and takes it away again, so that what is said was tried."""
    cage = open_cage("doctor", UNLIMITED)
    try:
        held = describe(cage)
    finally:
        cage.close()
    limits = walls.confining.limits.as_json()
    return {
        "cages": {
            "driver": held["driver"],
            "why_not_better": _why_not_better(str(held["driver"])),
            "limits": {name: {"value": limits[name], "by": by} for name, by in held["limits"].items()},  # type: ignore[attr-defined]
        },
        "sandbox": {
            "level": walls.level,
            "why_not_higher": walls.why_not_higher,
            "network": walls.confining.network,
            "as_root": os.getuid() == 0,
        },
        "machine": {"memory_bytes": machine_memory(), "cpus": os.cpu_count() or 0},
    }


def broken(found: Mapping[str, Any], root: Path, temp: Path) -> list[str]:
    """What keeps kernels from running or from being held, each a sentence with its remedy."""
    sentences = []
    if not os.access(root, os.W_OK | os.X_OK):
        sentences.append(f"The folder {root} cannot be written: choose another --root.")
    if len(os.fsencode(temp)) > _SOCKET_PATH_BYTES:
        sentences.append(f"The path {temp} is too long for sockets: set TMPDIR to a shorter one.")
    free = shutil.disk_usage(root).free if root.is_dir() else 0
    if free < 100 << 20:
        sentences.append(f"Only {spell(free)} are free where kernels work: make room at {root}.")
    if sys.platform == "linux" and found["sandbox"]["level"] == "none" and found["sandbox"]["as_root"]:
        sentences.append("Kernels run as root and without a sandbox: run the gateway as a user that owns nothing else.")
    return sentences


def report(found: Mapping[str, Any]) -> str:
    """For people."""
    cages, box = found["cages"], found["sandbox"]
    lines = [f"Limits are held by {cages['driver']}."]
    if cages["why_not_better"]:
        lines.append(f"  No better: {cages['why_not_better']}.")
    for name, entry in cages["limits"].items():
        lines.append(f"  {_NAMES[name]:15} {_spelled(name, entry['value']):>12}  by {entry['by']}")
    lines.append(f"The sandbox is {box['level']}; the network is {_NETWORKS[box['network']]}.")
    if box["why_not_higher"]:
        lines.append(f"  No higher: {box['why_not_higher']}.")
    return "\n".join(lines)


_NETWORKS: Final = {"host": "the machine's", "none": "cut off"}


def _spelled(name: str, value: Any) -> str:
    if value is None:
        return "no limit"
    if name == "output_bytes_per_s":
        return f"{spell(value)}/s"
    return spell(value) if name.endswith("_bytes") else f"{value}"


def _why_not_better(driver: str) -> str:
    if driver == Cgroup2.driver:
        return ""
    reasons = []
    for kind in (Cgroup2, Cgroup1) if driver != Cgroup1.driver else (Cgroup2,):
        try:
            kind("doctor", UNLIMITED).close()
        except CannotCage as error:
            reasons.append(f"{kind.driver}: {error}")
    remedy = "; start the gateway by `systemd-run --user --scope -p Delegate=yes`" if len(reasons) == 2 else ""
    return "; ".join(reasons) + remedy
