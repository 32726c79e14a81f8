"""From the first byte to a notebook's last: just after the server was started, while it is open, and all at once."""

import asyncio
import time
from dataclasses import dataclass

from bench.load.client import Address, Client, connect, leave
from bench.load.content import END, Content
from bench.peers.document_servers import Server

_WITHIN_S = 60.0
_NO_STATE = b"\x00"


@dataclass(frozen=True, slots=True)
class Joining:
    cold_ms: float
    warm_ms: float


@dataclass(frozen=True, slots=True)
class Storm:
    resume_ms: float
    fresh_ms: float


async def joining(server: Server, room: str) -> Joining:
    """The server is started anew."""
    await server.stop()
    await server.start()
    address = await asyncio.to_thread(server.address, room)
    await asyncio.sleep(0.5)  # what a server still does after it answers
    first, cold_ms = await _timed(address)
    second, warm_ms = await _timed(address)
    await leave([first, second])
    return Joining(cold_ms, warm_ms)


async def storm(server: Server, room: str, content: Content, people: int) -> Storm:
    """Everyone but one lost the connection and is back at once: first with all they had, then with nothing."""
    address = await asyncio.to_thread(server.address, room)
    stayed, _ = await _timed(address)
    resume_ms = await _all_at_once(address, people, content.state)
    fresh_ms = await _all_at_once(address, people, _NO_STATE)
    await leave([stayed])
    return Storm(resume_ms, fresh_ms)


async def _timed(address: Address) -> tuple[Client, float]:
    began = time.perf_counter()
    client = await connect(address, awaited=END.encode())
    try:
        async with asyncio.timeout(_WITHIN_S):
            there = await client.there
    except TimeoutError as error:
        told = f"{client.received} bytes came" if client.synced.done() else "the server does not answer"
        raise RuntimeError(f"The notebook is not there: {told}.") from error
    return client, 1000 * (there - began)


async def _all_at_once(address: Address, people: int, state: bytes) -> float:
    began = time.perf_counter()
    clients = await asyncio.gather(*(connect(address, state, END.encode()) for _ in range(people)))
    waiting = [client.synced if state != _NO_STATE else client.there for client in clients]
    async with asyncio.timeout(_WITHIN_S):
        last = max(await asyncio.gather(*waiting))
    await leave(clients)
    return 1000 * (last - began)
