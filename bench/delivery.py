"""Delivery latency: one person types, 49 others in the room see it. Ours beside a bare pycrdt-websocket server.

usage: python -m bench.delivery [--people 50] [--edits 200] [--rate 50] [--rounds 5]

A round sends `edits` edits at `rate` a second to one server and takes, for every other person and edit, the time from
the writer's send to the arrival of the frame that holds it. Rounds alternate between the servers; the table shows the
medians over rounds and their ratio.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycrdt import Doc, Map, Text
from websockets.asyncio.client import ClientConnection, connect

from collab.wire import sync_step1, sync_step2, sync_update

TOKEN = "bench-token-with-enough-letters"
MARK = re.compile(rb"<(\d+)>")
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Round:
    p50_ms: float
    p99_ms: float
    lost: int


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Target]:
    command = ["-m", "collab.cli", "--no-browser", "--port", "0", "--data", str(folder)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=os.environ | {"COLLAB_TOKEN": TOKEN}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        address = ""
        while not address:
            line = (await process.stdout.readline()).decode()
            found = re.search(r"http://[^\s/]+:\d+", line)
            address = found[0] if found else ""
            if not line:
                raise RuntimeError("collab ended before it printed its address")
        notebook = await asyncio.to_thread(_create, address)
        yield Target("collab", f"{address.replace('http', 'ws')}/api/notebooks/{notebook}/socket")
    finally:
        process.send_signal(2)
        await process.communicate()


def _create(address: str) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/api/notebooks?title=Bench", b"{}", headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(json.load(answer)["id"])


@asynccontextmanager
async def peer() -> AsyncIterator[Target]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, str(HERE / "peers" / "pycrdt_server.py"), str(port))
    try:
        yield Target("pycrdt-websocket", f"ws://127.0.0.1:{port}/room")
    finally:
        process.terminate()
        await process.wait()


async def join(target: Target) -> tuple[ClientConnection, Doc[Map[Any]]]:
    """A socket in sync, with a Doc of what the server has."""
    for _ in range(100):
        try:
            channel = await connect(
                target.url, additional_headers={"Authorization": f"Bearer {TOKEN}"}, max_size=None, compression=None
            )
            break
        except OSError:
            await asyncio.sleep(0.1)
    else:
        raise RuntimeError(f"{target.name} does not answer")
    doc: Doc[Map[Any]] = Doc()
    await channel.send(sync_step1(doc.get_state()))
    async for data in channel:
        assert isinstance(data, bytes)
        if data[0] == 0 and data[1] == 0:
            await channel.send(sync_step2(doc.get_update(_body(data))))
        if data[0] == 0 and data[1] == 1:
            doc.apply_update(_body(data))
            return channel, doc
    raise RuntimeError(f"{target.name} closed the socket")


def _body(data: bytes) -> bytes:
    length, at = 0, 2
    for shift in range(0, 64, 7):
        length |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            break
    return data[at : at + length]


async def measure(target: Target, people: int, edits: int, rate: float) -> Round:
    sent: list[float] = []
    delays: list[float] = []
    writer, doc = await join(target)
    cells: Map[Map[object]] = doc.get("cells", type=Map)
    before = doc.get_state()
    cell = f"bench-{time.monotonic_ns()}"
    cells[cell] = Map({"type": "code", "source": Text(), "position": "V", "metadata": Map({}), "attachments": Map({})})
    source = cells[cell]["source"]
    assert isinstance(source, Text)
    await writer.send(sync_update(doc.get_update(before)))
    readers = [(await join(target))[0] for _ in range(people - 1)]

    async def read(channel: ClientConnection) -> None:
        seen = 0
        async for data in channel:
            now = time.perf_counter()
            assert isinstance(data, bytes)
            for mark in MARK.findall(data):
                if int(mark) == seen:
                    delays.append(now - sent[seen])
                    seen += 1
            if seen == edits:
                return

    async def drain() -> None:
        async for _ in writer:
            pass

    draining = asyncio.create_task(drain())
    reading = [asyncio.create_task(read(channel)) for channel in readers]
    began = time.perf_counter()
    for number in range(edits):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        before = doc.get_state()
        source.insert(len(source), f"<{number}>")
        update = sync_update(doc.get_update(before))
        sent.append(time.perf_counter())
        await writer.send(update)
    await asyncio.wait(reading, timeout=10)
    for task in (*reading, draining):
        task.cancel()
    for channel in (writer, *readers):
        await channel.close()
    ordered = sorted(delays)
    return Round(
        p50_ms=1000 * statistics.median(ordered),
        p99_ms=1000 * ordered[int(0.99 * (len(ordered) - 1))],
        lost=edits * (people - 1) - len(delays),
    )


async def main() -> None:
    options = argparse.ArgumentParser(description="Delivery latency with a peer beside it.")
    options.add_argument("--people", type=int, default=50)
    options.add_argument("--edits", type=int, default=200)
    options.add_argument("--rate", type=float, default=50, help="edits a second")
    options.add_argument("--rounds", type=int, default=5)
    args = options.parse_args()
    rounds: dict[str, list[Round]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            targets = [await stack.enter_async_context(ours(Path(folder))), await stack.enter_async_context(peer())]
            for _ in range(args.rounds):
                for target in targets:
                    result = await measure(target, args.people, args.edits, args.rate)
                    rounds.setdefault(target.name, []).append(result)
    mine, theirs = rounds["collab"], rounds["pycrdt-websocket"]
    print(f"{args.people} people, {args.edits} edits at {args.rate:g}/s, {args.rounds} rounds, medians")
    print(f"{'':12}{'collab':>12}{'pycrdt-ws':>12}{'ratio':>8}")
    for name in ("p50_ms", "p99_ms"):
        a = statistics.median(getattr(item, name) for item in mine)
        b = statistics.median(getattr(item, name) for item in theirs)
        print(f"{name:12}{a:>12.2f}{b:>12.2f}{a / b:>8.2f}")
    print(f"{'lost':12}{sum(item.lost for item in mine):>12}{sum(item.lost for item in theirs):>12}")


if __name__ == "__main__":
    asyncio.run(main())
