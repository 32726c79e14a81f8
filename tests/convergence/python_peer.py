"""A peer of the fuzz in Python, on pycrdt: what scripts are."""

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from typing import Any

from pycrdt import Doc, Map, Text, TransactionEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from collab.wire import sync_step1, sync_step2, sync_update
from tests.convergence.peers import TOKEN, State

# How connections may end: cut, the Room closes, the server is busy, another epoch.
DUE = (1000, 1001, 1005, 1006, 1012, 1013, 4409)
_ROOTS = ("meta", "cells", "outputs", "runs")


class PythonPeer:
    def __init__(self, name: str, url: str, token: str) -> None:
        self.name = name
        self._url, self._token = url, token
        self._recovered: list[str] = []
        self._closed = ""
        self._refused: list[str] = []
        self._epoch: int | None = None
        self._begin()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._synced = False
        self._sent = self._acknowledged = 0
        self._remote = False
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()

    def _begin(self) -> None:
        self._doc: Doc[Map[Any]] = Doc()
        self._roots: dict[str, Map[Any]] = {name: self._doc.get(name, type=Map) for name in _ROOTS}
        self._cells: Map[Map[Any]] = self._roots["cells"]
        self._doc.observe(self._changed)

    def _changed(self, event: TransactionEvent) -> None:
        if self._synced and not self._remote:
            self._sent += 1
            self._outbox.put_nowait(sync_update(event.update))

    async def connect(self) -> bool:
        if await self._connect():
            return True
        if not self._is_over:
            return False
        await asyncio.to_thread(self._merge)
        self._begin()
        self._epoch = None
        return await self._connect()

    def _merge(self) -> None:
        """What was written in an epoch that is over goes to be merged by content."""
        url = f"{self._url.replace('ws', 'http', 1).removesuffix('socket')}merge?epoch={self._epoch}"
        request = urllib.request.Request(url, self._doc.get_update(), {"Authorization": f"Bearer {self._token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            self._recovered += [item["source"] for item in json.load(answer)["unmerged"]]

    async def _connect(self) -> bool:
        await self.disconnect()
        self._is_over = False
        self._sent = self._acknowledged = 0
        self._outbox = asyncio.Queue()
        try:
            self._socket = await connect(
                self._url if self._epoch is None else f"{self._url}?epoch={self._epoch}",
                additional_headers={"Authorization": f"Bearer {self._token}"},
                max_size=None,
                compression=None,
            )
            await self._socket.send(sync_step1(self._doc.get_state()))
        except ConnectionClosed as closed:
            self._end(closed)
            return False
        except (OSError, WebSocketException):  # also a handshake that was cut off
            return False
        joined = asyncio.Event()
        self._reader = asyncio.create_task(self._exchange(self._socket, joined))
        waiting = asyncio.create_task(joined.wait())
        await asyncio.wait((waiting, self._reader), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return joined.is_set()

    async def _exchange(self, socket: ClientConnection, joined: asyncio.Event) -> None:
        writer = asyncio.create_task(self._write(socket))
        try:
            async for data in socket:
                assert isinstance(data, bytes)
                self._receive(data, joined)
        except ConnectionClosed as closed:
            self._end(closed)
        finally:
            self._synced = False
            writer.cancel()

    def _end(self, closed: ConnectionClosed) -> None:
        self._closed = str(closed)
        code = 1006 if closed.rcvd is None else closed.rcvd.code
        self._is_over = code == 4409
        if code not in DUE:
            self._refused.append(self._closed)

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            data = await self._outbox.get()
            try:
                await socket.send(data)
            except ConnectionClosed:
                return

    def _receive(self, data: bytes, joined: asyncio.Event) -> None:
        if data[0] == 101:
            event = json.loads(data[data.index(b"{") :])
            if event["type"] == "acknowledged":
                self._acknowledged = event["frames"]
            elif event["type"] == "joined":
                self._epoch = event["epoch"]
        if data[0] != 0:
            return
        length, at = 0, 2
        for shift in range(0, 64, 7):
            byte = data[at]
            at += 1
            length |= (byte & 127) << shift
            if byte < 128:
                break
        body = data[at : at + length]
        if data[1] == 0:
            self._sent += 1
            self._outbox.put_nowait(sync_step2(self._doc.get_update(body)))
            self._synced = True
            return
        self._remote = True
        try:
            self._doc.apply_update(body)
        finally:
            self._remote = False
        if data[1] == 1:
            joined.set()

    async def disconnect(self) -> None:
        self._synced = False
        if self._socket is not None:
            self._socket.transport.abort()
        if self._reader is not None:
            await self._reader
        self._socket = self._reader = None

    def _source(self, cell: str) -> Text | None:
        if cell not in self._cells:
            return None
        source = self._cells[cell]["source"]
        assert isinstance(source, Text)
        return source

    async def insert(self, cell: str, part: float, text: str) -> bool:
        source = self._source(cell)
        if source is None:
            return False
        now = str(source)
        spots = [0]
        for match in TOKEN.finditer(now):
            spots += match.span()
        spot = spots[min(len(spots) - 1, int(part * len(spots)))]
        source.insert(len(now[:spot].encode()), text)
        return True

    async def remove(self, cell: str, text: str) -> bool:
        source = self._source(cell)
        now = "" if source is None else str(source)
        if source is None or text not in now:
            return False
        start = len(now[: now.index(text)].encode())
        del source[start : start + len(text.encode())]
        return True

    async def create(self, cell: str, position: str) -> bool:
        self._cells[cell] = Map(
            {"type": "code", "source": Text(), "position": position, "metadata": Map({}), "attachments": Map({})}
        )
        return True

    async def move(self, cell: str, position: str) -> bool:
        if cell not in self._cells:
            return False
        self._cells[cell]["position"] = position
        return True

    async def drop(self, cell: str) -> bool:
        if cell not in self._cells:
            return False
        del self._cells[cell]
        return True

    async def note(self, cell: str, key: str, value: str) -> bool:
        if cell not in self._cells:
            return False
        self._cells[cell]["metadata"][key] = value
        return True

    async def entitle(self, title: str) -> bool:
        self._roots["meta"]["title"] = title
        return True

    async def mess(self, cell: str, dice: Sequence[float]) -> bool:
        source = self._source(cell)
        if source is None:
            return False
        what, where, how = dice
        text = str(source)
        at = len(text[: int(where * len(text))].encode())
        match int(what * 6):
            case 0:
                source.insert(at, ["x", "🙂", "\n", "e\u0301", "漢字"][int(how * 5)])
            case 1:
                rest = text.encode()[at:].decode()[: int(how * 4)]
                if rest:
                    del source[at : at + len(rest.encode())]
            case 2:
                self._cells[cell]["type"] = ["code", "markdown", "raw"][int(how * 3)]
            case 3:
                self._cells[cell]["metadata"]["mess"] = str(int(how * 100))
            case 4:
                # Pasted as an editor would not: the server repairs it, whatever others do there meanwhile.
                source.insert(at, ["a\r\nb", "\r", "a\0b"][int(how * 3)])
            case _:
                # The key of another cell, which the server gives another one.
                others = sorted(self._cells.keys())
                self._cells[cell]["position"] = self._cells[others[int(how * len(others))]]["position"]
        return True

    async def state(self) -> State:
        cells = [
            {
                "id": key,
                "position": str(cell["position"]),
                "source": str(cell["source"]),
                "type": str(cell["type"]),
                "metadata": cell["metadata"].to_py(),
            }
            for key, cell in self._cells.items()
        ]
        cells.sort(key=lambda cell: (cell["position"], cell["id"]))
        return {
            "cells": cells,
            "title": self._roots["meta"].get("title"),
            "outputs": self._roots["outputs"].to_py() or {},
            "runs": self._roots["runs"].to_py() or {},
            "settled": self._synced and self._sent == self._acknowledged,
            "connected": self._synced,
            "recovered": self._recovered,
            "closed": self._closed,
            "refused": self._refused,
        }

    async def close(self) -> None:
        await self.disconnect()
