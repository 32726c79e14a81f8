"""How often something may be done: so many times within so long, by key. Pure; the clock is passed in."""

import math
from collections import deque


class TooOften(Exception):
    """`retry_after_s` is whole seconds, at least 1; the message is one sentence."""

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Quota:
    """`times` within `within_s`, for each key of its own. The message is `what` and "3 times in 60 s at most"."""

    def __init__(self, what: str, times: int, within_s: float) -> None:
        self._what = what
        self._times = times
        self._within_s = within_s
        self._used: dict[str, deque[float]] = {}

    @property
    def size(self) -> int:
        """How many keys are remembered."""
        return len(self._used)

    def use(self, now_s: float, key: str = "") -> None:
        """Counts once, before anything is awaited (kernels.md A7). Raises TooOften, which does not count."""
        for other in [other for other, used in self._used.items() if used[-1] <= now_s - self._within_s]:
            del self._used[other]
        used = self._used.setdefault(key, deque())
        while used and used[0] <= now_s - self._within_s:
            used.popleft()
        if len(used) >= self._times:
            wait_s = max(1, math.ceil(used[0] + self._within_s - now_s))
            times = "once" if self._times == 1 else f"{self._times} times"
            raise TooOften(f"{self._what} {times} in {self._within_s:.0f} s at most; try again in {wait_s} s.", wait_s)
        used.append(now_s)
