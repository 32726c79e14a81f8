"""The last messages of a kernel: one ring for all its clients, bounded by bytes and count, and a Reader's place in it.

A client has no queue of its own: it is as far behind as its Reader, and one that the ring overtakes is too slow.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from kernelhost.messages import is_idle
from kernelhost.wire import Message

MAX_BYTES: Final = 64 << 20
MAX_MESSAGES: Final = 100_000
# What a message costs besides its bytes; a flood of tiny ones is bounded by it.
_OVERHEAD_BYTES: Final = 600


class Overtaken(Exception):
    """The ring has dropped messages that this Reader has not seen."""


@dataclass(frozen=True, slots=True)
class Kept:
    """`session` is the client session that it is for; None is everybody's. One that is `passing` is for those who are
    connected now: a replayed `restarting` makes clients loop (kernels.md H9)."""

    seq: int
    session: str | None
    message: Message
    passing: bool


class Replay:
    def __init__(self, max_bytes: int = MAX_BYTES, max_messages: int = MAX_MESSAGES) -> None:
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self._seq = 0

    @property
    def seq(self) -> int:
        """Of the newest message."""
        return self._seq

    @property
    def size(self) -> int:
        return self._bytes

    @property
    def dropped(self) -> int:
        """Up to this one messages were dropped."""
        return self._seq - len(self._kept)

    def add(self, message: Message, session: str | None = None, passing: bool = False) -> None:
        self._seq += 1
        self._kept.append(Kept(self._seq, session, message, passing))
        self._bytes += message.size + _OVERHEAD_BYTES
        while len(self._kept) > 1 and (self._bytes > self._max_bytes or len(self._kept) > self._max_messages):
            self._bytes -= self._kept.popleft().message.size + _OVERHEAD_BYTES

    def following(self, seq: int) -> Kept | None:
        """The message after `seq`. Raises Overtaken."""
        if seq < self.dropped:
            raise Overtaken
        return self._kept[seq - self.dropped] if seq < self._seq else None

    def since(self, seq: int) -> list[Kept]:
        """What is kept of what came after `seq`."""
        return [kept for kept in self._kept if kept.seq > seq]

    def place_of(self, id: str) -> int | None:
        """The seq of the iopub message `id`."""
        for kept in reversed(self._kept):
            if kept.message.id == id and kept.message.channel == "iopub":
                return kept.seq
        return None

    def unfinished_replies(self, seq: int, session: str) -> list[Message]:
        """Replies up to `seq` whose idle comes later or never: reply and idle travel on two sockets, in either order,
        so whoever goes on after an iopub message may lack the reply that came before it (kernels.md E3)."""
        replies: dict[str, Message] = {}
        idle: set[str] = set()
        for kept in self._kept:
            if kept.seq > seq:
                break
            item = kept.message
            if kept.session == session and item.channel in ("shell", "control"):
                replies[item.parent_id] = item
            elif is_idle(item):
                idle.add(item.parent_id)
        return [item for id, item in replies.items() if id not in idle]

    def retire_question(self, session: str) -> None:
        """The session's last input request was answered: who comes back is not asked again."""
        for at in range(len(self._kept) - 1, -1, -1):
            kept = self._kept[at]
            if kept.session == session and kept.message.channel == "stdin":
                self._kept[at] = replace(kept, passing=True)
                return

    def first_parent(self, seq: int) -> bytes:
        """The parent of the first output after `seq`; `{}` when there is none."""
        for kept in self._kept:
            if kept.seq > seq and kept.message.channel == "iopub" and kept.message.parent_type == "execute_request":
                return kept.message.parent
        return b"{}"


class Reader:
    """One client's place. It gets `first`, then what was kept when it came, which cannot be dropped under it: who was
    overtaken would otherwise be so again at the next message. `at` is the last message that is known to be dealt with:
    one that was given out counts when the next is asked for."""

    def __init__(self, replay: Replay, session: str, at: int, first: Iterable[Message] = ()) -> None:
        self.session = session
        self.at = at
        self._given = at
        self._replay = replay
        self._first = deque(first)
        self._missed = deque(kept for kept in replay.since(at) if not kept.passing)
        self._joined = replay.seq

    def next(self) -> Message | None:
        """None when there is nothing more for now. Raises Overtaken."""
        if self._first:
            return self._first.popleft()
        self.at = self._given
        while self._missed:
            kept = self._missed.popleft()
            self._given = kept.seq
            if kept.session in (None, self.session):
                return kept.message
        self._given = max(self._given, self._joined)
        while (found := self._replay.following(self._given)) is not None:
            self._given = found.seq
            if found.session in (None, self.session):
                return found.message
        self.at = self._given
        return None
