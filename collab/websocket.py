"""The server's side of a WebSocket: uvicorn's sans-I/O protocol, and what a Connection needs of it.

A room writes one frame to many: it is encoded once and goes straight to each transport that has room for it. What
does not fit goes the ordinary way, by `send`, which waits.
"""

from collections.abc import Callable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from collab.wire import BadFrame

_WRITE_NOW: Final = "collab.write_now"
_MAX_BUFFER_BYTES: Final = 64 << 10


class FrameProtocol(WebSocketsSansIOProtocol):
    """Lets the application write whole frames. Without extensions (no deflate) a frame is its bytes and no more."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[_WRITE_NOW] = self.write_now

    def write_now(self, frame: bytes) -> bool:
        if not self.handshake_complete or self.close_sent or self.disconnected or not self.writable.is_set():
            return False
        if self.transport.is_closing() or self.transport.get_write_buffer_size() > _MAX_BUFFER_BYTES:
            return False
        self.transport.write(frame)
        return True


class BrowserSocket:
    """An accepted WebSocket as `connection.Socket`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        # Without a call in between: this is what a room does for everyone in it, at every edit.
        self.send_now: Callable[[bytes], bool] = websocket.scope.get("extensions", {}).get(_WRITE_NOW, _cannot)

    async def receive(self) -> bytes | None:
        try:
            message = await self._websocket.receive()
        except RuntimeError:  # what Starlette says of a socket that is over
            return None
        if message["type"] == "websocket.disconnect":
            return None
        data: bytes | None = message.get("bytes")
        if data is None:
            raise BadFrame("Frames are binary.")
        return data

    async def send(self, data: bytes) -> None:
        try:
            await self._websocket.send_bytes(data)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise OSError("The other side is gone.") from error


def _cannot(frame: bytes) -> bool:
    return False
