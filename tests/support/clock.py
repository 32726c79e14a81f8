"""An event loop whose clock jumps to the next timer when nothing else is left to do: half a minute passes at once.

For code that only waits for timers and its own tasks; threads and sockets take real time, during which it would jump.
"""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


JUMPING: tuple[str, Mapping[str, Any]] = ("asyncio", {"loop_factory": JumpingLoop})
