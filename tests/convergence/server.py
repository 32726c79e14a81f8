"""The real document server as a process that can be killed and started again on the same port and data."""

import asyncio
import json
import os
import re
import signal
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "convergence-token-with-enough-letters"


class ServerProcess:
    """Starts `collab` on `data`; `kill` is kill -9, `close` is Ctrl+C, which ends the gateway too."""

    def __init__(self, data: Path, log: Path, variables: dict[str, str]) -> None:
        """What it says on stderr goes into the file `log`."""
        self._data = data
        self._log = log
        self._variables = variables
        self._port = "0"
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        arguments = ["-m", "collab.cli", "--no-browser", "--port", self._port, "--data", str(self._data)]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                cwd=ROOT,
                # Rooms that nobody is in close at once, and are opened again from the log.
                env=os.environ | {"COLLAB_TOKEN": TOKEN, "COLLAB_ROOM_GRACE": "100ms"} | self._variables,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if found := re.search(r"http://[^\s/]+:(\d+)", line.decode()):
                self.url, self._port = found[0], found[1]
                return
        raise RuntimeError("collab ended before it printed its address")

    @property
    def port(self) -> int:
        return int(self._port)

    def log(self) -> str:
        return self._log.read_text()

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def close(self) -> None:
        await self._end(signal.SIGINT)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.communicate()

    async def api(self, method: str, path: str, body: object = None) -> object:
        return await asyncio.to_thread(self._api, method, path, body)

    def _api(self, method: str, path: str, body: object) -> object:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            value: object = json.load(answer)
        return value
