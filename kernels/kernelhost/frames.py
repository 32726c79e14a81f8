"""Frames on the socket between the gateway and a host process: a length, a kind, bytes.

What comes is cut into frames as it comes, so nothing is ever cancelled in the middle of one (kernels.md R7). Both ways
are bounded: who does not take what came is not sent more, and `drain` waits for a side that does not read.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final, cast

# A message of a kernel is at most so large; a frame that claims more is no frame.
MAX_FRAME_BYTES: Final = 1 << 30
_HEAD: Final = struct.Struct("<IB")
_HIGH_BYTES: Final = 1 << 20
_LOW_BYTES: Final = 1 << 18
_COPIED_BYTES: Final = 1 << 16


class Kind(IntEnum):
    """Values are part of what is said between processes of different versions: they are added to, never changed."""

    # Gateway to host: what to host (first frame on the host's own descriptor), or who comes.
    DOCUMENT = 1
    GATEWAY = 2
    CLIENT = 3
    # Of a connection of the gateway: a question and its answer, and what is told unasked. JSON.
    CALL = 10
    ANSWER = 11
    MODEL = 12
    GONE = 13
    NOTICE = 14
    # Of a connection of a client.
    MESSAGE = 20
    WRITTEN = 21
    LEAVE = 22
    OVERTAKEN = 23
    END = 24
    CLOSE = 25
    STATE = 26


class Frames(asyncio.Protocol):
    """One connection. `woken` is called when a frame can be taken and when the other side is gone (`ended`)."""

    def __init__(self, woken: Callable[[], None] = lambda: None) -> None:
        self.ended = False
        self.woken = woken
        self._transport: asyncio.Transport | None = None
        self._part = bytearray()
        self._came: deque[tuple[int, bytes]] = deque()
        self._came_bytes = 0
        self._paused = False
        self._some = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._transport

    def take(self) -> tuple[int, bytes] | None:
        """The oldest frame that came and was not taken."""
        if not self._came:
            return None
        frame = self._came.popleft()
        self._came_bytes -= len(frame[1]) + _HEAD.size
        if self._paused and self._came_bytes <= _LOW_BYTES and self._transport is not None:
            self._paused = False
            if not self.ended:
                self._transport.resume_reading()
        return frame

    async def next(self) -> tuple[int, bytes] | None:
        """The next frame; None once the other side is gone and all that it sent was taken."""
        while (frame := self.take()) is None and not self.ended:
            self._some.clear()
            await self._some.wait()
        return frame

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Never waits, and does nothing once the other side is gone; who sends much waits with `drain`."""
        if self._transport is not None and not self.ended:
            head = _HEAD.pack(len(payload), kind)
            if len(payload) <= _COPIED_BYTES:
                # In one piece: two are two system calls, and wake the other side twice.
                self._transport.write(head + payload)
            else:
                self._transport.write(head)
                self._transport.write(payload)

    def send_all(self, frames: Sequence[tuple[Kind, bytes]]) -> None:
        """Many small ones in one piece."""
        if len(frames) == 1:
            self.send(*frames[0])
        elif self._transport is not None and not self.ended:
            pieces = [piece for kind, payload in frames for piece in (_HEAD.pack(len(payload), kind), payload)]
            self._transport.write(b"".join(pieces))

    async def drain(self) -> None:
        await self._writable.wait()

    def close(self) -> None:
        """What was sent still goes out."""
        if self._transport is not None:
            self._transport.close()

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self._transport.set_write_buffer_limits(high=_HIGH_BYTES)

    def data_received(self, data: bytes) -> None:
        whole = data
        if self._part:
            self._part += data
            if len(self._part) < _HEAD.size:
                return
            if len(self._part) < _HEAD.size + _HEAD.unpack_from(self._part)[0] <= _HEAD.size + MAX_FRAME_BYTES:
                return
            whole, self._part = bytes(self._part), bytearray()
        at = 0
        while len(whole) - at >= _HEAD.size:
            size, kind = _HEAD.unpack_from(whole, at)
            if size > MAX_FRAME_BYTES:
                self._give_up()
                return
            start = at + _HEAD.size
            if len(whole) - start < size:
                break
            self._came.append((kind, whole[start : start + size]))
            self._came_bytes += size + _HEAD.size
            at = start + size
        if at < len(whole):
            self._part = bytearray(whole[at:])
        if self._came_bytes > _HIGH_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self._came:
            self._some.set()
            self.woken()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = True
        self._writable.set()
        self._some.set()
        self.woken()

    def _give_up(self) -> None:
        self._part.clear()
        if self._transport is not None:
            self._transport.abort()
