"""Samples all kernels and the machine each second; what runs no code while nobody looks, every ten. Keeps an hour of
each kernel, and tells readers of the feed. Nobody waits for anybody: a kernel that does not answer has no sample, and a
reader that is slow skips some."""

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

import anyio

from kernelhost.history import History
from kernelhost.machine import Machine
from kernelhost.usage import GpuUsage, Report, Usage

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
# Of a kernel that runs no code, when nobody looks.
UNWATCHED_EVERY_S: Final = 10.0
WATCHED_FOR_S: Final = 30.0
# How long a round waits for its kernels before readers hear of it.
_ROUND_S: Final = 0.5
_SAMPLE_WITHIN_S: Final = 10.0
MAX_NOTICES: Final = 1_000


class Metered(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def runs_code(self) -> bool: ...

    async def report(self) -> Report | None:
        """Of now; None when it has no process."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the people of one kernel. `kind`: idle, lifetime, memory, disk, output, processes, gpu, culled,
    restarted."""

    kernel: str
    kind: str
    text: str
    stops_at: datetime | None = None

    def json(self) -> dict[str, object]:
        value: dict[str, object] = {"type": "notice", "kernel": self.kernel, "kind": self.kind, "text": self.text}
        return value | ({"stops_at": self.stops_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")} if self.stops_at else {})


class TooSlow(Exception):
    """A reader left more notices unread than are kept for it."""


@dataclass(slots=True, eq=False)
class Reader:
    """What one client of the feed has not read: all notices, and of the samples only the newest."""

    notices: deque[Notice] = field(default_factory=deque)
    sample: bool = False
    overtaken: bool = False
    changed: anyio.Event = field(default_factory=anyio.Event)

    async def next(self) -> Notice | None:
        """The oldest notice, or None: there is a new sample. Raises TooSlow."""
        while not (self.notices or self.sample or self.overtaken):
            await self.changed.wait()
            self.changed = anyio.Event()
        if self.overtaken:
            raise TooSlow
        if self.notices:
            return self.notices.popleft()
        self.sample = False
        return None

    def wake(self) -> None:
        self.changed.set()


class Meters:
    """Use `run()` in a task group. `gpus` says what a kernel uses of the GPUs of this machine."""

    def __init__(
        self,
        kernels: Callable[[], list[Metered]],
        machine: Callable[[], Machine],
        gpus: Callable[[str], tuple[GpuUsage, ...]] = lambda kernel: (),
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.machine: Machine | None = None
        self.ready = anyio.Event()  # there is a first sample of the machine
        self._kernels = kernels
        self._sample_machine = machine
        self._gpus = gpus
        self._now_s = now_s
        self._histories: dict[str, History] = {}
        self._reports: dict[str, Report] = {}
        self._came: set[str] = set()
        self._asked: set[str] = set()
        self._asked_at_s = float("-inf")
        self._all_at_s = float("-inf")
        self._woken = anyio.Event()
        self._readers: set[Reader] = set()
        self._frame = ""
        self._is_blind = False

    @property
    def readers(self) -> int:
        return len(self._readers)

    def look(self) -> None:
        """Somebody wants to know: samples come each second for a while."""
        self._asked_at_s = anyio.current_time()
        self._woken.set()

    def last(self, kernel: str) -> Usage | None:
        """The newest sample; None for a kernel that has no process."""
        history = self._histories.get(kernel) if kernel in self._reports else None
        return history.last if history is not None else None

    def all(self) -> Mapping[str, Usage]:
        """The newest sample of each kernel."""
        return {id: sample for id in self._reports if (sample := self.last(id)) is not None}

    def report(self, kernel: str) -> Report | None:
        """The newest of a kernel, for what its host holds."""
        return self._reports.get(kernel)

    def owners(self) -> Mapping[int, str]:
        """The kernel of each process that the newest samples found."""
        return {pid: id for id, report in self._reports.items() for pid in report.pids}

    def samples(self, kernel: str) -> list[Usage]:
        """Of the last hour, oldest first."""
        history = self._histories.get(kernel)
        return history.samples() if history is not None else []

    def works(self, kernel: str, over_s: float, percent: float) -> bool:
        """Its processor or a GPU was used by more than `percent` since `over_s` ago, whether a request ran or not."""
        history = self._histories.get(kernel)
        if history is None or history.last is None:
            return False
        now_s = self._now_s()
        if now_s - history.last.at.timestamp() > over_s:
            return False
        gpu = max((gpu.utilisation or 0.0 for gpu in history.last.gpus), default=0.0)
        return gpu > percent or history.cpu_percent(now_s, over_s) > percent

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        reader = Reader(sample=self.machine is not None)
        self._readers.add(reader)
        self.look()
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def frame(self) -> str:
        """What the feed says of the newest samples; encoded once for all readers."""
        if not self._frame:
            kernels = {id: sample.json() for id, sample in self.all().items()}
            machine = self.machine.json() if self.machine is not None else None
            self._frame = json.dumps({"type": "usage", "machine": machine, "kernels": kernels})
        return self._frame

    def notify(self, notice: Notice) -> None:
        for reader in self._readers:
            if len(reader.notices) >= MAX_NOTICES:
                reader.overtaken = True
            else:
                reader.notices.append(notice)
            reader.wake()

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                begun_s = anyio.current_time()
                kernels = self._kernels()
                ids = {kernel.id for kernel in kernels}
                for gone in (self._histories.keys() | self._reports.keys()) - ids:
                    self._histories.pop(gone, None)
                    self._reports.pop(gone, None)
                everyone = self._is_watched() or begun_s - self._all_at_s >= UNWATCHED_EVERY_S
                due = [kernel for kernel in kernels if everyone or kernel.runs_code]
                if everyone:
                    self._all_at_s = begun_s
                elif not due:
                    await self._rest(begun_s)
                    continue
                waiting = [kernel for kernel in due if kernel.id not in self._asked]
                with anyio.move_on_after(_ROUND_S):
                    async with anyio.create_task_group() as round:
                        for kernel in waiting:
                            done = anyio.Event()
                            tasks.start_soon(self._sample, kernel, done)
                            round.start_soon(done.wait)
                self._count()
                self._look_at_machine()
                self._frame = ""
                self.ready.set()
                for reader in self._readers:
                    reader.sample = True
                    reader.wake()
                await self._rest(begun_s)

    def _look_at_machine(self) -> None:
        try:
            self.machine = self._sample_machine()
            self._is_blind = False
        except OSError as error:
            if not self._is_blind:  # once, and not each second
                log.warning("The machine's usage cannot be sampled", extra={"why": str(error)})
            self._is_blind = True

    def _count(self) -> None:
        """Of what came since the last round, also of who came late."""
        reports = {id: self._reports[id] for id in self._came if id in self._reports}
        self._came.clear()
        for id, report in reports.items():
            self._histories.setdefault(id, History()).add(replace(report.usage, gpus=self._gpus(id)))

    async def _rest(self, begun_s: float) -> None:
        """A second, or until somebody looks who was not there before."""
        if self._is_watched():
            await anyio.sleep(begun_s + EVERY_S - anyio.current_time())
            return
        self._woken = anyio.Event()
        with anyio.CancelScope(deadline=begun_s + EVERY_S):
            await self._woken.wait()

    def _is_watched(self) -> bool:
        return bool(self._readers) or anyio.current_time() - self._asked_at_s < WATCHED_FOR_S

    async def _sample(self, kernel: Metered, done: anyio.Event) -> None:
        self._asked.add(kernel.id)
        try:
            with anyio.move_on_after(_SAMPLE_WITHIN_S):
                report = await kernel.report()
                if report is None:
                    self._reports.pop(kernel.id, None)
                else:
                    self._reports[kernel.id] = report
                    self._came.add(kernel.id)
        except Exception:  # a host of another version, say; the others have no part in it
            self._reports.pop(kernel.id, None)
            log.warning("A kernel's usage cannot be sampled", exc_info=True, extra={"kernel": kernel.id})
        finally:
            self._asked.discard(kernel.id)
            done.set()
