"""`/api/kernels/{id}/channels`: one WebSocket of one client, in the codec that it speaks (kernels.md section 4)."""

import asyncio
import logging
import uuid
from typing import Final

import anyio
from starlette.types import Message as Frame
from starlette.websockets import WebSocket, WebSocketDisconnect

from kernelhost import messages
from kernelhost.link import Link
from kernelhost.reader import Overtaken
from kernelhost.tap import Tap
from kernelhost.wire import V1, BadMessage, Encoded, Message, decode_legacy, decode_v1, encode_legacy, encode_v1

log = logging.getLogger(__name__)

CLOSE_TOO_SLOW: Final = 1013
CLOSE_UNREADABLE: Final = 1003
# After 1000 clients do not come back by themselves: to a kernel that is gone, or to fight over a session.
CLOSE_FOR_GOOD: Final = 1000
_LAST_WORDS_WITHIN_S: Final = 2.0
# Who does not read learns why it was closed only when it reads again, and what is before that has to be sent first.
_CLOSED_WITHIN_S: Final = 10.0
_LET_IN_WITHIN_S: Final = 1.0


class Channels:
    """A client that the kernel's ring overtakes is closed with 1013 and comes back to a replay; nobody else waits for
    it (H14)."""

    def __init__(self, socket: WebSocket, session: str, binary: str = "auto") -> None:
        # Who names no session is alone in one: replies are for the connection that asked.
        self.session = session or f"-{uuid.uuid4()}"
        self._socket = socket
        self._v1 = V1 in socket.scope.get("subprotocols", [])
        # Jupyter's own gateway client ends at its first binary frame: it decodes every frame as text. Other clients
        # that are made with Tornado look the same, and may do better.
        textual = socket.headers.get("user-agent", "").startswith("Tornado/")
        self._binary = binary == "always" or (binary == "auto" and not textual)
        self._told_binary = False
        self._work = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._ending = False
        self._ended: tuple[int, str] = (1000, "")
        self._reader: Tap | None = None

    def wake(self) -> None:
        self._work.set()

    def end(self, reason: str) -> None:
        self._ending = True
        self._ended = CLOSE_FOR_GOOD, reason
        self._scope.deadline = anyio.current_time() + _LAST_WORDS_WITHIN_S
        self._work.set()

    def close(self, code: int, reason: str) -> None:
        self._ended = code, reason
        self._scope.cancel()

    async def serve(self, kernel: Link, after: str | None) -> None:
        for other in tuple(kernel.clients):
            if isinstance(other, Channels) and other.session == self.session:
                other.replace(kernel)
        reader = self._reader = kernel.join(self, after)
        try:
            # The kernel's host says the present state to whom it has let in: who sees its socket open misses nothing.
            with anyio.move_on_after(_LET_IN_WITHIN_S):
                await self._work.wait()
            await self._socket.accept(V1 if self._v1 else None)
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._write, reader)
                    await self._read(kernel)
                    tasks.cancel_scope.cancel()
        finally:
            kernel.leave(self, reader)
        with anyio.move_on_after(_CLOSED_WITHIN_S, shield=True):
            try:
                code, reason = self._ended
                await self._socket.close(code, reason.encode()[:120].decode("utf-8", "ignore"))
            except (RuntimeError, WebSocketDisconnect):
                log.debug("A client had left before its socket was closed")

    def replace(self, kernel: Link) -> None:
        """Another connection of this session goes on where this one was (H1)."""
        if self._reader is not None:
            kernel.leave(self, self._reader)
        self.close(CLOSE_FOR_GOOD, "Another connection took this session's place.")

    async def _read(self, kernel: Link) -> None:
        while await self._take(kernel, await self._socket.receive()):
            pass

    async def _take(self, kernel: Link, frame: Frame) -> bool:
        """False when it was the last. Nothing of a frame, which may be large, is kept while the next one is awaited."""
        if frame["type"] == "websocket.disconnect":
            return False
        try:
            data: bytes | str = frame.get("bytes") or frame.get("text") or b""
            item = decode_v1(data) if self._v1 and isinstance(data, bytes) else decode_legacy(data)
            if item.channel not in ("iopub", "hb"):  # a client has nothing to say there
                await kernel.send(self, item)
        except BadMessage as error:
            self.close(CLOSE_UNREADABLE, str(error))
            return False
        return True

    async def _write(self, reader: Tap) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while (item := reader.next()) is not None:
                    await self._send(item)
            except Overtaken:
                self.close(CLOSE_TOO_SLOW, "This client is too slow; connect again for what it missed.")
            except (WebSocketDisconnect, RuntimeError, OSError):
                return  # the reader learns it too
            if self._ending:
                self._scope.cancel()

    async def _send(self, item: Message | Encoded) -> None:
        if self._v1:
            await self._socket.send_bytes(item.data if isinstance(item, Encoded) else encode_v1(item))
            return
        if isinstance(item, Encoded):
            item = item.decode()
        data = encode_legacy(item, self._binary)
        if isinstance(data, bytes):
            await self._socket.send_bytes(data)
            return
        await self._socket.send_text(data)
        if item.buffers and not self._told_binary:
            self._told_binary = True
            notice = encode_legacy(messages.binary_notice(item.parent), binary=False)
            assert isinstance(notice, str)
            await self._socket.send_text(notice)
