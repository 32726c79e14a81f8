"""Tells the next keystroke from everything else that an update may be, by its bytes alone.

Who types on sends one piece of text that goes behind the last one, before the same neighbour: it can only land in the
text in which that one landed. So it needs no Doc to be judged, as long as nothing but texts has changed since. What
does not look exactly so is none of ours. Does not know cells or Docs.
"""

from typing import Final

from collab.wire import varuint

_ONE: Final = b"\x01\x01"  # one client, one piece
_TEXT: Final = 4
_BEHIND: Final = 0x80
_BEFORE: Final = 0x40
_KIND: Final = 0x1F
_NO_DELETIONS: Final = 0
_MAX_NUMBER_BYTES: Final = 8
_MAX_CLIENTS: Final = 1_000


class Keystrokes:
    """Of a document's clients: what the next one of each has to begin with."""

    def __init__(self) -> None:
        self._next: dict[bytes, tuple[int, bytes, bytes]] = {}  # by client: the clock, and the bytes around it

    def forget(self) -> None:
        """More than texts has changed."""
        self._next.clear()

    def note(self, update: bytes) -> None:
        """An update that was found to change the text of a cell and nothing else; it may be the first of many."""
        piece = _piece(update)
        if piece is None:
            return
        client, clock, kind, before, text = piece
        if len(self._next) >= _MAX_CLIENTS and client not in self._next:
            self.forget()
        self._expect(client, clock + len(text), kind, before)

    def goes_on(self, update: bytes) -> str | None:
        """The text, when it is a next keystroke; it counts as admitted then."""
        end = _number_end(update, len(_ONE))
        expected = self._next.get(update[len(_ONE) : end])
        if expected is None:
            return None
        clock, head, tail = expected
        if not update.startswith(head):
            return None
        at = len(head)
        if not update.startswith(tail, at):
            return None
        text = _last_text(update, at + len(tail))
        if text is None:
            return None
        client = update[len(_ONE) : end]
        kind = head[-1]
        self._expect(client, clock + len(text), kind, tail[len(client) + len(varuint(clock - 1)) :])
        return text

    def _expect(self, client: bytes, clock: int, kind: int, before: bytes) -> None:
        head = _ONE + client + varuint(clock) + bytes((kind | _BEHIND,))
        self._next[client] = clock, head, client + varuint(clock - 1) + before


def _piece(update: bytes) -> tuple[bytes, int, int, bytes, str] | None:
    """Client, clock, kind, the neighbour that follows, and the text, of an update that is one piece of ASCII."""
    if not update.startswith(_ONE):
        return None
    at = _number_end(update, len(_ONE))
    client = update[len(_ONE) : at]
    clock_end = _number_end(update, at)
    if clock_end >= len(update):
        return None
    clock, kind = _number(update[at:clock_end]), update[clock_end]
    if kind & _KIND != _TEXT or not kind & (_BEHIND | _BEFORE) or kind & ~(_KIND | _BEHIND | _BEFORE):
        return None
    at = clock_end + 1
    if kind & _BEHIND:
        at = _number_end(update, _number_end(update, at))
    start = at
    if kind & _BEFORE:
        at = _number_end(update, _number_end(update, at))
    text = _last_text(update, at)
    return None if text is None else (client, clock, kind, update[start:at], text)


def _last_text(update: bytes, at: int) -> str | None:
    """The text that is the rest of an update; None when there is more, or none, or one that is not ASCII: of others the
    clock does not count the bytes."""
    start = _number_end(update, at)
    stop = len(update) - 1
    if start > stop or update[stop] != _NO_DELETIONS or not start < stop or _number(update[at:start]) != stop - start:
        return None
    text = update[start:stop]
    return text.decode() if text.isascii() else None


def _number_end(data: bytes, at: int) -> int:
    """Where a number ends that begins there: behind the data when it does not end, or is longer than any of ours."""
    for end in range(at, min(len(data), at + _MAX_NUMBER_BYTES)):
        if data[end] < 0x80:
            return end + 1
    return len(data) + 1


def _number(encoded: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded))
