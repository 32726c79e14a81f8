"""The process that one kernel lives in, with its sockets and what clients have not read: `python -m kernelhost.host`.

It lives as long as its kernel and outlives the gateway, which connects to it again (kernels.md section 2). Its first
frame, on its own descriptor 0, is the Document; that connection is then one of the gateway's like any later one.
"""

import asyncio
import json
import logging
import logging.handlers
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from kernelhost import pids
from kernelhost.cages.rlimits import adopt_orphans
from kernelhost.document import Document, decode_document
from kernelhost.emptying import NotEmptied
from kernelhost.folders import own_folder
from kernelhost.frames import Frames, Kind
from kernelhost.guest import CLOSE_OUR_FAULT, Guest
from kernelhost.journal import Journal
from kernelhost.kernel import Kernel, KernelFailed
from kernelhost.memory import hide_memory
from kernelhost.registry import Row, write_row
from kernelhost.states import States

log = logging.getLogger(__name__)

_LOG_BYTES: Final = 1 << 20
_LAST_WORDS_WITHIN_S: Final = 2.0
_TELL_EVERY_S: Final = 1.0
_FLIPS: Final = {"idle", "busy"}
_FLIP_WITHIN_S: Final = 0.02
_LOOK_EVERY_S: Final = 10.0


class Host:
    """Use `run()`. `home` and `row` are its own folders, made and removed by the caller."""

    def __init__(self, document: Document, home: Path, row: Path, tasks: TaskGroup) -> None:
        self._document = document
        self._home = home
        self._row = row
        self._tasks = tasks
        self._gateway: Frames | None = None
        self._came, self._left, self._end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._guests: dict[str, Guest] = {}
        self._reason = "The kernel was shut down."
        self._states = States(0, "")
        self._told: tuple[object, ...] = ()
        self._flip: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._written = (-1, -1)
        self._kernel = Kernel(
            document.id,
            document.spec,
            document.environment,
            document.cwd,
            home,
            Journal(row / "journal", document.keep_bytes),
            tasks,
            gone=self._gone,
            told=self._tell,
            confinement=replace(document.confinement, adopting=True),
            noticed=self._notice,
            revival=document.revival,
        )
        self._kernel.generation = document.generation

    async def run(self, first: Frames) -> None:
        """Returns when the kernel's process is gone and its clients have heard of it."""
        path = str(self._home / "host")
        server = await asyncio.get_running_loop().create_unix_server(self._accept, path)
        os.chmod(path, 0o600)
        self._tell()
        self._tasks.start_soon(self._serve_gateway, first)
        self._tasks.start_soon(self._watch_alone)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end.set)
        await self._end.wait()
        self._tell(always=True)
        await self._kernel.stop(self._reason)
        with anyio.move_on_after(_LAST_WORDS_WITHIN_S):
            for guest in tuple(self._guests.values()):
                await guest.done.wait()
        server.close()

    # -- connections --------------------------------------------------------------------------------------------------

    def _accept(self) -> Frames:
        frames = Frames()
        self._tasks.start_soon(self._serve, frames)
        return frames

    async def _serve(self, frames: Frames) -> None:
        first = await frames.next()
        if first is None:
            return
        kind, payload = first
        try:
            if not is_same_user(frames):
                log.warning("Another user's process connected and was sent away")
            elif kind == Kind.GATEWAY:
                await self._serve_gateway(frames)
            elif kind == Kind.CLIENT:
                await self._serve_client(frames, json.loads(payload))
        except Exception:  # ours, but the other clients have no part in it
            log.exception("A client cannot be served", extra={"kernel": self._document.id})
            frames.send(Kind.CLOSE, json.dumps({"code": CLOSE_OUR_FAULT, "reason": "The host failed."}).encode())
        finally:
            frames.close()

    async def _serve_client(self, frames: Frames, who: Mapping[str, str]) -> None:
        guest = Guest(frames, who["session"], lambda: self._states)
        before = self._guests.get(guest.session)
        if before is not None:  # of a gateway that was killed, and whose end was not noticed yet
            before.leave(self._kernel)
        self._guests[guest.session] = guest
        try:
            await guest.serve(self._kernel, who.get("after"))
        finally:
            if self._guests.get(guest.session) is guest:
                del self._guests[guest.session]

    async def _serve_gateway(self, frames: Frames) -> None:
        if self._gateway is not None:
            self._gateway.close()
        self._gateway = frames
        self._came.set()
        self._tell(always=True)
        while (frame := await frames.next()) is not None:
            if frame[0] == Kind.CALL:
                self._tasks.start_soon(self._answer, frames, json.loads(frame[1]))
        if self._gateway is frames:
            self._gateway = None
            self._left.set()

    async def _watch_alone(self) -> None:
        """A kernel that no gateway came back for, or could find, ends."""
        while True:
            await self._left.wait()
            self._left.clear()
            self._came.clear()
            if self._gateway is None:
                with anyio.move_on_after(self._document.alone_s):
                    while not self._came.is_set() and self._row.exists():
                        with anyio.move_on_after(_LOOK_EVERY_S):
                            await self._came.wait()
                if self._came.is_set():
                    continue
                log.info("The gateway did not come back", extra={"kernel": self._document.id})
                self._reason = "The kernel's gateway was gone for too long."
                self._end.set()
                return

    # -- the gateway's questions --------------------------------------------------------------------------------------

    async def _answer(self, frames: Frames, call: Mapping[str, object]) -> None:
        answer: dict[str, object] = {"n": call["n"]}
        try:
            answer["value"] = await self._do(str(call["call"]), call)
        except KernelFailed as error:
            answer["failed"] = str(error)
        except NotEmptied as error:
            answer["not_emptied"] = str(error)
        except Exception:
            log.exception("A question of the gateway cannot be answered", extra={"kernel": self._document.id})
            answer["failed"] = "The kernel's host process failed; its log says why."
        frames.send(Kind.ANSWER, json.dumps(answer).encode())

    async def _do(self, what: str, call: Mapping[str, object]) -> object:
        """Raises KernelFailed and NotEmptied."""
        match what:
            case "start":
                try:
                    await self._kernel.start()
                except BaseException:
                    self._end.set()
                    raise
            case "restart":
                if (equipment := call.get("document")) is not None:
                    self._equip(decode_document(str(equipment).encode()))
                below = call.get("empty_below")
                await self._kernel.restart(Path(below) if isinstance(below, str) else None)
            case "interrupt":
                await self._kernel.interrupt()
            case "stop":
                self._reason = str(call["reason"])
                self._end.set()
            case "stop_for":
                self._kernel.stop_for(str(call["reason"]))
            case "notice":
                self._kernel.notice(str(call["kind"]), str(call["text"]))
            case "report":
                report = await self._kernel.report()
                return report.json() if report is not None else None
            case "adopt":
                self._document = document = decode_document(str(call["document"]).encode())
                self._write_row()
                await self._kernel.adopt(document.id, document.environment, document.cwd, str(call["code"]))
                self._tell(always=True)
            case "document":
                return self._document.encode().decode()
        return None  # "ping" too

    def _equip(self, document: Document) -> None:
        """With other GPUs than before, those of before having gone to somebody else."""
        self._document = document
        self._kernel.equip(document.environment, replace(document.confinement, adopting=True))

    def _tell(self, always: bool = False) -> None:
        """The gateway has the model in its memory; what is only the time of the last request is told seldom, and that
        code runs or does not is told on the clients' own connections first, with what they get."""
        kernel = self._kernel
        if self._states.now != kernel.state:
            self._states = States(self._states.count + 1, kernel.state)
        written = (kernel.generation, kernel.pid)
        if written != self._written:
            self._written = written
            self._write_row()
        told = (kernel.state, kernel.reason, kernel.generation, self._end.is_set())
        now = time.monotonic()
        if self._gateway is None or (not always and told == self._told and now - self._told_at < _TELL_EVERY_S):
            return
        if not always and told != self._told and told[1:] == self._told[1:] and {told[0], self._told[0]} <= _FLIPS:
            if self._flip is None:
                self._flip = asyncio.get_running_loop().call_later(_FLIP_WITHIN_S, self._tell_flip)
            return
        self._told, self._told_at = told, now
        model = kernel.model()
        del model["connections"]
        value = {
            "model": model,
            "states": self._states.count,
            "created": self._kernel.created.isoformat(),
            "ending": self._end.is_set(),
            "socket": str(self._home / "host"),
            "row": str(self._row),
        }
        self._gateway.send(Kind.MODEL, json.dumps(value).encode())

    def _tell_flip(self) -> None:
        self._flip = None
        self._tell(always=True)

    def _notice(self, kind: str, text: str) -> None:
        if self._gateway is not None:
            self._gateway.send(Kind.NOTICE, json.dumps({"kind": kind, "text": text}).encode())

    def _gone(self) -> None:
        if self._gateway is not None:
            self._gateway.send(Kind.GONE)
        self._end.set()

    def _write_row(self) -> None:
        pid, document = self._kernel.pid, self._document
        row = Row(
            document.id,
            document.spec.name,
            self._kernel.generation,
            os.getpid(),
            pids.started(os.getpid()),
            pid,
            pids.started(pid) if pid else "",
            str(self._home),
            str(document.cwd),
            self._kernel.created.isoformat(),
            document.pooled,
        )
        try:
            write_row(self._row, row)
        except OSError:
            log.exception("The registry cannot be written; the next gateway will not find this kernel")


def is_same_user(frames: Frames) -> bool:
    """Where the system tells; the folder of the socket is for one user in any case (D5)."""
    if frames.transport is None or not hasattr(socket, "SO_PEERCRED"):
        return True
    found = frames.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", found)[1] in (os.getuid(), 0)


async def serve(channel: socket.socket) -> None:
    """`channel` is the connection of the gateway that started us. Returns when there is nothing to host any more."""
    _, frames = await asyncio.get_running_loop().create_unix_connection(Frames, sock=channel)
    first = await frames.next()
    if first is None or first[0] != Kind.DOCUMENT:
        return
    document = decode_document(first[1])
    # The folder of the registry is there as long as somebody may look for us in it.
    row = Path(tempfile.mkdtemp(dir=document.rows, prefix="k"))
    try:
        with own_folder(document.temp) as home:
            keep_log(row / "host.log")
            async with anyio.create_task_group() as tasks:
                await Host(document, home, row, tasks).run(frames)
                tasks.cancel_scope.cancel()
    finally:
        frames.close()
        shutil.rmtree(row, ignore_errors=True)


def keep_log(path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def own_descriptor_only() -> socket.socket:
    """The gateway's connection, which came as descriptor 0; of what else was open only output stays."""
    channel = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    for name in os.listdir("/dev/fd"):
        if int(name) not in (0, 1, 2, channel.fileno()):
            with suppress(OSError):
                os.close(int(name))
    return channel


def main() -> None:
    channel = own_descriptor_only()
    hide_memory()
    adopt_orphans()
    os.chdir("/")
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(channel))


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one: about a tenth off the time of a short cell, for 1 MB."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


if __name__ == "__main__":
    main()
