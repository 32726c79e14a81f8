"""What the kernel benchmark runs beside each other: our gateway, jupyter_server, and a kernel with nothing between."""

import asyncio
import json
import os
import secrets
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
import psutil  # type: ignore[import-untyped]
import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

TOKEN = "bench-token-with-enough-letters"
V1 = Subprotocol("v1.kernel.websocket.jupyter.org")


class Heard(NamedTuple):
    kind: str
    parent: str
    content: dict[str, Any]


class Kernel(Protocol):
    async def execute(self, code: str) -> str:
        """The msg_id of the request."""

    async def hear(self) -> Heard:
        """The next message on iopub or shell."""

    async def end(self) -> None: ...


class Target(Protocol):
    name: str

    async def start(self) -> Kernel:
        """As a new notebook does it; returns when code can be sent."""

    def memory(self) -> int:
        """Bytes, of all processes between the client and its kernels."""


class SocketKernel:
    def __init__(self, http: httpx.AsyncClient, id: str, channel: ClientConnection) -> None:
        self._http = http
        self._id = id
        self._channel = channel

    async def execute(self, code: str) -> str:
        id = secrets.token_hex(8)
        header = {"msg_id": id, "msg_type": "execute_request", "username": "", "session": "bench", "version": "5.4"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        parts = [b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content))]
        ends = [8 * (len(parts) + 2)]
        for part in parts:
            ends.append(ends[-1] + len(part))
        await self._channel.send(struct.pack(f"<{len(ends) + 1}Q", len(ends), *ends) + b"".join(parts))
        return id

    async def hear(self) -> Heard:
        frame = await self._channel.recv(decode=False)
        (count,) = struct.unpack_from("<Q", frame)
        _, *parts = (frame[start:stop] for start, stop in pairwise(struct.unpack_from(f"<{count}Q", frame, 8)))
        header, parent, _, content = (json.loads(part) for part in parts[:4])
        return Heard(header["msg_type"], parent.get("msg_id", ""), content)

    async def end(self) -> None:
        await self._channel.close()
        (await self._http.delete(f"/api/kernels/{self._id}")).raise_for_status()


class SocketTarget:
    """Whatever speaks Jupyter's REST and WebSocket."""

    def __init__(self, name: str, http: httpx.AsyncClient, pid: int) -> None:
        self.name = name
        self._http = http
        self._pid = pid

    async def start(self) -> Kernel:
        folder = f"notebook-{secrets.token_hex(4)}"
        answer = await self._http.post("/api/kernels", json={"name": "python3", "path": folder})
        answer.raise_for_status()
        id = answer.json()["id"]
        address = str(self._http.base_url).rstrip("/").replace("http", "ws", 1)
        channel = await connect(
            f"{address}/api/kernels/{id}/channels?token={TOKEN}&session_id={secrets.token_hex(8)}",
            subprotocols=[V1],
            max_size=None,
            compression=None,
            proxy=None,
        )
        return SocketKernel(self._http, id, channel)

    def memory(self) -> int:
        between = [psutil.Process(self._pid)]
        between += [child for child in between[0].children(recursive=True) if "kernelhost.host" in child.cmdline()]
        return sum(process.memory_info().rss for process in between)


class RawKernel:
    """jupyter_client itself, which reads shell and iopub by two sockets."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        self._manager = manager
        self._client = client

    async def execute(self, code: str) -> str:
        return str(self._client.execute(code, store_history=False, allow_stdin=False))

    async def hear(self) -> Heard:
        message = await self._client.get_iopub_msg()
        return Heard(message["msg_type"], message["parent_header"].get("msg_id", ""), message["content"])

    async def end(self) -> None:
        self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)


class RawTarget:
    name = "raw"

    async def start(self) -> Kernel:
        manager = AsyncKernelManager(kernel_name="python3", transport="ipc")
        await manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Without a mark, beyond which it drops what was not read in time: what is compared is the whole output.
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RCVHWM, 0)
        client = manager.client(context=context)
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        return RawKernel(manager, client)

    def memory(self) -> int:
        return 0


@asynccontextmanager
async def ours(folder: Path, *arguments: str) -> AsyncIterator[Target]:
    environment = os.environ | {"KERNELHOST_TOKEN": TOKEN}
    command = ["-m", "kernelhost.cli", "--port", "0", "--root", str(folder), *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        if not line.startswith("Kernels at "):
            raise RuntimeError("kernelhost ended before it printed its address")
        async with http_client(line.split()[-1]) as http:
            yield SocketTarget("kernelhost", http, process.pid)
    finally:
        await end(process)


@asynccontextmanager
async def jupyter_server(folder: Path) -> AsyncIterator[Target]:
    """Without extensions, and without its limit on output, beyond which it drops what is printed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "ServerApp.jpserver_extensions": "{}",
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "ServerApp.log_level": 50,
        "IdentityProvider.token": TOKEN,
        "ZMQChannelsWebsocketConnection.limit_rate": False,
    }
    command = ["-m", "jupyter_server", *(f"--{name}={value}" for name, value in options.items())]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=os.environ | places, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with http_client(f"http://127.0.0.1:{port}") as http:
            await until_it_answers(http)
            yield SocketTarget("jupyter_server", http, process.pid)
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def http_client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"token {TOKEN}"}, timeout=60, trust_env=False, limits=httpx.Limits()
    )


async def until_it_answers(http: httpx.AsyncClient) -> None:
    for _ in range(600):
        try:
            (await http.get("/api/status")).raise_for_status()
            return
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
    raise RuntimeError("jupyter_server does not answer")
