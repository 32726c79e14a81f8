"""A tab over a real socket: a Doc that follows the notebook, the events it was told, and waiting for either.

Every wait reads the socket, so nothing polls and nothing sleeps.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from pycrdt import Doc, TransactionEvent
from websockets.sync.client import connect

from collab import notebook
from collab.model import CellId
from collab.notebook import RunMark
from collab.wire import COMMAND, EVENT, STEP1, STEP2, SYNC, sync_step1, sync_step2, sync_update, varbytes

WITHIN_S = 30.0


class Watcher:
    """Use it as a context manager. `url` is the server's, `token` a Bearer."""

    def __init__(self, url: str, token: str, id: str) -> None:
        self.doc: Doc[Any] = Doc()
        notebook.roots(self.doc)
        self.events: list[dict[str, Any]] = []
        self.synced = False
        self.acknowledged = 0
        self.sent = 0
        self._remote = False
        self._stack = ExitStack()
        self._connecting = connect(
            f"{url.replace('http', 'ws', 1)}/api/notebooks/{id}/socket",
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            max_size=None,
            proxy=None,
        )
        self.doc.observe(self._changed)

    def __enter__(self) -> "Watcher":
        self._socket = self._stack.enter_context(self._connecting)
        self._socket.send(sync_step1(self.doc.get_state()))
        self.until(lambda: self.synced)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def until(self, found: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Raises TimeoutError, and ConnectionClosed when the server is gone."""
        deadline = time.monotonic() + within_s
        while not found():
            self._read(self._socket.recv(timeout=max(0.0, deadline - time.monotonic())))

    def command(self, kind: str, **values: object) -> None:
        body = json.dumps({"type": kind, **values}).encode()
        self._socket.send(bytes((COMMAND,)) + varbytes(body))

    def ended(self, *cells: str, within_s: float = WITHIN_S) -> None:
        over = ("finished", "failed", "cancelled")
        self.until(lambda: all((mark := self.mark(cell)) and mark.state in over for cell in cells), within_s)

    @property
    def runtime(self) -> Mapping[str, Any]:
        return next((event for event in reversed(self.events) if event["type"] == "runtime_changed"), {})

    def mark(self, cell: str) -> RunMark | None:
        return notebook.run_mark(self.doc, CellId(cell))

    def outputs(self, cell: str) -> list[dict[str, Any]]:
        array = notebook.roots(self.doc).outputs.get(cell)
        return [] if array is None else array.to_py()

    def text(self, cell: str) -> str:
        return "".join(output.get("text", "") for output in self.outputs(cell))

    def source(self, cell: str) -> str:
        return notebook.cell_source(self.doc, CellId(cell))

    def write(self, cell: str, text: str) -> None:
        """At the end of the cell's source."""
        with self.doc.transaction(origin="typing"):
            notebook.append(notebook.roots(self.doc).cells[cell]["source"], text)

    def _changed(self, event: TransactionEvent) -> None:
        if self.synced and not self._remote:
            self.sent += 1
            self._socket.send(sync_update(event.update))

    def _read(self, frame: str | bytes) -> None:
        assert isinstance(frame, bytes)
        if frame[0] == EVENT:
            event = json.loads(frame[frame.index(b"{") :])
            self.events.append(event)
            if event["type"] == "acknowledged":
                self.acknowledged = event["frames"]
        elif frame[0] == SYNC:
            self._read_sync(frame[1], _payload(frame, 2))

    def _read_sync(self, kind: int, payload: bytes) -> None:
        if kind == STEP1:
            self.sent += 1
            self._socket.send(sync_step2(self.doc.get_update(payload)))
            return
        self._remote = True
        try:
            self.doc.apply_update(payload)
        finally:
            self._remote = False
        self.synced = self.synced or kind == STEP2


def _payload(frame: bytes, at: int) -> bytes:
    """The byte string at `at`, after its length as a varint."""
    length = shift = 0
    while True:
        length |= (frame[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if frame[at - 1] < 128:
            return frame[at : at + length]
