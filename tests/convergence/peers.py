"""What the fuzz asks of a peer, and the peers that are real Yjs in Node, with the page's own edits and undo."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

TOKEN = re.compile("⟦[^⟧]*⟧")
HERE = Path(__file__).parent
_MAX_LINE = 16 << 20


class State(TypedDict):
    """`cells`: in order, each {id, position, source, type, metadata}; `settled`: whether all that was sent is
    acknowledged; `recovered`: texts that could not be merged after a new epoch; `closed`: code and reason of the last
    connection's end; `refused`: of those ends that are never due."""

    cells: list[dict[str, Any]]
    title: object
    outputs: dict[str, Any]
    runs: dict[str, Any]
    settled: bool
    connected: bool
    recovered: list[str]
    closed: str | None
    refused: list[str]


class Peer(Protocol):
    """`mess` does to a cell whatever people do, as three dice from 0 to 1 decide; others may go or come by that."""

    name: str

    async def connect(self) -> bool: ...
    async def disconnect(self) -> None: ...
    async def insert(self, cell: str, part: float, text: str) -> bool: ...
    async def remove(self, cell: str, text: str) -> bool: ...
    async def create(self, cell: str, position: str) -> bool: ...
    async def move(self, cell: str, position: str) -> bool: ...
    async def drop(self, cell: str) -> bool: ...
    async def note(self, cell: str, key: str, value: str) -> bool: ...
    async def entitle(self, title: str) -> bool: ...
    async def mess(self, cell: str, dice: Sequence[float]) -> bool: ...
    async def state(self) -> State: ...
    async def close(self) -> None: ...


class NodePeer:
    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @classmethod
    async def start(cls, name: str, url: str, token: str, node: str) -> "NodePeer":
        process = await asyncio.create_subprocess_exec(
            node,
            *[str(HERE / "peer.mjs"), url, token],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE,
        )
        return cls(name, process)

    async def _ask(self, op: str, **arguments: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has ended")
        return json.loads(line)

    async def connect(self) -> bool:
        return bool(await self._ask("connect"))

    async def disconnect(self) -> None:
        await self._ask("disconnect")

    async def insert(self, cell: str, part: float, text: str) -> bool:
        return bool(await self._ask("insert", cell=cell, part=part, text=text))

    async def remove(self, cell: str, text: str) -> bool:
        return bool(await self._ask("remove", cell=cell, text=text))

    async def create(self, cell: str, position: str) -> bool:
        return bool(await self._ask("create", cell=cell, position=position))

    async def move(self, cell: str, position: str) -> bool:
        return bool(await self._ask("move", cell=cell, position=position))

    async def drop(self, cell: str) -> bool:
        return bool(await self._ask("drop", cell=cell))

    async def note(self, cell: str, key: str, value: str) -> bool:
        return bool(await self._ask("note", cell=cell, key=key, value=value))

    async def entitle(self, title: str) -> bool:
        return bool(await self._ask("entitle", title=title))

    async def mess(self, cell: str, dice: Sequence[float]) -> bool:
        return bool(await self._ask("mess", cell=cell, dice=list(dice)))

    async def state(self) -> State:
        state: State = await self._ask("state")
        return state

    async def close(self) -> None:
        # Node may be the child of a Python starter, which a signal would end alone; the end of its input ends both.
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
