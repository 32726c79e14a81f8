"""The last hour of samples of one kernel: the newest as they came, older ones thinned. Pure; bounded by count."""

from collections import deque
from dataclasses import replace
from typing import Final

from kernelhost.usage import GpuUsage, Usage

RECENT_S: Final = 60
THINNED_EVERY_S: Final = 15
KEPT_S: Final = 3_600
# One sample takes about 300 bytes, so an hour about 0.1 MB.
MAX_RECENT: Final = 120
MAX_THINNED: Final = KEPT_S // THINNED_EVERY_S


class History:
    def __init__(self) -> None:
        self._recent: deque[Usage] = deque()
        self._thinned: deque[Usage] = deque(maxlen=MAX_THINNED)
        self._slot: list[Usage] = []

    def __len__(self) -> int:
        return len(self._thinned) + len(self._slot) + len(self._recent)

    @property
    def last(self) -> Usage | None:
        return self._recent[-1] if self._recent else None

    def add(self, sample: Usage) -> None:
        self._recent.append(sample)
        newest_s = sample.at.timestamp()
        while len(self._recent) > MAX_RECENT or newest_s - self._recent[0].at.timestamp() > RECENT_S:
            self._thin(self._recent.popleft())
        while self._thinned and newest_s - self._thinned[0].at.timestamp() > KEPT_S:
            self._thinned.popleft()

    def samples(self) -> list[Usage]:
        """Oldest first."""
        return [*self._thinned, *self._slot, *self._recent]

    def cpu_percent(self, now_s: float, over_s: float) -> float:
        """The mean since `over_s` before `now_s` (seconds since 1970); 0 when nothing was sampled since."""
        since = [sample.cpu_percent for sample in self._recent if now_s - sample.at.timestamp() <= over_s]
        return sum(since) / len(since) if since else 0.0

    def _thin(self, sample: Usage) -> None:
        slot = self._slot
        if slot and _slot_of(slot[0]) != _slot_of(sample):
            self._thinned.append(_together(slot))
            slot.clear()
        slot.append(sample)
        if len(slot) > MAX_RECENT:
            slot[:] = [_together(slot)]


def _slot_of(sample: Usage) -> int:
    return int(sample.at.timestamp()) // THINNED_EVERY_S


def _together(samples: list[Usage]) -> Usage:
    """Peaks of what can hit a limit, the mean of what is a rate, the last request."""
    last = samples[-1]
    gpus: dict[str, GpuUsage] = {}
    for gpu in (gpu for sample in samples for gpu in sample.gpus):
        if gpu.uuid not in gpus or gpu.memory_bytes >= gpus[gpu.uuid].memory_bytes:
            gpus[gpu.uuid] = gpu
    return replace(
        last,
        cpu_percent=round(sum(sample.cpu_percent for sample in samples) / len(samples), 1),
        memory_bytes=max(sample.memory_bytes for sample in samples),
        processes=max(sample.processes for sample in samples),
        gpus=tuple(gpus.values()),
        request=next((sample.request for sample in reversed(samples) if sample.request), None),
    )
