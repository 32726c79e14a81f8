"""Sends frames that were made before, each when it is due, and notes when that was."""

import asyncio
import time
from collections.abc import Sequence

from bench.load.client import Client
from bench.peers.document_servers import Server

_CALM_WITHIN_S = 60.0


async def send_at_rate(frames: Sequence[tuple[Client, bytes]], rate: float, sent: list[float]) -> None:
    """Appends to `sent` the time of each, just before it goes out: an answer may come while the rest waits."""
    began = time.perf_counter()
    while len(sent) < len(frames):
        due = min(len(frames), int((time.perf_counter() - began) * rate) + 1)
        for client, frame in frames[len(sent) : due]:
            sent.append(time.perf_counter())
            client.write(frame)
        await asyncio.sleep(max(0.0005, began + due / rate - time.perf_counter()))


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[int(part * (len(ordered) - 1))] if ordered else float("inf")


async def calm(server: Server) -> None:
    """What was too much for it is behind it, and what it stores later is stored."""
    for _ in range(int(_CALM_WITHIN_S / 0.2)):
        before = server.cpu_s()
        await asyncio.sleep(0.2)
        if server.cpu_s() - before < 0.03:
            return
