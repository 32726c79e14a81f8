"""`kernelhost doctor`: what holds kernels on this machine and by what. The same facts are in `/healthz`."""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio

from kernelhost.cages.cage import holders, open_cage
from kernelhost.cages.cgroup1 import Cgroup1
from kernelhost.cages.cgroup2 import Cgroup2
from kernelhost.cages.cgroups import CannotCage
from kernelhost.config import Config, read_config
from kernelhost.confining import NoSandbox, Walls, build_walls
from kernelhost.environment import kernel_environment
from kernelhost.gpus.mps import running_mps
from kernelhost.gpus.nvml import NvmlFailed
from kernelhost.gpus.policy import allowed, nvml_of
from kernelhost.journal import Journal
from kernelhost.kernel import Kernel, KernelFailed
from kernelhost.limits import UNLIMITED, machine_memory, spell
from kernelhost.specs import Specs

_NAMES: Final = {
    "memory_bytes": "memory",
    "cpus": "CPU time",
    "processes": "processes",
    "files": "open files",
    "disk_bytes": "working folder",
    "output_bytes_per_s": "output rate",
}
_LEAST_FREE: Final = 100 << 20
_NO_TOKEN: Final = "the-doctor-asks-for-none"


def facts(config: Config, walls: Walls) -> dict[str, Any]:
    """Makes a cage and takes it away again, so that what is said was tried."""
    cage = open_cage("doctor", UNLIMITED)
    try:
        driver, by = cage.driver, holders(cage)
    finally:
        cage.close()
    limits = walls.confining.limits.as_json()
    mps = running_mps(os.environ)
    return {
        "cage": {
            "driver": driver,
            "why_not_better": _why_not_better(driver),
            "limits": {name: {"value": limits[name], "by": by[name]} for name in limits},
        },
        "sandbox": {
            "level": walls.level,
            "why_not_higher": walls.why_not_higher,
            "network": walls.confining.network,
            "as_root": os.getuid() == 0,
        },
        "gpus": _gpus(config),
        "mps": str(mps) if mps is not None else None,
        "machine": {"memory_bytes": machine_memory(), "cpus": os.cpu_count() or 0},
    }


def _gpus(config: Config) -> dict[str, Any]:
    try:
        devices = allowed(config.gpus, nvml_of(config.gpus).devices())
    except NvmlFailed as error:
        return {"devices": [], "why_none": str(error)}
    return {"devices": [{"uuid": device.uuid, "name": device.name} for device in devices], "why_none": ""}


def broken(found: Mapping[str, Any], root: Path) -> list[str]:
    """What keeps kernels from running or from being held, each a sentence with its remedy."""
    sentences = []
    if not os.access(root, os.W_OK | os.X_OK):
        sentences.append(f"The folder {root} cannot be written: choose another --root.")
    elif (free := shutil.disk_usage(root).free) < _LEAST_FREE:
        sentences.append(f"Only {spell(free)} are free where kernels work: make room at {root}.")
    if found["sandbox"]["level"] == "none" and found["sandbox"]["as_root"]:
        sentences.append("Kernels run as root without a sandbox: run the gateway as a user that owns nothing else.")
    return sentences


async def start_a_kernel(walls: Walls) -> str:
    """One of the default kind, as requests would get it, and ended again. Empty, or why it did not start."""
    specs = Specs()
    spec = specs.get(specs.default())
    if spec is None:
        return "There is no kernel: install one, such as ipykernel."
    with tempfile.TemporaryDirectory(prefix="kernelhost-doctor-") as folder:
        home, work = Path(folder) / "h", Path(folder) / "w"
        home.mkdir()
        work.mkdir()
        async with anyio.create_task_group() as tasks:
            confinement, variables = walls.confinement({}), kernel_environment(os.environ, {})
            journal = Journal(Path(folder) / "j")
            kernel = Kernel("doctor", spec, variables, work, home, journal, tasks, confinement=confinement)
            try:
                await kernel.start()
            except KernelFailed as error:
                return str(error)
            finally:
                with anyio.CancelScope(shield=True):
                    await kernel.stop()
                tasks.cancel_scope.cancel()
    return ""


def examine(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, bool]:
    """The report of a gateway with these flags, and whether all is well. Raises BadSetting."""
    config = read_config(arguments, {"KERNELHOST_TOKEN": _NO_TOKEN} | dict(environ))
    try:
        walls = build_walls(config.confining, config.root)
    except NoSandbox as error:
        return f"BROKEN: {error}", False
    found = facts(config, walls)
    wrong = broken(found, config.root)
    began_s = time.monotonic()
    why = anyio.run(start_a_kernel, walls)
    lines = [report(found), f"BROKEN: {why}" if why else f"A kernel starts in {time.monotonic() - began_s:.1f} s."]
    return "\n".join([*lines, *(f"BROKEN: {sentence}" for sentence in wrong)]), not (wrong or why)


def report(found: Mapping[str, Any]) -> str:
    """For people."""
    cage, box = found["cage"], found["sandbox"]
    lines = [f"Limits are held by {cage['driver']}."]
    if cage["why_not_better"]:
        lines.append(f"  No better: {cage['why_not_better']}.")
    for name, entry in cage["limits"].items():
        lines.append(f"  {_NAMES[name]:15} {_spelled(name, entry['value']):>12}  by {entry['by']}")
    lines.append(f"The sandbox is {box['level']}; the network is {_NETWORKS[box['network']]}.")
    if box["why_not_higher"]:
        lines.append(f"  No higher: {box['why_not_higher']}.")
    devices = found["gpus"]["devices"]
    named = ", ".join(str(device["name"]) for device in devices)
    why_none = found["gpus"]["why_none"].rstrip(".") or "none is found or given out"
    lines.append(f"GPUs: {len(devices)} ({named})." if devices else f"No GPUs: {why_none}.")
    lines.append(f"MPS runs at {found['mps']}." if found["mps"] else "MPS does not run.")
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
