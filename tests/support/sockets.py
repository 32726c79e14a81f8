"""A WebSocket without a network: what a Connection needs of one, with a reader that can stall or break."""

import asyncio
from collections.abc import Callable


class FakeSocket:
    """`heard` is called with every payload that reaches the other side."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._reads = asyncio.Event()
        self._reads.set()
        self.broken = False
        self.waiting = 0  # payloads in `send`: what a real transport would hold

    # -- the other side ----------------------------------------------------------------------------------------------

    def push(self, frame: bytes) -> None:
        self._inbox.put_nowait(frame)

    def leave(self) -> None:
        self._inbox.put_nowait(None)

    def stall(self) -> None:
        self._reads.clear()

    def go_on(self) -> None:
        self._reads.set()

    # -- connection.Socket -------------------------------------------------------------------------------------------

    async def receive(self) -> bytes | None:
        return await self._inbox.get()

    async def send(self, data: bytes) -> None:
        self.waiting += 1
        try:
            await self._reads.wait()
        finally:
            self.waiting -= 1
        if self.broken:
            raise OSError("The other side is gone.")
        self._heard(data)

    def send_now(self, frame: bytes) -> bool:
        if self.broken:
            raise OSError("The other side is gone.")
        if not self._reads.is_set():
            return False
        self._heard(payload_of(frame))
        return True


def payload_of(frame: bytes) -> bytes:
    """Of one whole binary WebSocket frame (RFC 6455, 5.2)."""
    assert frame[0] == 0x82
    size, at = frame[1], 2
    if size == 126:
        size, at = int.from_bytes(frame[2:4]), 4
    elif size == 127:
        size, at = int.from_bytes(frame[2:10]), 10
    assert len(frame) == at + size
    return frame[at:]
