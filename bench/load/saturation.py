"""How many edits a second a room of many people takes, while 99 of 100 deliveries need less than 200 ms."""

import asyncio

from bench.load.client import TENTH_MARK, Client, leave
from bench.load.fan_out import crowd
from bench.load.schedule import calm, percentile, send_at_rate
from bench.peers.document_servers import Server

LIMIT_MS = 200.0
_HIGHEST = 100_000.0


async def saturation(server: Server, people: int, seconds: float, start: float, steps: int) -> float:
    """Doubles the rate until it is too much, then halves the interval `steps` times. 0.0 when `start` is too much."""
    good, bad = 0.0, start
    while bad <= _HIGHEST and await holds(server, people, bad, seconds):
        good, bad = bad, 2 * bad
    for _ in range(steps if good else 0):
        await calm(server)
        middle = (good * bad) ** 0.5
        if await holds(server, people, middle, seconds):
            good = middle
        else:
            bad = middle
    await calm(server)
    return good


async def holds(server: Server, people: int, rate: float, seconds: float) -> bool:
    clients, authors = await crowd(server, people, int(rate))
    edits = int(rate * seconds)
    frames = [
        (client := clients[number % people], client.framed(authors[number % people].edit(number)))
        for number in range(edits)
    ]
    sent: list[float] = []
    delays: list[float] = []
    # One edit in ten is looked at: to look at all of them, a million a second, is more work than the server has.
    expected = sum(people - 1 for number in range(0, edits, 10))
    done = asyncio.Event()

    def listen(client: Client, index: int) -> None:
        def take(now: float, marks: list[bytes]) -> None:
            for mark in marks:
                number = int(mark)
                if number % people != index:
                    delays.append(now - sent[number])
            if len(delays) >= expected:
                done.set()

        client.pattern = TENTH_MARK
        client.take = take

    for index, client in enumerate(clients):
        listen(client, index)
    try:
        async with asyncio.timeout(1.5 * seconds + 1):
            await send_at_rate(frames, rate, sent)
            await done.wait()
    except TimeoutError:
        return False
    finally:
        await leave(clients)
    return 1000 * percentile(delays, 0.99) < LIMIT_MS
