"""The gateway's feed, read from servers that have one, have none, break off, or send what nobody can read."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from collab.feed import Feed, Feeds
from collab.jupyter_server import Address, Elsewhere

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.feed._PAUSES_S", (0.01,))


class Reader:
    """A Follower that keeps what it hears."""

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel
        self.is_watched = True
        self.usages: list[tuple[object, object]] = []
        self.notices: list[Mapping[str, Any]] = []
        self._news = anyio.Event()

    def used(self, usage: object, machine: object) -> None:
        self.usages.append((usage, machine))
        self._wake()

    def noticed(self, notice: Mapping[str, Any]) -> None:
        self.notices.append(notice)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def until(self, found: Callable[[], bool]) -> None:
        with anyio.fail_after(10):
            while not found():
                await self._news.wait()


class Gateway:
    def __init__(self) -> None:
        self.has_feed = True
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.left = anyio.Event()

    @asynccontextmanager
    async def running(self, talk: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[Feed]:
        def process(connection: ServerConnection, request: Request) -> Response | None:
            self.asked.append(request.path)
            self.tokens.append(request.headers.get("Authorization"))
            return None if self.has_feed else connection.respond(HTTPStatus.NOT_FOUND, "no feed")

        async def handle(connection: ServerConnection) -> None:
            with suppress(ConnectionClosed):
                await talk(connection)
            await connection.wait_closed()
            self.left.set()

        async with serve(handle, "127.0.0.1", 0, process_request=process) as server:
            url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            async with anyio.create_task_group() as tasks:
                feed = Feed(Elsewhere(Address(url, "secret")))
                tasks.start_soon(feed.run)
                yield feed
                tasks.cancel_scope.cancel()


def usage(**kernels: object) -> str:
    return json.dumps({"type": "usage", "machine": {"cpu_percent": 1}, "kernels": kernels})


async def test_each_hears_of_its_own_kernel_over_one_connection() -> None:
    gateway, one, other = Gateway(), Reader("k1"), Reader("k2")

    async def talk(connection: ServerConnection) -> None:
        await connection.send(usage(k1={"at": "now"}))
        await connection.send(json.dumps({"type": "notice", "kernel": "k2", "kind": "memory", "text": "Much."}))

    async with gateway.running(talk) as feed:
        with feed.followed_by(one), feed.followed_by(other):
            await other.until(lambda: bool(other.notices))
    assert one.usages == [({"at": "now"}, {"cpu_percent": 1})]
    assert other.usages == [(None, {"cpu_percent": 1})]
    assert [notice["text"] for notice in other.notices] == ["Much."]
    assert (one.notices, gateway.asked, gateway.tokens) == ([], ["/api/feed"], ["token secret"])


async def test_a_connection_that_breaks_comes_back_and_what_cannot_be_read_is_left_out() -> None:
    gateway, reader = Gateway(), Reader("k")

    async def talk(connection: ServerConnection) -> None:
        if len(gateway.asked) == 1:
            await connection.close()
            return
        for frame in ("{", "[]", "3", b"\xff\xfe", '{"type": "usage", "kernels": []}', '{"type": "later"}'):
            await connection.send(frame)
        await connection.send(usage(k={"at": "now"}))

    async with gateway.running(talk) as feed:
        with feed.followed_by(reader):
            await reader.until(lambda: ({"at": "now"}, {"cpu_percent": 1}) in reader.usages)
    assert len(gateway.asked) == 2


async def test_a_server_without_a_feed_is_no_error_and_not_asked_again_and_again() -> None:
    gateway, reader = Gateway(), Reader("k")
    gateway.has_feed = False

    async def talk(connection: ServerConnection) -> None:
        raise AssertionError

    async with gateway.running(talk) as feed:
        with feed.followed_by(reader), anyio.fail_after(10):
            while not gateway.asked:
                await anyio.lowlevel.checkpoint()
            for _ in range(1000):
                await anyio.lowlevel.checkpoint()
    assert (len(gateway.asked), reader.usages) == (1, [])


async def test_nothing_is_read_while_nobody_looks() -> None:
    gateway, reader = Gateway(), Reader("k")
    reader.is_watched = False

    async def talk(connection: ServerConnection) -> None:
        while True:
            await connection.send(usage(k={"at": "now"}))
            await anyio.sleep(0.001)  # a second, there

    async with gateway.running(talk) as feed:
        with feed.followed_by(reader):
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            assert gateway.asked == []
            reader.is_watched = True
            feed.look()
            await reader.until(lambda: bool(reader.usages))
            reader.is_watched = False
            with anyio.fail_after(10):
                await gateway.left.wait()
            heard = len(reader.usages)
            reader.is_watched = True
            feed.look()
            await reader.until(lambda: len(reader.usages) > heard)
    assert len(gateway.asked) == 2


async def test_each_server_has_one_feed() -> None:
    async with anyio.create_task_group() as tasks:
        feeds = Feeds(Elsewhere(Address("http://gateway", "x")), tasks)
        there = Address("http://there", "x")
        assert feeds.of(None) is feeds.of(None)
        assert feeds.of(there) is feeds.of(Address("http://there", "x")) is not feeds.of(None)
        tasks.cancel_scope.cancel()
