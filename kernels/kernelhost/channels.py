"""`/api/kernels/{id}/channels`: one WebSocket of one client, in the codec that it speaks (kernels.md section 4)."""

import asyncio
import logging
from collections import deque
from typing import Final

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from kernelhost.kernel import Kernel
from kernelhost.wire import V1, BadMessage, Message, decode_legacy, decode_v1, encode_legacy, encode_v1

log = logging.getLogger(__name__)

_MAX_QUEUE_BYTES: Final = 64 << 20
_MAX_QUEUE: Final = 50_000
CLOSE_TOO_SLOW: Final = 1013
CLOSE_UNREADABLE: Final = 1003
CLOSE_REPLACED: Final = 1012
CLOSE_GONE: Final = 1011


class Channels:
    """A client whose queue is full is closed with 1013 and comes back to a replay; nobody else waits for it (H14)."""

    def __init__(self, socket: WebSocket, session: str) -> None:
        self.session = session
        self._socket = socket
        self._v1 = V1 in socket.scope.get("subprotocols", [])
        # Jupyter's own gateway client ends at its first binary frame: it decodes every frame as text.
        self._binary = not socket.headers.get("user-agent", "").startswith("Tornado/")
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._work = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._ended: tuple[int, str] = (1000, "")

    def deliver(self, item: Message) -> None:
        self._queue.append(item)
        self._bytes += item.size
        if self._bytes > _MAX_QUEUE_BYTES or len(self._queue) > _MAX_QUEUE:
            self.close(CLOSE_TOO_SLOW, "This client is too slow; connect again for what it missed.")
        self._work.set()

    def close(self, code: int, reason: str) -> None:
        self._ended = code, reason
        self._scope.cancel()

    async def serve(self, kernel: Kernel, after: str | None) -> None:
        await self._socket.accept(V1 if self._v1 else None)
        for other in tuple(kernel.clients):
            if isinstance(other, Channels) and other.session == self.session and self.session:
                other.close(CLOSE_REPLACED, "Another connection took this session's place.")
                kernel.leave(other)
        missed = kernel.join(self, after)
        # Not bounded as the queue is: this is at most the ring, which exists anyway.
        self._queue.extendleft(reversed(missed))
        self._bytes += sum(item.size for item in missed)
        self._work.set()
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._write)
                    await self._read(kernel)
                    tasks.cancel_scope.cancel()
        finally:
            kernel.leave(self)
        with anyio.move_on_after(1.0, shield=True):
            try:
                await self._socket.close(*self._ended)
            except (RuntimeError, WebSocketDisconnect):
                log.debug("A client had left before its socket was closed")

    async def _read(self, kernel: Kernel) -> None:
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            try:
                data: bytes | str = frame.get("bytes") or frame.get("text") or b""
                item = decode_v1(data) if self._v1 and isinstance(data, bytes) else decode_legacy(data)
                await kernel.send(self, item)
            except BadMessage as error:
                self.close(CLOSE_UNREADABLE, str(error)[:100])
                return

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._queue:
                item = self._queue.popleft()
                self._bytes -= item.size
                try:
                    await self._send(item)
                except (WebSocketDisconnect, RuntimeError, OSError):
                    return  # the reader learns it too

    async def _send(self, item: Message) -> None:
        if self._v1:
            await self._socket.send_bytes(encode_v1(item))
            return
        data = encode_legacy(item, self._binary)
        if isinstance(data, bytes):
            await self._socket.send_bytes(data)
        else:
            await self._socket.send_text(data)
