"""Somebody who has a notebook open in the soak: joins, types, deletes, moves the cursor, runs the cell, leaves again.

An honest client of the protocol with a Doc of its own. People write a line piece by piece, mend it here and there, and
delete it in the end: the text stays of one size, and so does almost all of its history.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, Map, Text, TransactionEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from collab.wire import COMMAND, EVENT, SYNC, Presence, awareness, sync_step1, sync_step2, sync_update, varbytes

LINE_CHARS = 80
PIECES = ["let ", "α = β ", "漢字 ", "🙂", "print(x) ", "# "]
LIVE = ("queued", "running")


@dataclass
class Told:
    """What people saw together."""

    waits_ms: list[float] = field(default_factory=list)  # from an edit to its acknowledgement; whoever looks empties it
    edits: int = 0
    updates: int = 0
    visits: int = 0
    runs: int = 0
    ended: list[str] = field(default_factory=list)  # connections that the server ended, which is never due


class Person:
    def __init__(self, name: str, url: str, token: str, rng: random.Random, told: Told) -> None:
        self.name = name
        self._url, self._token, self._rng, self._told = url, token, rng, told
        self._open_tab()

    def _open_tab(self) -> None:
        self._doc: Doc[Any] = Doc()
        self._roots: dict[str, Map[Any]] = {
            name: self._doc.get(name, type=Map) for name in ("meta", "cells", "outputs", "runs")
        }
        self._clock = 0
        self._cell = ""
        self._remote = self._synced = False
        self._doc.observe(self._changed)

    # -- what people do ----------------------------------------------------------------------------------------------

    async def stay(self, until: float, visit_s: float, pause_s: float) -> None:
        """Visits of about `visit_s` each until the loop's clock says `until`, with something done every `pause_s`."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            if self._rng.random() < 0.1:
                self._open_tab()
            self._told.visits += 1
            leave = min(until, loop.time() + visit_s * self._rng.uniform(0.5, 1.5))
            try:
                async with self._joined():
                    while loop.time() < leave:
                        self._act()
                        await asyncio.sleep(self._rng.expovariate(1 / pause_s))
                    await self._saved.wait()  # as people close a tab when it says so
            except* (ConnectionClosed, OSError) as group:
                self._told.ended += [f"{self.name}: {error}" for error in group.exceptions]

    async def look(self) -> dict[str, str]:
        """The sources, once it has joined."""
        async with self._joined():
            return {cell: str(value["source"]) for cell, value in self._roots["cells"].items()}

    def _act(self) -> None:
        texts = [cell for cell in self._roots["cells"] if cell.startswith("text")]
        what = self._rng.random()
        if what < 0.6:
            self._write(texts)
        elif what < 0.9:
            self._clock += 1
            state = {"cell": self._rng.choice(texts), "cursor": None, "mode": "edit"}
            self._outbox.put_nowait(awareness([Presence(self._doc.client_id, self._clock, state)]))
        elif all(mark.get("state") not in LIVE for mark in self._roots["runs"].values()):
            self._told.runs += 1
            self._outbox.put_nowait(
                bytes((COMMAND,)) + varbytes(json.dumps({"type": "run_cells", "cells": ["prints"]}).encode())
            )

    def _write(self, cells: list[str]) -> None:
        if self._cell not in cells:
            self._cell = self._rng.choice(cells)
        source: Text = self._roots["cells"][self._cell]["source"]
        text = str(source)
        mine = f"{self.name}: "
        start = text.find(mine)
        line = text[start : text.index("\n", start)] if start >= 0 else ""
        if not line:
            source.insert(len(text.encode()), f"{mine}\n")
        elif len(line) > LINE_CHARS:
            at = len(text[:start].encode())
            del source[at : at + len(line.encode()) + 1]
            self._cell = self._rng.choice(cells)
        elif self._rng.random() < 0.05:
            at = len(text[: start + self._rng.randint(len(mine), len(line))].encode())
            source.insert(at, "!")
        else:
            source.insert(len(text[: start + len(line)].encode()), self._rng.choice(PIECES))

    # -- the protocol ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _joined(self) -> AsyncIterator[None]:
        """Raises ConnectionClosed, in a group, when the server ends it."""
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._saved = asyncio.Event()
        self._sent = 0
        self._waiting: deque[tuple[int, float]] = deque()
        self._synced = False
        headers = {"Authorization": f"Bearer {self._token}"}
        async with connect(self._url, additional_headers=headers, compression=None, max_size=None) as socket:
            joined = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                exchange = [tasks.create_task(self._read(socket, joined)), tasks.create_task(self._send(socket))]
                self._outbox.put_nowait(sync_step1(self._doc.get_state()))
                await joined.wait()
                try:
                    yield
                finally:
                    self._synced = False
                    for task in exchange:
                        task.cancel()

    async def _send(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(await self._outbox.get())

    async def _read(self, socket: ClientConnection, joined: asyncio.Event) -> None:
        while True:
            data = await socket.recv()
            assert isinstance(data, bytes)
            if data[0] == EVENT:
                self._hear(json.loads(data[data.index(b"{") :]))
            elif data[0] == SYNC and data[1] == 0:
                self._count()
                self._outbox.put_nowait(sync_step2(self._doc.get_update(_body(data))))
                self._synced = True
            elif data[0] == SYNC:
                self._told.updates += 1
                self._remote = True
                try:
                    self._doc.apply_update(_body(data))
                finally:
                    self._remote = False
                if data[1] == 1:
                    joined.set()

    def _hear(self, event: dict[str, Any]) -> None:
        if event["type"] == "acknowledged":
            if event["frames"] == self._sent:
                self._saved.set()
            now = asyncio.get_running_loop().time()
            while self._waiting and self._waiting[0][0] <= event["frames"]:
                self._told.waits_ms.append(1000 * (now - self._waiting.popleft()[1]))

    def _count(self) -> None:
        self._sent += 1
        self._saved.clear()

    def _changed(self, event: TransactionEvent) -> None:
        if self._synced and not self._remote:
            self._count()
            self._told.edits += 1
            self._waiting.append((self._sent, asyncio.get_running_loop().time()))
            self._outbox.put_nowait(sync_update(bytes(event.update)))


def _body(data: bytes) -> bytes:
    length, at = 0, 2
    for shift in range(0, 64, 7):
        length |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            break
    return data[at : at + length]
