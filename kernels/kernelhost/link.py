"""A kernel as the gateway has it: the connection to its host process, which is started here or found again.

It has the surface of `kernel.Kernel`, which is what runs there. What is asked often is answered from memory; messages
go over a connection for each client (`tap.py`). When the host dies, so does the kernel: state and reason are here then.
"""

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from kernelhost import messages, pids
from kernelhost.document import Document, decode_document
from kernelhost.emptying import NotEmptied, empty_folder
from kernelhost.environment import kernel_environment
from kernelhost.frames import Frames, Kind
from kernelhost.gpus.grant import Grant, from_json
from kernelhost.kernel import START_WITHIN_S, KernelFailed
from kernelhost.registry import Row, clear_row, read_row
from kernelhost.states import States
from kernelhost.tap import Client, Tap
from kernelhost.usage import Report, report_of
from kernelhost.wire import Message

log = logging.getLogger(__name__)

# Beside the folders of the registry; what hosts say before they have a folder, and when they crash.
HOSTS_LOG: Final = "hosts.log"
_ANSWER_WITHIN_S: Final = 5.0
_STRIKES: Final = 3
_HOST_STARTS_WITHIN_S: Final = 1.5
_STOP_WITHIN_S: Final = 12.0
_LOOK_EVERY_S: Final = 0.05
_ADOPTED_WITHIN_S: Final = 5.0
_DIES_WITHIN_S: Final = 1.0
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Unreachable(Exception):
    """A host process that was found did not answer and was ended."""


@dataclass(slots=True, eq=False)
class _Host:
    """One host process. `row` and `socket` are known once it has said so."""

    pid: int
    started: str
    frames: Frames
    socket: Path | None = None
    row: Path | None = None
    ending: bool = False
    states: States = field(default_factory=lambda: States(0, ""))
    strikes: int = 0
    told: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Link:
    """`gone` is called when the kernel ended by itself: a client asked for it, or its host was asked to end; `noticed`
    with a kind and a sentence for the people who use it."""

    def __init__(
        self,
        document: Document,
        tasks: TaskGroup,
        gone: Callable[["Link"], None],
        noticed: Callable[["Link", str, str], None],
    ) -> None:
        self.id = document.id
        self.created = datetime.now(UTC)
        # What the gateway knows besides, for the model.
        self.extras: Callable[[], dict[str, object]] = dict
        # What a restarted kernel is to have in place of what it had: other GPUs. May raise KernelFailed.
        self.equipped: Callable[[Document], Document] = lambda document: document
        self.streams = 0  # to its ports
        self._document = document
        self._tasks = tasks
        self._gone = gone
        self._noticed = noticed
        self._lock = asyncio.Lock()
        self._stopped = False
        self._host: _Host | None = None
        self._appeared = asyncio.Event()
        self._taps: dict[Client, Tap] = {}
        self._leaving: dict[str, asyncio.Event] = {}
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._model: dict[str, Any] = {
            "id": document.id,
            "name": document.spec.name,
            "last_activity": datetime.now(UTC).strftime(_TIME),
            "execution_state": "starting",
            "generation": document.generation,
        }

    @property
    def state(self) -> str:
        return str(self._model["execution_state"])

    @property
    def runs_code(self) -> bool:
        return self.state == "busy"

    @property
    def reason(self) -> str:
        return str(self._model.get("reason", ""))

    @property
    def generation(self) -> int:
        return int(self._model["generation"])

    @property
    def last_activity(self) -> datetime:
        return datetime.strptime(self._model["last_activity"], _TIME).replace(tzinfo=UTC)

    @property
    def clients(self) -> set[Client]:
        return set(self._taps)

    @property
    def is_ending(self) -> bool:
        return self._stopped or (self._host is not None and self._host.ending)

    @property
    def folder(self) -> Path:
        """Where it works."""
        return self._document.cwd

    @property
    def grant(self) -> Grant:
        """What it was promised of the GPUs."""
        return from_json(self._document.gpus)

    @property
    def pid(self) -> int | None:
        """Of its host process; None while it has none."""
        return self._host.pid if self._host is not None else None

    def model(self) -> dict[str, object]:
        gpus = self.grant.model()
        return self._model | {"connections": len(self._taps), "gpus": gpus} | self.extras()

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when the kernel answers. Raises KernelFailed, after which it is no use."""
        async with self._lock:
            await self._start()

    @property
    def document(self) -> Document:
        return self._document

    async def adopt(self, document: Document, code: str) -> None:
        """From now on it is this one, after it was nobody's. Raises KernelFailed."""
        self.id, self._document = document.id, document
        try:
            with anyio.fail_after(_ADOPTED_WITHIN_S):
                await self._call("adopt", document=document.encode().decode(), code=code)
        except TimeoutError as error:
            raise KernelFailed("The kernel that was ready does not answer.") from error

    async def restart(self, empty_below: Path | None = None) -> None:
        """A fresh process under the same id, and a fresh host if that died; its folder, which must be below
        `empty_below`, is emptied if that is given. Raises KernelFailed and NotEmptied."""
        before, self._document = self._document, self.equipped(self._document)
        if self._host is not None:
            below = str(empty_below) if empty_below is not None else None
            changed = self._document.encode().decode() if self._document is not before else None
            await self._call("restart", empty_below=below, document=changed)
            return
        if empty_below is not None:
            await anyio.to_thread.run_sync(empty_folder, empty_below, self._document.cwd)
        async with self._lock:
            if self._host is None:
                self._die("restarting", "")
                self._document = replace(self._document, generation=self.generation)
                await self._start()

    async def interrupt(self) -> None:
        with suppress(KernelFailed):
            await self._call("interrupt")

    async def report(self) -> Report | None:
        with suppress(KernelFailed):
            value = await self._call("report")
            return report_of(value) if isinstance(value, dict) else None
        return None

    def stop_for(self, reason: str) -> None:
        """Kills its process at once, which leaves it dead, with this reason."""
        self._ask("stop_for", reason=reason)

    def notice(self, kind: str, text: str) -> None:
        """One sentence for the people who use it; under the code that runs, too."""
        self._ask("notice", kind=kind, text=text)

    async def stop(self, reason: str = "The kernel was shut down.") -> None:
        """For good; returns when nothing of it is left."""
        self._stopped = True
        host = self._host
        if host is None:
            for tap in self._taps.values():
                tap.end(reason)
            return
        self._ask("stop", reason=reason)
        # Not for `host.ended`: our own task group, which sets it, may be gone already.
        with anyio.move_on_after(_STOP_WITHIN_S) as scope:
            await pids.ended(host.pid, host.started)
        if scope.cancelled_caught:
            log.warning("A kernel's host did not end and is killed", extra={"kernel": self.id})
            pids.kill(host.pid, host.started)
            await pids.ended(host.pid, host.started)
        if host.row is not None and host.row.exists():
            clear_row(host.row, read_row(host.row))

    def detach(self) -> None:
        """The kernel goes on without us."""
        for tap in self._taps.values():
            tap.leave()
        if self._host is not None:
            self._host.frames.close()

    async def attach(self, row: Row, folder: Path) -> None:
        """To a host that an earlier gateway started. Raises Unreachable, when nothing of it is left."""
        host = _Host(row.pid, row.started, Frames(), Path(row.socket), folder)
        with anyio.move_on_after(_STRIKES * _ANSWER_WITHIN_S):
            while row.lives:
                with suppress(OSError):
                    await self._connect(host)
                    self._take(host)
                    break
                await anyio.sleep(_LOOK_EVERY_S)
        if self._host is None:
            pids.kill(row.pid, row.started)
            await pids.ended(row.pid, row.started)
            clear_row(folder, row)
            raise Unreachable
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_first_of, tasks.cancel_scope, host.told)
            tasks.start_soon(_first_of, tasks.cancel_scope, host.ended)
        try:
            document = decode_document(str(await self._call("document")).encode())
        except KernelFailed as error:
            raise Unreachable from error
        ours = self._document
        self._document = replace(document, rows=ours.rows, temp=ours.temp, alone_s=ours.alone_s)

    async def _start(self) -> None:
        """Raises KernelFailed."""
        try:
            host = await self._spawn()
        except OSError as error:
            raise KernelFailed(f"The kernel's host process cannot be started: {error.strerror}.") from error
        try:
            with anyio.fail_after(START_WITHIN_S + _HOST_STARTS_WITHIN_S):
                await self._call("start")
        except TimeoutError as error:
            pids.kill(host.pid, host.started)
            raise KernelFailed(f"The kernel did not answer within {START_WITHIN_S:.0f} s.") from error

    async def _spawn(self) -> _Host:
        """Raises OSError."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        log_file = self._document.rows / HOSTS_LOG
        output = os.open(log_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # Neither `subprocess` nor asyncio, which complain of a child that is to outlive them; -P: no file of the
            # folder we are in is a module.
            pid = os.posix_spawn(  # noqa: ASYNC221 - it returns at once
                sys.executable,
                [sys.executable, "-P", "-m", "kernelhost.host"],
                _environment(),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, output, 2),
                ],
                setsid=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(output)
        host = _Host(pid, pids.started(pid), Frames())
        await asyncio.get_running_loop().create_unix_connection(lambda: host.frames, sock=ours)
        host.frames.send(Kind.DOCUMENT, self._document.encode())
        self._take(host)
        return host

    async def _connect(self, host: _Host) -> None:
        """Raises OSError."""
        host.frames = Frames()
        await asyncio.get_running_loop().create_unix_connection(lambda: host.frames, str(host.socket))
        host.frames.send(Kind.GATEWAY)

    def _take(self, host: _Host) -> None:
        first = self._host is not host
        self._host = host
        frames = host.frames
        frames.woken = lambda: self._hear(host, frames)
        self._hear(host, frames)
        if first:
            self._tasks.start_soon(self._watch, host)

    # -- what the host says -------------------------------------------------------------------------------------------

    def _hear(self, host: _Host, frames: Frames) -> None:
        while (frame := frames.take()) is not None:
            host.strikes = 0
            kind, payload = frame
            value: Any = json.loads(payload) if payload else None
            if kind == Kind.MODEL:
                died = self.state != "dead" and value["model"]["execution_state"] == "dead"
                self._model = value["model"]
                if value["states"] < host.states.count:
                    self._model["execution_state"] = host.states.now
                host.states = States(max(value["states"], host.states.count), self.state)
                if died and not self.is_ending:
                    self._noticed(self, "died", self.reason)
                self.created = datetime.fromisoformat(value["created"])
                host.ending = value["ending"]
                host.socket, host.row = Path(value["socket"]), Path(value["row"])
                host.told.set()
                self._appeared.set()
            elif kind == Kind.ANSWER:
                waiting = self._calls.pop(value["n"], None)
                if waiting is None or waiting.done():
                    continue
                if "failed" in value:
                    waiting.set_exception(KernelFailed(value["failed"]))
                elif "not_emptied" in value:
                    waiting.set_exception(NotEmptied(value["not_emptied"]))
                else:
                    waiting.set_result(value.get("value"))
            elif kind == Kind.NOTICE:
                self._noticed(self, value["kind"], value["text"])
            elif kind == Kind.GONE:
                self._gone(self)

    def _take_states(self, states: States) -> None:
        host = self._host
        if host is not None and states.count > host.states.count and {states.now, self.state} <= {"idle", "busy"}:
            host.states = states
            self._model["execution_state"] = states.now

    async def _watch(self, host: _Host) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._probe, host)
            await pids.ended(host.pid, host.started)
            tasks.cancel_scope.cancel()
        why = "The process that hosts the kernel ended unexpectedly; variables are lost."
        if host.strikes >= _STRIKES:
            silent_s = _STRIKES * _ANSWER_WITHIN_S
            why = f"The process that hosts the kernel did not answer for {silent_s:.0f} s and was ended."
        if host.row is not None and host.row.exists():
            clear_row(host.row, read_row(host.row))
        self._host = None
        self._appeared.clear()
        self._fail_calls(self.reason if host.ending and self.reason else why)
        if not host.ending and not self._stopped:
            log.warning("The host of a kernel is gone", extra={"kernel": self.id, "why": why})
            self._die("dead", why)
        host.ended.set()
        host.frames.close()
        if host.ending and not self._stopped:
            self._gone(self)

    async def _probe(self, host: _Host) -> None:
        """One that lives and says nothing is ended, as nobody could use its kernel (J7)."""
        while True:
            host.strikes += 1
            if not host.frames.ended:
                self._ask("ping")
            await anyio.sleep(_ANSWER_WITHIN_S)
            if host.frames.ended and host.socket is not None:
                with suppress(OSError):
                    await self._connect(host)
                    self._take(host)
            if host.strikes >= _STRIKES:
                pids.kill(host.pid, host.started)
                return

    async def _call(self, what: str, **more: object) -> Any:
        """Raises KernelFailed, and NotEmptied of a restart."""
        if self._host is None:
            raise KernelFailed(self.reason or "The kernel was shut down.")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        n = self._ask(what, **more)
        self._calls[n] = answer
        try:
            return await answer
        finally:
            self._calls.pop(n, None)

    def _ask(self, what: str, **more: object) -> int:
        self._count += 1
        if self._host is not None:
            self._host.frames.send(Kind.CALL, json.dumps({"n": self._count, "call": what} | more).encode())
        return self._count

    def _fail_calls(self, why: str) -> None:
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(KernelFailed(why))

    def _die(self, state: str, reason: str) -> None:
        """States of which no host can tell."""
        self._model = {key: value for key, value in self._model.items() if key != "reason"}
        self._model |= {"execution_state": state, "last_activity": datetime.now(UTC).strftime(_TIME)}
        self._model |= {"reason": reason} if reason else {}
        for tap in self._taps.values():
            if state == "dead":
                tap.dies(reason)
            tap.say(self._status())
        if state == "dead":
            self._noticed(self, "died", reason)

    def _status(self) -> Message:
        return messages.status(self.state, reason=self.reason, generation=self.generation)

    # -- clients ------------------------------------------------------------------------------------------------------

    def join(self, client: Client, after: str | None) -> Tap:
        """From what the client missed on: after the iopub message `after`, else since its session was last here."""
        tap = Tap(client, after, self._take_states)
        self._taps[client] = tap
        if self._host is None and self.state == "dead":
            tap.dies(self.reason)
            tap.say(self._status())
        self._tasks.start_soon(self._follow, tap)
        return tap

    def leave(self, client: Client, tap: Tap) -> None:
        if self._taps.get(client) is tap:
            del self._taps[client]
            tap.leave()

    async def send(self, client: Client, item: Message) -> None:
        tap = self._taps.get(client)
        if tap is not None:
            await tap.send(item)

    async def _follow(self, tap: Tap) -> None:
        """Hosts come and go under a client only when one died and the kernel was restarted."""
        before = self._leaving.get(tap.session)
        mine = self._leaving[tap.session] = asyncio.Event()
        try:
            if before is not None:
                await before.wait()  # one of this session's goes on where the last one was (H1)
            while not tap.is_left:
                await self._appeared.wait()
                host = self._host
                if host is None or host.socket is None:
                    continue
                await tap.serve(host.socket)
                if tap.is_left:
                    return
                with anyio.move_on_after(_DIES_WITHIN_S):
                    await host.ended.wait()
                if not host.ended.is_set():
                    tap.come_back()
                if not host.ended.is_set() or self.is_ending:
                    await tap.until_left()
        finally:
            mine.set()
            if self._leaving.get(tap.session) is mine:
                del self._leaving[tap.session]


async def _first_of(scope: anyio.CancelScope, event: asyncio.Event) -> None:
    await event.wait()
    scope.cancel()


def _environment() -> dict[str, str]:
    """What a host finds: as little as its kernel does, where this package is, and where others' provisioners may be."""
    ours, given = str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")
    return kernel_environment(os.environ, {}) | {"PYTHONPATH": os.pathsep.join([ours, *([given] if given else [])])}
