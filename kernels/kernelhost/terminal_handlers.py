"""`/api/terminals` and `/terminals/websocket/{name}`, as jupyter_server_terminals has them, in terminado's protocol.

Text frames: `["stdin", text]` and `["set_size", rows, columns, ...]` from the page, `["setup", {}]`, `["stdout", text]`
and `["disconnect", 1]` to it.
"""

import asyncio
import json
import re
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from kernelhost.auth import is_allowed, is_own_origin
from kernelhost.body import BadBody, read_body, text_of
from kernelhost.channels import CLOSE_FOR_GOOD, CLOSE_TOO_SLOW, CLOSE_UNREADABLE
from kernelhost.handlers import config_of, failure, signed_in
from kernelhost.terminals import NobodyReads, Overtaken, Terminal, Terminals, TooManyTerminals

_OFF: Final = "Terminals are off here; whoever runs the gateway can start it with --terminals."
_NAME: Final = re.compile(r"\w{1,60}")


class TerminalSocket:
    """One page that looks at a terminal."""

    def __init__(self, socket: WebSocket) -> None:
        self.at = 0
        self.size: tuple[int, int] | None = None
        self._socket = socket
        self._work = asyncio.Event()
        self._ended: tuple[int, str] = (CLOSE_FOR_GOOD, "")

    def wake(self) -> None:
        self._work.set()

    async def serve(self, terminal: Terminal) -> None:
        await self._socket.accept()
        await self._socket.send_text('["setup", {}]')
        terminal.join(self)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, terminal, tasks.cancel_scope)
                await self._read(terminal)
                tasks.cancel_scope.cancel()
        finally:
            terminal.leave(self)
        with anyio.move_on_after(1.0, shield=True):
            try:
                await self._socket.close(*self._ended)
            except (RuntimeError, WebSocketDisconnect):
                return  # it had left before

    async def _read(self, terminal: Terminal) -> None:
        while (frame := await self._socket.receive())["type"] != "websocket.disconnect":
            try:
                match json.loads(frame.get("text") or frame.get("bytes") or b""):
                    case ["stdin", str(text)]:
                        self._socket.state.activity()
                        terminal.write(text)
                    case ["set_size", int(rows), int(columns), *_] if rows > 0 and columns > 0:
                        self.size = rows, columns
                        terminal.resize()
                    case ["set_size", *_]:
                        pass  # a page that is not shown has no size
                    case _:
                        raise ValueError
            except (ValueError, RecursionError):
                self._ended = CLOSE_UNREADABLE, 'A frame is ["stdin", text] or ["set_size", rows, columns].'
                return
            except NobodyReads:
                self._ended = CLOSE_TOO_SLOW, "The program in the terminal does not read what is typed."
                return

    async def _write(self, terminal: Terminal, scope: anyio.CancelScope) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while text := terminal.following(self.at):
                    await self._socket.send_text(json.dumps(["stdout", text]))
                    self.at += len(text)
                    terminal.took()
                if terminal.ended:
                    await self._socket.send_text('["disconnect", 1]')
                    scope.cancel()
            except Overtaken:
                self._ended = CLOSE_TOO_SLOW, "This page is too slow; connect again for what is kept."
                scope.cancel()
            except (WebSocketDisconnect, RuntimeError, OSError):
                return  # the reader learns it too


def terminals_of(request: Request | WebSocket) -> Terminals | None:
    terminals = request.state.terminals
    assert terminals is None or isinstance(terminals, Terminals)
    return terminals


async def listing(request: Request) -> Response:
    terminals = terminals_of(request)
    if terminals is None:
        return failure(404, _OFF)
    return JSONResponse([terminal.model() for terminal in terminals.all])


async def create(request: Request) -> Response:
    terminals = terminals_of(request)
    if terminals is None:
        return failure(404, _OFF)
    try:
        value = await read_body(request)
        name, folder = text_of(value, "name"), text_of(value, "cwd")
    except BadBody as error:
        return failure(error.status, str(error))
    if name and not _NAME.fullmatch(name):
        return failure(400, "A terminal's name has at most 60 letters, digits and '_'.")
    try:
        terminal = terminals.open(name, folder)
    except TooManyTerminals as error:
        return failure(503, str(error), headers={"Retry-After": "30"})
    except OSError as error:
        return failure(503, f"The shell cannot be started: {error.strerror}.")
    return JSONResponse(terminal.model(), headers={"Location": f"/api/terminals/{terminal.name}"})


async def get(request: Request) -> Response:
    terminal = _terminal(request)
    return JSONResponse(terminal.model()) if terminal is not None else _unknown(request)


async def end(request: Request) -> Response:
    terminal = _terminal(request)
    if terminal is None:
        return _unknown(request)
    terminal.end()
    return Response(status_code=204)


async def attach(socket: WebSocket) -> None:
    config = config_of(socket)
    if not is_own_origin(socket, config.origins) or not is_allowed(socket, config.token):
        await socket.send_denial_response(failure(403, "This gateway needs its token."))
    elif (terminal := _terminal(socket)) is None:
        await socket.send_denial_response(_unknown(socket))
    else:
        socket.state.activity()
        await TerminalSocket(socket).serve(terminal)


def _terminal(request: Request | WebSocket) -> Terminal | None:
    terminals = terminals_of(request)
    return terminals.get(request.path_params["name"]) if terminals is not None else None


def _unknown(request: Request | WebSocket) -> Response:
    if terminals_of(request) is None:
        return failure(404, _OFF)
    return failure(404, f"There is no terminal '{request.path_params['name']:.60}'.")


routes: list[BaseRoute] = [
    Route("/api/terminals", signed_in(listing)),
    Route("/api/terminals", signed_in(create), methods=["POST"]),
    Route("/api/terminals/{name}", signed_in(get)),
    Route("/api/terminals/{name}", signed_in(end), methods=["DELETE"]),
    WebSocketRoute("/terminals/websocket/{name}", attach),
]
