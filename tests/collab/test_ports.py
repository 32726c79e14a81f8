"""Servers that run in a kernel, through the document server: who reaches them, and what they may not do to anybody."""

import base64
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.collab.serving import TOKEN, Served, link, made, serving
from tests.support.watcher import Watcher

# Tells what it was asked, and answers as a careless or hostile server might.
APP = """
import http.server, json, threading, time
class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size).decode()
        if self.path == "/stream":
            self.send_response(200); self.send_header("Connection", "close"); self.end_headers()
            for number in range(100_000):
                self.wfile.write(b"data: %d\\n" % number); self.wfile.flush(); time.sleep(0.01)
        if self.path == "/broken":
            self.connection.shutdown(2); return
        data = json.dumps({"method": self.command, "path": self.path, "body": body, "headers": dict(self.headers)})
        data = data.encode() if self.path != "/large" else b"x" * 5_000_000
        self.send_response(200)
        for header in (
            "X-Frame-Options: DENY", "Content-Security-Policy: frame-ancestors 'none'; img-src 'self'",
            "Set-Cookie: a=1; Domain=localhost; Path=/", "Set-Cookie: b=2", "Strict-Transport-Security: max-age=9",
        ):
            self.send_header(*header.split(": ", 1))
        self.send_header("Content-Length", str(len(data))); self.end_headers()
        if self.command != "HEAD": self.wfile.write(data)
    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port)
"""
SOCKETS = """
import threading
from websockets.sync.server import serve
def echo(socket):
    if socket.request.path == "/end": return socket.close(4001, "as asked")
    socket.send(socket.request.headers["Origin"] + " " + (socket.subprotocol or ""))
    for message in socket: socket.send(message)
server = serve(echo, "127.0.0.1", 0, subprotocols=["one", "two"])
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.socket.getsockname()[1])
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ports")) as served:
        yield served


@pytest.fixture(scope="module")
def notebook(server: Served) -> Iterator[tuple[str, int, int]]:
    """Its id, and the ports of the two servers in its kernel."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": id, "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for id, source in (("a", APP), ("b", SOCKETS))
    ]
    with server.script() as client:
        id = made(client, notebook={"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        with Watcher(server.url, TOKEN, id) as tab:
            tab.command("run_cells", cells="all")
            tab.ended("a", "b")
            yield id, int(tab.text("a")), int(tab.text("b"))
            tab.command("shut_down_runtime")
            tab.until(lambda: tab.runtime["status"] == "none")


def opened(client: httpx.Client, id: str, port: object) -> httpx.Response:
    return client.post(f"/api/notebooks/{id}/ports", json={"port": port})


def host_of(client: httpx.Client, id: str, port: int) -> str:
    answer = opened(client, id, port)
    assert answer.status_code == 201, answer.text
    return str(httpx.URL(answer.json()["url"]).netloc.decode())


@pytest.fixture
def at(server: Served, notebook: tuple[str, int, int]) -> Iterator[httpx.Client]:
    """Asks the server in the kernel, as a browser does that has the address and no cookie of ours."""
    with server.script() as client, server.anonymous(host=host_of(client, *notebook[:2])) as at:
        yield at


def test_a_request_arrives_as_on_its_own_machine_and_its_answer_is_held_to_our_policy(
    at: httpx.Client, notebook: tuple[str, int, int], server: Served
) -> None:
    answer = at.post(
        "/a%2Fb?c=%20d", content=b"words", headers={"cookie": "own=1", "origin": f"http://{at.headers['host']}"}
    )
    told: dict[str, Any] = answer.json()
    own = f"localhost:{notebook[1]}"
    assert (told["method"], told["path"], told["body"]) == ("POST", "/a%2Fb?c=%20d", "words")
    assert (told["headers"]["host"], told["headers"]["origin"]) == (own, f"http://{own}")
    assert told["headers"]["x-forwarded-host"] == at.headers["host"]
    assert told["headers"]["cookie"] == "own=1"
    assert "authorization" not in told["headers"]
    assert "x-frame-options" not in answer.headers
    assert "strict-transport-security" not in answer.headers
    port = server.port
    pages = " ".join(f"http://{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]", "*.localhost"))
    policies = answer.headers.get_list("content-security-policy")
    assert policies == [f"frame-ancestors 'self' {pages}", "img-src 'self'"]
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]
    assert answer.headers["referrer-policy"] == "same-origin"


def test_every_method_and_large_bodies_pass(at: httpx.Client) -> None:
    assert at.get("/large").content == b"x" * 5_000_000
    assert at.head("/").content == b""
    for method in ("PUT", "DELETE"):
        assert at.request(method, "/", content=b"x" * 300_000).json()["method"] == method

    def pieces() -> Iterator[bytes]:
        yield from (b"one", b"two")

    # Of unknown length: chunked all the way, which this server does not read.
    assert at.post("/", content=pieces()).json()["headers"]["transfer-encoding"] == "chunked"


def test_an_endless_answer_arrives_as_it_is_made_and_ends_when_its_reader_leaves(at: httpx.Client) -> None:
    for _ in range(3):
        with at.stream("GET", "/stream") as answer:
            assert next(answer.iter_lines()) == "data: 0"
    assert at.get("/broken").status_code == 502
    assert at.get("/").status_code == 200


def test_sockets_pass_with_their_protocol_and_their_end(server: Served, notebook: tuple[str, int, int]) -> None:
    with server.script() as client:
        host = host_of(client, notebook[0], notebook[2])
    with knock(server, host, "/", f"http://{host}", "two") as socket:
        assert socket.subprotocol == "two"
        assert socket.recv(10) == f"http://localhost:{notebook[2]} two"
        for message in ("text", b"bytes", "x" * 1_000_000):
            socket.send(message)
            assert socket.recv(10) == message
    with knock(server, host, "/end", None, "one") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")
    with pytest.raises(InvalidStatus):
        knock(server, host, "/", server.url).close()  # a page of ours is another site than this


def knock(server: Served, host: str, path: str, origin: str | None, *protocols: Any) -> ClientConnection:
    headers = {"Origin": origin} if origin is not None else {}
    import socket as sockets

    sock = sockets.create_connection(("127.0.0.1", int(server.port)))
    return connect(
        f"ws://{host}{path}", additional_headers=headers, subprotocols=protocols or None, sock=sock, proxy=None
    )


def test_only_runners_open_ports_and_only_while_they_are(server: Served, notebook: tuple[str, int, int]) -> None:
    id, port, other = notebook
    with server.script() as owner:
        for role, status in (("viewer", 403), ("commenter", 403), ("runner", 201), ("editor", 201)):
            with server.script(link(owner, id, role)) as guest:
                assert opened(guest, id, port).status_code == status
        token = link(owner, id, "runner")
        with server.script(token) as guest:
            host, sockets = host_of(guest, id, port), host_of(guest, id, other)
            assert host != host_of(owner, id, port) != host_of(owner, id, other)
            assert host == host_of(guest, id, port)
        with server.anonymous(host=host) as at, knock(server, sockets, "/", None, "one") as socket:
            assert at.get("/").status_code == 200
            assert socket.recv(10) == f"http://localhost:{other} one"
            known = owner.get(f"/api/notebooks/{id}/links").json()["links"][-1]["id"]
            assert owner.delete(f"/api/notebooks/{id}/links/{known}").status_code == 204
            assert at.get("/").status_code == 403
            began = time.monotonic()
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
            assert time.monotonic() - began < 5
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403
    with server.anonymous() as nobody:
        assert opened(nobody, id, port).status_code == 401


def test_an_address_that_nobody_was_given_leads_nowhere(server: Served) -> None:
    label = base64.b32encode(os.urandom(20)).decode().lower()
    with server.anonymous(host=f"{label}.localhost:{server.port}") as at:
        assert at.get("/").status_code == 404
    with pytest.raises(InvalidStatus):
        knock(server, f"{label}.localhost:{server.port}", "/", None).close()


@pytest.mark.parametrize("port", [80, 65536, "5000", True, None, 5.5])
def test_what_is_no_port_is_said(server: Served, notebook: tuple[str, int, int], port: object) -> None:
    with server.script() as client:
        answer = opened(client, notebook[0], port)
    assert (answer.status_code, answer.json()["error"]) == (400, "'port' is a number from 1024 to 65535.")


def test_a_port_with_nothing_behind_it_says_so(server: Served, notebook: tuple[str, int, int]) -> None:
    with server.script() as client, server.anonymous(host=host_of(client, notebook[0], int(server.port))) as at:
        answer = at.get("/")
        assert (answer.status_code, answer.text[:37]) == (502, "Nothing answers on this port of the r")
        empty = made(client)
        answer = opened(client, empty, 5000)
        assert answer.status_code == 409
        assert "no runtime" in answer.json()["error"]


def test_without_an_output_origin_there_are_no_ports(tmp_path: Path) -> None:
    with serving(tmp_path, COLLAB_OUTPUT_ORIGIN="none") as server, server.script() as client:
        answer = opened(client, made(client), 5000)
        assert answer.status_code == 409
        assert "COLLAB_OUTPUT_ORIGIN" in answer.json()["error"]
