"""Ours beside the servers that others use for shared documents: time, work, memory, and what a killed server loses.

usage: python -m bench.documents [--only NAMES] [--rounds N] [--quick] [--markdown] [--peers NAMES]

bench/install installs the peers. Rounds alternate between the servers, each on the last core while the load is on the
others, and stopped while another is measured; the table shows medians, and medians of the ratios of paired rounds.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from bench.load import content
from bench.load.cursors import cursors
from bench.load.fan_out import fan_out
from bench.load.joining import joining, storm
from bench.load.killing import lost_by_kill
from bench.load.many_rooms import many_rooms
from bench.load.saturation import saturation
from bench.load.table import Goal, Line, Table
from bench.peers.document_servers import (
    ALL,
    Collab,
    Hocuspocus,
    Jupyter,
    NotInstalled,
    Pycrdt,
    Server,
    YLeveldb,
    YWebsocket,
    load_cores,
)

Kinds = tuple[type[Server], ...]
STORED: Kinds = (Collab, YLeveldb, Hocuspocus, Jupyter, Pycrdt)
# What a server still does when it was stopped for a while, before it counts.
WAKING_S = 0.3


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    seconds: float
    people: int = 50
    rate: float = 50
    crowd: int = 200
    crowd_rate: float = 20
    rooms: int = 200
    many_rooms: int = 1000
    cells: int = 1000
    edits: int = 10_000
    kills: int = 3
    saturation_start: float = 50
    saturation_steps: int = 1


FULL = Size(rounds=5, seconds=2.0)
QUICK = Size(1, 0.5, 4, 20, 6, 10, 3, 5, 20, 300, 1, 20, 0)


class Bench:
    """The servers that were asked for, and the lines that came of them."""

    def __init__(self, size: Size, kinds: Sequence[type[Server]], folder: Path) -> None:
        self.size = size
        self.lines: list[Line] = []
        self._kinds = kinds
        self._folder = folder

    async def alternate(
        self, kinds: Kinds, rounds: int, measure: Callable[[Server, int], Awaitable[dict[str, float]]]
    ) -> dict[str, dict[str, list[float]]]:
        """By measure and server, one value a round."""
        found: dict[str, dict[str, list[float]]] = {}
        async with AsyncExitStack() as stack:
            servers = []
            for kind in kinds:
                if kind in self._kinds:
                    folder = self._folder / f"{kind.__name__}-{time.monotonic_ns()}"
                    server = await stack.enter_async_context(kind(folder).running())
                    server.pause()
                    servers.append(server)
            for number in range(rounds):
                # Who goes first changes, so that nobody always has the warm machine.
                first = number % len(servers)
                for server in (*servers[first:], *servers[:first]):
                    server.go_on()
                    await asyncio.sleep(WAKING_S)
                    for name, value in (await measure(server, number)).items():
                        found.setdefault(name, {}).setdefault(server.name, []).append(value)
                    server.pause()
        return found


async def measure_fan_out(bench: Bench) -> None:
    size = bench.size
    kinds: Kinds = (Collab, YWebsocket, Hocuspocus, Jupyter, Pycrdt)
    for people, rate in ((size.people, size.rate), (size.crowd, size.crowd_rate)):

        async def measure(server: Server, number: int, people: int = people, rate: float = rate) -> dict[str, float]:
            took = await fan_out(server, people, rate, size.seconds, number)
            return {"p50": took.p50_ms, "p99": took.p99_ms, "cpu": took.cpu_s, "rss": took.rss_mb, "lost": took.lost}

        found = await bench.alternate(kinds, size.rounds, measure)
        of = f"{people} people, {rate:g} edits/s"
        bench.lines += [
            Line(f"{of}: p50", "ms", found["p50"], (Goal(YWebsocket.name, 1.0),)),
            Line(f"{of}: p99", "ms", found["p99"], (Goal("*", 1.0),)),
            Line(
                f"{of}: CPU for 100,000 deliveries",
                "s",
                found["cpu"],
                (Goal(Hocuspocus.name, 0.65), Goal(Jupyter.name, 0.15)),
            ),
            Line(f"{of}: edits lost", "", found["lost"], (Goal("", 0),), places=0),
        ]
        if people == size.crowd:
            bench.lines.append(Line(f"{of}: memory", "MB", found["rss"], (Goal(YWebsocket.name, 0.6),), places=0))


async def measure_saturation(bench: Bench) -> None:
    size = bench.size
    known: dict[str, float] = {}

    async def measure(server: Server, number: int) -> dict[str, float]:
        # The first round looks from below, the others from near where that ended.
        start = max(size.saturation_start, known.get(server.name, 0) / 3)
        known[server.name] = await saturation(server, size.people, min(1.0, size.seconds), start, size.saturation_steps)
        return {"edits": known[server.name]}

    kinds: Kinds = (Collab, YWebsocket, Hocuspocus, Jupyter, Pycrdt)
    found = await bench.alternate(kinds, min(2, size.rounds), measure)
    goals = (Goal(Hocuspocus.name, 2.5), Goal(Jupyter.name, 150))
    what = f"{size.people} people, p99 under 200 ms"
    bench.lines.append(Line(what, "edits/s", found["edits"], goals, more_is_better=True, places=0))


async def measure_rooms(bench: Bench) -> None:
    size = bench.size
    many: Kinds = (Collab, YLeveldb, Hocuspocus)
    for count, kinds, rounds in ((size.rooms, STORED, 2), (size.many_rooms, many, 1)):

        async def measure(server: Server, number: int, count: int = count) -> dict[str, float]:
            took = await many_rooms(server, count, size.seconds)
            return {"p50": took.p50_ms, "p99": took.p99_ms, "cpu": took.cpu_percent, "kb": took.room_kb}

        found = await bench.alternate(kinds, min(rounds, size.rounds), measure)
        of = f"{count:,} rooms of 2"
        bench.lines += [
            Line(f"{of}: p50", "ms", found["p50"], (Goal(YLeveldb.name, 1.0),)),
            Line(f"{of}: p99", "ms", found["p99"]),
            Line(f"{of}: CPU", "%", found["cpu"], (Goal(YLeveldb.name, 0.5),), places=1),
            # Of the first round: a server that had rooms before has room for others.
            Line(
                f"{of}: memory for each",
                "kB",
                {name: values[:1] for name, values in found["kb"].items()},
                (Goal(YLeveldb.name, 0.6),),
                places=0,
            ),
        ]


async def measure_joins(bench: Bench) -> None:
    size = bench.size
    for what, make in (
        (f"{size.cells:,} cells", lambda server: content.cells(server.schema, size.cells)),
        (f"{size.edits:,} edits", lambda server: content.history(server.schema, size.edits)),
    ):
        rooms: dict[str, str] = {}

        async def measure(
            server: Server, number: int, make: Callable[[Server], content.Content] = make, rooms: dict[str, str] = rooms
        ) -> dict[str, float]:
            if number == 0:
                (rooms[server.name],) = await asyncio.to_thread(server.rooms, 1)
                await content.fill(server, rooms[server.name], make(server))
            took = await joining(server, rooms[server.name])
            return {"cold": took.cold_ms, "warm": took.warm_ms}

        found = await bench.alternate(STORED, min(3, size.rounds), measure)
        bench.lines += [
            Line(f"{what}: join after a start", "ms", found["cold"], (Goal(Hocuspocus.name, 0.4),), places=1),
            Line(f"{what}: join while open", "ms", found["warm"], places=1),
        ]


async def measure_storm(bench: Bench) -> None:
    size = bench.size
    rooms: dict[str, tuple[str, content.Content]] = {}

    async def measure(server: Server, number: int) -> dict[str, float]:
        if server.name not in rooms:
            (room,) = await asyncio.to_thread(server.rooms, 1)
            rooms[server.name] = room, content.cells(server.schema, size.cells)
            await content.fill(server, *rooms[server.name])
        took = await storm(server, *rooms[server.name], size.crowd)
        return {"resume": took.resume_ms, "fresh": took.fresh_ms}

    found = await bench.alternate(STORED, min(3, size.rounds), measure)
    of = f"{size.crowd} people back at once"
    bench.lines += [
        Line(f"{of}, with all they had", "ms", found["resume"], places=0),
        Line(f"{of}, with nothing", "ms", found["fresh"], (Goal(Hocuspocus.name, 0.3),), places=0),
    ]


async def measure_cursors(bench: Bench) -> None:
    size = bench.size

    async def measure(server: Server, number: int) -> dict[str, float]:
        took = await cursors(server, size.people, 10, size.seconds)
        return {"p50": took.p50_ms, "cpu": took.cpu_percent, "seen": took.seen_percent}

    kinds: Kinds = (Collab, YWebsocket, Hocuspocus, Jupyter, Pycrdt)
    found = await bench.alternate(kinds, min(3, size.rounds), measure)
    of = f"{size.people} cursors that move"
    bench.lines += [
        Line(f"{of}: p50", "ms", found["p50"], places=1),
        Line(f"{of}: CPU", "%", found["cpu"], places=0),
        Line(f"{of}: moves seen", "%", found["seen"], places=0),
    ]


async def measure_kills(bench: Bench) -> None:
    async def measure(server: Server, number: int) -> dict[str, float]:
        return {"lost": sum([await lost_by_kill(server, index) for index in range(bench.size.kills)])}

    found = await bench.alternate(STORED, 1, measure)
    what = f"edits lost by kill -9 at delivery, of {bench.size.kills}"
    bench.lines.append(Line(what, "", found["lost"], (Goal("", 0),), places=0))


SCENARIOS = {
    "fanout": measure_fan_out,
    "saturation": measure_saturation,
    "rooms": measure_rooms,
    "joins": measure_joins,
    "storm": measure_storm,
    "cursors": measure_cursors,
    "kills": measure_kills,
}


async def run(only: Sequence[str], size: Size, kinds: Sequence[type[Server]]) -> Table:
    cores = load_cores()
    if cores:
        os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(size, kinds, Path(folder))
        for name in only:
            began = time.monotonic()
            await SCENARIOS[name](bench)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    names = tuple(kind.name for kind in ALL if kind in kinds)
    return Table(names, bench.lines)


def main() -> None:
    options = argparse.ArgumentParser(description="Document servers beside each other.")
    options.add_argument("--only", default=",".join(SCENARIOS), help="which, with commas between")
    options.add_argument("--rounds", type=int, help="how often each is measured")
    options.add_argument("--quick", action="store_true", help="little of each, to see that it runs")
    options.add_argument("--peers", default=",".join(kind.__name__ for kind in ALL[1:]), help="with commas between")
    options.add_argument("--markdown", action="store_true", help="the table as it stands in the README")
    args = options.parse_args()
    size = QUICK if args.quick else FULL
    if args.rounds:
        size = replace(size, rounds=args.rounds)
    kinds = [kind for kind in ALL if kind is Collab or kind.__name__ in args.peers.split(",")]
    try:
        table = uvloop.run(run(args.only.split(","), size, kinds))
    except NotInstalled as missing:
        sys.exit(str(missing))
    print(f"medians of {size.rounds} rounds")
    print(table.markdown() if args.markdown else table.text())


if __name__ == "__main__":
    main()
