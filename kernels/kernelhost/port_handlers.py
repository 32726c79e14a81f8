"""`/api/kernels/{id}/ports/{port}`: a stream of bytes to a server that runs in a kernel, as binary WebSocket messages.

Each message is the next piece of the stream, in either direction; the socket closes with the connection behind it.
Not part of Jupyter's contract.
"""

import logging
from typing import Final

import anyio
from anyio.abc import SocketStream
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from kernelhost.auth import is_allowed, is_own_origin
from kernelhost.handlers import config_of, failure, kernels_of
from kernelhost.ports import NoPort, address_of

log = logging.getLogger(__name__)

MAX_STREAMS: Final = 200
_PIECE_BYTES: Final = 1 << 16
_CONNECT_WITHIN_S: Final = 5.0


async def port(socket: WebSocket) -> None:
    config = config_of(socket)
    kernel = kernels_of(socket).get(socket.path_params["id"])
    if not is_own_origin(socket, config.origins) or not is_allowed(socket, config.token):
        await socket.send_denial_response(failure(403, "This gateway needs its token."))
    elif kernel is None:
        await socket.send_denial_response(failure(404, f"Kernel does not exist: {socket.path_params['id']:.60}"))
    elif kernel.streams >= MAX_STREAMS:
        sentence = f"{MAX_STREAMS} connections to this runtime's ports are open, as many as may be."
        await socket.send_denial_response(failure(503, sentence))
    else:
        socket.state.activity()
        kernel.streams += 1
        try:
            await _serve(socket, await address_of(kernel, socket.path_params["port"]))
        except NoPort as error:
            await socket.send_denial_response(failure(404, str(error)))
        finally:
            kernel.streams -= 1


async def _serve(socket: WebSocket, address: tuple[str, int]) -> None:
    try:
        with anyio.fail_after(_CONNECT_WITHIN_S):
            stream = await anyio.connect_tcp(*address)
    except (OSError, TimeoutError):
        sentence = f"The server on port {address[1]} does not accept connections."
        await socket.send_denial_response(failure(502, sentence))
        return
    async with stream:
        await socket.accept()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_to_browser, socket, stream)
                await _to_kernel(socket, stream)
                tasks.cancel_scope.cancel()
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError, WebSocketDisconnect) as errors:
            log.debug("A stream to a port ended early", extra={"why": str(errors.exceptions[0])})


async def _to_browser(socket: WebSocket, stream: SocketStream) -> None:
    try:
        while True:
            await socket.send_bytes(await stream.receive(_PIECE_BYTES))
    except anyio.EndOfStream:
        await _close(socket)


async def _to_kernel(socket: WebSocket, stream: SocketStream) -> None:
    while (message := await socket.receive())["type"] == "websocket.receive":
        if piece := message.get("bytes"):
            await stream.send(piece)


async def _close(socket: WebSocket) -> None:
    try:
        await socket.close()
    except (RuntimeError, WebSocketDisconnect, OSError):
        log.debug("A stream to a port was closed by its client")


routes: list[BaseRoute] = [WebSocketRoute("/api/kernels/{id}/ports/{port:int}", port)]
