"""Many rooms with two people in each, of whom one types: time, work and memory."""

import asyncio
import random
import time
from dataclasses import dataclass

from bench.load.author import Author
from bench.load.client import Client, join, leave
from bench.load.schedule import percentile, send_at_rate
from bench.peers.document_servers import Server
from collab.wire import sync_update

_LAST_S = 10.0


@dataclass(frozen=True, slots=True)
class ManyRooms:
    p50_ms: float
    p99_ms: float
    cpu_percent: float
    room_kb: float
    lost: int


async def many_rooms(server: Server, count: int, seconds: float) -> ManyRooms:
    """Everybody who types makes one edit a second."""
    rooms = await asyncio.to_thread(server.rooms, count)
    addresses = [await asyncio.to_thread(server.address, room) for room in rooms]
    empty = server.rss_mb()
    writers: list[Client] = []
    readers: list[Client] = []
    for start in range(0, count, 10):
        batch = addresses[start : start + 10]
        writers += await asyncio.gather(*(join(address) for address in batch))
        readers += await asyncio.gather(*(join(address) for address in batch))
    rng = random.Random(count)
    authors = [Author(server.schema, rng) for _ in rooms]
    for writer, author in zip(writers, authors, strict=True):
        writer.send(sync_update(author.start))
    edits = int(count * seconds)
    frames = [
        (client := writers[number % count], client.framed(authors[number % count].edit(number)))
        for number in range(edits)
    ]
    sent: list[float] = []
    delays: list[float] = []
    done = asyncio.Event()

    def take(now: float, marks: list[bytes]) -> None:
        delays.extend(now - sent[int(mark)] for mark in marks)
        if len(delays) >= edits:
            done.set()

    await asyncio.sleep(1.0)  # the first edits
    for reader in readers:
        reader.take = take
    before, began = server.cpu_s(), time.perf_counter()
    await send_at_rate(frames, count, sent)
    try:
        async with asyncio.timeout(_LAST_S):
            await done.wait()
    except TimeoutError:
        pass
    cpu, took, rss = server.cpu_s() - before, time.perf_counter() - began, server.rss_mb()
    await leave([*writers, *readers])
    return ManyRooms(
        p50_ms=1000 * percentile(delays, 0.5),
        p99_ms=1000 * percentile(delays, 0.99),
        cpu_percent=100 * cpu / took,
        room_kb=1000 * (rss - empty) / count,
        lost=edits - len(delays),
    )
