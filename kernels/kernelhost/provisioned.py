"""A kernel that somebody else's KernelProvisioner starts and ends, wherever that may be: named by the kernelspec's
`metadata.kernel_provisioner`, found through jupyter_client's entry points. With the surface of `process.Process`.

jupyter_client is imported only here and only then. What holds such a kernel is its provisioner's business: no cage and
no sandbox of ours is around it.
"""

import asyncio
import logging
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from kernelhost.process import CannotStart, tell_exit
from kernelhost.spec import Spec

log = logging.getLogger(__name__)

_CHANNELS: Final = ("shell", "iopub", "stdin", "control")
_ASKED_TO_END_S: Final = 3.0
_TERMINATED_S: Final = 2.0
_FAILED: Final = 1
_MAX_WORDS: Final = 300


class Provisioned:
    """Use `provision`. Wait with `wait`, then `close`."""

    cage: None = None

    def __init__(self, name: str, home: Path, manager: Any, log_file: Path) -> None:
        info: Mapping[str, Any] = manager.get_connection_info()
        self.key = bytes(info["key"])
        self.urls = {channel: _url(info, channel) for channel in _CHANNELS}
        self.read = home / "k" / "read"
        self.code: int | None = None
        self.ended = asyncio.Event()
        self._name = name
        self._home = home
        self._log = log_file
        self._provisioner = manager.provisioner
        self._asked: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._why = ""

    @property
    def pid(self) -> int:
        """0 where it has none that means something here."""
        return int(getattr(self._provisioner, "pid", None) or 0)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        sending = asyncio.ensure_future(self._send())
        try:
            code = await self._provisioner.wait()
        except Exception:  # of a stranger
            log.exception("A provisioner failed", extra={"provisioner": self._name})
            code = _FAILED
        finally:
            sending.cancel()
        try:
            await self._provisioner.cleanup(restart=False)
        except Exception:
            log.exception("A provisioner could not clean up", extra={"provisioner": self._name})
        self.code = int(code or 0)
        return self.code

    async def _send(self) -> None:
        while True:
            number = await self._asked.get()
            try:
                if number == signal.SIGKILL:
                    await self._provisioner.kill(restart=False)
                elif number == signal.SIGTERM:
                    await self._provisioner.terminate(restart=False)
                else:
                    await self._provisioner.send_signal(number)
            except Exception:
                log.exception("A provisioner could not signal", extra={"provisioner": self._name})

    def signal(self, number: signal.Signals) -> None:
        if self.code is None:
            self._asked.put_nowait(number)

    async def end(self, now: bool) -> None:
        for patience_s, number in () if now else ((_ASKED_TO_END_S, signal.SIGTERM), (_TERMINATED_S, signal.SIGKILL)):
            try:
                async with asyncio.timeout(patience_s):
                    await self.ended.wait()
                    return
            except TimeoutError:
                self.signal(number)
        self.signal(signal.SIGKILL)
        await self.ended.wait()

    async def watch(self, notice: Callable[[str, str], None]) -> None:
        """There is nothing to watch from here."""

    def stop_for(self, reason: str) -> None:
        self._why = self._why or reason
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        self.ended.set()

    def reason(self, code: int) -> str:
        return self._why or tell_exit(code, self.last_words())

    def last_words(self) -> str:
        try:
            text = self._log.read_text(errors="replace").strip()
        except OSError:
            return ""
        return f" Last words: {' / '.join(text.splitlines())[-_MAX_WORDS:]}" if text else ""


async def provision(
    spec: Spec, provisioner: Mapping[str, Any], environment: Mapping[str, str], cwd: Path, home: Path
) -> Provisioned:
    """Raises CannotStart."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    name = str(provisioner.get("provisioner_name"))
    (home / "k").mkdir(mode=0o700, parents=True)
    (home / "k" / "read").write_bytes(bytes(8))
    log_file = home / "log"
    file = home / "k" / "kernel.json"
    # Local ones take what the manager has; those that start kernels elsewhere say where they are.
    manager = AsyncKernelManager(connection_file=str(file), transport="ipc", ip=str(home / "k" / "s"))
    # What it looks up by a name otherwise, in folders that we are not told of.
    manager._kernel_spec = KernelSpec(
        argv=list(spec.argv),
        env=dict(spec.env),
        language=spec.language,
        display_name=spec.name,
        interrupt_mode=spec.interrupt_mode,
        resource_dir=str(spec.folder),
        metadata={"kernel_provisioner": dict(provisioner)},
    )
    try:
        with log_file.open("ab") as output:
            await manager.start_kernel(
                env=dict(environment), cwd=str(cwd), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
    except Exception as error:  # of a stranger: whatever it is, the kernel did not start
        shutil.rmtree(home, ignore_errors=True)
        if isinstance(error, ModuleNotFoundError) and "has not been registered" in str(error):
            raise CannotStart(f"its provisioner '{name}' is not installed where the gateway is") from error
        raise CannotStart(f"its provisioner '{name}' failed ({type(error).__name__}: {error})") from error
    return Provisioned(name, home, manager, log_file)


def _url(info: Mapping[str, Any], channel: str) -> str:
    separator = "-" if info["transport"] == "ipc" else ":"
    return f"{info['transport']}://{info['ip']}{separator}{info[f'{channel}_port']}"
