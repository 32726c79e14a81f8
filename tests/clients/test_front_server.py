"""jupyter_server with `--gateway-url`, which is what JupyterLab's users have in front of a gateway (kernels.md X3)."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.kernels.client import TOKEN, Channel, GatewayProcess, state_of

FRONT = "front-server-token"
COMM = """
from ipykernel.comm import Comm
comm = Comm("t", data={"n": 1}, buffers=[b"one", b"two"])
"""


class FrontServer:
    def __init__(self, gateway: str, folder: Path) -> None:
        options = ["--allow-root", "--no-browser", "--port=0", f"--ServerApp.root_dir={folder}"]
        options += [f"--gateway-url={gateway}", f"--IdentityProvider.token={FRONT}"]
        places = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        variables = os.environ | dict.fromkeys(places, str(folder)) | {"JUPYTER_GATEWAY_AUTH_TOKEN": TOKEN}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *options], env=variables, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        said = ""
        while (found := re.search(r"http://127\.0\.0\.1:\d+", said)) is None:
            line = self.process.stderr.readline()
            said += line
            assert line, f"The server ended: {said}"
        self.url = found[0]
        self.http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"token {FRONT}"}, timeout=50, trust_env=False
        )

    @contextmanager
    def channel(self, kernel: str) -> Iterator[Channel]:
        url = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?token={FRONT}&session_id=s"
        with connect(url, max_size=None, close_timeout=0.2, compression=None, proxy=None) as socket:
            yield Channel(socket, v1=False)

    def end(self) -> None:
        self.http.close()
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def front(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontServer]:
    """It ends the kernels that it started when it ends."""
    server = FrontServer(gateway.url, tmp_path_factory.mktemp("front"))
    yield server
    server.end()
    assert gateway.http.get("/api/kernels").json() == []


def test_x3_it_lists_kernelspecs_with_their_files(front: FrontServer) -> None:
    answer = front.http.get("/api/kernelspecs").json()
    assert {"python3", "bash"} <= set(answer["kernelspecs"])
    logo = front.http.get(answer["kernelspecs"]["python3"]["resources"]["logo-64x64"])
    assert (logo.status_code, logo.headers["content-type"]) == (200, "image/png")


def test_x3_it_runs_interrupts_and_restarts(front: FrontServer, gateway: GatewayProcess) -> None:
    body = {"path": "x.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    session = front.http.post("/api/sessions", json=body).json()
    kernel = session["kernel"]["id"]
    assert [model["id"] for model in front.http.get("/api/kernels").json()] == [kernel]
    assert kernel in [model["id"] for model in gateway.http.get("/api/kernels").json()]
    with front.channel(kernel) as channel:
        assert channel.run("x = 6 * 7; print(x)")["status"] == "ok"
        assert channel.text() == "42\n"
        # Its client decodes every frame as text: one binary frame would be its last.
        assert channel.run(COMM)["status"] == "ok"
        assert "comm_open" in [message["msg_type"] for message in channel.got]
        assert "Binary data was left out" in channel.text()
        assert channel.run("print('after it')")["status"] == "ok"
        loop = channel.execute("print('begun', flush=True)\nwhile True: pass")
        channel.until(lambda message: message["msg_type"] == "stream" and "begun" in message["content"]["text"])
        assert front.http.post(f"/api/kernels/{kernel}/interrupt").status_code == 204
        assert channel.reply(loop)["content"]["ename"] == "KeyboardInterrupt"
        channel.got.clear()
        restarted = front.http.post(f"/api/kernels/{kernel}/restart")
        assert (restarted.status_code, restarted.json()["id"]) == (200, kernel)
        assert channel.run("x")["ename"] == "NameError"
        # To the pages behind it this would be a kernel that died.
        assert "restarting" not in [state_of(message) for message in channel.got]
    assert front.http.delete(f"/api/sessions/{session['id']}").status_code == 204
    assert gateway.http.get(f"/api/kernels/{kernel}").status_code == 404


def test_x3_a_kernel_that_goes_is_seen_to_go(front: FrontServer, gateway: GatewayProcess) -> None:
    kernel = front.http.post("/api/kernels", json={"name": "bash"}).json()["id"]
    with front.channel(kernel) as channel:
        assert channel.run("echo $((6 * 7))")["status"] == "ok"
        assert channel.text() == "42\n"
    gateway.delete(kernel)
    assert front.http.get("/api/kernels").json() == []
    assert front.http.get(f"/api/kernels/{kernel}").status_code == 404
