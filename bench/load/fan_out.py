"""One room, many people who all type: how long an edit is under way to each of the others, and what it costs."""

import asyncio
import random
from dataclasses import dataclass

from bench.load.author import Author
from bench.load.client import Client, join, leave
from bench.load.schedule import percentile, send_at_rate
from bench.peers.document_servers import Server
from collab.wire import sync_update

_LAST_S = 10.0


@dataclass(frozen=True, slots=True)
class FanOut:
    p50_ms: float
    p99_ms: float
    cpu_s: float  # for 100,000 deliveries
    rss_mb: float
    lost: int


async def crowd(server: Server, people: int, seed: int) -> tuple[list[Client], list[Author]]:
    """In a new room, each with a cell of their own that all others have."""
    (room,) = await asyncio.to_thread(server.rooms, 1)
    address = await asyncio.to_thread(server.address, room)
    rng = random.Random(seed)
    authors = [Author(server.schema, rng) for _ in range(people)]
    clients: list[Client] = []
    for start in range(0, people, 20):
        clients += await asyncio.gather(*(join(address) for _ in range(min(20, people - start))))
    missing = people * (people - 1)
    all_there = asyncio.Event()

    def listen(client: Client, index: int) -> None:
        def take(_now: float, marks: list[bytes]) -> None:
            nonlocal missing
            missing -= sum(int(mark) != index for mark in marks)  # many servers send people their own edits, too
            if missing <= 0:
                all_there.set()

        client.take = take

    for index, client in enumerate(clients):
        listen(client, index)
    for number, (client, author) in enumerate(zip(clients, authors, strict=True)):
        client.send(sync_update(author.start))
        client.send(author.edit(number))
    try:
        async with asyncio.timeout(60):
            await all_there.wait()
    except TimeoutError as error:
        gone = sum(client.ended.done() for client in clients)
        raise RuntimeError(f"{server.name}: {missing} first edits did not arrive; {gone} people are gone.") from error
    for client in clients:
        client.take = None
    return clients, authors


async def fan_out(server: Server, people: int, rate: float, seconds: float, seed: int = 1) -> FanOut:
    """`rate`: edits a second, of all people together."""
    clients, authors = await crowd(server, people, seed)
    edits = int(rate * seconds)
    frames = [
        (client := clients[number % people], client.framed(authors[number % people].edit(number)))
        for number in range(edits)
    ]
    sent: list[float] = []
    delays: list[float] = []
    expected = edits * (people - 1)
    done = asyncio.Event()

    def listen(client: Client, index: int) -> None:
        def take(now: float, marks: list[bytes]) -> None:
            for mark in marks:
                number = int(mark)
                if number % people != index:
                    delays.append(now - sent[number])
            if len(delays) >= expected:
                done.set()

        client.take = take

    await asyncio.sleep(0.3)  # the last frames of those who joined
    for index, client in enumerate(clients):
        listen(client, index)
    before = server.cpu_s()
    await send_at_rate(frames, rate, sent)
    try:
        async with asyncio.timeout(_LAST_S):
            await done.wait()
    except TimeoutError:
        pass
    cpu, rss = server.cpu_s() - before, server.rss_mb()
    await leave(clients)
    return FanOut(
        p50_ms=1000 * percentile(delays, 0.5),
        p99_ms=1000 * percentile(delays, 0.99),
        cpu_s=100_000 * cpu / max(1, len(delays)),
        rss_mb=rss,
        lost=expected - len(delays),
    )
