"""How fast a kernel may print: what it is told that was read of it runs behind, and our launcher waits. Pure.

Nothing is dropped for it and nobody else waits; a kernel that is no Python one is not slowed, as it does not look.
"""

from typing import Final

# So much may be unread before the launcher waits.
UNREAD: Final = 32_000_000


class Pace:
    """`now_s` is monotonic seconds; a second's worth may come at once."""

    def __init__(self, bytes_per_s: int, now_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._tokens = float(bytes_per_s)
        self._at_s = now_s
        self._told = 0
        self._count = 0

    def told(self, count: int, now_s: float) -> int:
        """Of the `count` bytes that were read so far, how many to own up to."""
        gained = max(0.0, now_s - self._at_s) * self._bytes_per_s
        self._at_s, self._count = max(now_s, self._at_s), count
        self._tokens = min(self._tokens + gained, float(self._bytes_per_s))
        more = min(count - self._told, int(self._tokens))
        self._tokens -= more
        self._told += more
        return self._told

    @property
    def is_slowing(self) -> bool:
        """As seen from here; what is on its way comes on top."""
        return self._count - self._told > 0.9 * UNREAD
