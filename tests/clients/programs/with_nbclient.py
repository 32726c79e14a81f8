"""nbclient with jupyter_server's GatewayKernelManager: a notebook is run by a kernel that is somewhere else.

That manager's client opens the kernel's socket without a credential, whatever it was given, so it works only where
something on the way adds one: here a proxy on loopback.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import nbformat
import pytest
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import GatewayKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

GATEWAY = urlsplit(os.environ["GATEWAY_URL"])
CREDENTIAL = f"Authorization: token {os.environ['GATEWAY_TOKEN']}\r\n".encode()


@pytest.fixture(scope="module", autouse=True)
def proxy() -> Iterator[None]:
    """Adds the credential to the first request of each connection, which is a socket's only one."""

    def serve(client: socket.socket) -> None:
        head = client.recv(1 << 16)
        line, _, rest = head.partition(b"\r\n")
        with client, socket.create_connection((GATEWAY.hostname, GATEWAY.port)) as gateway:
            gateway.sendall(line + b"\r\n" + (rest if b"Authorization" in rest else CREDENTIAL + rest))
            back = threading.Thread(target=pass_on, args=(gateway, client), daemon=True)
            back.start()
            pass_on(client, gateway)
            back.join()

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        # One for all: the manager's settings are the process's.
        GatewayClient.instance().url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        GatewayClient.instance().auth_token = os.environ["GATEWAY_TOKEN"]
        yield
        listening.shutdown(socket.SHUT_RDWR)


def test_a_notebook_runs_until_a_cell_fails() -> None:
    """By the gateway's default kernel: the manager passes no name on."""
    sources = ("x = 6 * 7", "print(x)", "1/0", "print('not run')")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(notebook, kernel_manager_class=GatewayKernelManager, timeout=40)
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        client.execute()
    assert notebook.cells[1].outputs == [{"output_type": "stream", "name": "stdout", "text": "42\n"}]
    assert notebook.cells[3].outputs == []
