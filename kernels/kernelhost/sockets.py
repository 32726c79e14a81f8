"""The four ZMQ sockets to one kernel process, and the signature on what passes through them.

iopub has no high-water mark and one reader that only moves messages on (kernels.md E2). Shell and stdin share one
identity, as a kernel sends its input_request to the identity of the request (R1).
They are read from the loop's own callbacks: a future and a task for each message, as zmq.asyncio has them, are a tenth
of the time that `1+1` takes.
"""

import asyncio
import hashlib
import hmac
import logging
import mmap
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import zmq

from kernelhost.pace import Pace
from kernelhost.wire import BadMessage, Message, message

log = logging.getLogger(__name__)

PORTS: Final = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}
_KINDS: Final = {"iopub": zmq.SUB, "shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER}
_DELIMITER: Final = b"<IDS|MSG>"
# A socket with messages at hand never lets go of the loop by itself: other kernels and clients get their turn (R7).
_MESSAGES_A_TURN: Final = 64
_BYTES_A_TURN: Final = 1 << 20
_TELL_EVERY_S: Final = 0.05


class Sockets:
    """`urls` says where each channel is. Into the file `read` goes how many bytes of iopub have been read, for our
    launcher to wait on: what waits in the socket has no bound of its own. With `bytes_per_s` that number runs behind
    when more comes, and `slowed` is called while the kernel waits for it."""

    def __init__(
        self,
        urls: Mapping[str, str],
        key: bytes,
        read: Path,
        bytes_per_s: int | None = None,
        slowed: Callable[[], None] = lambda: None,
    ) -> None:
        self._key = key
        self._count = 0
        self._pace = Pace(bytes_per_s, time.monotonic()) if bytes_per_s is not None else None
        self._slowed = slowed
        with read.open("r+b") as file:
            self._read_bytes = mmap.mmap(file.fileno(), 8)
        identity = secrets.token_hex(8).encode()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        for name, kind in _KINDS.items():
            socket = context.socket(kind)
            socket.linger = 0
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.SNDHWM, 0)
            if kind == zmq.SUB:
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            else:
                socket.setsockopt(zmq.IDENTITY, identity + (b"c" if name == "control" else b""))
            self._sockets[name] = socket
        self._receiver: Callable[[Message], None] | None = None
        self._failure: asyncio.Future[None]
        self.has_stdin = False
        self._monitor = self._sockets["stdin"].get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        for name, socket in self._sockets.items():
            socket.connect(urls[name])

    def send(self, item: Message) -> None:
        """By `item.channel`, which is shell, control or stdin. Without a high-water mark it is done at once: what a
        kernel does not read is `unread`'s to bound."""
        parts = [item.header, item.parent, item.metadata, item.content]
        self._sockets[item.channel].send_multipart([_DELIMITER, self._sign(parts), *parts, *item.buffers])
        # Sending may have taken the only sign that there is something to read.
        asyncio.get_running_loop().call_soon(self._read_some, item.channel)

    async def read(self, receive: Callable[[Message], None], connected: Callable[[], None]) -> None:
        """Until cancelled, or until `receive` raises. `connected` is called once `has_stdin` is true."""
        loop = asyncio.get_running_loop()
        self._receiver, self._failure = receive, loop.create_future()
        for name, socket in self._sockets.items():
            loop.add_reader(socket.fileno(), self._read_some, name)
            loop.call_soon(self._read_some, name)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._wait_for_stdin(connected))
                tasks.create_task(self._keep_pace())
                await self._failure
        finally:
            self._receiver = None
            for socket in self._sockets.values():
                loop.remove_reader(socket.fileno())

    async def _wait_for_stdin(self, connected: Callable[[], None]) -> None:
        """A kernel's question to an identity that it does not know yet is dropped, and it waits for ever."""
        loop, greeted = asyncio.get_running_loop(), asyncio.Event()
        monitor = self._monitor.fileno()
        loop.add_reader(monitor, greeted.set)
        try:
            while _next(self._monitor) is None:
                await greeted.wait()
                greeted.clear()
        finally:
            loop.remove_reader(monitor)
        self.has_stdin = True
        connected()

    def _read_some(self, channel: str) -> None:
        """All that is there, or as much as is one's turn."""
        if self._receiver is None or self._failure.done():
            return
        socket, messages, size = self._sockets[channel], 0, 0
        try:
            while messages < _MESSAGES_A_TURN and size < _BYTES_A_TURN:
                parts = _next(socket)
                if parts is None:
                    return
                size += self._receive(channel, parts, self._receiver)
                messages += 1
        except Exception as error:  # noqa: BLE001 - `read` raises it
            self._failure.set_exception(error)
        else:
            asyncio.get_running_loop().call_soon(self._read_some, channel)

    def _receive(self, channel: str, parts: list[bytes], receive: Callable[[Message], None]) -> int:
        """How many bytes these are."""
        size = sum(map(len, parts))
        if channel == "iopub":
            self._count += size
            self._tell_read()
        try:
            item = self._parse(channel, parts)
        except BadMessage as error:
            log.warning("A kernel sent a message that cannot be read", extra={"why": str(error)})
        else:
            receive(item)
        return size

    async def _keep_pace(self) -> None:
        """A kernel that waits sends nothing that would let us tell it of more."""
        while self._pace is not None:
            await asyncio.sleep(_TELL_EVERY_S)
            self._tell_read()
            if self._pace.is_slowing:
                self._slowed()

    def _tell_read(self) -> None:
        told = self._count if self._pace is None else self._pace.told(self._count, time.monotonic())
        self._read_bytes[:8] = told.to_bytes(8, "little")

    def _parse(self, channel: str, parts: list[bytes]) -> Message:
        at = parts.index(_DELIMITER) if _DELIMITER in parts else -1
        if at < 0 or len(parts) < at + 6:
            raise BadMessage("It has too few parts.")
        signature, *rest = parts[at + 1 :]
        if self._key and not hmac.compare_digest(signature, self._sign(rest[:4])):
            raise BadMessage("Its signature is wrong.")
        return message(channel, rest[0], rest[1], rest[2], rest[3], tuple(rest[4:]))

    def _sign(self, parts: list[bytes]) -> bytes:
        if not self._key:
            return b""
        signer = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            signer.update(part)
        return signer.hexdigest().encode()

    def close(self) -> None:
        self._sockets["stdin"].disable_monitor()
        self._monitor.close(linger=0)
        for socket in self._sockets.values():
            socket.close(linger=0)
        self._read_bytes.close()


def _next(socket: "zmq.Socket[bytes]") -> list[bytes] | None:
    try:
        return socket.recv_multipart(zmq.NOBLOCK)
    except zmq.Again:
        return None
