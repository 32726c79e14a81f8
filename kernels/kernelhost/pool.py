"""Kernels that are ready before anybody asks for one: started for nobody, given to one, never taken back (section 17).

They are in no list and no quota. One whose kernelspec or packages have changed, that has waited for too long or died
is replaced; while memory is short none is started.
"""

import logging
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import anyio
import psutil  # type: ignore[import-untyped]

from kernelhost.kernel import KernelFailed
from kernelhost.spec import Spec

log = logging.getLogger(__name__)

MAX_READY: Final = 20
# Not in the way of whoever has just started the gateway, or has just been given the last one.
_FIRST_AFTER_S: Final = 3.0
_NEXT_AFTER_S: Final = 0.5
_LOOK_EVERY_S: Final = 5.0
_MAX_AGE_S: Final = 3600.0
_AT_ONCE: Final = 2
_AGAIN_AFTER_S: Final = 60.0
_SHORT_SHARE: Final = 0.1

# Names and times of what a kernel is made of.
Stamp = tuple[tuple[str, int], ...]


class Startable(Protocol):
    """A kernel, as far as the pool is concerned."""

    @property
    def state(self) -> str: ...

    @property
    def is_ending(self) -> bool: ...


K = TypeVar("K", bound=Startable)


@dataclass(frozen=True, slots=True, eq=False)
class _Ready(Generic[K]):
    kernel: K
    spec: Spec
    stamp: Stamp
    born_s: float


class Pool(Generic[K]):
    """`wanted`: how many of each kernelspec. `find` gives a spec by its name; `start` starts one and raises
    KernelFailed or OSError; `end` ends one, at once or by and by. Use `run` in a task group."""

    def __init__(
        self,
        wanted: Iterable[tuple[str, int]],
        find: Callable[[str], Spec | None],
        start: Callable[[Spec], Awaitable[K]],
        end: Callable[[K], None],
        is_short: Callable[[], bool] = lambda: memory_is_short(),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = dict(wanted)
        self._find = find
        self._start = start
        self._end = end
        self._is_short = is_short
        self._now_s = now_s
        self._ready: list[_Ready[K]] = []
        self._failed: dict[str, tuple[Stamp, float]] = {}
        self._starts = anyio.CapacityLimiter(_AT_ONCE)
        self._changed = anyio.Event()

    @property
    def size(self) -> int:
        return len(self._ready)

    def take(self, spec: Spec, fits: Callable[[K], bool] = lambda kernel: True) -> K | None:
        """One that nobody else gets; None when there is none."""
        self._weed()
        for ready in self._ready:
            if ready.spec == spec and fits(ready.kernel):
                self._ready.remove(ready)
                self._changed.set()
                return ready.kernel
        return None

    def empty(self) -> list[K]:
        """All of them, which are no longer here."""
        self._wanted.clear()
        found = [ready.kernel for ready in self._ready]
        self._ready.clear()
        return found

    async def run(self) -> None:
        pause_s = _FIRST_AFTER_S
        while any(self._wanted.values()):
            await anyio.sleep(pause_s)
            pause_s = _NEXT_AFTER_S
            self._changed = anyio.Event()
            self._weed()
            await self._fill()
            with anyio.move_on_after(_LOOK_EVERY_S):
                await self._changed.wait()

    def _weed(self) -> None:
        now_s = self._now_s()
        specs = [spec for spec, _ in self._targets()]
        for ready in tuple(self._ready):
            is_good = ready.kernel.state in ("idle", "busy") and not ready.kernel.is_ending
            is_current = ready.spec in specs and ready.stamp == stamp_of(ready.spec)
            if not is_good or not is_current or now_s - ready.born_s > _MAX_AGE_S:
                self._ready.remove(ready)
                self._end(ready.kernel)

    async def _fill(self) -> None:
        async with anyio.create_task_group() as tasks:
            for spec, count in self._targets():
                stamp = stamp_of(spec)
                failed, until_s = self._failed.get(spec.name, ((), 0.0))
                if failed == stamp and self._now_s() < until_s:
                    continue
                for _ in range(count - sum(ready.spec == spec for ready in self._ready)):
                    tasks.start_soon(self._add, spec, stamp)

    def _targets(self) -> list[tuple[Spec, int]]:
        """What is said of a kernelspec by its name goes before what is said of the default one."""
        found: dict[str, tuple[Spec, int]] = {}
        for name, count in sorted(self._wanted.items()):  # "" is first
            spec = self._find(name)
            if spec is not None:
                found[spec.name] = (spec, count)
        return list(found.values())

    async def _add(self, spec: Spec, stamp: Stamp) -> None:
        async with self._starts:
            if self._is_short():
                log.info("Memory is short: no kernel is started ahead", extra={"spec": spec.name})
                return
            try:
                kernel = await self._start(spec)
            except (KernelFailed, OSError) as error:
                log.warning("A kernel cannot be started ahead", extra={"spec": spec.name, "why": str(error)})
                self._failed[spec.name] = (stamp, self._now_s() + _AGAIN_AFTER_S)
                return
            self._ready.append(_Ready(kernel, spec, stamp, self._now_s()))


def stamp_of(spec: Spec) -> Stamp:
    """Changes when the program is another one, or packages are installed for it or removed."""
    program = spec.command(Path("-"))[0] if spec.argv else ""
    path = Path(shutil.which(program) or program)
    places = [path, *sorted(path.parent.parent.glob("lib/python3*/site-packages"))]
    if program == sys.executable:
        places += [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    found = []
    for place in dict.fromkeys(places):
        try:
            found.append((str(place), place.stat().st_mtime_ns))
        except OSError:
            found.append((str(place), 0))
    return tuple(found)


def memory_is_short() -> bool:
    memory = psutil.virtual_memory()
    return bool(memory.available < _SHORT_SHARE * memory.total)
