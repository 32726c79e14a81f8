"""One of very many raw WebSocket clients in one process: as cheap as it can be, so that the servers are measured.

Sends frames that were made before; of what comes it answers what the protocol asks for and scans the rest for marks.
A mark is the number of an edit in its text, `<0000042>`; it shows in whatever way a server frames or joins updates.
"""

import asyncio
import base64
import os
import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from collab.wire import sync_step1, sync_step2, varuint

MARK_BYTES: Final = 9
ANY_MARK: Final = re.compile(rb"<(\d{7})>")
TENTH_MARK: Final = re.compile(rb"<(\d{6}0)>")
_NOTHING: Final = b"\x00\x00"  # an update
_NO_STATE: Final = b"\x00"

Take = Callable[[float, list[bytes]], None]


@dataclass(frozen=True, slots=True)
class Address:
    """Of a room on a server. `name` goes before every message where a server has many rooms on one socket."""

    port: int
    path: str
    headers: tuple[str, ...] = ()
    name: bytes = b""
    greeting: tuple[bytes, ...] = ()


def mark(number: int) -> str:
    return f"<{number:07}>"


def client_frame(payload: bytes) -> bytes:
    """Masked with zeros, which changes nothing: no server can tell, and we need not."""
    size = len(payload)
    if size < 126:
        return bytes((0x82, 0x80 | size, 0, 0, 0, 0)) + payload
    if size < 65536:
        return struct.pack("!BBHI", 0x82, 0x80 | 126, size, 0) + payload
    return struct.pack("!BBQI", 0x82, 0x80 | 127, size, 0) + payload


@dataclass(eq=False)
class Client(asyncio.Protocol):
    """`update` is what it heard in answer to its STEP1; `state` is what it says there that it has; `there` is set when
    `awaited` was in what came."""

    address: Address
    state: bytes = _NO_STATE
    awaited: bytes = b""
    take: Take | None = None
    synced: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    there: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    update: bytes = b""
    received: int = 0
    _transport: asyncio.Transport | None = None
    pattern: re.Pattern[bytes] = ANY_MARK
    _buffer: bytearray = field(default_factory=bytearray)
    _need: int = 2  # bytes in the buffer before there is a whole frame
    _open: bool = False

    # -- asyncio's ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {self.address.path} HTTP/1.1", f"Host: 127.0.0.1:{self.address.port}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        transport.write("\r\n".join([*lines, *self.address.headers, "", ""]).encode())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.synced.done():
            self.synced.set_exception(ConnectionError(f"The server ended the connection: {error or self._answer}"))
            self.synced.exception()  # whoever waits gets it; nobody has to
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.received += len(data)
        if self._buffer or not self._open:
            self._buffer += data
            if not self._open and not self._opened():
                return
            if len(self._buffer) >= self._need:
                used = self._frames(bytes(self._buffer), now)
                del self._buffer[:used]
        else:
            used = self._frames(data, now)
            if used < len(data):
                self._buffer += data[used:]

    # -- what comes -----------------------------------------------------------------------------------------------

    @property
    def _answer(self) -> str:
        return bytes(self._buffer[:200]).decode(errors="replace")

    def _opened(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            self.close()
            return False
        del self._buffer[: end + 4]
        self._open = True
        for payload in (*self.address.greeting, sync_step1(self.state)):
            self.send(payload)
        return True

    def _frames(self, data: bytes, now: float) -> int:
        """Handles the whole frames in it; gives how many bytes they take."""
        at, size = 0, len(data)
        self._need = 2
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    self._need = 4
                    break
                length, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif length == 127:
                if size - at < 10:
                    self._need = 10
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if size - start < length:
                self._need = start + length - at
                break
            kind = data[at] & 15
            at = start + length
            if kind == 2 or kind == 0:
                self._message(data[start:at], now)
            elif kind == 9:
                self._write(b"\x8a" + client_frame(data[start:at])[1:])
            elif kind == 8:
                self.close()
                break
        return at

    def _message(self, message: bytes, now: float) -> None:
        if self.take is not None and (marks := self.pattern.findall(message)):
            self.take(now, marks)
        if self.awaited and self.awaited in message and not self.there.done():
            self.there.set_result(now)
        at = len(self.address.name)
        if message[at] != 0:
            return
        if message[at + 1] == 0:
            self.send(sync_step2(_NOTHING))
        elif message[at + 1] == 1 and not self.synced.done():
            self.update = _body(message, at + 2)
            self.synced.set_result(now)

    # -- what goes ------------------------------------------------------------------------------------------------

    def framed(self, payload: bytes) -> bytes:
        """To be written as often as wanted."""
        return client_frame(self.address.name + payload)

    def send(self, payload: bytes) -> None:
        self._write(self.framed(payload))

    def write(self, frame: bytes) -> None:
        """Of those that `framed` made."""
        self._write(frame)

    async def caught_up(self, state: bytes = _NO_STATE) -> None:
        """The server has handled what was sent: it answers a question that came after."""
        self.synced = asyncio.get_running_loop().create_future()
        self.send(sync_step1(state))
        await self.synced

    def _write(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

    def close(self) -> None:
        """Without a farewell, as when a laptop is closed."""
        if self._transport is not None:
            self._transport.abort()


async def connect(address: Address, state: bytes = _NO_STATE, awaited: bytes = b"") -> Client:
    """On its way to be in sync: `synced` tells when it is."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(address, state, awaited), "127.0.0.1", address.port)
    return client


async def join(address: Address, awaited: bytes = b"", within_s: float = 60.0) -> Client:
    client = await connect(address, awaited=awaited)
    async with asyncio.timeout(within_s):
        await client.synced
    return client


async def leave(clients: list[Client]) -> None:
    for client in clients:
        client.close()
    await asyncio.gather(*(client.ended for client in clients))


def named(name: str) -> bytes:
    """What stands before the messages of servers with many rooms on one socket."""
    text = name.encode()
    return varuint(len(text)) + text


def _body(message: bytes, at: int) -> bytes:
    length = shift = 0
    while True:
        byte = message[at]
        at += 1
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return message[at : at + length]
