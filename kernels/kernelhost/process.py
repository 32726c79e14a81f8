"""One generation of a kernel: its process, its connection file and its five sockets' addresses.

jupyter_client starts and signals the process. Each generation has a folder, sockets and key of its own: reused paths
are the classic hang (kernels.md I4).
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jupyter_client.manager import AsyncKernelManager

_LOG_BYTES: Final = 64 << 10
_MAX_LOG_BYTES: Final = 4 << 20


class Process:
    def __init__(self, spec: str, environment: Mapping[str, str], folder: Path) -> None:
        # Short, as the path of a Unix socket has at most 107 bytes.
        self._home = Path(tempfile.mkdtemp(prefix="kh-"))
        self._environment = dict(environment)
        self._folder = folder
        self._log = self._home / "log"
        self.manager = AsyncKernelManager(kernel_name=spec, transport="ipc", ip=str(self._home / "s"))
        self.manager.connection_file = str(self._home / "kernel.json")

    async def start(self) -> None:
        """Raises OSError and what jupyter_client raises when the kernel's program cannot be started."""
        log = os.open(self._log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            await self.manager.start_kernel(env=self._environment, cwd=str(self._folder), stdout=log, stderr=log)
        finally:
            os.close(log)

    @property
    def pid(self) -> int | None:
        provisioner: Any = self.manager.provisioner
        return getattr(provisioner, "pid", None)

    async def wait(self) -> int:
        """The exit code, negative for a signal, once the process has ended."""
        while True:
            provisioner: Any = self.manager.provisioner
            code = await provisioner.poll() if provisioner is not None else 0
            if code is not None:
                return int(code)
            self._trim_log()
            await asyncio.sleep(0.2)

    async def interrupt(self) -> None:
        if self.manager.has_kernel:
            await self.manager.interrupt_kernel()

    async def stop(self) -> None:
        """Ends the process and what it started in its group; takes at most a few seconds."""
        if self.manager.has_kernel:
            await self.manager.shutdown_kernel(now=True)
        self.remove()

    def remove(self) -> None:
        self.manager.cleanup_connection_file()
        shutil.rmtree(self._home, ignore_errors=True)

    def reason(self, code: int) -> str:
        """Why it ended, in words (kernels.md section 9)."""
        if code in (-signal.SIGKILL, 137):
            return "The kernel was killed from outside (signal 9), perhaps because the machine ran out of memory."
        if code in (-signal.SIGSEGV, 139, -signal.SIGABRT, 134):
            what = "segmentation fault" if code in (-signal.SIGSEGV, 139) else "abort"
            return f"The kernel crashed in native code ({what}).{self._last_lines()}"
        if code < 0:
            return f"The kernel was ended by signal {-code}."
        return f"The kernel was ended by its own code (exit {code})."

    def _last_lines(self) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _LOG_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        told = " / ".join(line.strip() for line in lines if line.strip())[-300:]
        return f" Last words: {told}" if told else ""

    def _trim_log(self) -> None:
        try:
            if self._log.stat().st_size > _MAX_LOG_BYTES:
                os.truncate(self._log, 0)  # the kernel appends, so it goes on at the new end
        except OSError:
            pass
