"""Whether a kernel that ended by itself is started again (kernels.md I6). Pure.

Its memory is gone either way. One that dies at once, again and again, or because it took too much would only do so
again: it stays dead, with its reason, until somebody restarts it.
"""

import signal
from collections import deque
from dataclasses import dataclass

# Killed, as the system does when memory runs out; over its processor time; over its file size.
_TOO_MUCH = (signal.SIGKILL, signal.SIGXCPU, signal.SIGXFSZ)


@dataclass(frozen=True, slots=True)
class Revival:
    """It must have lived longer than `lived_s` and have died fewer than `deaths` times `within_s`; 0 deaths: never."""

    lived_s: float = 30.0
    deaths: int = 3
    within_s: float = 600.0


class Deaths:
    """Of one kernel."""

    def __init__(self, revival: Revival) -> None:
        self._revival = revival
        self._at_s: deque[float] = deque(maxlen=max(1, revival.deaths))

    def revives(self, code: int, lived_s: float, now_s: float) -> bool:
        """`code` is the exit code, negative or over 128 for a signal."""
        rule = self._revival
        self._at_s.append(now_s)
        recent = sum(at_s > now_s - rule.within_s for at_s in self._at_s)
        number = -code if code < 0 else code - 128
        return lived_s > rule.lived_s and recent < rule.deaths and number not in _TOO_MUCH
