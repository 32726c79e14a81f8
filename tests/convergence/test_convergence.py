"""Random edits by Python and Yjs peers, with lost connections and a server that is killed: everyone ends equal.

What every seed checks: all peers, the server's export and a Room reopened from the log hold the same cells in the same
order; no cell is there twice; every token that was written and not deleted is there exactly once.
A token is one insert such as `⟦p1·7·🙂⟧`; only its writer deletes it, so its fate is known.
"""

import asyncio
import random
import shutil
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from collab.positions import between
from tests.convergence.peers import TOKEN as TOKEN_PATTERN
from tests.convergence.peers import NodePeer, Peer, PythonPeer
from tests.convergence.server import TOKEN, ServerProcess

STEPS = 150
GLYPHS = ["a", "é", "漢", "🙂", "👩‍👩‍👧", "𝔘", "ؤ", "e\u0301"]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_everyone_ends_equal(seed: int, tmp_path: Path) -> None:
    asyncio.run(asyncio.wait_for(_run(seed, tmp_path), 150))


async def _run(seed: int, data: Path) -> None:
    rng = random.Random(seed)
    node = shutil.which("node")
    assert node is not None, "the fuzz needs Node; scripts/test puts it on the PATH"
    async with AsyncExitStack() as stack:
        server = ServerProcess(data)
        await server.start()
        stack.push_async_callback(server.close)
        made = await server.api("POST", "/api/notebooks?title=Fuzz", {})
        assert isinstance(made, dict)
        notebook = made["id"]
        url = f"{server.url.replace('http', 'ws')}/api/notebooks/{notebook}/socket"
        peers: list[Peer] = [PythonPeer(f"py{number}", url, TOKEN) for number in range(2)]
        for number in range(2):
            peers.append(await NodePeer.start(f"js{number}", url, TOKEN, node))
            stack.push_async_callback(peers[-1].close)
        for peer in peers:
            stack.push_async_callback(peer.disconnect)
            assert await peer.connect()
        expected, dropped_cells = await _edit(rng, peers, server)
        await _settle(peers)
        states = [await peer.state() for peer in peers]
        cells = states[0]["cells"]
        assert isinstance(cells, list)
        assert all(state["settled"] for state in states)
        assert all(state["cells"] == cells for state in states)
        ids = [cell["id"] for cell in cells]
        assert len(set(ids)) == len(ids)
        found = Counter(token for cell in cells for token in TOKEN_PATTERN.findall(cell["source"]))
        wanted = Counter(token for token, cell in expected.items() if cell not in dropped_cells)
        assert found == wanted
        sources = [cell["source"] for cell in cells]
        assert await _exported(server, notebook) == sources
        for peer in peers:
            await peer.disconnect()
        await server.kill()
        await server.start()
        assert await _exported(server, notebook) == sources


async def _edit(rng: random.Random, peers: list[Peer], server: ServerProcess) -> tuple[dict[str, str], set[str]]:
    """The tokens that must be there at the end with their cells, and the cells that somebody deleted."""
    expected: dict[str, str] = {}
    writer: dict[str, Peer] = {}
    dropped: set[str] = set()
    for step in range(STEPS):
        peer = rng.choice(peers)
        cells = await _cells(peer)
        keep = [cell for cell in cells if not cell.startswith("scratch")]
        match rng.choices(
            ["insert", "remove", "create", "move", "drop", "disconnect", "kill"], [50, 12, 12, 14, 4, 7, 1]
        )[0]:
            case "insert" if keep:
                cell, token = rng.choice(keep), f"⟦{peer.name}·{step}·{rng.choice(GLYPHS)}⟧"
                if await peer.insert(cell, rng.random(), token):
                    expected[token], writer[token] = cell, peer
            case "remove":
                own = [token for token, by in writer.items() if by is peer and token in expected]
                if own and await peer.remove(expected[token := rng.choice(own)], token):
                    del expected[token]
            case "create":
                cell = f"{rng.choice(['cell', 'cell', 'scratch'])}-{peer.name}-{step}"
                await peer.create(cell, await _position(rng, peer))
            case "move" if cells:
                await peer.move(rng.choice(cells), await _position(rng, peer))
            case "drop":
                scratch = [cell for cell in cells if cell.startswith("scratch")]
                if scratch and await peer.drop(cell := rng.choice(scratch)):
                    dropped.add(cell)
            case "disconnect":
                await peer.disconnect()
            case "kill":
                await server.kill()
                await server.start()
            case _:
                pass
        if rng.random() < 0.15:
            await rng.choice(peers).connect()
    return expected, dropped


async def _cells(peer: Peer) -> list[str]:
    cells = (await peer.state())["cells"]
    assert isinstance(cells, list)
    return [str(cell["id"]) for cell in cells]


async def _position(rng: random.Random, peer: Peer) -> str:
    cells = (await peer.state())["cells"]
    assert isinstance(cells, list)
    keys = sorted({str(cell["position"]) for cell in cells})
    at = rng.randint(0, len(keys))
    return between(keys[at - 1] if at > 0 else "", keys[at] if at < len(keys) else "", rng)


async def _settle(peers: list[Peer]) -> None:
    """Connects everyone and waits until all is acknowledged and all are equal, or 30 s are over."""
    deadline = asyncio.get_running_loop().time() + 30
    while True:
        for peer in peers:
            if not (await peer.state())["connected"]:
                await peer.connect()
        states = [await peer.state() for peer in peers]
        if all(state["settled"] for state in states) and all(state == states[0] for state in states):
            return
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.05)


async def _exported(server: ServerProcess, notebook: str) -> list[str]:
    answer = await server.api("GET", f"/api/notebooks/{notebook}/export?format=ipynb")
    assert isinstance(answer, dict)
    return ["".join(cell["source"]) for cell in answer["cells"]]
