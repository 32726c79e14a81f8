"""Servers that run in a kernel, for people who may run code there: each on a host name of its own (outputs.md S5).

The name's first label is not guessable and means one port of one kernel for one person; it counts while that person may
still run code in the notebook. What answers is as foreign as any output: it never shares a host with the page, nor with
outputs.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio
import httpcore
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Origin, Subprotocol

from collab.auth import Auth, Caller
from collab.gateway import Gateway
from collab.model import NotebookId, Role
from collab.store.store import Store
from collab.tunnels import Door, NoTunnel, TunnelBackend, tunnel_socket

MAX_DOORS: Final = 1_000
_MAX_WS_MESSAGE_BYTES: Final = 64 << 20
_CHECK_EVERY_S: Final = 1.0
_CLOSE_ENDED: Final = 4403
# Of one connection only (RFC 9110, section 7.6.1).
_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "host", "origin", "proxy-connection"}
)
# What an answer would do beyond itself: where it may be embedded is ours to say, and so is what outlives it.
_DROPPED: Final = frozenset(
    {"x-frame-options", "strict-transport-security", "clear-site-data", "service-worker-allowed", "referrer-policy"}
)
_DOMAIN: Final = re.compile(rb";\s*domain=[^;]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Opening:
    door: Door
    notebook: NotebookId
    caller: Caller


class Ports:
    """Used inside `running()`."""

    def __init__(self, gateway: Gateway, auth: Auth, store: Store) -> None:
        self._gateway = gateway
        self._auth = auth
        self._store = store
        self._openings: OrderedDict[str, Opening] = OrderedDict()
        backend = TunnelBackend(gateway, self._door_of)
        self._pool = httpcore.AsyncConnectionPool(max_connections=None, network_backend=backend)

    def _door_of(self, label: str) -> Door | None:
        opening = self._openings.get(label)
        return None if opening is None else opening.door

    def open(self, notebook: NotebookId, caller: Caller, kernel: str, port: int) -> str:
        """The label for it, the same each time. Beyond the bound the one not asked for longest is forgotten."""
        label = self._auth.output_label(notebook, caller.user.id, f"port {kernel} {port}", 0)
        self._openings[label] = Opening(Door(kernel, port), notebook, caller)
        self._openings.move_to_end(label)
        while len(self._openings) > MAX_DOORS:
            self._openings.popitem(last=False)
        return label

    def has(self, label: str) -> bool:
        return label in self._openings

    async def close(self) -> None:
        await self._pool.aclose()

    async def serve(self, scope: Scope, receive: Receive, send: Send, label: str, policy: str) -> None:
        """`policy` is the Content-Security-Policy that an answer gets besides its own."""
        opening = self._openings[label]
        self._openings.move_to_end(label)
        if scope["type"] == "http":
            await self._serve_http(opening, label, policy, scope, receive, send)
        else:
            await self._serve_socket(opening, scope, receive, send)

    async def _may(self, opening: Opening) -> bool:
        row = await self._store.notebook(opening.notebook)
        role = await self._auth.role(opening.caller, opening.notebook)
        return row is not None and row.trashed is None and role is not None and role >= Role.RUNNER

    async def _until_revoked(self, opening: Opening, revoked: Callable[[], None]) -> None:
        while await self._may(opening):  # noqa: ASYNC110 - links expire without anybody telling
            await anyio.sleep(_CHECK_EVERY_S)
        revoked()

    # -- HTTP -----------------------------------------------------------------------------------------------------

    async def _serve_http(
        self, opening: Opening, label: str, policy: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = Headers(scope=scope)
        refusal = None
        if headers.get("service-worker", "") == "script":
            refusal = PlainTextResponse("Servers in a runtime cannot register service workers.", 403)
        elif not await self._may(opening):
            refusal = PlainTextResponse("You may not run code in this notebook any more.", 403)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        url = httpcore.URL(scheme=b"http", host=label.encode(), port=opening.door.port, target=_target(scope))
        has_body = "content-length" in headers or "transfer-encoding" in headers
        request = httpcore.Request(
            scope["method"],
            url,
            headers=_for_server(headers, opening.door.port),
            content=_body(receive) if has_body else None,
        )
        with anyio.CancelScope() as running:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_revoked, opening, running.cancel)
                if (answer := await self._ask(request, scope, receive, send)) is not None:
                    tasks.start_soon(_until_left, receive, running.cancel)
                    await _pass_on(answer, policy, send)
                tasks.cancel_scope.cancel()

    async def _ask(
        self, request: httpcore.Request, scope: Scope, receive: Receive, send: Send
    ) -> httpcore.Response | None:
        """None when nothing answers, which the browser is told."""
        try:
            return await self._pool.handle_async_request(request)
        except httpcore.ConnectError as error:
            sentence = str(error)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
            sentence = "The server in the runtime broke off."
        await PlainTextResponse(sentence, 502)(scope, receive, send)
        return None

    # -- WebSockets -----------------------------------------------------------------------------------------------

    async def _serve_socket(self, opening: Opening, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin not in (None, "null", f"http://{host}", f"https://{host}") or not await self._may(opening):
            await send({"type": "websocket.close", "code": _CLOSE_ENDED})
            return
        port = opening.door.port
        passed = [
            (name, value)
            for name, value in headers.items()
            if name not in _HOP and not name.startswith("sec-websocket-") and name != "user-agent"
        ]
        try:
            async with tunnel_socket(self._gateway, opening.door) as sock:
                server = await connect(
                    f"ws://localhost:{port}{_target(scope).decode('ascii')}",
                    sock=sock,
                    origin=Origin(f"http://localhost:{port}"),
                    subprotocols=[Subprotocol(each) for each in scope.get("subprotocols", [])] or None,
                    additional_headers=passed,
                    user_agent_header=headers.get("user-agent"),
                    max_size=_MAX_WS_MESSAGE_BYTES,
                    compression=None,
                    proxy=None,
                )
                await receive()  # websocket.connect
                await send({"type": "websocket.accept", "subprotocol": server.subprotocol})
                await self._relay(opening, server, receive, send)
        except* (NoTunnel, InvalidHandshake, OSError):
            with suppress(OSError):  # the browser has left
                await send({"type": "websocket.close", "code": 1011})

    async def _relay(self, opening: Opening, server: ClientConnection, receive: Receive, send: Send) -> None:
        code, reason = 1000, ""

        async def to_browser() -> None:
            nonlocal code, reason
            try:
                async for message in server:
                    key = "text" if isinstance(message, str) else "bytes"
                    await send({"type": "websocket.send", key: message})
            except ConnectionClosed:
                code = 1011
            if server.close_code is not None and (3000 <= server.close_code < 5000):
                code, reason = server.close_code, server.close_reason or ""

        async def to_server() -> None:
            while (message := await receive())["type"] == "websocket.receive":
                data = message.get("bytes")
                try:
                    await server.send(data if data is not None else message.get("text", ""))
                except ConnectionClosed:
                    return

        def revoked() -> None:
            nonlocal code, reason
            code, reason = _CLOSE_ENDED, "You may not run code in this notebook any more."

        async with anyio.create_task_group() as tasks:

            async def until_done(task: Callable[..., object]) -> None:
                await task()  # type: ignore[misc]
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_done, to_browser)
            tasks.start_soon(until_done, to_server)
            tasks.start_soon(until_done, lambda: self._until_revoked(opening, revoked))
        with anyio.move_on_after(1, shield=True):
            await server.close()
            with suppress(OSError):  # the browser has left
                await send({"type": "websocket.close", "code": code, "reason": reason})


async def _pass_on(answer: httpcore.Response, policy: str, send: Send) -> None:
    try:
        headers = _for_browser(answer.headers, policy)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for piece in answer.aiter_stream():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except (httpcore.NetworkError, httpcore.ProtocolError):
        # The answer has begun: that it is not whole is told by an end that does not come.
        raise ConnectionAbortedError("The server in the runtime broke off its answer.") from None
    finally:
        with anyio.CancelScope(shield=True):
            await answer.aclose()


async def _until_left(receive: Receive, left: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    left()


def _target(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0] or b"/"
    query: bytes = scope.get("query_string", b"")
    return path + (b"?" + query if query else b"")


def _for_server(headers: Headers, port: int) -> list[tuple[bytes, bytes]]:
    """To the server it is asked as on its own machine: many check who is asked for."""
    own = f"localhost:{port}".encode()
    passed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items() if name not in _HOP]
    passed.append((b"host", own))
    passed.append((b"x-forwarded-host", headers.get("host", "").encode("latin-1")))
    if "origin" in headers:
        passed.append((b"origin", b"http://" + own))
    if "transfer-encoding" in headers:
        passed.append((b"transfer-encoding", b"chunked"))
    return passed


def _for_browser(headers: list[tuple[bytes, bytes]], policy: str) -> list[tuple[bytes, bytes]]:
    passed = [
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"same-origin"),  # the host's name is what lets people in
    ]
    for name, value in headers:
        low = name.lower()
        text = low.decode("latin-1")
        if text in _HOP or text in _DROPPED:
            continue
        if low == b"set-cookie":
            value = _DOMAIN.sub(b"", value)
        if low.startswith(b"content-security-policy"):
            kept = [part for part in value.split(b";") if not part.strip().lower().startswith(b"frame-ancestors")]
            value = b";".join(kept).strip()
            if not value:
                continue
        passed.append((low, value))
    return passed


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionAbortedError("The browser broke off its request.")
        if piece := message.get("body", b""):
            yield piece
        if not message.get("more_body", False):
            return
