"""An hour of fifty people in twenty notebooks whose kernels print: memory, file handles and tasks stay as they are.

usage: python -m bench.soak [--minutes 60] [--people 50] [--notebooks 20] [--figure bench/soak.svg]

People come and go, type, delete, move their cursors and run the cell that prints; one notebook in four prints a
progress bar, one shows displays that are updated, one floods. The sizes of what they write and print are steady, so
nothing of ours may grow. What is measured between a quarter and a half of the time is compared with the last quarter.
Exits with 1 when something grew, when the server ended somebody's connection, or when people do not end equal.
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.person import Person, Told

TOKEN = "bench-token-with-enough-letters"
SAMPLES = 240
VISIT_S = 120.0
PAUSE_S = 0.7
# Runs of about 20 seconds.
LINES = """
import time
for number in range(400):
    print('line', number, 'of many', flush=True)
    time.sleep(0.05)
"""
BAR = """
import time
for number in range(400):
    print(f'\\r{number / 4:.0f} %', end='', flush=True)
    time.sleep(0.05)
"""
DISPLAYS = """
import time
from IPython.display import display
shown = display({'text/html': '<b>0</b>'}, raw=True, display_id=True)
for number in range(100):
    shown.update({'text/html': f'<b>{number}</b>' + 'x' * 5000}, raw=True)
    time.sleep(0.2)
"""
FLOOD = """
import time
for part in range(4):
    for number in range(5000):
        print('line', number)
    time.sleep(5)
"""
PROGRAMS = (LINES, BAR, DISPLAYS, FLOOD)
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Measure:
    """`relative` and `absolute`: how much more it may be at the end; the larger of both counts."""

    name: str
    unit: str
    relative: float
    absolute: float


MEASURES = (
    Measure("server memory", "MiB", 0.10, 6),
    Measure("server handles", "", 0.05, 6),
    Measure("server tasks", "", 0.05, 15),
    Measure("server threads", "", 0, 3),
    Measure("gateway memory", "MiB", 0.10, 10),
    Measure("gateway handles", "", 0.05, 10),
    Measure("memory of a host", "MiB", 0.10, 6),
    Measure("processes", "", 0, 2),
    Measure("time to saved", "ms", 1.0, 20),
)


@dataclass
class Server:
    process: asyncio.subprocess.Process
    url: str
    data: Path
    traced: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the gateway is there, which starts with the first kernel."""
        return (self.data / "gateway.json").is_file()

    async def ask(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"?\n")
        answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        self.traced = answer.get("grown", [])
        return answer

    async def sample(self, told: Told) -> dict[str, float]:
        inside = await self.ask()
        main = psutil.Process(self.process.pid)
        gateway = psutil.Process(json.loads((self.data / "gateway.json").read_text())["pid"])
        below = gateway.children(recursive=True)
        hosts = [process for process in below if "kernelhost.host" in _command(process)]
        waits, told.waits_ms = told.waits_ms, []
        return {
            "server memory": main.memory_info().rss / MIB,
            "server handles": main.num_fds(),
            "server tasks": inside["tasks"],
            "server threads": inside["threads"],
            "gateway memory": _memory(gateway) / MIB,
            "gateway handles": gateway.num_fds(),
            "memory of a host": statistics.fmean(map(_memory, hosts)) / MIB if hosts else 0,
            "processes": 1 + len(below) + len(main.children()),
            "time to saved": statistics.median(waits) if waits else 0,
        }


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _memory(process: psutil.Process) -> float:
    """What only it holds: pages that many share are counted nowhere."""
    try:
        return float(process.memory_full_info().uss)
    except psutil.Error:
        return 0.0


@asynccontextmanager
async def server(data: Path, trace: bool) -> AsyncIterator[Server]:
    command = ["-m", "bench.observed", *(["--trace"] if trace else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *[*command, "--no-browser", "--port", "0", "--data", str(data)],
        env=os.environ | {"COLLAB_TOKEN": TOKEN},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MIB,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://[^\s/]+:\d+", (await process.stdout.readline()).decode())
        if found is None:
            raise RuntimeError("collab ended before it printed its address")
        yield Server(process, found[0], data)
    finally:
        process.send_signal(2)  # as with Ctrl+C: kernels end, too
        await process.communicate()


def make_notebook(address: str, number: int) -> str:
    cells = [{"id": f"text{each}", "cell_type": "markdown", "source": "", "metadata": {}} for each in range(5)]
    cells.append(
        {
            "id": "prints",
            "cell_type": "code",
            "source": PROGRAMS[number % len(PROGRAMS)],
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
    )
    value = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    request = urllib.request.Request(
        f"{address}/api/notebooks?title=Soak%20{number}",
        json.dumps(value).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["id"])


async def soak(
    seconds: float, people: int, notebooks: int, seed: int, trace: bool
) -> tuple[list[dict[str, float]], Told, int]:
    """Samples, what people saw, and how many of them do not have what a newcomer has."""
    told = Told()
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with server(Path(folder), trace) as ours:
            ids = [await asyncio.to_thread(make_notebook, ours.url, number) for number in range(notebooks)]
            urls = [f"{ours.url.replace('http', 'ws')}/api/notebooks/{id}/socket" for id in ids]
            persons = [
                Person(f"p{number}", urls[number % notebooks], TOKEN, random.Random(seed + number), told)
                for number in range(people)
            ]
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with asyncio.TaskGroup() as tasks:
                for person in persons:
                    tasks.create_task(person.stay(began + seconds, min(VISIT_S, seconds / 5), PAUSE_S))
                while loop.time() < began + seconds:
                    await asyncio.sleep(max(2.0, seconds / SAMPLES))
                    if not ours.is_complete:
                        continue
                    minute = (loop.time() - began) / 60
                    samples.append({"minute": minute} | await ours.sample(told))
                    if sys.stderr.isatty() or len(samples) % 20 == 0:
                        now = ", ".join(f"{item.name} {samples[-1][item.name]:.0f}" for item in MEASURES)
                        print(f"{minute:5.1f} min: {now}", file=sys.stderr, flush=True)
            for line in ours.traced:
                print(line, file=sys.stderr)
            unequal = 0
            for number, url in enumerate(urls):
                expected = await Person("newcomer", url, TOKEN, random.Random(0), told).look()
                unequal += len(expected) != 6
                for person in persons[number::notebooks]:
                    unequal += await person.look() != expected
    return samples, told, unequal


def compared(samples: Sequence[dict[str, float]], name: str) -> tuple[float, float]:
    """The median between a quarter and a half of the time, and that of the last quarter."""
    values = [sample[name] for sample in samples]
    count = len(values)
    return statistics.median(values[count // 4 : count // 2]), statistics.median(values[3 * count // 4 :])


def grew(measure: Measure, before: float, after: float) -> bool:
    return after - before > max(measure.relative * before, measure.absolute)


def draw(samples: Sequence[dict[str, float]], title: str, file: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.fonttype": "none", "font.size": 8, "svg.hashsalt": "soak"})
    figure, axes = pyplot.subplots(3, 3, figsize=(9, 5.4), sharex=True, constrained_layout=True)
    figure.suptitle(title, fontsize=9)
    samples = samples[:: max(1, len(samples) // 60)]
    minutes = [sample["minute"] for sample in samples]
    for measure, axis in zip(MEASURES, axes.flat, strict=True):
        values = [sample[measure.name] for sample in samples]
        axis.plot(minutes, values, color="#1a5fb4", linewidth=0.9)
        axis.set_ylim(0, 1.25 * max(values) or 1)
        axis.set_title(measure.name + (f" ({measure.unit})" if measure.unit else ""), fontsize=8, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("minutes")
    figure.savefig(file, metadata={"Date": None})
    # matplotlib ends lines with spaces, which nobody wants in a repository.
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="People in notebooks for an hour: nothing of the server's may grow.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--notebooks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="where to draw it, as SVG")
    parser.add_argument("--samples", type=Path, help="where to write the samples, as JSON")
    parser.add_argument("--trace", action="store_true", help="name where memory of the server was allocated; slow")
    given = parser.parse_args()
    samples, told, unequal = asyncio.run(
        soak(60 * given.minutes, given.people, given.notebooks, given.seed, given.trace)
    )
    if given.samples:
        given.samples.write_text(json.dumps(samples))
    title = f"{given.people} people in {given.notebooks} notebooks for {given.minutes:g} minutes"
    if given.figure:
        draw(samples, title, given.figure)
    print(f"{title}: {told.edits:,} edits, {told.runs:,} runs, {told.updates:,} updates read, {told.visits:,} visits")
    print(f"{'':18}{'second quarter':>16}{'last quarter':>16}{'':>4}")
    failed = [*told.ended[:20]]
    for measure in MEASURES:
        before, after = compared(samples, measure.name)
        flat = not grew(measure, before, after)
        print(f"{measure.name:18}{before:>16.1f}{after:>16.1f} {measure.unit:4}{'' if flat else 'grew'}")
        failed += [] if flat else [f"{measure.name} grew"]
    if unequal:
        failed.append(f"{unequal} people did not end equal")
    print("\n".join(failed) or "flat; nobody was sent away; all ended equal")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
