"""What happens in a run of the fuzz: people's edits, faults of network, server and disk; and what has to come of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import nbformat

from collab.positions import between
from tests.convergence.disk import Disk
from tests.convergence.log import Log
from tests.convergence.network import Link
from tests.convergence.peers import Peer, State
from tests.convergence.server import ServerProcess

GLYPHS = ["a", "é", "漢", "🙂", "👩‍👩‍👧", "𝔘", "ؤ", "e\u0301"]
PRINTS = "prints"
LINES = 80
PROGRAM = f"""
import time
from IPython.display import display
shown = display({{"text/plain": "begun"}}, raw=True, display_id=True)
for number in range({LINES}):
    print(number, flush=True)
    if number % 10 == 9:
        shown.update({{"text/plain": str(number)}}, raw=True)
    time.sleep(0.015)
"""


@dataclass
class Fates:
    """What became of tokens (their cells; who wrote them; those that were removed) and of notes by cell and key."""

    cells: dict[str, str] = field(default_factory=dict)
    writers: dict[str, Peer] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    new_epochs: int = 0

    def check(self, found: Counter[str], given_back: set[str]) -> None:
        assert [token for token, count in found.items() if count > 1] == []
        there = set(found)
        wanted = set(self.cells) - self.removed
        assert wanted - there - given_back == set()
        if not self.new_epochs:
            assert given_back == set()
            assert there == wanted
        # A removal, too, may have had no place in a new epoch.
        assert there - set(self.cells) == set()


@dataclass(frozen=True, slots=True)
class Place:
    """Where it happens. `links` are those of the peers, in their order."""

    peers: Sequence[Peer]
    links: Sequence[Link]
    server: ServerProcess
    log: Log
    disk: Disk
    notebook: str

    async def exported(self) -> list[dict[str, Any]]:
        """The cells of the file, which is valid."""
        answer = await self.server.api("GET", f"/api/notebooks/{self.notebook}/export?format=ipynb")
        assert isinstance(answer, dict)
        nbformat.validate(answer)
        cells: list[dict[str, Any]] = answer["cells"]
        return cells


class Acts:
    """`prints`: a kernel prints meanwhile. Its server is never rebuilt: epochs begin only where nothing runs."""

    def __init__(self, rng: random.Random, place: Place, prints: bool, epochs: bool) -> None:
        self.fates = Fates()
        self._rng = rng
        self._place = place
        self._step = 0
        self._full_until = 0
        everyday: dict[Callable[[Peer, State], Awaitable[object]], int] = {
            self._insert: 50,
            self._remove: 12,
            self._create: 12,
            self._move: 14,
            self._drop: 4,
            self._note: 10,
            self._entitle: 2,
            self._mess: 60,
            self._export: 3,
        }
        faults: dict[Callable[[Peer, State], Awaitable[object]], int] = {
            self._disconnect: 6,
            self._cut: 4,
            self._freeze: 2,
            self._kill: 1,
            self._compact: 2,
            self._leave: 1,
            self._fill: 2,
            self._run: 3 if prints else 0,
            self._rebuild: 1 if epochs else 0,
        }
        self._acts = everyday | faults

    async def happen(self, steps: int) -> None:
        for self._step in range(steps):
            if self._step >= self._full_until:
                self._place.disk.empty()
            peer = self._rng.choice(self._place.peers)
            act = self._rng.choices(list(self._acts), list(self._acts.values()))[0]
            await act(peer, await peer.state())
            if self._rng.random() < 0.15 and not self._is_full:
                await self._rng.choice(self._place.peers).connect()
        self._place.disk.empty()

    @property
    def _is_full(self) -> bool:
        return self._step < self._full_until

    # -- people ------------------------------------------------------------------------------------------------------

    async def _insert(self, peer: Peer, state: State) -> None:
        keep = [cell["id"] for cell in state["cells"] if cell["id"].startswith("cell")]
        if keep:
            cell, token = self._rng.choice(keep), f"⟦{peer.name}·{self._step}·{self._rng.choice(GLYPHS)}⟧"
            if await peer.insert(cell, self._rng.random(), token + self._rng.choice(["", "\n"])):
                self.fates.cells[token], self.fates.writers[token] = cell, peer

    async def _remove(self, peer: Peer, state: State) -> None:
        own = [token for token, by in self.fates.writers.items() if by is peer and token not in self.fates.removed]
        if own and await peer.remove(self.fates.cells[token := self._rng.choice(own)], token):
            self.fates.removed.add(token)

    async def _create(self, peer: Peer, state: State) -> None:
        cell = f"{self._rng.choice(['cell', 'scratch'])}-{peer.name}-{self._step}"
        await peer.create(cell, self._position(state))

    async def _move(self, peer: Peer, state: State) -> None:
        if state["cells"]:
            await peer.move(self._rng.choice(state["cells"])["id"], self._position(state))

    async def _drop(self, peer: Peer, state: State) -> None:
        if scratch := _scratch(state):
            await peer.drop(self._rng.choice(scratch))

    async def _note(self, peer: Peer, state: State) -> None:
        keep = [cell["id"] for cell in state["cells"] if cell["id"].startswith("cell")]
        if keep:
            # Nobody else writes under this key, so it is there at the end as it was written last.
            cell, key, value = self._rng.choice(keep), f"note of {peer.name}", f'"{self._step}"'
            if await peer.note(cell, key, value):
                self.fates.notes[cell, key] = value

    async def _entitle(self, peer: Peer, state: State) -> None:
        await peer.entitle(f"Fuzz {self._step} by {peer.name} {self._rng.choice(GLYPHS)}")

    async def _mess(self, peer: Peer, state: State) -> None:
        if scratch := _scratch(state):
            await peer.mess(self._rng.choice(scratch), [self._rng.random() for _ in range(3)])

    async def _export(self, peer: Peer, state: State) -> None:
        await self._place.exported()

    async def _run(self, peer: Peer, state: State) -> None:
        if not self._is_full:
            command = {"type": "run_cells", "cells": [PRINTS]}
            await self._place.server.api("POST", f"/api/notebooks/{self._place.notebook}/commands", command)

    # -- faults ------------------------------------------------------------------------------------------------------

    async def _disconnect(self, peer: Peer, state: State) -> None:
        await peer.disconnect()

    async def _cut(self, peer: Peer, state: State) -> None:
        self._place.links[self._place.peers.index(peer)].cut()

    async def _freeze(self, peer: Peer, state: State) -> None:
        self._place.links[self._place.peers.index(peer)].freeze()

    async def _kill(self, peer: Peer, state: State) -> None:
        if not self._is_full:
            await self._place.server.kill()
            await self._place.server.start()

    async def _compact(self, peer: Peer, state: State) -> None:
        if not self._is_full:
            await self._place.log.compact()

    async def _leave(self, peer: Peer, state: State) -> None:
        """Everybody does, for so long that the Room closes."""
        for each in self._place.peers:
            await each.disconnect()
        await asyncio.sleep(0.3)

    async def _fill(self, peer: Peer, state: State) -> None:
        self._place.disk.fill()
        self._full_until = self._step + self._rng.randint(5, 30)

    async def _rebuild(self, peer: Peer, state: State) -> None:
        if not self._is_full:
            await self._place.server.kill()
            self.fates.new_epochs += await self._place.log.rebuild()
            await self._place.server.start()

    def _position(self, state: State) -> str:
        keys = sorted({cell["position"] for cell in state["cells"]})
        at = self._rng.randint(0, len(keys))
        return between(keys[at - 1] if at > 0 else "", keys[at] if at < len(keys) else "", self._rng)


def _scratch(state: State) -> list[str]:
    """Cells in which nobody counts what is written."""
    return [cell["id"] for cell in state["cells"] if not cell["id"].startswith("cell") and cell["id"] != PRINTS]
