"""The last messages of a kernel, for clients that were away: a ring bounded by bytes and count."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from kernelhost.wire import Message

MAX_BYTES: Final = 64 << 20
MAX_MESSAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Kept:
    """`session` is the client session that a reply belongs to; None for iopub, which is everybody's."""

    seq: int
    session: str | None
    message: Message


class Replay:
    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self._seq = 0
        self._dropped = False

    @property
    def seq(self) -> int:
        """Of the newest message."""
        return self._seq

    def add(self, message: Message, session: str | None = None) -> None:
        self._seq += 1
        self._kept.append(Kept(self._seq, session, message))
        self._bytes += message.size
        while self._bytes > self._max_bytes or len(self._kept) > MAX_MESSAGES:
            self._bytes -= self._kept.popleft().message.size
            self._dropped = True

    def since(self, seq: int, session: str) -> list[Message]:
        """What came after `seq`, other sessions' replies left out."""
        return [kept.message for kept in self._kept if kept.seq > seq and kept.session in (None, session)]

    def after(self, id: str, session: str) -> tuple[list[Message], bool]:
        """What came after the iopub message `id`, or all there is if that is unknown; and whether nothing is missing."""
        for kept in reversed(self._kept):
            if kept.message.id == id and kept.session is None:
                return self.since(kept.seq, session), True
        return self.since(0, session), not self._dropped
