"""What is told, interrupted and ended when a kernel nears its limits: the rules, without a kernel."""

import asyncio
from pathlib import Path

import pytest
from kernelhost.limits import GIB, MIB, Limits
from kernelhost.watch import Action, Interrupt, Notice, Sample, Stop, Told, judge, watch

ALL = frozenset({"memory_bytes", "processes"})
NONE: frozenset[str] = frozenset()
LIMITS = Limits(memory_bytes=10 * GIB, processes=100, disk_bytes=10 * GIB)


def told_of(samples: list[Sample], enforced: frozenset[str] = ALL, limits: Limits = LIMITS) -> list[list[Action]]:
    told, all_actions = Told(), []
    for sample in samples:
        told, actions = judge(sample, told, limits, enforced)
        all_actions.append(actions)
    return all_actions


def memory(*used_gib: float) -> list[Sample]:
    return [Sample(memory_bytes=int(used * GIB)) for used in used_gib]


def disk(*used_gib: float | None) -> list[Sample]:
    return [Sample(disk_bytes=None if used is None else int(used * GIB)) for used in used_gib]


def test_m5_memory_is_warned_of_once_and_again_after_it_was_calm() -> None:
    warning = [
        Notice(
            "memory", "Memory is nearly used up: 8.0 of 10.0 GiB. At the limit the runtime ends and variables are lost."
        )
    ]
    assert told_of(memory(1, 8, 9, 7.5, 8, 6, 8)) == [[], warning, [], [], [], [], warning]


@pytest.mark.parametrize("enforced", [ALL, NONE])
def test_memory_over_the_limit_ends_the_kernel_where_the_system_does_not(enforced: frozenset[str]) -> None:
    reason = "Out of memory: used 10.5 of 10.0 GiB. Variables are lost; outputs are kept."
    (actions,) = told_of(memory(10.5), enforced)
    assert (actions == [Stop(reason)]) == (enforced == NONE)


def test_a_child_that_was_ended_for_memory_is_told_of() -> None:
    first, second = told_of([Sample(oom_kills=1), Sample(oom_kills=1)])
    assert first == [Notice("memory", "A process of this runtime was ended: out of memory, at a limit of 10.0 GiB.")]
    assert second == []


def test_refused_processes_are_told_of_once_until_there_are_few_again() -> None:
    text = "The limit of 100 processes and threads is reached: no more can be started until some end."
    samples = [Sample(processes=count, refused_forks=refused) for count, refused in ((99, 0), (100, 5), (100, 9))]
    samples += [Sample(processes=10, refused_forks=9), Sample(processes=100, refused_forks=10)]
    assert told_of(samples) == [[], [Notice("processes", text)], [], [], [Notice("processes", text)]]


def test_too_many_processes_end_the_kernel_where_the_system_does_not() -> None:
    near, over = told_of([Sample(processes=101), Sample(processes=120)], NONE)
    assert [type(action) for action in near] == [Notice]
    assert over == [Stop("The kernel started more than 100 processes. Variables are lost; outputs are kept.")]


def test_m6_a_full_folder_interrupts_and_one_that_grows_on_ends_the_kernel() -> None:
    near, full, same, over = told_of(disk(8.5, 10.2, 10.2, 11))
    assert near == [Notice("disk", "The working folder is nearly full: 8.5 of 10.0 GiB.")]
    text = "The working folder is full: 10.2 of 10.0 GiB. Running code was interrupted; delete files to go on."
    assert full == [Notice("disk", text), Interrupt()]
    assert same == []
    text = "The working folder is over its limit: 11.0 of 10.0 GiB. Variables are lost; files are kept."
    assert over == [Stop(text)]


def test_m6_whoever_deletes_files_goes_on_and_is_interrupted_again_the_next_time() -> None:
    actions = told_of(disk(10.2, None, 3, 10.3))
    assert [Interrupt() in part for part in actions] == [True, False, False, True]


def test_a_folder_of_too_many_files_is_told_of_once() -> None:
    first, second = told_of([Sample(uncounted=True), Sample(uncounted=True)])
    assert ([type(action) for action in first], second) == ([Notice], [])


def test_nothing_is_said_where_there_are_no_limits() -> None:
    sample = Sample(100 * GIB, 10_000, 5, 5, 100 * GIB)
    assert told_of([sample], NONE, Limits()) == [[]]


class FakeCage:
    enforced = NONE

    def __init__(self, used: list[int]) -> None:
        self._used = used

    def pids(self) -> list[int]:
        return [1]

    def memory(self) -> int:
        return self._used.pop(0) if len(self._used) > 1 else self._used[0]

    def oom_kills(self) -> int:
        return 0

    def refused_forks(self) -> int:
        return 0


def test_the_watch_samples_cage_and_folder_until_something_is_to_be_done(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(2 * MIB))
    done: list[Action] = []

    async def test() -> None:
        ended = asyncio.Event()

        def act(action: Action) -> None:
            done.append(action)
            if isinstance(action, Stop):
                ended.set()

        cage = FakeCage([60 * MIB, 85 * MIB, 101 * MIB])
        limits = Limits(memory_bytes=100 * MIB, disk_bytes=MIB)
        task = asyncio.create_task(watch(cage, limits, tmp_path, act))
        await ended.wait()
        task.cancel()

    asyncio.run(test())
    assert [type(action) for action in done] == [Notice, Interrupt, Notice, Stop]
