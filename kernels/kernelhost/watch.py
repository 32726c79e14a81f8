"""Looks after the limits of one kernel: warns before one is reached, tells when it is, and ends what the operating
system does not hold. `judge` decides, from one sample and what was told before; `watch` samples and acts."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeAlias, assert_never

import anyio

from kernelhost.disk import folder_bytes
from kernelhost.limits import Limits, share, spell

_LOOK_EVERY_S: Final = 1.0
_LOOK_CLOSELY_EVERY_S: Final = 0.1
_DISK_EVERY_S: Final = 1.0
_DISK_SHARE: Final = 20.0  # a walk takes at most a twentieth of one core
_MAX_FILES: Final = 1_000_000
_WARN: Final = 0.8
_CALM: Final = 0.7
_CLOSE: Final = 0.5
_OVER: Final = 1.05
# Processes, where the system refuses more to users that are not root; some are the sandbox's.
_FAR_OVER: Final = 1.1
_HELPERS: Final = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """`disk_bytes` None: not counted this time; `uncounted`: there are too many files to."""

    memory_bytes: int = 0
    processes: int = 0
    oom_kills: int = 0
    refused_forks: int = 0
    disk_bytes: int | None = None
    uncounted: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What people know already, and where the counters stood then."""

    memory: bool = False
    processes: bool = False
    disk: bool = False
    uncounted: bool = False
    oom_kills: int = 0
    refused_forks: int = 0
    interrupted_at: int | None = None  # disk_bytes when running code was interrupted for it


@dataclass(frozen=True, slots=True)
class Notice:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The code that runs."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The kernel, for good."""

    reason: str


Action: TypeAlias = Notice | Interrupt | Stop


def judge(sample: Sample, told: Told, limits: Limits, enforced: frozenset[str]) -> tuple[Told, list[Action]]:
    """`enforced`: which limits the operating system holds by itself."""
    told, actions = _judge_memory(sample, told, limits.memory_bytes, "memory_bytes" in enforced)
    told, more = _judge_processes(sample, told, limits.processes, "processes" in enforced)
    told, rest = _judge_disk(sample, told, limits.disk_bytes)
    return told, [*actions, *more, *rest]


def out_of_memory(used: int, limit: int) -> str:
    return f"Out of memory: used {share(used, limit)}. Variables are lost; outputs are kept."


def _judge_memory(sample: Sample, told: Told, limit: int | None, enforced: bool) -> tuple[Told, list[Action]]:
    if limit is None:
        return told, []
    used = sample.memory_bytes
    if used > limit and not enforced:
        return told, [Stop(out_of_memory(used, limit))]
    if sample.oom_kills > told.oom_kills:
        text = f"A process of this runtime was ended: out of memory, at a limit of {spell(limit)}."
        return replace(told, memory=True, oom_kills=sample.oom_kills), [Notice("memory", text)]
    if used >= _WARN * limit and not told.memory:
        text = f"Memory is nearly used up: {share(used, limit)}. At the limit the runtime ends and variables are lost."
        return replace(told, memory=True), [Notice("memory", text)]
    return (replace(told, memory=False) if used < _CALM * limit else told), []


def _judge_processes(sample: Sample, told: Told, limit: int | None, enforced: bool) -> tuple[Told, list[Action]]:
    if limit is None:
        return told, []
    if sample.processes > _FAR_OVER * limit + _HELPERS and not enforced:
        return told, [Stop(f"The kernel started more than {limit} processes. Variables are lost; outputs are kept.")]
    # Who refuses without control groups does not count how often.
    refused = sample.refused_forks > told.refused_forks or (sample.processes >= limit and not enforced)
    told = replace(told, refused_forks=sample.refused_forks)
    if refused and not told.processes:
        text = f"The limit of {limit} processes and threads is reached: no more can be started until some end."
        return replace(told, processes=True), [Notice("processes", text)]
    return (replace(told, processes=False) if sample.processes < _CALM * limit else told), []


def _judge_disk(sample: Sample, told: Told, limit: int | None) -> tuple[Told, list[Action]]:
    if limit is None:
        return told, []
    if sample.uncounted and not told.uncounted:
        text = f"The working folder has more than {_MAX_FILES:,} files: what they take cannot be counted any more."
        return replace(told, uncounted=True), [Notice("disk", text)]
    used = sample.disk_bytes
    if used is None:
        return told, []
    if used < limit:
        told = replace(told, interrupted_at=None, disk=told.disk and used >= _CALM * limit)
        if used >= _WARN * limit and not told.disk:
            text = f"The working folder is nearly full: {share(used, limit)}."
            return replace(told, disk=True), [Notice("disk", text)]
        return told, []
    if told.interrupted_at is None:
        text = f"The working folder is full: {share(used, limit)}. Running code was interrupted; delete files to go on."
        return replace(told, disk=True, interrupted_at=used), [Notice("disk", text), Interrupt()]
    if used > max(told.interrupted_at, _OVER * limit):  # it was asked to stop and writes on
        text = f"The working folder is over its limit: {share(used, limit)}. Variables are lost; files are kept."
        return told, [Stop(text)]
    return told, []


class Cage(Protocol):
    @property
    def enforced(self) -> frozenset[str]: ...

    def pids(self) -> list[int]: ...

    def memory(self) -> int: ...

    def oom_kills(self) -> int: ...

    def refused_forks(self) -> int: ...


async def watch(
    cage: Cage,
    limits: Limits,
    folder: Path,
    act: Callable[[Action], None],
    sweep: Callable[[], None] = lambda: None,
) -> None:
    """Until it is cancelled. `sweep` is called now and then, for what else has to be looked after."""
    told, disk_at_s = Told(), 0.0
    while True:
        sweep()
        sample = Sample(cage.memory(), len(cage.pids()), cage.oom_kills(), cage.refused_forks())
        if limits.disk_bytes is not None and time.monotonic() >= disk_at_s:
            began_s = time.monotonic()
            used = await anyio.to_thread.run_sync(folder_bytes, folder, _MAX_FILES, abandon_on_cancel=True)
            ended_s = time.monotonic()
            disk_at_s = ended_s + max(_DISK_EVERY_S, _DISK_SHARE * (ended_s - began_s))
            sample = replace(sample, disk_bytes=used, uncounted=used is None)
        told, actions = judge(sample, told, limits, cage.enforced)
        for action in actions:
            act(action)
        await anyio.sleep(_LOOK_CLOSELY_EVERY_S if _is_close(sample, limits, cage.enforced) else _LOOK_EVERY_S)


def _is_close(sample: Sample, limits: Limits, enforced: frozenset[str]) -> bool:
    """Whether a second may be too long to look away."""
    memory, processes = limits.memory_bytes, limits.processes
    if memory is not None and sample.memory_bytes > _CLOSE * memory:
        return True
    return processes is not None and "processes" not in enforced and sample.processes > _CLOSE * processes


def act_on(
    action: Action, notice: Callable[[str, str], None], interrupt: Callable[[], None], stop: Callable[[str], None]
) -> None:
    match action:
        case Notice(kind, text):
            notice(kind, text)
        case Interrupt():
            interrupt()
        case Stop(reason):
            stop(reason)
        case _:
            assert_never(action)
