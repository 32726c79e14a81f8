"""Shells in a browser, for an operator who asked for them: a shell is all that the gateway's user may do.

What a terminal has printed is kept to a bound, for who connects later. Terminals end with the gateway.
"""

import asyncio
import codecs
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import anyio
from anyio.abc import TaskGroup
from ptyprocess import PtyProcess  # type: ignore[import-untyped]

MAX_TERMINALS: Final = 20
MAX_KEPT: Final = 1 << 19  # characters
MAX_UNREAD_INPUT: Final = 1 << 20
_READ_BYTES: Final = 1 << 14
# Nobody is this much nearer to the newest output: the program waits, as it would for a slow screen.
_AHEAD: Final = 1 << 18
_END_WITHIN_S: Final = 2.0
_MAX_SIDE: Final = 1_000


class TooManyTerminals(Exception):
    """There are as many terminals as there may be."""


class NobodyReads(Exception):
    """The program in the terminal does not read what was typed into it."""


class Overtaken(Exception):
    """What follows is not kept any more."""


class Viewer(Protocol):
    """Somebody connected to the terminal. `at` is how many characters it has got."""

    at: int
    size: tuple[int, int] | None

    def wake(self) -> None:
        """There is something to read, or the terminal has ended."""


class Terminal:
    """One shell on a pseudo-terminal. `gone` is called when it has ended."""

    def __init__(
        self, name: str, command: list[str], folder: Path, environment: Mapping[str, str], gone: Callable[[], None]
    ) -> None:
        self.name = name
        self.last_activity = datetime.now(UTC)
        self.ended = False
        self.viewers: set[Viewer] = set()
        self._gone = gone
        self._process = PtyProcess.spawn(command, cwd=str(folder), env=dict(environment))
        self._fd: int = self._process.fd
        os.set_blocking(self._fd, False)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._kept = ""
        self._dropped = 0  # how much came before what is kept
        self._input = bytearray()
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        self._reading = False
        self._read_on()

    def model(self) -> dict[str, object]:
        return {"name": self.name, "last_activity": self.last_activity.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}

    def following(self, at: int) -> str:
        """What came after the first `at` characters. Raises Overtaken."""
        if at < self._dropped:
            raise Overtaken
        return self._kept[at - self._dropped :]

    def join(self, viewer: Viewer) -> None:
        """It gets what is kept first."""
        viewer.at = self._dropped
        self.viewers.add(viewer)
        viewer.wake()

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        self.resize()
        self._read_on()

    def took(self) -> None:
        """A viewer has got something."""
        self._read_on()

    def write(self, text: str) -> None:
        """Raises NobodyReads."""
        data = text.encode("utf-8", "replace")
        if len(self._input) + len(data) > MAX_UNREAD_INPUT:
            raise NobodyReads
        self.last_activity = datetime.now(UTC)
        self._input += data
        self._flush()

    def resize(self) -> None:
        """As large as the smallest of its viewers' windows."""
        sizes = [viewer.size for viewer in self.viewers if viewer.size is not None]
        if self.ended or not sizes:
            return
        rows, columns = (min(size[side] for size in sizes) for side in (0, 1))
        packed = struct.pack("HHHH", min(rows, _MAX_SIDE), min(columns, _MAX_SIDE), 0, 0)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, packed)

    async def live(self) -> None:
        """Returns when its shell has ended: by itself, or hung up as a closed window does, or killed."""

        async def hang_up() -> None:
            self._signal(signal.SIGHUP)
            self._signal(signal.SIGCONT)
            await anyio.sleep(_END_WITHIN_S)
            self._signal(signal.SIGKILL)

        await self._closed.wait()
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hang_up)
                await anyio.to_thread.run_sync(self._process.wait)
                tasks.cancel_scope.cancel()

    def end(self) -> None:
        """At once for who looks on; its processes end by and by."""
        if self.ended:
            return
        self.ended = True
        self._read_on()
        self._loop.remove_writer(self._fd)
        self._process.fileobj.close()
        self._process.closed = True  # or its finaliser would close the descriptor, which is another's by then
        self._closed.set()
        for viewer in self.viewers:
            viewer.wake()
        self._gone()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read_on(self) -> None:
        newest = self._dropped + len(self._kept)
        nearest = max((viewer.at for viewer in self.viewers), default=newest)
        wanted = not self.ended and newest - nearest < _AHEAD
        if wanted and not self._reading:
            self._loop.add_reader(self._fd, self._read)
        elif self._reading and not wanted:
            self._loop.remove_reader(self._fd)
        self._reading = wanted

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # nobody has the other side open any more
            data = b""
        if not data:
            self.end()
            return
        text = self._decode(data)
        if not text:
            return
        self.last_activity = datetime.now(UTC)
        self._kept += text
        if len(self._kept) > MAX_KEPT:
            surplus = len(self._kept) - MAX_KEPT * 3 // 4
            self._kept = self._kept[surplus:]
            self._dropped += surplus
        for viewer in self.viewers:
            viewer.wake()
        self._read_on()

    def _flush(self) -> None:
        try:
            while self._input:
                del self._input[: os.write(self._fd, self._input[:_READ_BYTES])]
            self._loop.remove_writer(self._fd)
        except BlockingIOError:
            self._loop.add_writer(self._fd, self._flush)
        except OSError:
            self._input.clear()
            self._loop.remove_writer(self._fd)


class Terminals:
    """`command` is what runs in each, in `root` or a folder below it. Use `running()`."""

    def __init__(self, root: Path, command: list[str], environment: Mapping[str, str]) -> None:
        self._tasks: TaskGroup | None = None
        self._root = root
        self._command = command
        self._environment = {**environment, "TERM": "xterm-256color"}
        self._terminals: dict[str, Terminal] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Terminals"]:
        """Returns when no shell is left."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield self
            finally:
                for terminal in self.all:  # also when cancelled: each waits, shielded, for its shell
                    terminal.end()

    @property
    def all(self) -> list[Terminal]:
        return list(self._terminals.values())

    def get(self, name: str) -> Terminal | None:
        return self._terminals.get(name)

    def open(self, name: str = "", folder: str = "") -> Terminal:
        """That of this name if there is one. A folder is one of the machine or below the root; what is neither is the
        root. Raises TooManyTerminals and OSError."""
        if name in self._terminals:
            return self._terminals[name]
        if len(self._terminals) >= MAX_TERMINALS:
            raise TooManyTerminals(f"There are {MAX_TERMINALS} terminals; close one first.")
        name = name or next(str(n) for n in range(1, MAX_TERMINALS + 1) if str(n) not in self._terminals)
        assert self._tasks is not None
        terminal = Terminal(name, self._command, self._folder(folder), self._environment, lambda: self._forget(name))
        self._terminals[name] = terminal
        self._tasks.start_soon(terminal.live)
        return terminal

    def _forget(self, name: str) -> None:
        self._terminals.pop(name, None)

    def _folder(self, folder: str) -> Path:
        top = self._root.resolve()
        try:
            if Path(folder).is_absolute() and Path(folder).is_dir():
                return Path(folder)
            below = (top / folder.lstrip("/")).resolve()
            return below if below.is_dir() and below.is_relative_to(top) else top
        except (OSError, ValueError):
            return top
