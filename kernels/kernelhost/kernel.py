"""One Jupyter kernel: its process, the five sockets to it, and whom each message is for.

Replies go to the client session that asked, by msg_id; iopub goes to everyone (kernels.md R3). Nothing here waits for
a client: iopub has no high-water mark and one reader that only moves messages on (E2).
"""

import asyncio
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import zmq
import zmq.asyncio
from anyio.abc import TaskGroup
from jupyter_client.session import Session

from kernelhost.process import Process
from kernelhost.replay import Replay
from kernelhost.wire import BadMessage, Message, message

log = logging.getLogger(__name__)

START_WITHIN_S: Final = 40.0
_ASK_EVERY_S: Final = 0.2
_MAX_OUTSTANDING: Final = 10_000
_DELIMITER: Final = b"<IDS|MSG>"
# Between busy and idle of these a kernel counts as busy; completions and the like change nothing (A12).
_WORK: Final = ("execute_request", "comm_msg", "comm_open", "comm_close")


class KernelFailed(Exception):
    """The kernel did not come up; the message is one sentence."""


class Client(Protocol):
    """Somebody connected to the kernel's channels."""

    session: str

    def deliver(self, item: Message) -> None:
        """Never waits."""


class Kernel:
    def __init__(self, id: str, spec: str, environment: Mapping[str, str], folder: Path, tasks: TaskGroup) -> None:
        self.id = id
        self.spec = spec
        self.generation = 0
        self.state = "starting"
        self.reason = ""
        self.last_activity = datetime.now(UTC)
        self.clients: set[Client] = set()
        self._environment = environment
        self._folder = folder
        self._tasks = tasks
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._sockets: dict[str, zmq.asyncio.Socket] = {}
        self._session = Session()
        self._scope = anyio.CancelScope()
        self._replay = Replay()
        self._seen: OrderedDict[str, int] = OrderedDict()
        # msg_id of a request -> the client session that sent it, and what it asked.
        self._asked: OrderedDict[str, tuple[str, Message]] = OrderedDict()
        self._working: set[str] = set()
        self._waiting: asyncio.Event = asyncio.Event()
        self._ready: tuple[str, bool, bool] = ("", False, False)

    def model(self) -> dict[str, object]:
        """As Jupyter has it; `last_activity` always has microseconds and a Z (A11)."""
        model: dict[str, object] = {
            "id": self.id,
            "name": self.spec,
            "last_activity": self.last_activity.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "execution_state": self.state,
            "connections": len(self.clients),
            "generation": self.generation,
        }
        return model | ({"reason": self.reason} if self.reason else {})

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when the kernel answers. Raises KernelFailed."""
        async with self._lock:
            await self._start()

    async def restart(self) -> None:
        """A fresh process under the same id. Raises KernelFailed."""
        async with self._lock:
            self._set_state("restarting")
            self._abandon("The kernel was restarted.")
            self._publish_status("restarting")
            await self._end_process()
            await self._start()

    async def stop(self) -> None:
        async with self._lock:
            self._set_state("dead")
            self._abandon("The kernel was shut down.")
            await self._end_process()

    async def interrupt(self) -> None:
        if self._process is not None:
            await self._process.interrupt()

    async def _start(self) -> None:
        self.generation += 1
        self.reason = ""
        process = Process(self.spec, self._environment, self._folder)
        try:
            await process.start()
            self._connect(process)
            self._scope = anyio.CancelScope()
            self._process = process
            self._tasks.start_soon(self._run, process, self._scope)
            with anyio.fail_after(START_WITHIN_S):
                await self._until_ready(process)
        except Exception as error:
            await self._end_process()
            with suppress(Exception):
                await process.stop()
            self._set_state("dead")
            why = self.reason or f"It did not answer within {START_WITHIN_S:.0f} s."
            if not isinstance(error, TimeoutError):
                why = self.reason or f"{error}."
            self.reason = f"The kernel '{self.spec}' could not be started: {why}"
            log.warning("A kernel could not be started", extra={"kernel": self.id, "reason": why}, exc_info=error)
            raise KernelFailed(self.reason) from error
        self._set_state("idle")
        # Who was connected all along hears that it is over, and in which state things are.
        self._publish_status("idle")

    async def _until_ready(self, process: Process) -> None:
        """A kernel_info reply and a sign on iopub; asked again and again, as a status sent before the subscription
        is live is lost (R6)."""
        while not (self._ready[1] and self._ready[2]):
            if self.state == "dead":
                raise KernelFailed(self.reason)
            id = secrets.token_hex(8)
            self._ready = (id, self._ready[1], self._ready[2])
            self._waiting.clear()
            header = self._header(id, "kernel_info_request")
            await self._send_parts("shell", message("shell", header, b"{}", b"{}", b"{}"))
            with anyio.move_on_after(_ASK_EVERY_S):
                while not (self._ready[1] and self._ready[2]):
                    await self._waiting.wait()
                    self._waiting.clear()
        await self._send_parts("shell", self._silent_first_request())
        self._ready = ("", False, False)

    def _silent_first_request(self) -> Message:
        # IPython loads much at its first execution; a silent one now makes the first cell quick.
        content = {"code": "", "silent": True, "store_history": False, "allow_stdin": False}
        return message("shell", self._header("warm", "execute_request"), b"{}", b"{}", json.dumps(content).encode())

    def _connect(self, process: Process) -> None:
        manager = process.manager
        self._session = Session(key=manager.session.key, signature_scheme=manager.session.signature_scheme)
        identity = secrets.token_hex(8).encode()  # shell and stdin share it: input_request follows the request's (R1)
        context = zmq.asyncio.Context.instance()
        for name, kind in (("shell", zmq.DEALER), ("control", zmq.DEALER), ("stdin", zmq.DEALER), ("iopub", zmq.SUB)):
            socket = context.socket(kind)
            socket.linger = 0
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.SNDHWM, 0)
            if kind == zmq.SUB:
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            else:
                socket.setsockopt(zmq.IDENTITY, identity if name != "control" else identity + b"c")
            socket.connect(f"ipc://{manager.ip}-{getattr(manager, f'{name}_port')}")
            self._sockets[name] = socket

    async def _run(self, process: Process, scope: anyio.CancelScope) -> None:
        with scope:
            async with anyio.create_task_group() as tasks:
                for name in ("iopub", "shell", "control", "stdin"):
                    tasks.start_soon(self._read, name, self._sockets[name])
                code = await process.wait()
                # What it said last is still in the sockets.
                await anyio.sleep(0.2)
                self._died(process, code)
                tasks.cancel_scope.cancel()

    def _died(self, process: Process, code: int) -> None:
        self.reason = process.reason(code)
        log.warning("A kernel died", extra={"kernel": self.id, "exit": code})
        self._abandon(self.reason)
        self._set_state("dead")
        self._publish_status("dead")

    async def _end_process(self) -> None:
        self._scope.cancel()
        process, self._process = self._process, None
        for socket in self._sockets.values():
            socket.close(linger=0)
        self._sockets = {}
        self._working.clear()
        if process is not None:
            with anyio.CancelScope(shield=True):
                await process.stop()

    # -- clients --------------------------------------------------------------------------------------------------

    def join(self, client: Client, after: str | None) -> list[Message]:
        """What the client missed. A second client of the same session takes the first one's place (H1)."""
        self.clients.add(client)
        if after is not None:
            missed, complete = self._replay.after(after, client.session)
            return missed if complete or not after else [self._lost_notice(), *missed]
        seen = self._seen.get(client.session)
        return [] if seen is None else self._replay.since(seen, client.session)

    def leave(self, client: Client) -> None:
        self.clients.discard(client)
        self._seen[client.session] = self._replay.seq
        self._seen.move_to_end(client.session)
        while len(self._seen) > 1000:
            self._seen.popitem(last=False)

    async def send(self, client: Client, item: Message) -> None:
        """A client's message to the kernel. Raises BadMessage for a channel that does not lead there."""
        if item.channel in ("iopub", "hb"):
            return
        if item.channel not in ("shell", "control", "stdin"):
            raise BadMessage(f"There is no channel '{item.channel:.20}'.")
        if item.type == "shutdown_request" and item.channel == "control":
            await self._asked_to_end(item)
            return
        if item.channel != "stdin":
            self._asked[item.id] = (client.session, item)
            while len(self._asked) > _MAX_OUTSTANDING:
                self._asked.popitem(last=False)
        if self.state in ("dead", "restarting") or not self._sockets:
            self._abandon(self.reason or "The kernel is not running.")
            return
        if item.type in _WORK:
            self.last_activity = datetime.now(UTC)
        await self._send_parts(item.channel, item)

    async def _asked_to_end(self, item: Message) -> None:
        restart = item.part("content").get("restart") is True
        self._tasks.start_soon(self._restart_quietly if restart else self.stop)

    async def _restart_quietly(self) -> None:
        with suppress(KernelFailed):  # the state says so
            await self.restart()

    # -- messages -------------------------------------------------------------------------------------------------

    async def _send_parts(self, channel: str, item: Message) -> None:
        parts = [item.header, item.parent, item.metadata, item.content]
        socket = self._sockets.get(channel)
        if socket is not None:
            await socket.send_multipart([_DELIMITER, self._session.sign(parts), *parts, *item.buffers])

    async def _read(self, channel: str, socket: zmq.asyncio.Socket) -> None:
        while True:
            try:
                item = self._parse(channel, await socket.recv_multipart())
            except BadMessage as error:
                log.warning("A kernel sent a message that cannot be read", extra={"kernel": self.id, "why": str(error)})
                continue
            if item is not None and not self._is_ours(item):
                self._route(item)

    def _parse(self, channel: str, parts: list[bytes]) -> Message | None:
        at = parts.index(_DELIMITER) if _DELIMITER in parts else -1
        if at < 0 or len(parts) < at + 6:
            return None  # iopub_welcome and the like
        signature, *rest = parts[at + 1 :]
        if self._session.auth is not None and not secrets.compare_digest(signature, self._session.sign(rest[:4])):
            raise BadMessage("Its signature is wrong.")
        return message(channel, rest[0], rest[1], rest[2], rest[3], tuple(rest[4:]))

    def _is_ours(self, item: Message) -> bool:
        """Answers to questions that this gateway asked by itself go nowhere."""
        waiting, replied, heard = self._ready
        if item.parent_id == "warm":
            return True
        if waiting and item.channel == "iopub":
            self._ready = (waiting, replied, True)
            self._waiting.set()
        elif waiting and item.type == "kernel_info_reply":
            self._ready = (waiting, True, heard)
            self._waiting.set()
        return item.parent_type == "kernel_info_request" and item.parent_id not in self._asked

    def _route(self, item: Message) -> None:
        if item.channel == "iopub":
            self._note_status(item)
            self._replay.add(item)
            for client in tuple(self.clients):
                client.deliver(item)
            return
        asked = self._asked.get(item.parent_id)
        session = asked[0] if asked is not None else None
        if item.channel != "stdin":
            self._asked.pop(item.parent_id, None)
        if session is None:
            return
        self._replay.add(item, session)
        for client in tuple(self.clients):
            if client.session == session:
                client.deliver(item)

    def _note_status(self, item: Message) -> None:
        if item.type != "status" or item.parent_type not in _WORK:
            return
        state = item.part("content").get("execution_state")
        if state == "busy":
            self._working.add(item.parent_id)
        elif state == "idle":
            self._working.discard(item.parent_id)
        self.last_activity = datetime.now(UTC)
        if self.state in ("idle", "busy"):
            self.state = "busy" if self._working else "idle"

    def _set_state(self, state: str) -> None:
        self.state = state
        self.last_activity = datetime.now(UTC)

    def _publish_status(self, state: str) -> None:
        """A status of our own, with no parent (H8). Not kept: a replayed `restarting` makes clients loop (H9)."""
        content = {"execution_state": state, "reason": self.reason, "generation": self.generation}
        item = self._make("iopub", "status", content, b"{}")
        for client in tuple(self.clients):
            client.deliver(item)

    def _abandon(self, why: str) -> None:
        """Answers everything outstanding, so that no client waits for ever (Q5)."""
        asked, self._asked = self._asked, OrderedDict()
        self._working.clear()
        for session, request in asked.values():
            if not request.type.endswith("_request"):
                continue
            kind = request.type.removesuffix("_request") + "_reply"
            content = {"status": "aborted", "ename": "KernelGone", "evalue": why, "traceback": []}
            idle = self._make("iopub", "status", {"execution_state": "idle"}, request.header)
            reply = self._make(request.channel, kind, content, request.header)
            for item, owner in ((reply, session), (idle, None)):
                self._replay.add(item, owner)
                for client in tuple(self.clients):
                    if owner in (None, client.session):
                        client.deliver(item)

    def _lost_notice(self) -> Message:
        text = "\n[Output was lost here: too much came while nobody was connected.]\n"
        return self._make("iopub", "stream", {"name": "stderr", "text": text}, b"{}")

    def _make(self, channel: str, kind: str, content: Mapping[str, object], parent: bytes) -> Message:
        return message(channel, self._header(secrets.token_hex(16), kind), parent, b"{}", json.dumps(content).encode())

    def _header(self, id: str, kind: str) -> bytes:
        header: dict[str, Any] = {
            "msg_id": id,
            "msg_type": kind,
            "username": "kernelhost",
            "session": self.id,
            "date": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "version": "5.4",
        }
        return json.dumps(header).encode()
