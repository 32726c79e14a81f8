"""One generation of a kernel: its process, its connection file and its log, in a folder of their own.

Reused sockets and keys are the classic hang of a restart (kernels.md I4). The process leads a session and a group:
signals go to the group, and when the process ends all that is left in its cage ends too.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from kernelhost import sandbox
from kernelhost.cages.cage import Cage, entry, open_cage
from kernelhost.cages.rlimits import reap_orphans
from kernelhost.confinement import OPEN, Confinement
from kernelhost.sockets import PORTS
from kernelhost.spec import COLAB, LAUNCHER, Spec
from kernelhost.watch import Action, act_on, out_of_memory, watch

_VENVS: Final = Path(__file__).with_name("venvs.py")
_LOG_BYTES: Final = 64 << 10
_MAX_LOG_BYTES: Final = 4 << 20
_MAX_WORDS: Final = 300
_TRIM_EVERY_S: Final = 1.0
_POLL_EVERY_S: Final = 0.1
_ASKED_TO_END_S: Final = 3.0
_TERMINATED_S: Final = 2.0
# A shell, and bwrap, exit with this and the number when a signal ended their child.
_SIGNALLED: Final = 128


class CannotStart(Exception):
    """The kernel's program does not run; the message is a clause."""


class Process:
    """Starts at once. Raises CannotStart. Wait with `wait`, then `close`; `close` alone ends it too.

    `home` is made, and gone after `close`. What of it the kernel sees is a folder in it: it could otherwise put links
    where we write and read."""

    def __init__(
        self, spec: Spec, environment: Mapping[str, str], cwd: Path, home: Path, confinement: Confinement = OPEN
    ) -> None:
        self.key = secrets.token_hex(32).encode()
        self.code: int | None = None
        self.ended = asyncio.Event()
        self.cage: Cage | None = None
        self._home = home
        self._cwd = cwd
        self._run = home / "k"
        self.urls = {channel: f"ipc://{self._run / 's'}-{port}" for channel, port in PORTS.items()}
        self.read = self._run / "read"
        self._log = home / "log"
        self._limits = confinement.limits
        self._adopting = confinement.adopting
        self._boxed = confinement.level != "none"
        self._group = 0  # of the processes in the sandbox; those outside are bwrap itself
        self._told = b""
        self._why = ""
        self._out_of_memory = ""
        seen = Path(sandbox.RUN) if self._boxed else self._run
        command = spec.command(seen / "kernel.json")
        if confinement.venv:
            command = _in_own_venv(command, sandbox.WORK if self._boxed else str(cwd))
        given: list[int] = []
        try:
            self._prepare(spec.name, seen)
            _check(command[0], environment)
            name = f"{home.parent.name[:8]}-{home.name}"
            self.cage = open_cage(name, confinement.limits, bool(confinement.devices), confinement.adopting)
            if self._boxed:
                variables = sandbox.inside(environment, command[0])
                command, given = self._in_sandbox(command, environment, cwd, confinement)
            else:
                # It follows the thread that starts the kernel: the event loop's, as long-lived as the process.
                variables = {**environment, "JPY_PARENT_PID": str(os.getpid())}
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*entry(self.cage, confinement.limits), *command],
                    cwd=cwd,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=given,
                    start_new_session=True,
                )
            self.cage.start(self.pid)
        except (OSError, ValueError) as error:
            self._forget_info()
            if self.cage is not None:
                self.cage.close()
            shutil.rmtree(home, ignore_errors=True)
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise CannotStart(f"its program {command[0]} cannot be run ({why})") from error
        finally:
            for descriptor in given:
                os.close(descriptor)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _prepare(self, name: str, seen: Path) -> None:
        self._info = -1
        self._home.mkdir(mode=0o700)
        self._run.mkdir(mode=0o700)
        value = {
            "transport": "ipc",
            "ip": str(seen / "s"),
            "key": self.key.decode(),
            "signature_scheme": "hmac-sha256",
            "kernel_name": name,
            **{f"{channel}_port": port for channel, port in PORTS.items()},
        }
        (self._run / "kernel.json").write_text(json.dumps(value))
        self.read.write_bytes(bytes(8))

    def _in_sandbox(
        self, command: list[str], environment: Mapping[str, str], cwd: Path, confinement: Confinement
    ) -> tuple[list[str], list[int]]:
        """The command line, and the descriptors to pass on and close. Raises OSError."""
        programs = (*sandbox.programs_of(command, environment), *confinement.shown)
        if COLAB is not None and str(LAUNCHER) in command:
            programs = (*programs, COLAB)
        box = sandbox.Box(
            cwd,
            self._run,
            programs,
            confinement.hidden,
            confinement.devices,
            confinement.network,
        )
        line, given = sandbox.descriptors(sandbox.options(box))
        self._info, writing = os.pipe()
        os.set_blocking(self._info, False)
        asyncio.get_running_loop().add_reader(self._info, self._read_info)
        return [*line, "--info-fd", str(writing), "--", *command], [*given, writing]

    def _read_info(self) -> None:
        """It comes in pieces (B3). The first process inside leads the group of all that do not choose another."""
        with suppress(BlockingIOError):
            part = os.read(self._info, 4096)
            self._told += part
            with suppress(ValueError, KeyError, TypeError):
                self._group = int(json.loads(self._told)["child-pid"])
            if not part:
                self._forget_info()

    def _forget_info(self) -> None:
        if self._info >= 0:
            asyncio.get_running_loop().remove_reader(self._info)
            os.close(self._info)
            self._info = -1

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
        if self.code is not None:
            return
        # bwrap takes a signal of its own for the end of the sandbox, and its first process inside takes none but
        # SIGKILL: the group of that one is the kernel's.
        group = self._group if self._boxed and number != signal.SIGKILL else self.pid
        if group:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

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

    async def watch(self, notice: Callable[[str, str], None]) -> None:
        """Its limits, until it is cancelled; `notice` gets a kind and one sentence for the people in the notebook."""

        def interrupt() -> None:
            self.signal(signal.SIGINT)

        def act(action: Action) -> None:
            act_on(action, notice, interrupt, self.stop_for)

        def sweep() -> None:
            if self._adopting:
                reap_orphans(self.pid)

        if self.cage is not None:
            await watch(self.cage, self._limits, self._cwd, act, sweep)

    def stop_for(self, reason: str) -> None:
        """Kills it at once; `reason` is what is told of its end."""
        self._why = self._why or reason
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        """Ends what still runs, and removes the folder. Gives the process no time: ask it to end before."""
        if self.code is None:
            self._reap()
        self._forget_info()
        shutil.rmtree(self._home, ignore_errors=True)
        self.ended.set()

    def _reap(self) -> int:
        # Before it is waited for: until then its number, and so its group's, is nobody else's.
        self.signal(signal.SIGKILL)
        if self.cage is not None:
            self.cage.kill()
        code = self._process.wait()
        if self._boxed and _SIGNALLED < code <= _SIGNALLED + signal.NSIG:
            code = _SIGNALLED - code
        if self.cage is not None:
            self._out_of_memory = _out_of_memory(self.cage, self._limits.memory_bytes)
            self.cage.close()
        self.code = code
        return code

    def reason(self, code: int) -> str:
        """Why it ended, in words (kernels.md section 9)."""
        if self._why:
            return self._why
        if code in (-signal.SIGKILL, 137) and self._out_of_memory:
            return self._out_of_memory
        return tell_exit(code, self.last_words())

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


def tell_exit(code: int, last_words: str) -> str:
    """Why a kernel ended, from how it did; `last_words` of a crash has a space before it."""
    if code in (-signal.SIGKILL, 137):
        return "The kernel was killed from outside (signal 9), perhaps because the machine ran out of memory."
    if code in (-signal.SIGSEGV, 139, -signal.SIGABRT, 134):
        what = "segmentation fault" if code in (-signal.SIGSEGV, 139) else "abort"
        return f"The kernel crashed in native code ({what}).{last_words}"
    if code < 0:
        return f"The kernel was ended by signal {-code} ({_name(-code)})."
    return f"The kernel was ended by its own code (exit {code})."


def _out_of_memory(cage: Cage, limit: int | None) -> str:
    """Empty when that was not it."""
    if limit is None or not cage.oom_kills():
        return ""
    return out_of_memory(min(cage.peak_memory(), limit), limit)


def _in_own_venv(command: list[str], folder: str) -> list[str]:
    """Of a Python kernel, which is one that our launcher starts; others stay as they are."""
    if str(LAUNCHER) not in command:
        return command
    at = command.index(str(LAUNCHER))
    return [*command[:at], str(_VENVS), folder, *command[at:]]


def _check(program: str, environment: Mapping[str, str]) -> None:
    """Raises OSError: the shell that becomes the program could only say so in its own words."""
    if shutil.which(program, path=environment.get("PATH")) is None:
        number = 2 if not os.path.exists(program) else 13
        raise OSError(number, os.strerror(number))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
