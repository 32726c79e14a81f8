"""One room in which everyone's cursor moves: how old the others see it, and what that costs."""

import asyncio
import random
import time
from dataclasses import dataclass

from bench.load.client import Client, join, leave, mark
from bench.load.schedule import percentile, send_at_rate
from bench.peers.document_servers import Server
from collab.wire import Presence, awareness

_LAST_S = 3.0


@dataclass(frozen=True, slots=True)
class Cursors:
    p50_ms: float
    p99_ms: float
    cpu_percent: float
    seen_percent: float  # of all moves, by each of the others; who gets only the latest sees enough


async def cursors(server: Server, people: int, rate: float, seconds: float) -> Cursors:
    """`rate`: moves a second of each."""
    (room,) = await asyncio.to_thread(server.rooms, 1)
    address = await asyncio.to_thread(server.address, room)
    clients: list[Client] = []
    for start in range(0, people, 20):
        clients += await asyncio.gather(*(join(address) for _ in range(min(20, people - start))))
    ids = random.Random(people).sample(range(1, 2**32), people)
    moves = int(people * rate * seconds)
    frames = [
        (client := clients[number % people], client.framed(_moved(ids[number % people], number // people + 1, number)))
        for number in range(moves)
    ]
    sent: list[float] = []
    delays: list[float] = []

    def listen(client: Client, index: int) -> None:
        def take(now: float, marks: list[bytes]) -> None:
            for told in marks:
                number = int(told)
                if number % people != index and number < len(sent):
                    delays.append(now - sent[number])

        client.take = take

    await asyncio.sleep(0.3)
    for index, client in enumerate(clients):
        listen(client, index)
    before, began = server.cpu_s(), time.perf_counter()
    await send_at_rate(frames, people * rate, sent)
    expected = moves * (people - 1)
    for _ in range(int(_LAST_S / 0.1)):
        seen = len(delays)
        await asyncio.sleep(0.1)
        if seen == len(delays):
            break
    cpu, took = server.cpu_s() - before, time.perf_counter() - began
    await leave(clients)
    return Cursors(
        p50_ms=1000 * percentile(delays, 0.5),
        p99_ms=1000 * percentile(delays, 0.99),
        cpu_percent=100 * cpu / took,
        seen_percent=100 * len(delays) / expected,
    )


def _moved(client: int, clock: int, number: int) -> bytes:
    where = {"anchor": {"type": None, "item": number}, "head": {"type": None, "item": number}}
    state: dict[str, object] = {"user": {"name": "Ada"}, "cell": mark(number), "cursor": where, "mode": "edit"}
    return awareness([Presence(client, clock, state)])
