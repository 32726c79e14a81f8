"""How often people are told of something, so that what changes all the time does not fill their outputs. Pure."""

from typing import Final

_AT_ONCE: Final = 5
_EVERY_S: Final = 10.0


class Notices:
    """Of each kind a few at once, then one every so often."""

    def __init__(self, at_once: int = _AT_ONCE, every_s: float = _EVERY_S) -> None:
        self._at_once = at_once
        self._every_s = every_s
        self._full_at_s: dict[str, float] = {}  # when a kind may have all its notices again

    def allow(self, kind: str, now_s: float) -> bool:
        full_at_s = max(self._full_at_s.get(kind, now_s), now_s) + self._every_s
        if full_at_s > now_s + self._at_once * self._every_s:
            return False
        self._full_at_s[kind] = full_at_s
        return True
