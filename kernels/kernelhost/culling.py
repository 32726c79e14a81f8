"""When kernels end by themselves: after idling, and at the end of a lifetime; each with a warning beforehand.

What counts as activity is kernels.md T1: a person's request, a request that runs, work of the processor or a GPU. The
clock starts at the end of the last of these. Never ended unwarned, whatever the clock of the machine did meanwhile.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Protocol, TypeAlias, get_args

import anyio

from kernelhost.meters import Notice

Why: TypeAlias = Literal["idle", "lifetime"]

WARN_IDLE_S: Final = 300.0
WARN_LIFETIME_S: Final = 900.0
# More than this of a core or a GPU is work, also when no request runs.
WORK_PERCENT: Final = 5.0
_WORK_OVER_S: Final = 10.0
_MIN_WORK_OVER_S: Final = 2.0
_CHECK_EVERY_S: Final = 5.0
_MIN_CHECK_EVERY_S: Final = 0.05


class NotExtended(Exception):
    """The end of a lifetime is put off by the administrator only; the message says so."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Each in seconds; None is never. A warning comes at most half of the whole time beforehand."""

    idle_after_s: float | None = None
    lifetime_s: float | None = None
    warn_idle_s: float = WARN_IDLE_S
    warn_lifetime_s: float = WARN_LIFETIME_S
    cull_busy: bool = False

    def after_s(self, why: Why) -> float | None:
        return self.idle_after_s if why == "idle" else self.lifetime_s

    def warn_s(self, why: Why) -> float:
        warn_s = self.warn_idle_s if why == "idle" else self.warn_lifetime_s
        return min(warn_s, (self.after_s(why) or 0.0) / 2)

    @property
    def work_over_s(self) -> float:
        """Of the time before, how much is looked at for work; a start is work too, and none of a short idle time."""
        return min(_WORK_OVER_S, max(_MIN_WORK_OVER_S, (self.idle_after_s or _WORK_OVER_S) / 10))

    def reason(self, why: Why) -> str:
        """Of the death, for whoever is connected and whoever asks later."""
        spent = duration(self.after_s(why) or 0.0)
        return f"Idle for {spent}." if why == "idle" else f"Its lifetime of {spent} is over."

    def warning(self, why: Why, left_s: float) -> str:
        spent, left = duration(self.after_s(why) or 0.0), duration(max(1.0, left_s))
        if why == "idle":
            return f"This runtime ends in {left}, because nobody has used it; anything that is run keeps it."
        return f"This runtime ends in {left}: its lifetime is {spent}. Save what you need from its memory."


NEVER: Final = Policy()


@dataclass(frozen=True, slots=True)
class Life:
    """In seconds since 1970. `active_s` is when the last activity ended; now, while something runs."""

    created_s: float
    active_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """An end that was announced."""

    why: Why
    at_s: float

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.at_s, UTC)


def announced(policy: Policy, life: Life, before: Sequence[Stop], now_s: float) -> tuple[Stop, ...]:
    """The ends that people are to know of now, the nearest first; `before` is what they knew of until now. A stop
    whose time has come is carried out by whoever asks."""
    known = {stop.why: stop for stop in before}
    found: list[Stop] = []
    for why in get_args(Why):
        due_s = _due_s(policy, life, why)
        if due_s is None or now_s < due_s - policy.warn_s(why):
            continue
        # Also who is far beyond, after the sleep of a laptop or of the gateway, has the whole time of a warning.
        found.append(known.get(why) or Stop(why, max(due_s, now_s + policy.warn_s(why))))
    return tuple(sorted(found, key=lambda stop: stop.at_s))


def _due_s(policy: Policy, life: Life, why: Why) -> float | None:
    after_s = policy.after_s(why)
    if after_s is None:
        return None
    return after_s + (life.created_s if why == "lifetime" else life.active_s)


def duration(seconds: float) -> str:
    """As people say it: 90 min, 12 h, 45 s."""
    whole = round(seconds)
    if whole >= 7_200 and whole % 3_600 == 0:
        return f"{whole // 3_600} h"
    return f"{round(whole / 60)} min" if whole >= 90 else f"{whole} s"


class Mortal(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def created(self) -> datetime: ...

    @property
    def last_activity(self) -> datetime: ...


class Culler:
    """`works` says whether a kernel's processor or GPU works; `end` ends one for a reason, at once."""

    def __init__(
        self,
        policy: Policy,
        kernels: Callable[[], Sequence[Mortal]],
        works: Callable[[str], bool],
        notify: Callable[[Notice], None],
        end: Callable[[str, str], None],
        lifetime_extendable: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._kernels = kernels
        self._works = works
        self._notify = notify
        self._end = end
        self._lifetime_extendable = lifetime_extendable
        self._now_s = now_s
        self._started_s = now_s()
        self._active_s: dict[str, float] = {}
        self._created_s: dict[str, float] = {}
        self._stops: dict[str, tuple[Stop, ...]] = {}

    def stop_of(self, kernel: str) -> Stop | None:
        """The nearest end that was announced."""
        return next(iter(self._stops.get(kernel, ())), None)

    def model(self, kernel: str) -> dict[str, object]:
        """What a kernel's model has besides; empty unless its end is near."""
        stop = self.stop_of(kernel)
        return {"stops_at": stop.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "stops_why": stop.why} if stop else {}

    def extend(self, kernel: str) -> None:
        """Somebody says that it is to stay. Raises NotExtended when its lifetime is what ends it, and that is not
        theirs to put off."""
        stops = self._stops.get(kernel, ())
        self._active_s[kernel] = self._now_s()
        if any(stop.why == "lifetime" for stop in stops):
            if not self._lifetime_extendable:
                lifetime = duration(self._policy.lifetime_s or 0.0)
                raise NotExtended(
                    f"This runtime's lifetime of {lifetime} ends; only the administrator can put that off, "
                    "with --extend-lifetime."
                )
            self._created_s[kernel] = self._now_s()
        self.check()

    async def run(self) -> None:
        policy = self._policy
        times = [policy.after_s(why) for why in get_args(Why)]
        if all(after_s is None for after_s in times):
            return
        shortest_s = min(after_s for after_s in times if after_s is not None)
        while True:
            self.check()
            await anyio.sleep(min(_CHECK_EVERY_S, max(_MIN_CHECK_EVERY_S, shortest_s / 20)))

    def check(self) -> None:
        now_s = self._now_s()
        kernels = self._kernels()
        ids = {kernel.id for kernel in kernels}
        for known in (self._active_s, self._created_s, self._stops):
            for gone in known.keys() - ids:
                del known[gone]
        for kernel in kernels:
            stops = announced(self._policy, self._life(kernel, now_s), self._stops.get(kernel.id, ()), now_s)
            self._tell(kernel.id, stops, now_s)
            self._stops[kernel.id] = stops
            if stops and stops[0].at_s <= now_s:
                reason = self._policy.reason(stops[0].why)
                self._notify(Notice(kernel.id, "culled", reason))
                self._end(kernel.id, reason)

    def _life(self, kernel: Mortal, now_s: float) -> Life:
        busy = kernel.state in ("starting", "restarting") or (kernel.state == "busy" and not self._policy.cull_busy)
        asked_s = kernel.last_activity.timestamp()
        # A gateway that has just started knows nothing of the work before: it counts from there.
        active_s = max(self._active_s.get(kernel.id, self._started_s), asked_s if asked_s <= now_s else 0.0)
        if busy or self._works(kernel.id):
            active_s = now_s
        self._active_s[kernel.id] = active_s
        return Life(self._created_s.get(kernel.id, kernel.created.timestamp()), active_s)

    def _tell(self, kernel: str, stops: tuple[Stop, ...], now_s: float) -> None:
        before = self._stops.get(kernel, ())
        for stop in stops:
            if stop not in before:
                text = self._policy.warning(stop.why, stop.at_s - now_s)
                self._notify(Notice(kernel, stop.why, text, stop.at))
        for stop in before:
            if stop.why not in {other.why for other in stops}:
                self._notify(Notice(kernel, stop.why, "This runtime stays."))
