"""The server's side of a real WebSocket: frames written at once and frames that wait are one stream, in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
import uvicorn
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from collab.connection import Connection, websocket_frame
from collab.model import Role, User, UserId
from collab.websocket import BrowserSocket, FrameProtocol
from collab.wire import BadFrame

pytestmark = pytest.mark.anyio

Handler = Callable[[WebSocket], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def connected(handler: Handler) -> AsyncIterator[ClientConnection]:
    """A client of a real server on a free port that hands every socket to `handler`."""

    async def app(scope: object, receive: object, send: object) -> None:
        websocket = WebSocket(scope, receive, send)  # type: ignore[arg-type]
        await websocket.accept()
        await handler(websocket)

    listening = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(
        app, ws=FrameProtocol, ws_per_message_deflate=False, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(settings)
    serving = asyncio.create_task(server._serve([listening]))
    try:
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
        async with connect(url, max_size=None, ping_interval=None) as client:
            yield client
    finally:
        server.should_exit = True
        await serving
        listening.close()


async def test_what_is_written_at_once_and_what_waits_arrive_in_order() -> None:
    async def handler(websocket: WebSocket) -> None:
        browser = BrowserSocket(websocket)
        for number in range(200):
            payload = b"%d" % number * (number * 7 + 1)
            if number % 3 == 0 or not browser.send_now(websocket_frame(payload)):
                await browser.send(payload)
        await websocket.close(4403, "enough")

    async with connected(handler) as client:
        received = [await client.recv() for _ in range(200)]
        assert received == [b"%d" % number * (number * 7 + 1) for number in range(200)]
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4403, "enough")


async def test_nothing_is_written_at_once_to_one_who_does_not_read() -> None:
    written: list[int] = []
    full = asyncio.Event()

    async def handler(websocket: WebSocket) -> None:
        browser = BrowserSocket(websocket)
        frame = websocket_frame(bytes(1 << 20))
        while browser.send_now(frame):
            written.append(1)
        full.set()
        await browser.send(b"waits for its turn")
        await browser.receive()

    async with connected(handler) as client:
        with anyio.fail_after(20):
            await full.wait()
            assert 1 <= len(written) < 50
            received = [await client.recv() for _ in range(len(written) + 1)]
        assert received[-1] == b"waits for its turn"
        assert {len(data) for data in received[:-1]} == {1 << 20}


async def test_one_who_is_gone_reads_as_none_and_is_not_written_to() -> None:
    outcome: list[object] = []
    over = asyncio.Event()

    async def handler(websocket: WebSocket) -> None:
        browser = BrowserSocket(websocket)
        outcome.append(await browser.receive())
        outcome.append(await browser.receive())
        outcome.append(await browser.receive())
        outcome.append(browser.send_now(websocket_frame(b"x")))
        try:
            await browser.send(b"x")
        except OSError as error:
            outcome.append(str(error))
        over.set()

    async with connected(handler) as client:
        await client.send(b"last words")
        client.transport.abort()
        with anyio.fail_after(20):
            await over.wait()
    assert outcome == [b"last words", None, None, False, "The other side is gone."]


async def test_a_text_message_is_a_bad_frame() -> None:
    outcome: list[str] = []

    async def handler(websocket: WebSocket) -> None:
        try:
            await BrowserSocket(websocket).receive()
        except BadFrame as error:
            outcome.append(str(error))
        await websocket.close(4400)

    async with connected(handler) as client:
        await client.send("hello")
        with pytest.raises(ConnectionClosed):
            await client.recv()
    assert outcome == ["Frames are binary."]


async def test_a_connection_over_a_real_socket_says_everything_in_order() -> None:
    async def handler(websocket: WebSocket) -> None:
        connection = Connection(BrowserSocket(websocket), User(UserId("u"), "Ada", "#112233", False), Role.EDITOR)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.write)
            for number in range(1000):
                connection.post(b"%04d" % number * 500)
                if number % 50 == 0:
                    await anyio.lowlevel.checkpoint()
            await connection.recv()
            tasks.cancel_scope.cancel()
        await websocket.close()

    async with connected(handler) as client:
        received = [await client.recv() for _ in range(1000)]
        await client.send(b"\x03")
    assert received == [b"%04d" % number * 500 for number in range(1000)]
