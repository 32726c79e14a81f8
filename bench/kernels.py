"""What our gateway costs: the same code on a kernel behind it, behind jupyter_server, and with nothing between.

usage: python -m bench.kernels [--quick] [--only WORDS] [--rounds N]

Rounds alternate between the three. The table shows medians over rounds, and the ratio of ours to the raw kernel, of
the medians and of the best rounds; under 1 means that ours took less. The time is that of the client: from the sending
of a request until the result, or the last line, has arrived and was decoded. On a machine that others use too, the best
round says more: ours is three processes where the raw kernel is two, and each waits for its turn.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.peers.kernel_servers import Kernel, RawTarget, Target, jupyter_server, ours

LAST = "the last line"
OVER_S = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    sums: int
    prints: int
    flushes: int
    starts: int
    busy: int


FULL = Size(rounds=7, sums=200, prints=100_000, flushes=10_000, starts=5, busy=20)
QUICK = Size(rounds=1, sums=5, prints=2_000, flushes=200, starts=1, busy=1)
# How long our pool has for the next kernel: what is measured is that it has one.
POOL_S = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """Of the table. `values`: by target, one a round; `goal`: what ours over raw, or ours alone, is to be at most."""

    what: str
    unit: str
    values: dict[str, list[float]]
    goal: str


async def result(kernel: Kernel, code: str = "1+1") -> float:
    """Seconds until the result is there; returns once the kernel is idle again."""
    began = time.perf_counter()
    id = await kernel.execute(code)
    took = 0.0
    while True:
        heard = await kernel.hear()
        if heard.parent == id and heard.kind == "execute_result":
            took = time.perf_counter() - began
        if heard.parent == id and heard.kind == "error":
            raise RuntimeError(f"The kernel failed: {heard.content}")
        if heard.parent == id and heard.kind == "status" and heard.content["execution_state"] == "idle":
            return took


async def printed(kernel: Kernel, code: str, lines: int) -> tuple[float, int]:
    """Seconds until the last line is there, and how many lines were lost. A kernel without the gateway drops what its
    client is too slow for, the end of it too: then it is over when nothing more comes."""
    began = time.perf_counter()
    id = await kernel.execute(f"{code}\nprint({LAST!r})")
    seen, took, idle = 0, 0.0, False
    while not idle:
        try:
            async with asyncio.timeout(OVER_S):
                heard = await kernel.hear()
        except TimeoutError:
            break
        if heard.parent == id and heard.kind == "stream":
            seen += heard.content["text"].count("\n")
            took = time.perf_counter() - began
        idle = heard.parent == id and heard.kind == "status" and heard.content["execution_state"] == "idle"
    return took, lines + 1 - seen


async def alternate(
    targets: Sequence[Target], rounds: int, measure: Callable[[Target], Awaitable[float]]
) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {target.name: [] for target in targets}
    for number in range(rounds):
        # Who goes first changes, so that nobody always has the warm machine.
        for target in (*targets[number % len(targets) :], *targets[: number % len(targets)]):
            values[target.name].append(await measure(target))
    return values


async def sums(targets: Sequence[Target], kernels: dict[str, Kernel], size: Size) -> list[Line]:
    quick: dict[str, list[float]] = {target.name: [] for target in targets}

    async def measure(target: Target) -> float:
        took = sorted([1000 * await result(kernels[target.name]) for _ in range(size.sums)])
        quick[target.name].append(took[len(took) // 10])
        return statistics.median(took)

    values = await alternate(targets, size.rounds, measure)
    return [Line("1+1 to result", "ms", values, "1.5 raw"), Line("    the quickest tenth", "ms", quick, "1.5 raw")]


async def floods(
    targets: Sequence[Target], kernels: dict[str, Kernel], code: str, count: int, rounds: int
) -> tuple[list[Line], Line]:
    """The time and what was lost, and by how much the memory of who is between has grown in one round at most."""
    grown: dict[str, list[float]] = {target.name: [] for target in targets}
    lost: dict[str, list[float]] = {target.name: [] for target in targets}

    async def measure(target: Target) -> float:
        before = target.memory()
        took, missing = await printed(kernels[target.name], code, count)
        grown[target.name].append((target.memory() - before) / (1 << 20))
        lost[target.name].append(missing)
        return 1000 * took

    values = await alternate(targets, rounds, measure)
    lines = [Line(f"{count:,} prints", "ms", values, "1.1 raw"), Line("    lines lost", "", totals(lost), "0")]
    most = {name: [max(each)] for name, each in grown.items()}
    return lines, Line("    memory grown, at most", "MB", most, "5 MB")


async def prints(targets: Sequence[Target], kernels: dict[str, Kernel], size: Size) -> list[Line]:
    code = f"for i in range({size.prints}): print(i)"
    lines, memory = await floods(targets, kernels, code, size.prints, size.rounds)
    return [*lines, memory]


async def flushes(targets: Sequence[Target], kernels: dict[str, Kernel], size: Size) -> list[Line]:
    code = f"for i in range({size.flushes}): print(i, flush=True)"
    (took, lost), _ = await floods(targets, kernels, code, size.flushes, size.rounds)
    return [Line(f"{size.flushes:,} prints, each flushed", "ms", took.values, ""), lost]


def totals(values: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [sum(each)] for name, each in values.items()}


async def starts(targets: Sequence[Target], size: Size, pool_s: float) -> list[Line]:
    async def measure(target: Target) -> float:
        await asyncio.sleep(pool_s if target.name == "kernelhost" else 0.0)
        began = time.perf_counter()
        kernel = await target.start()
        await result(kernel)
        took = time.perf_counter() - began
        await kernel.end()
        return 1000 * took

    values = await alternate(targets, size.starts, measure)
    return [Line("new notebook to first result", "ms", values, "25 ms")]


async def crowd(targets: Sequence[Target], kernels: dict[str, Kernel], size: Size) -> list[Line]:
    """A kernel's answers while others print without end, each with its client."""

    async def drain(kernel: Kernel) -> None:
        await kernel.execute("import time\nwhile True: print('x' * 100); time.sleep(0.0005)")
        while True:
            await kernel.hear()

    async def measure(target: Target) -> float:
        others = [await target.start() for _ in range(size.busy)]
        reading = [asyncio.create_task(drain(other)) for other in others]
        await asyncio.sleep(1 if size.busy > 1 else 0)
        took = [await result(kernels[target.name]) for _ in range(max(5, size.sums // 4))]
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        for other in others:
            await other.end()
        return 1000 * statistics.median(took)

    values = await alternate(targets, min(3, size.rounds), measure)
    return [Line(f"1+1 while {size.busy} others print", "ms", values, "")]


def table(lines: Sequence[Line]) -> str:
    names = ("raw", "kernelhost", "jupyter_server")
    rows = [f"{'':32}" + "".join(f"{name:>16}" for name in names) + f"{'ours/raw':>10}{'best':>8}{'goal':>10}"]
    for line in lines:
        medians = {name: statistics.median(line.values[name]) for name in names}
        best = {name: min(line.values[name]) for name in names}
        ratio = f"{medians['kernelhost'] / medians['raw']:.2f}" if medians["raw"] else ""
        best_ratio = f"{best['kernelhost'] / best['raw']:.2f}" if best["raw"] else ""
        cells = "".join(f"{medians[name]:>13.2f} {line.unit}" for name in names)
        rows.append(f"{line.what:32}{cells}{ratio:>10}{best_ratio:>8}{line.goal:>10}")
    return "\n".join(rows)


async def main() -> None:
    options = argparse.ArgumentParser(description="The cost of the kernel gateway, with peers beside it.")
    options.add_argument("--quick", action="store_true", help="little of each, to see that it runs")
    options.add_argument("--only", default="sums,prints,flushes,starts,crowd", help="which, with commas between")
    options.add_argument("--rounds", type=int, help="how often each is measured")
    args = options.parse_args()
    size = QUICK if args.quick else FULL
    if args.rounds:
        size = Size(args.rounds, size.sums, size.prints, size.flushes, args.rounds, size.busy)
    only = args.only.split(",")
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "theirs").mkdir()
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(ours(folder / "ours"))
            server = await stack.enter_async_context(jupyter_server(folder / "theirs"))
            targets: list[Target] = [RawTarget(), gateway, server]
            kernels = {target.name: await target.start() for target in targets}
            for kernel in kernels.values():
                stack.push_async_callback(kernel.end)
                for _ in range(3):
                    await result(kernel)
            if "sums" in only:
                lines += await sums(targets, kernels, size)
            if "prints" in only:
                lines += await prints(targets, kernels, size)
            if "flushes" in only:
                lines += await flushes(targets, kernels, size)
            if "starts" in only:
                lines += await starts(targets, size, 0.0 if args.quick else POOL_S)
            if "crowd" in only:
                lines += await crowd(targets, kernels, size)
    print(f"medians of {size.rounds} rounds")
    print(table(lines))


if __name__ == "__main__":
    asyncio.run(main())
