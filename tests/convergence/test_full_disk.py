"""The server's disk is full for so long that it gives the notebook up (crdt.md D7, T24): people are told and go on in
their browsers, and when there is room again all of it arrives, once."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.convergence.disk import Disk
from tests.convergence.peers import NodePeer, Peer
from tests.convergence.python_peer import PythonPeer
from tests.convergence.server import TOKEN, ServerProcess


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_people_write_while_the_disk_is_full_arrives_when_there_is_room(tmp_path: Path) -> None:
    asyncio.run(asyncio.wait_for(_run(tmp_path), 150))


async def _run(folder: Path) -> None:
    node = shutil.which("node")
    assert node is not None, "this needs Node; scripts/test puts it on the PATH"
    disk = Disk(folder / "data", folder)
    async with AsyncExitStack() as stack:
        server = ServerProcess(folder / "data", folder / "server.log", disk.prepare())
        await server.start()
        stack.push_async_callback(server.close)
        made = await server.api("POST", "/api/notebooks?title=Full", {})
        assert isinstance(made, dict)
        url = f"ws://127.0.0.1:{server.port}/api/notebooks/{made['id']}/socket"
        peers: list[Peer] = [PythonPeer("py", url, TOKEN), await NodePeer.start("js", url, TOKEN, node)]
        for peer in peers:
            stack.push_async_callback(peer.close)
            assert await peer.connect()
        await peers[0].create("cell", "V")
        await _settled(peers)
        words: list[str] = []

        async def write() -> None:
            for peer in peers:
                words.append(f"⟦{peer.name}·{len(words)}⟧")
                assert await peer.insert("cell", 0.5, words[-1])

        await write()
        await _settled(peers)
        disk.fill()
        await write()
        closed = await _all_closed(peers)
        assert ["The notebook cannot be saved at the moment." in str(reason) for reason in closed] == [True, True]
        await write()  # offline
        disk.empty()
        await _settled(peers)
        states = [await peer.state() for peer in peers]
        assert states[0]["cells"] == states[1]["cells"]
        sources = {cell["id"]: cell["source"] for cell in states[0]["cells"]}
        text = sources["cell"]
        assert {word: text.count(word) for word in words} == dict.fromkeys(words, 1)
        assert [state["refused"] for state in states] == [[], []]
        await server.kill()
        await server.start()
        exported = await server.api("GET", f"/api/notebooks/{made['id']}/export?format=ipynb")
        assert isinstance(exported, dict)
        assert {cell["id"]: "".join(cell["source"]) for cell in exported["cells"]} == sources
        said = server.log()
        assert "Traceback" not in said
        assert "A room is given up, as it cannot be saved" in said


async def _all_closed(peers: list[Peer]) -> list[str | None]:
    while True:
        states = [await peer.state() for peer in peers]
        if not any(state["connected"] for state in states):
            return [state["closed"] for state in states]
        await asyncio.sleep(0.05)


async def _settled(peers: list[Peer]) -> None:
    """Everyone is connected, and all of it is saved."""
    while True:
        states = [await peer.state() for peer in peers]
        for peer, state in zip(peers, states, strict=True):
            if not state["connected"]:
                await peer.connect()
        if all(state["settled"] and state["cells"] == states[0]["cells"] for state in states):
            return
        await asyncio.sleep(0.02)
