"""A document server that is killed and started again on the same port and data; the gateway and kernels live on."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.collab.serving import TOKEN, start
from tests.support.watcher import Watcher


class MortalServer:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self._port = "0"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = start(self.data, "--port", self._port)
        assert self._process.stdout is not None
        found = re.search(r"http://[^\s/]+:(\d+)", self._process.stdout.readline())
        assert found is not None
        self.url, self._port = found[0], found[1]

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As a service manager does for an update: kernels live on."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        """As with Ctrl+C, which ends the kernels too."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.communicate()

    def kill_gateway(self) -> None:
        os.kill(json.loads((self.data / "gateway.json").read_text())["pid"], signal.SIGKILL)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.request(method, self.url + path, json=body, headers=headers, trust_env=False, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def blob(self, id: str, sha256: str) -> bytes:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{self.url}/api/notebooks/{id}/blobs/{sha256}"
        return httpx.get(url, headers=headers, trust_env=False, timeout=30).content

    def notebook(self, *sources: str) -> str:
        """Cells a, b, c, ..."""
        cells: list[dict[str, Any]] = [
            {"cell_type": "code", "id": id, "source": source, "metadata": {}, "outputs": [], "execution_count": None}
            for id, source in zip("abcdefgh", sources, strict=False)
        ]
        value = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        id: str = self.ask("POST", "/api/notebooks?title=Faults", value)["id"]
        return id

    def command(self, id: str, **value: object) -> None:
        self.ask("POST", f"/api/notebooks/{id}/commands", value)

    def exported(self, id: str) -> list[dict[str, Any]]:
        cells: list[dict[str, Any]] = self.ask("GET", f"/api/notebooks/{id}/export?format=ipynb")["cells"]
        return cells

    def watch(self, id: str) -> Watcher:
        return Watcher(self.url, TOKEN, id)


@contextmanager
def mortal_server(data: Path) -> Iterator[MortalServer]:
    server = MortalServer(data)
    server.start()
    try:
        yield server
    finally:
        server.close()
