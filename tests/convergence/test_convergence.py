"""Random edits by Python and Yjs peers while a kernel prints, with bad connections, a server that is killed, a disk
that is full, logs that are packed and new epochs: everyone ends equal.

What every seed checks: all peers, the server's export and a Room reopened from the log hold the same cells in the same
order; no cell is there twice, no two at one place; every token that was written and not deleted is there exactly once,
or its writer was given it back when a new epoch had no place for it; every note is there as it was written last; every
line that was printed is there once; nobody was refused, nothing went wrong on the server, and the file is valid.
A token is one insert such as `⟦p1·7·🙂⟧`; only its writer deletes it, so its fate is known. To cells whose name does
not begin with `cell` people do everything else: they are only compared.

`scripts/fuzz` runs other seeds, for as long as you like.
"""

import asyncio
import os
import random
import shutil
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.convergence.acts import LINES, PRINTS, PROGRAM, Acts, Place
from tests.convergence.disk import Disk
from tests.convergence.log import Log
from tests.convergence.network import Link
from tests.convergence.peers import TOKEN as TOKEN_PATTERN
from tests.convergence.peers import NodePeer, Peer, State
from tests.convergence.python_peer import PythonPeer
from tests.convergence.server import TOKEN, ServerProcess

STEPS = 150
# What seeds once found; they stay, though timing has its part in what they find.
FOUND = {1073: "a room that could not be saved left the trace of an error in the log"}
GIVEN = os.environ.get("COLLAB_FUZZ_SEEDS")
SEEDS = range(*map(int, GIVEN.split("-"))) if GIVEN else [*range(1, 6), *FOUND]
FINAL = ("finished", "failed", "cancelled")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", SEEDS)
def test_everyone_ends_equal(seed: int, tmp_path: Path) -> None:
    asyncio.run(asyncio.wait_for(_run(seed, tmp_path), 150))


async def _run(seed: int, folder: Path) -> None:
    rng = random.Random(seed)
    data = folder / "data"
    node = shutil.which("node")
    assert node is not None, "the fuzz needs Node; scripts/test puts it on the PATH"
    # A new epoch is rare, and one seed of two has none: then nothing is ever given back.
    epochs = rng.random() < 0.5
    async with AsyncExitStack() as stack:
        disk = Disk(data, folder)
        server = ServerProcess(data, folder / "server.log", disk.prepare())
        await server.start()
        stack.push_async_callback(server.close)
        notebook = await _made(server)
        peers: list[Peer] = []
        links: list[Link] = []
        for number, kind in enumerate(("py", "py", "js", "js")):
            link = Link(lambda: server.port, random.Random(seed * 10 + number))
            stack.push_async_callback(link.close)
            url = f"{await link.start()}/api/notebooks/{notebook}/socket"
            name = f"{kind}{number % 2}"
            peer: Peer
            peer = PythonPeer(name, url, TOKEN) if kind == "py" else await NodePeer.start(name, url, TOKEN, node)
            stack.push_async_callback(peer.close)
            links.append(link)
            peers.append(peer)
            assert await peer.connect()
        place = Place(peers, links, server, Log(data, notebook), disk, notebook)
        acts = Acts(rng, place, prints=not epochs, epochs=epochs)
        await acts.happen(STEPS)
        states = await _settled(place)
        cells = states[0]["cells"]
        assert [
            (state["closed"], state["refused"]) for state in states if not state["settled"] or state["refused"]
        ] == []
        assert all(_shared(state) == _shared(states[0]) for state in states)
        assert len({cell["id"] for cell in cells}) == len({cell["position"] for cell in cells}) == len(cells)
        found = Counter(token for cell in cells for token in TOKEN_PATTERN.findall(cell["source"]))
        given_back = {token for state in states for text in state["recovered"] for token in TOKEN_PATTERN.findall(text)}
        acts.fates.check(found, given_back)
        metadata = {cell["id"]: cell["metadata"] for cell in cells}
        assert {(cell, key): metadata[cell].get(key) for cell, key in acts.fates.notes} == acts.fates.notes
        printed = _printed(states[0]["outputs"].get(PRINTS, []))
        assert printed in ("", _whole_run())
        exported = await place.exported()
        assert ["".join(cell["source"]) for cell in exported] == [cell["source"] for cell in cells]
        for peer in peers:
            await peer.disconnect()
        await server.kill()
        await server.start()
        assert await place.exported() == exported
        assert "Traceback" not in server.log()


async def _made(server: ServerProcess) -> str:
    cell: dict[str, object] = {
        "id": PRINTS,
        "cell_type": "code",
        "source": PROGRAM,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    value = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    made = await server.api("POST", "/api/notebooks?title=Fuzz", value)
    assert isinstance(made, dict)
    return str(made["id"])


def _shared(state: State) -> tuple[object, ...]:
    return state["cells"], state["title"], state["outputs"], state["runs"]


def _printed(outputs: list[dict[str, str]]) -> str:
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


def _whole_run() -> str:
    return "".join(f"{number}\n" for number in range(LINES))


async def _settled(place: Place) -> list[State]:
    """Connects everyone and waits until all is acknowledged, all are equal and nothing runs, or 40 s are over."""
    deadline = asyncio.get_running_loop().time() + 40
    while True:
        for peer, link in zip(place.peers, place.links, strict=True):
            if link.is_frozen or not (await peer.state())["connected"]:
                await peer.connect()
        states = [await peer.state() for peer in place.peers]
        settled = all(state["settled"] and _shared(state) == _shared(states[0]) for state in states)
        over = all(mark["state"] in FINAL for mark in states[0]["runs"].values())
        if (settled and over) or asyncio.get_running_loop().time() > deadline:
            return states
        await asyncio.sleep(0.05)
