"""Streams of bytes to servers that run in kernels: who may open one, to what, and what comes through."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kernelhost.sandbox import probe
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.kernels.client import TOKEN, Channel, GatewayProcess

WHY_NOT = probe("host", Path("/tmp"))
needs_sandbox = pytest.mark.skipif(bool(WHY_NOT), reason=f"needs bubblewrap: {WHY_NOT}")
HTTP = """
import http.server, threading
server = http.server.ThreadingHTTPServer(("{host}", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port)
"""
# Answers each line with itself, and ends at an empty one.
ECHO = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as file:
            while line := file.readline().strip():
                file.write(line * {times} + b"\\n"); file.flush()
threading.Thread(target=serve, daemon=True).start()
print(listener.getsockname()[1])
"""


@pytest.fixture(scope="module")
def kernel(gateway: GatewayProcess) -> str:
    return gateway.start()


@pytest.fixture(scope="module")
def channel(gateway: GatewayProcess, kernel: str) -> Iterator[Channel]:
    with gateway.channel(kernel) as channel:
        yield channel


def printed(channel: Channel, code: str) -> int:
    id = channel.execute(code)
    assert channel.reply(id)["content"]["status"] == "ok"
    return int(channel.text(id))


def stream(gateway: GatewayProcess, kernel: str, port: int, token: str = TOKEN) -> ClientConnection:
    url = f"{gateway.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/ports/{port}"
    return connect(url, additional_headers={"Authorization": f"token {token}"}, proxy=None, compression=None)


def refusal(gateway: GatewayProcess, kernel: str, port: int, token: str = TOKEN) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        stream(gateway, kernel, port, token)
    return refused.value.response.status_code, (refused.value.response.body or b"").decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_page_of_a_server_in_the_kernel_comes_through(
    gateway: GatewayProcess, kernel: str, channel: Channel, host: str
) -> None:
    port = printed(channel, HTTP.format(host=host))
    with stream(gateway, kernel, port) as through:
        through.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(piece for piece in through if isinstance(piece, bytes))  # until the server closes
        assert answer.startswith(b"HTTP/1.0 200 OK")
        assert b"Directory listing" in answer


def test_bytes_go_both_ways_in_order_and_the_end_is_passed_on(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    port = printed(channel, ECHO.format(times=100_000))
    with stream(gateway, kernel, port) as through:
        for letter in (b"a", b"b"):
            through.send(letter + b"\n")
            got = b""
            while not got.endswith(b"\n"):
                piece = through.recv(10)
                assert isinstance(piece, bytes)
                got += piece
            assert got == letter * 100_000 + b"\n"
        through.send(b"\n")
        with pytest.raises(ConnectionClosed):
            through.recv(10)


def test_only_what_the_kernels_own_processes_listen_on_is_reached(
    gateway: GatewayProcess, kernel: str, channel: Channel
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as ours:
        status, sentence = refusal(gateway, kernel, ours.getsockname()[1])
        assert (status, "Nothing in this runtime listens" in sentence) == (404, True)
    own = int(gateway.url.rsplit(":", 1)[1])
    assert refusal(gateway, kernel, own)[0] == 404
    other = gateway.start()
    port = printed(channel, ECHO.format(times=1))
    assert refusal(gateway, other, port)[0] == 404
    gateway.delete(other)
    for low in (0, 80, 1023, 65536):
        assert refusal(gateway, kernel, low)[0] == 404


def test_a_child_of_the_kernel_counts_as_the_kernel(gateway: GatewayProcess, kernel: str, channel: Channel) -> None:
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-uc", {ECHO.format(times=1)!r} + "\\nimport time; time.sleep(600)"],
    stdout=subprocess.PIPE, text=True)
print(child.stdout.readline())
"""
    port = printed(channel, code)
    with stream(gateway, kernel, port) as through:
        through.send(b"hello\n")
        assert through.recv(10) == b"hello\n"
    channel.run("child.kill()")


def test_a_stream_wants_the_token_and_a_kernel(gateway: GatewayProcess, kernel: str) -> None:
    assert refusal(gateway, kernel, 5000, "wrong")[0] == 403
    assert refusal(gateway, "no-such-kernel", 5000)[0] == 404


@needs_sandbox
@pytest.mark.parametrize(("network", "status"), [("host", 101), ("none", 404)])
def test_a_sandbox_lets_streams_in_if_it_has_a_network(
    start_gateway: Callable[..., GatewayProcess], network: str, status: int
) -> None:
    gateway = start_gateway("--sandbox", "bwrap", "--network", network)
    kernel = gateway.start()
    with gateway.channel(kernel) as channel:
        port = printed(channel, ECHO.format(times=1))
        if status == 101:
            with stream(gateway, kernel, port) as through:
                through.send(b"hello\n")
                assert through.recv(10) == b"hello\n"
        else:
            got, sentence = refusal(gateway, kernel, port)
            assert (got, "no network" in sentence) == (404, True)
