"""Comm messages on their way to one browser. They are dropped whole when it reads too slowly: it is told of the gap,
and asks for the state of what it shows."""

from collections import deque
from typing import Final

from collab.wire import comm_frame

MAX_LANE_BYTES: Final = 8 << 20
_GAP: Final = comm_frame({"type": "gap"})


class CommLane:
    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, payload: bytes) -> None:
        self._frames.append(payload)
        self._bytes += len(payload)
        # One alone may be larger: it is the answer to a question.
        if self._bytes > MAX_LANE_BYTES and len(self._frames) > 1:
            self._frames.clear()
            self._frames.append(_GAP)
            self._bytes = len(_GAP)

    def next(self) -> bytes:
        if not self._frames:
            return b""
        payload = self._frames.popleft()
        self._bytes -= len(payload)
        return payload
