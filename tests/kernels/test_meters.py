"""The round of samples, and what readers of the feed get of it, on a clock that jumps."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from kernelhost.machine import Machine
from kernelhost.meters import MAX_NOTICES, Meters, Notice, Reader, TooSlow
from kernelhost.usage import GpuUsage, Report, Usage

from tests.support.clock import JUMPING

pytestmark = pytest.mark.anyio
MACHINE = Machine(10.0, 2, 3, 4, 5, 6)
LAST = Notice("k", "memory", "Almost full.")


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


@dataclass(eq=False)
class Kernel:
    """`takes_s`: how long its host takes to answer."""

    id: str
    takes_s: float = 0.0
    has_process: bool = True
    fails: bool = False
    runs_code: bool = False
    asked_at: list[float] = field(default_factory=list)
    cpu_percent: float = 1.0

    async def report(self) -> Report | None:
        self.asked_at.append(anyio.current_time())
        await anyio.sleep(self.takes_s)
        if self.fails:
            raise KeyError("usage")
        at = datetime.fromtimestamp(anyio.current_time(), UTC)
        return Report(Usage(at, self.cpu_percent, 2, 3), (len(self.asked_at),)) if self.has_process else None


class House:
    def __init__(self, *kernels: Kernel) -> None:
        self.kernels = list(kernels)
        self.machine_fails = False
        self.gpus: dict[str, tuple[GpuUsage, ...]] = {}
        self.meters = Meters(
            lambda: list(self.kernels), self.machine, lambda kernel: self.gpus.get(kernel, ()), anyio.current_time
        )

    def machine(self) -> Machine:
        if self.machine_fails:
            raise FileNotFoundError
        return MACHINE

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Meters]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.meters.run)
            yield self.meters
            tasks.cancel_scope.cancel()


async def sample(reader: Reader) -> None:
    assert await reader.next() is None


async def test_idle_kernels_are_sampled_every_ten_seconds_and_each_second_while_somebody_looks() -> None:
    kernel = Kernel("k")
    async with House(kernel).open() as meters:
        await anyio.sleep(35)
        assert kernel.asked_at == [0, 10, 20, 30]
        meters.look()
        await anyio.sleep(2.5)
        assert kernel.asked_at[4:] == [35, 36, 37]
        await anyio.sleep(60)
        assert kernel.asked_at[-5:] == [63, 64, 74, 84, 94]


async def test_a_kernel_that_runs_code_is_sampled_each_second_though_nobody_looks() -> None:
    busy, idle = Kernel("busy"), Kernel("idle")
    async with House(busy, idle).open():
        await anyio.sleep(3.5)
        busy.runs_code = True
        await anyio.sleep(3)
        assert busy.asked_at == [0, 4, 5, 6]
        busy.runs_code = False
        await anyio.sleep(8)
        assert busy.asked_at[4:] == [10]
        assert idle.asked_at == [0, 10]


async def test_a_reader_keeps_the_samples_coming() -> None:
    kernel = Kernel("k")
    async with House(kernel).open() as meters:
        await anyio.sleep(15)
        with meters.reading() as reader:
            await sample(reader)  # the one that is there already
            for second in range(15, 100):
                await sample(reader)
                assert kernel.asked_at[-1] == second
        await anyio.sleep(60)
        assert len(kernel.asked_at) < 140


async def test_the_frame_is_what_the_page_gets() -> None:
    house = House(Kernel("k"), Kernel("dead", has_process=False))
    house.gpus = {"k": (GpuUsage("GPU-1", 7, 50.0),)}
    async with house.open() as meters:
        with meters.reading() as reader:
            await sample(reader)
            gpus = [{"uuid": "GPU-1", "memory_bytes": 7, "utilisation": 50.0}]
            usage = {"at": "1970-01-01T00:00:00.000000Z", "cpu_percent": 1.0, "memory_bytes": 2, "processes": 3}
            usage |= {"disk_bytes": None, "gpus": gpus, "request": None}
            machine: dict[str, object] = {
                "cpu_percent": 10.0,
                "cpu_count": 2,
                "memory_bytes": 3,
                "memory_total_bytes": 4,
            }
            machine |= {"disk_bytes": 5, "disk_total_bytes": 6, "gpus": []}
            assert json.loads(meters.frame()) == {"type": "usage", "machine": machine, "kernels": {"k": usage}}
            assert meters.frame() is meters.frame()


async def test_a_host_that_does_not_answer_delays_nobody_and_is_not_asked_twice_at_once() -> None:
    slow, quick = Kernel("slow", takes_s=2.5), Kernel("quick")
    async with House(slow, quick).open() as meters:
        with meters.reading() as reader:
            for _ in range(9):
                await sample(reader)
            assert quick.asked_at == [0, 1, 2, 3, 4, 5, 6, 7, 8]
            assert slow.asked_at == [0, 3, 6]
            assert set(meters.all()) == {"slow", "quick"}
    never = Kernel("never", takes_s=float("inf"))
    async with House(never).open() as meters:
        with meters.reading():
            await anyio.sleep(25)
        assert len(never.asked_at) == 3
        assert meters.all() == {}


async def test_what_cannot_be_sampled_takes_nothing_else_down() -> None:
    """A host of another version, or a folder that somebody removed under the gateway."""
    odd, good = Kernel("odd"), Kernel("good")
    house = House(odd, good)
    async with house.open() as meters:
        with meters.reading() as reader:
            await sample(reader)
            odd.fails = house.machine_fails = True
            await sample(reader)
            await sample(reader)
            assert set(meters.all()) == {"good"}
            assert meters.machine == MACHINE
            odd.fails = False
            await sample(reader)
            assert set(meters.all()) == {"odd", "good"}


async def test_what_has_no_process_has_no_sample_and_what_is_gone_has_no_history() -> None:
    kernel = Kernel("k")
    house = House(kernel)
    async with house.open() as meters:
        with meters.reading() as reader:
            await sample(reader)
            assert meters.owners() == {1: "k"}
            kernel.has_process = False
            await sample(reader)
            assert (meters.last("k"), meters.all(), meters.owners()) == (None, {}, {})
            assert len(meters.samples("k")) == 1
            house.kernels.clear()
            await sample(reader)
            assert meters.samples("k") == []


async def test_a_slow_reader_skips_samples_and_gets_every_notice_in_order() -> None:
    async with House(Kernel("k")).open() as meters:
        with meters.reading() as reader:
            notices = [Notice("k", "disk", f"Notice {number}.") for number in range(MAX_NOTICES)]
            for notice in notices:
                meters.notify(notice)
                await anyio.sleep(0.05)
            assert [await reader.next() for _ in notices] == notices
            await sample(reader)
            meters.notify(LAST)
            assert await reader.next() == LAST


async def test_a_reader_beyond_the_bound_is_sent_away_and_the_others_are_not() -> None:
    async with House().open() as meters:
        with meters.reading() as slow, meters.reading() as quick:
            for _ in range(MAX_NOTICES + 1):
                meters.notify(LAST)
                while not quick.notices:
                    await sample(quick)
                assert await quick.next() == LAST
            with pytest.raises(TooSlow):
                await slow.next()


async def test_t1_work_of_the_processor_or_a_gpu_is_seen() -> None:
    kernel = Kernel("k", cpu_percent=4.0)
    house = House(kernel)
    async with house.open() as meters:
        await anyio.sleep(1)
        assert not meters.works("k", 10, 5)
        house.gpus = {"k": (GpuUsage("GPU-1", 1, 60.0),)}
        await anyio.sleep(10)
        assert meters.works("k", 10, 5)
        house.gpus = {"k": (GpuUsage("GPU-1", 1, None),)}
        kernel.cpu_percent = 20.0
        await anyio.sleep(10)
        assert meters.works("k", 10, 5)
        kernel.cpu_percent = 1.0
        await anyio.sleep(20)
        assert not meters.works("k", 10, 5)
        kernel.has_process = False
        kernel.cpu_percent = 90.0
        await anyio.sleep(20)
        assert not meters.works("k", 10, 5)
        assert not meters.works("nobody", 10, 5)
