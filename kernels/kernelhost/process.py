"""One generation of a kernel: its process, its connection file and its log, in a folder of their own.

Reused sockets and keys are the classic hang of a restart (kernels.md I4). The process leads a session and a group:
signals go to the group, and when the process ends what is left of the group ends too.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kernelhost.sockets import PORTS
from kernelhost.spec import Spec

_LOG_BYTES: Final = 64 << 10
_MAX_LOG_BYTES: Final = 4 << 20
_MAX_WORDS: Final = 300
_TRIM_EVERY_S: Final = 1.0
_POLL_EVERY_S: Final = 0.1
_ASKED_TO_END_S: Final = 3.0
_TERMINATED_S: Final = 2.0


class CannotStart(Exception):
    """The kernel's program does not run; the message is a clause."""


class Process:
    """Starts at once. Raises CannotStart. Wait with `wait`, then `close`; `close` alone ends it too."""

    def __init__(self, spec: Spec, environment: Mapping[str, str], cwd: Path, home: Path) -> None:
        self.key = secrets.token_hex(32).encode()
        self.address = home / "s"
        self.read = home / "read"
        self.code: int | None = None
        self.ended = asyncio.Event()
        self._home = home
        self._log = home / "log"
        command = spec.command(home / "kernel.json")
        try:
            self._prepare(spec.name)
            with self._log.open("ab") as log:
                # By the event loop's thread, as long-lived as the gateway: the launcher's death signal follows it.
                self._process = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env={**environment, "JPY_PARENT_PID": str(os.getpid())},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            shutil.rmtree(home, ignore_errors=True)
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise CannotStart(f"its program {command[0]} cannot be run ({why})") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def _prepare(self, name: str) -> None:
        self._home.mkdir(mode=0o700)
        value = {
            "transport": "ipc",
            "ip": str(self.address),
            "key": self.key.decode(),
            "signature_scheme": "hmac-sha256",
            "kernel_name": name,
            **{f"{channel}_port": port for channel, port in PORTS.items()},
        }
        (self._home / "kernel.json").write_text(json.dumps(value))
        self.read.write_bytes(bytes(8))

    async def wait(self) -> int:
        """The exit code, negative for a signal, once the process has ended."""
        loop = asyncio.get_running_loop()
        noticed = asyncio.Event()
        try:
            descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux: looks again and again
            descriptor = -1
        else:
            loop.add_reader(descriptor, noticed.set)
        try:
            while not noticed.is_set():
                if descriptor < 0 and self._process.poll() is not None:
                    break
                try:
                    async with asyncio.timeout(_POLL_EVERY_S if descriptor < 0 else _TRIM_EVERY_S):
                        await noticed.wait()
                except TimeoutError:
                    self._trim_log()
        finally:
            if descriptor >= 0:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        return self._reap()

    def signal(self, number: signal.Signals) -> None:
        """To the whole group; nothing once it has ended."""
        if self.code is None:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    async def end(self, now: bool) -> None:
        """For a process that was asked to end: terminates it, then kills it, when it takes too long (I7)."""
        for patience_s, number in () if now else ((_ASKED_TO_END_S, signal.SIGTERM), (_TERMINATED_S, signal.SIGKILL)):
            try:
                async with asyncio.timeout(patience_s):
                    await self.ended.wait()
                    return
            except TimeoutError:
                self.signal(number)
        self.signal(signal.SIGKILL)
        await self.ended.wait()

    def close(self) -> None:
        """Ends what still runs, and removes the folder. Gives the process no time: ask it to end before."""
        if self.code is None:
            self._reap()
        shutil.rmtree(self._home, ignore_errors=True)
        self.ended.set()

    def _reap(self) -> int:
        # Before it is waited for: until then its number, and so its group's, is nobody else's.
        self.signal(signal.SIGKILL)
        self.code = self._process.wait()
        return self.code

    def reason(self, code: int) -> str:
        """Why it ended, in words (kernels.md section 9)."""
        if code in (-signal.SIGKILL, 137):
            return "The kernel was killed from outside (signal 9), perhaps because the machine ran out of memory."
        if code in (-signal.SIGSEGV, 139, -signal.SIGABRT, 134):
            what = "segmentation fault" if code in (-signal.SIGSEGV, 139) else "abort"
            return f"The kernel crashed in native code ({what}).{self.last_words()}"
        if code < 0:
            return f"The kernel was ended by signal {-code} ({_name(-code)})."
        return f"The kernel was ended by its own code (exit {code})."

    def last_words(self) -> str:
        """What its program said last, with a space before it; empty when it said nothing."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _LOG_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        told = " / ".join(line.strip() for line in lines if line.strip())
        crash = told.rfind("Fatal Python error")  # what follows is where, innermost first
        told = told[crash:][:_MAX_WORDS] if crash >= 0 else told[-_MAX_WORDS:]
        return f" Last words: {told}" if told else ""

    def _trim_log(self) -> None:
        try:
            if self._log.stat().st_size > _MAX_LOG_BYTES:
                os.truncate(self._log, 0)  # the kernel appends, so it goes on at the new end
        except OSError:
            pass


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
