"""One client's place in a Journal."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from kernelhost.journal import Journal
from kernelhost.messages import lost_notice
from kernelhost.wire import Message

_LOOK_AHEAD: Final = 100


class Overtaken(Exception):
    """Output was dropped that this Reader has not seen."""


class Reader:
    """It gets `first`, then what is kept of what came after `at`, with a word where output is missing; only once it has
    caught up is it Overtaken, as it would otherwise be so again at once. `at` is the last message that is known to be
    dealt with: one that was given out counts when the next is asked for."""

    def __init__(
        self, journal: Journal, session: str, at: int, first: Iterable[Message] = (), knows_of_loss: bool = False
    ) -> None:
        self.session = session
        self.at = at
        self._given = at
        self._journal = journal
        self._first = deque(first)
        self._joined = journal.seq
        self._told = knows_of_loss

    def next(self) -> Message | None:
        """None when there is nothing more for now. Raises Overtaken."""
        if self._first:
            return self._first.popleft()
        self.at = self._given
        while True:
            kept = self._journal.following(self._given)
            if self._given < self._journal.lossy:
                if self._given >= self._joined:
                    raise Overtaken
                if not self._told:
                    self._told = True
                    return lost_notice(self._next_parent())
            if kept is None:
                break
            self._given = kept.seq
            is_old = kept.passing and kept.seq <= self._joined
            if kept.session in (None, self.session) and not is_old:
                return kept.message
        self._given = max(self._given, self._joined)
        self.at = self._given
        return None

    def _next_parent(self) -> bytes:
        """The parent of the first output from here on; `{}` when there is none near."""
        for looked, kept in enumerate(self._journal.since(self._given)):
            item = kept.message
            if item.channel == "iopub" and item.parent_type == "execute_request":
                return item.parent
            if looked >= _LOOK_AHEAD:
                break
        return b"{}"
