"""What a client can hold that has shown no token: next to nothing."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil  # type: ignore[import-untyped]
import pytest
import uvicorn
from kernelhost import connections
from kernelhost.connections import Connection
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tests.kernels.client import GatewayProcess, eventually

REFUSAL = "This is no HTTP request, or its head is too large: 64 KB, and 8 KB a line of a WebSocket's."
UPGRADE = (
    b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a GET at once, a POST when its body is there; a socket says what it is told."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        return
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Its port; a head has 0.1 s to come."""
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.1)
    config = uvicorn.Config(app, http=Connection, ws="websockets-sansio", log_config=None, lifespan="off")
    config.load()
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def outlast(port: int) -> None:
    """Until a connection that began later has been given up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    writer.close()


@pytest.mark.anyio
@pytest.mark.parametrize("begun", [b"", b"GET /api HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_connection_that_asks_for_nothing_is_closed(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(monkeypatch) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.anyio
async def test_so_is_one_that_asks_again_and_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(monkeypatch) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert (await reader.read()).endswith(b"\r\n\r\nok")
        writer.close()


@pytest.mark.anyio
async def test_who_is_answered_late_or_has_a_socket_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind an answered request, too: the next one may take long."""
    async with server(monkeypatch) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        await outlast(port)
        writer.write(b"2")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        writer.write(UPGRADE % (b"", b""))
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        await outlast(port)
        writer.write(b"\x81\x85\0\0\0\0there")
        assert await reader.readexactly(7) == b"\x81\x05there"
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a browser that wants TLS",
        b"GET /api HTTP/1.1\r\nHost: x\r\nX-Large: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
        b"GET /api HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100_000,
        UPGRADE % (b"api/feed?" + b"a" * 10_000, b""),
        UPGRADE % (b"api/feed", b"X: " + b"y" * 10_000 + b"\r\n"),
        UPGRADE % (b"api/feed", b"X: y\r\n" * 200),
    ],
    ids=["tls", "header", "target", "headers", "socket's target", "socket's header", "socket's headers"],
)
def test_a_head_without_end_is_refused_in_json(gateway: GatewayProcess, sent: bytes) -> None:
    address = gateway.http.base_url
    with socket.create_connection((address.host, address.port), timeout=20) as connection:
        try:
            connection.sendall(sent)
            answer = connection.makefile("rb").read()
        except ConnectionError:
            return  # closed while there was more to come
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert json.loads(body)["message"] == REFUSAL


def test_a_client_that_sent_something_large_does_not_hold_it_here(gateway: GatewayProcess, kernel: str) -> None:
    """Once it was passed on; uvicorn keeps one copy until the next frame."""
    process, size = psutil.Process(gateway.pid), 64 << 20
    before = process.memory_info().rss
    with gateway.channel(kernel) as channel:
        channel.send("unknown", {"data": "x" * size}, "iopub")
        assert channel.run("1")["status"] == "ok"
        channel.send("unknown", {"data": "x" * size}, "iopub")
        channel.socket.ping().wait()  # answered behind what came before
        eventually(lambda: process.memory_info().rss - before < 1.6 * size, "no more than one copy")
