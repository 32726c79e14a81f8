"""One client of a kernel, as its host process sees it: it comes over a connection of its own, through the gateway.

So one that does not read is behind for itself alone: it is sent what fits into its connection, and the kernel's ring
overtakes it (kernels.md H14). Its place is what the gateway says it has written, not what was sent (J5).
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import anyio

from kernelhost import messages
from kernelhost.frames import MAX_FRAME_BYTES, Frames, Kind
from kernelhost.kernel import Kernel, Overflow
from kernelhost.reader import Overtaken, Reader
from kernelhost.states import States
from kernelhost.wire import BadMessage, decode_parts, encode_v1

log = logging.getLogger(__name__)

CLOSE_UNREADABLE: Final = 1003
CLOSE_OUR_FAULT: Final = 1011
CLOSE_TOO_SLOW: Final = 1013
_MESSAGES_A_TURN: Final = 64
_BYTES_A_TURN: Final = 1 << 16


class Guest:
    """`states` are the kernel's: who is told by a message that code runs finds it in the model, too."""

    def __init__(self, frames: Frames, session: str, states: Callable[[], States]) -> None:
        self.session = session
        self._states = states
        self._told = States(-1, "")
        self.done = asyncio.Event()
        self._frames = frames
        self._work = asyncio.Event()
        self._end: str | None = None
        self._reader: Reader | None = None
        # How many messages must be written for which place: a Reader says what was dealt with one message later.
        self._given = 0
        self._places: deque[tuple[int, int]] = deque()
        self._at = 0

    def wake(self) -> None:
        self._work.set()

    def end(self, reason: str) -> None:
        self._end = reason
        self._work.set()

    async def serve(self, kernel: Kernel, after: str | None) -> None:
        """Until the client leaves or the gateway is gone."""
        reader = self._reader = kernel.join(self, after)
        self._at = reader.at
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, reader)
                await self._read(kernel)
                tasks.cancel_scope.cancel()
        finally:
            self.done.set()
            self.leave(kernel)

    def leave(self, kernel: Kernel) -> None:
        """Whoever comes next under this session goes on where this one was; what it still sends is passed on (Q6)."""
        if self._reader is not None:
            self._reader.at = self._at
            kernel.leave(self, self._reader)
            self._reader = None

    async def _read(self, kernel: Kernel) -> None:
        while (frame := await self._frames.next()) is not None:
            kind, payload = frame
            if kind == Kind.MESSAGE:
                try:
                    await kernel.send(self, decode_parts(payload))
                except BadMessage as error:
                    self._close(CLOSE_UNREADABLE, str(error))
                except Overflow:
                    self._close(CLOSE_TOO_SLOW, "The kernel is not ready for so many messages; connect again later.")
            elif kind in (Kind.WRITTEN, Kind.LEAVE):
                self._written(int.from_bytes(payload, "little"))
                if kind == Kind.LEAVE:
                    return

    async def _write(self, reader: Reader) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while self._send_some(reader):
                    await self._frames.drain()
                    await asyncio.sleep(0)
            except Overtaken:
                self._frames.send(Kind.OVERTAKEN)
                return
            if reader is not self._reader:
                return
            await self._frames.drain()
            self._places.append((self._given, reader.at))
            if self._end is not None:
                self._frames.send(Kind.END, self._end.encode())
                self.done.set()
                return

    def _send_some(self, reader: Reader) -> bool:
        """Of what there is to read, in one piece: each is a system call, and wakes the gateway. True when there may be
        more. Raises Overtaken."""
        encoded: list[bytes] = []
        size = 0
        try:
            while len(encoded) < _MESSAGES_A_TURN and size < _BYTES_A_TURN:
                item = reader.next()
                if item is None or reader is not self._reader:
                    return False
                self._places.append((self._given, reader.at))
                self._given += 1
                if item.size > MAX_FRAME_BYTES - (1 << 20):
                    item = messages.lost_notice(item.parent)
                encoded.append(encode_v1(item))
                size += len(encoded[-1])
            return True
        finally:
            if encoded:
                frames = [(Kind.MESSAGE, each) for each in encoded]
                if (states := self._states()) != self._told:
                    self._told = states
                    frames.insert(0, (Kind.STATE, states.encode()))
                self._frames.send_all(frames)

    def _written(self, count: int) -> None:
        while self._places and self._places[0][0] <= count:
            self._at = self._places.popleft()[1]

    def _close(self, code: int, reason: str) -> None:
        self._frames.send(Kind.CLOSE, json.dumps({"code": code, "reason": reason}).encode())
