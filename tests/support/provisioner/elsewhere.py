"""A KernelProvisioner as a third party would write it: from the abstract class alone, and over TCP, as if its kernels
ran on another machine. The tests register it through an entry point of a distribution on a temp path."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo, write_connection_file
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Unicode


class Elsewhere(KernelProvisionerBase):
    """`log` names a file that is told what was asked of it, a line each."""

    log_file = Unicode(config=True)
    process: "subprocess.Popen[bytes] | None" = None

    def _tell(self, what: str) -> None:
        with open(self.log_file, "a") as file:
            file.write(f"{what}\n")

    @property
    def has_process(self) -> bool:
        return self.process is not None

    async def poll(self) -> int | None:
        return self.process.poll() if self.process is not None else 0

    async def wait(self) -> int | None:
        assert self.process is not None
        code = await asyncio.to_thread(self.process.wait)
        self._tell(f"ended {code}")
        return code

    async def send_signal(self, signum: int) -> None:
        self._tell(f"signal {signum}")
        if self.process is not None:
            os.kill(self.process.pid, signum)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        self._tell("cleanup")

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager: Any = self.parent
        file = Path(str(manager.connection_file)).with_name("elsewhere.json")
        _, info = write_connection_file(str(file), ip="127.0.0.1", transport="tcp", key=manager.session.key)
        self.connection_info = info | {"key": manager.session.key}
        self._tell(f"launch {self.kernel_spec.display_name}")
        arguments = [part.replace("{connection_file}", str(file)) for part in self.kernel_spec.argv]
        return await super().pre_launch(cmd=arguments, **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        # As strangers do it.
        self.process = subprocess.Popen(  # noqa: ASYNC220
            cmd, env=kwargs["env"], cwd=kwargs["cwd"], stderr=subprocess.DEVNULL
        )
        return self.connection_info
