"""`/api/feed`: a WebSocket of samples and notices, for meters of a page (no part of Jupyter's contract)."""

import json
import logging
from typing import Final

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from kernelhost.meters import Meters, Reader, TooSlow

log = logging.getLogger(__name__)

_CLOSE_TOO_SLOW: Final = 1013


async def serve_feed(socket: WebSocket, meters: Meters) -> None:
    """Until the client leaves. Whoever calls has checked the token."""
    await socket.accept()
    with meters.reading() as reader:
        async with anyio.create_task_group() as tasks:

            async def listen() -> None:
                """What it says is not for us; that it left is."""
                while (await socket.receive())["type"] != "websocket.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(listen)
            await _write(socket, meters, reader)
            tasks.cancel_scope.cancel()


async def _write(socket: WebSocket, meters: Meters, reader: Reader) -> None:
    try:
        while True:
            notice = await reader.next()
            await socket.send_text(meters.frame() if notice is None else json.dumps(notice.json()))
    except TooSlow:
        with anyio.move_on_after(1.0, shield=True):
            await socket.close(_CLOSE_TOO_SLOW, "This client is too slow; connect again.")
    except (WebSocketDisconnect, RuntimeError, OSError):
        log.debug("A reader of the feed has left")
