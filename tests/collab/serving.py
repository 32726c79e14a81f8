"""A real document server as a process, and people who ask it things over HTTP."""

import asyncio
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from collab.app import Ending, create_app
from collab.cli import main
from collab.config import Config
from collab.data import open_data

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-tests-only"
CLOSED_BEFORE_ACCEPT = -1


@dataclass
class Served:
    """`url` is what it printed, without the token; `address` the whole of it. `said`, on stderr, comes at its end."""

    address: str
    data: Path
    process: subprocess.Popen[str]
    said: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        return httpx.URL(self.address).netloc.decode()

    @property
    def port(self) -> str:
        return self.host.rpartition(":")[2]

    @property
    def cookie(self) -> str:
        return f"collab-{self.port}"

    def anonymous(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=20)

    def script(self, token: str = TOKEN) -> httpx.Client:
        return self.anonymous(authorization=f"Bearer {token}")

    @contextmanager
    def browser(self, path: str = f"/?token={TOKEN}") -> Iterator[httpx.Client]:
        """Signed in by the address, as the page is: a cookie, and our own origin."""
        with self.anonymous(origin=self.url) as client:
            assert client.get(path).status_code == 303
            yield client

    def query(self, statement: str, *values: object) -> list[Any]:
        """Straight into the database; for what only time would bring about."""
        with sqlite3.connect(self.data / "collab.sqlite") as db:
            return db.execute(statement, values).fetchall()

    def knock(self, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """How a socket begins: with a frame (0), with a close code and its reason, or not at all."""
        try:
            with self.socket(path, headers) as websocket:
                websocket.recv(timeout=20)
                return 0, ""
        except ConnectionClosed as closed:
            return _verdict(closed)
        except InvalidStatus as refused:
            return CLOSED_BEFORE_ACCEPT, str(refused.response.status_code)

    def socket(self, path: str, headers: Mapping[str, str]) -> ClientConnection:
        """A `host` among the headers is asked for in place of ours."""
        rest = {name: value for name, value in headers.items() if name != "host"}
        sock = socket.create_connection(("127.0.0.1", int(self.port)))
        return connect(f"ws://{headers.get('host', self.host)}{path}", additional_headers=rest, sock=sock, proxy=None)


@contextmanager
def serving(data: Path, *arguments: str, **variables: str) -> Iterator[Served]:
    """Ends as with Ctrl+C."""
    process = start(data, *arguments, **variables)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http\S+", line)
        assert address is not None, line + (process.stderr.read() if process.stderr else "")
        server = Served(address[0], data, process)
        yield server
        process.send_signal(signal.SIGINT)
        _, server.said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[httpx.AsyncClient]:
    """The app within this process, for what needs a Config of its own; without a gateway."""
    state: dict[str, object] = {}
    steps: asyncio.Queue[str] = asyncio.Queue()
    done: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> dict[str, str]:
        return {"type": f"lifespan.{await steps.get()}"}

    async def send(message: Any) -> None:
        done.put_nowait(message["type"])

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"state": dict(state)}, receive, send)

    with open_data(config.data, config.token) as data:
        app = create_app(config, data, Ending())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app({"type": "lifespan", "state": state, "asgi": {}}, receive, send))  # type: ignore[arg-type]
            steps.put_nowait("startup")
            assert await done.get() == "lifespan.startup.complete"
            transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8899") as client:
                yield client
            steps.put_nowait("shutdown")


def start(data: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COLLAB_")}
    return subprocess.Popen(
        [sys.executable, "-m", "collab.cli", "--no-browser", "--port", "0", "--data", str(data), *arguments],
        cwd=ROOT,
        env=kept | {"COLLAB_TOKEN": TOKEN} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(data: Path, *arguments: str, **variables: str) -> str:
    """Last words of a server that does not start; within this process, as nothing of it is to remain."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("COLLAB_")}
    with patch.dict(os.environ, environ | {"COLLAB_TOKEN": TOKEN} | variables, clear=True):
        try:
            main(["--no-browser", "--port", "0", "--data", str(data), *arguments])
        except SystemExit as ended:
            return str(ended.code)
    raise AssertionError("the server started")


def closing(websocket: ClientConnection) -> tuple[int, str]:
    """Code and reason of a socket that is about to be closed; what is still sent on it is read."""
    try:
        while True:
            websocket.recv(timeout=20)
    except ConnectionClosed as closed:
        return _verdict(closed)


def _verdict(closed: ConnectionClosed) -> tuple[int, str]:
    return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


def made(client: httpx.Client, title: str = "A title", notebook: object = None) -> str:
    answer = client.post("/api/notebooks", params={"title": title}, json={} if notebook is None else notebook)
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def link(client: httpx.Client, id: str, role: str, expires: str | None = None) -> str:
    answer = client.post(f"/api/notebooks/{id}/links", json={"role": role, "expires": expires})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and sentence; every answer that is not 2xx has this form and no other."""
    assert answer.headers["content-type"] == "application/json"
    value = answer.json()
    assert list(value) == ["error"]
    sentence: str = value["error"]
    assert re.fullmatch(r"(?s)[A-Z'].*\.", sentence), sentence
    return answer.status_code, sentence
