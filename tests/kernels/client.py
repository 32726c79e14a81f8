"""A gateway as a process of its own, and clients as stock ones are: REST over httpx, channels over a socket."""

import atexit
import hashlib
import json
import os
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

TOKEN = "kernel-tests-token-0123456789"
V1 = "v1.kernel.websocket.jupyter.org"
WITHIN_S = 30.0
Message = dict[str, Any]


class GatewayProcess:
    """`python -m kernelhost.cli` on any free port, with a temp folder and a root of its own. `wrapper` is a command
    that becomes it."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        # Short, as the gateway takes a long one for none, and the same for the next gateway of this folder.
        self.temp = Path(tempfile.gettempdir(), f"kh-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}")
        self.temp.mkdir(exist_ok=True)
        atexit.register(shutil.rmtree, self.temp, ignore_errors=True)
        self.root = folder / "root"
        given = {"KERNELHOST_TOKEN": TOKEN, "TMPDIR": str(self.temp)} | dict(environment or {})
        self.process = subprocess.Popen(
            [
                *wrapper,
                sys.executable,
                "-m",
                "kernelhost.cli",
                "--port",
                "0",
                "--root",
                str(self.root),
                # Unless it is what is tested: most tests look for the kernel's processes and files from outside.
                *(() if "--sandbox" in arguments else ("--sandbox", "none")),
                *(() if "--pool" in arguments else ("--pool", "0")),
                *arguments,
            ],
            env=os.environ | given,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Kernels at "), line
        self.url = line.split()[-1]
        self.http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"token {TOKEN}"}, timeout=60, trust_env=False
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.http.close()
        self.process.send_signal(how)
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def clear(self) -> None:
        """For a test that failed: nothing of it is left."""
        if self.process.returncode is None:
            try:
                self.end(signal.SIGINT)  # its kernels would outlive a SIGKILL
            except subprocess.TimeoutExpired:
                self.end(signal.SIGKILL)

    def start(self, **body: object) -> str:
        answer = self.http.post("/api/kernels", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def model(self, kernel: str) -> Message:
        return dict(self.http.get(f"/api/kernels/{kernel}").json())

    def delete(self, kernel: str) -> None:
        assert self.http.delete(f"/api/kernels/{kernel}").status_code == 204

    @contextmanager
    def channel(
        self, kernel: str, session: str = "", after: str | None = None, v1: bool = False
    ) -> "Iterator[Channel]":
        query = {"token": TOKEN} | ({"session_id": session} if session else {})
        query |= {} if after is None else {"after": after}
        url = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?{httpx.QueryParams(query)}"
        # One frame at a time: who does not read is a slow client at once, and does not see the server's close either.
        with connect(
            url,
            subprotocols=[Subprotocol(V1)] if v1 else None,
            max_size=None,
            max_queue=1,
            close_timeout=0.2,
            compression=None,
            proxy=None,
        ) as socket:
            yield Channel(socket, v1)


class Channel:
    """Keeps all it got in `got`."""

    def __init__(self, socket: ClientConnection, v1: bool) -> None:
        self.socket = socket
        self.got: list[Message] = []
        self._v1 = v1

    def send(
        self,
        kind: str,
        content: object,
        channel: str = "shell",
        id: str = "",
        buffers: tuple[bytes, ...] = (),
        subshell: str = "",
    ) -> str:
        id = id or secrets.token_hex(8)
        header = {"msg_id": id, "msg_type": kind, "username": "", "session": "test", "version": "5.4"}
        header |= {"subshell_id": subshell} if subshell else {}
        if self._v1:
            parts = [channel.encode(), *(json.dumps(part).encode() for part in (header, {}, {}, content)), *buffers]
            ends = [8 * (len(parts) + 2)]
            for part in parts:
                ends.append(ends[-1] + len(part))
            self.socket.send(struct.pack(f"<{len(ends) + 1}Q", len(ends), *ends) + b"".join(parts))
        else:
            message = {"channel": channel, "header": header, "parent_header": {}, "metadata": {}, "content": content}
            self.socket.send(json.dumps(message))
        return id

    def execute(self, code: str, **more: object) -> str:
        return self.send("execute_request", {"code": code, "silent": False, "allow_stdin": True} | more)

    def receive(self) -> Message:
        frame = self.socket.recv(timeout=WITHIN_S)
        if isinstance(frame, str):
            message = dict(json.loads(frame))
        elif self._v1:
            (count,) = struct.unpack_from("<Q", frame)
            parts = [frame[start:stop] for start, stop in pairwise(struct.unpack_from(f"<{count}Q", frame, 8))]
            header, parent, metadata, content = (json.loads(part) for part in parts[1:5])
            message = {"channel": parts[0].decode(), "header": header, "parent_header": parent, "metadata": metadata}
            message |= {"content": content, "buffers": parts[5:], "msg_type": header["msg_type"]}
        else:
            (count,) = struct.unpack_from("!I", frame)
            offsets = [*struct.unpack_from(f"!{count}I", frame, 4), len(frame)]
            text, *buffers = (frame[start:stop] for start, stop in pairwise(offsets))
            message = dict(json.loads(text)) | {"buffers": buffers}
        self.got.append(message)
        return message

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        while not wanted(message := self.receive()):
            pass
        return message

    def reply(self, id: str) -> Message:
        """Of request `id`, once its idle has come as well: in either order."""
        found: Message | None = None
        idle = False
        while found is None or not idle:
            message = self.receive()
            if message["parent_header"].get("msg_id") != id:
                continue
            if message["channel"] in ("shell", "control") and message["msg_type"].endswith("_reply"):
                found = message
            idle = idle or state_of(message) == "idle"
        return found

    def idle(self, id: str) -> None:
        """Until request `id` is over, as all clients see it; that may have been already."""
        while not any(item["parent_header"].get("msg_id") == id and state_of(item) == "idle" for item in self.got):
            self.receive()

    def run(self, code: str, **more: object) -> Message:
        """The content of the reply."""
        return dict(self.reply(self.execute(code, **more))["content"])

    def closed(self) -> tuple[int, str]:
        """How the server closed the socket; what comes before is kept."""
        with pytest.raises(ConnectionClosed) as closed:
            self.until(lambda message: False)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason

    def text(self, id: str = "") -> str:
        """What was printed, by request `id` or by all."""
        return "".join(
            message["content"]["text"]
            for message in self.got
            if message["msg_type"] == "stream" and id in ("", message["parent_header"].get("msg_id"))
        )


def state_of(message: Message) -> str:
    return str(message["content"]["execution_state"]) if message["msg_type"] == "status" else ""


def kernel_pids(gateway: int) -> set[int]:
    return {child.pid for child in psutil.Process(gateway).children(recursive=True)}


def eventually(true: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    """For what tells nobody that it happens: a process that is not ours, a folder."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
