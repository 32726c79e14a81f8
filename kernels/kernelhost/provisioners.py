"""Our cage and sandbox for other people's Jupyter servers: KernelProvisioners, which kernelspecs name.

    "metadata": {"kernel_provisioner": {"provisioner_name": "kernelhost-sandboxed", "config": {"memory": "4GiB"}}}

The gateway has no use for them: it holds every kernel itself, and has a host process for each. What belongs to that is
not here: no watch, no journal, no launcher of ours.
"""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any, Final

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from kernelhost import sandbox
from kernelhost.cages.cage import Cage, entry, open_cage
from kernelhost.confinement import Network
from kernelhost.limits import Limits

_FILES: Final = 65_536


class CagedProvisioner(LocalProvisioner):
    """Limits only. `memory`, `cpus` and `processes` as the KERNEL_* variables have them."""

    memory = Unicode("", config=True, help="such as 4GiB")
    cpus = Unicode("", config=True, help="such as 1.5")
    processes = Unicode("", config=True, help="processes and threads, such as 500")
    cage: Cage | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Raises BadLimit."""
        asked = {"KERNEL_MEMORY": self.memory, "KERNEL_CPUS": self.cpus, "KERNEL_PROCESSES": self.processes}
        limits = Limits(files=_FILES).asked(asked)
        self.cage = open_cage(self.kernel_id[:8], limits)
        info = await super().launch_kernel([*entry(self.cage, limits), *cmd], **kwargs)
        self.cage.start(self.pid or 0)
        return info

    async def kill(self, restart: bool = False) -> None:
        await super().kill(restart)
        if self.cage is not None:
            await asyncio.to_thread(self.cage.kill)

    async def cleanup(self, restart: bool = False) -> None:
        await super().cleanup(restart)
        if self.cage is not None:
            await asyncio.to_thread(self.cage.close)
            self.cage = None


class SandboxedProvisioner(CagedProvisioner):
    """The kernel's folder is at /content; it sees programs, itself and, with `network` "host", the network."""

    network = Unicode("host", config=True, help="host or none")
    _run = ""
    _group = 0

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Raises BadLimit, OSError."""
        environment = dict(kwargs.get("env") or os.environ)
        self._run = tempfile.mkdtemp(prefix="kernelhost-")
        # The connection file is one of the words of the command.
        programs = tuple(sandbox.programs_of(cmd, environment))
        network: Network = "none" if self.network == "none" else "host"
        box = sandbox.Box(Path(kwargs.get("cwd") or os.getcwd()), Path(self._run), programs, network=network)
        line, given = sandbox.descriptors(sandbox.options(box))
        reading, writing = os.pipe()
        # Not its child inside, so it is not to look for us as its parent; bwrap does.
        kwargs |= {"env": sandbox.inside(environment, cmd[0]), "pass_fds": [*given, writing], "independent": True}
        try:
            info = await super().launch_kernel([*line, "--info-fd", str(writing), "--", *cmd], **kwargs)
        finally:
            for descriptor in (*given, writing):
                os.close(descriptor)
            told = await asyncio.to_thread(_read_all, reading)
        self._group = int(json.loads(told)["child-pid"]) if told else 0
        return info

    async def send_signal(self, signum: int) -> None:
        """To the group inside: bwrap takes one of its own for the end of the sandbox."""
        if signum == signal.SIGKILL or not self._group:
            await super().send_signal(signum)
        elif self.process is not None:
            os.killpg(self._group, signum)

    async def cleanup(self, restart: bool = False) -> None:
        await super().cleanup(restart)
        shutil.rmtree(self._run, ignore_errors=True)


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()
