"""A stream's text in the document, within its bounds: how it follows that of a `Terminal`, and what is left out.

`ipynb` cuts what it imports with the same words. Pure.
"""

import re
from typing import Final

from collab.model import MAX_INLINE_STREAM_BYTES, STREAM_HEAD_BYTES, STREAM_TAIL_BYTES
from collab.terminal import Terminal

# A tail that grew beyond its bound is cut to less, as each cut leaves something in the document for good.
_CUT_TAIL_BYTES: Final = STREAM_TAIL_BYTES * 2 // 3
_LEFT_OUT: Final = re.compile(r"\n\[… ([0-9,]+) bytes left out; download the whole output …\]\n")


class Excerpt:
    """What the document shows of a stream: all of it, or its beginning, a line on what is left out, and its end.

    `update` takes over a change of the whole text and gives the edits that the shown text needs: as much as is new,
    never more than the end's bound.
    """

    def __init__(self, text: str = "") -> None:
        found = _left_out_of(text)
        self._head = text[: found.start()] if found else ""
        self._note = found[0] if found else ""
        self._missing = int(found[1].replace(",", "")) if found else 0  # bytes, which nobody has any more
        self._tail = text[found.end() :] if found else text
        self._tail_bytes = len(self._tail.encode())
        self._tail_from = 0  # where the tail begins in the whole text, in characters
        self._skipped = self._missing  # bytes between head and tail

    @property
    def is_short(self) -> bool:
        return self._note != ""

    @property
    def lost(self) -> str:
        """What stands before the terminal's text when a restart lost the middle."""
        return f"{self._head}\n[… {self._missing:,} bytes were lost …]\n" if self._missing else ""

    @property
    def tail(self) -> str:
        return self._tail

    def update(self, keep: int, fresh: str, terminal: Terminal) -> tuple[tuple[int, int, str], ...]:
        if keep < self._tail_from:
            return self._rebuild(terminal)
        at = keep - self._tail_from
        old_head, old_note, old_tail = self._head, self._note, self._tail
        gone = old_tail[at:]
        self._tail = old_tail[:at] + fresh
        self._tail_bytes += len(fresh.encode()) - len(gone.encode())
        if not self.is_short and self._tail_bytes <= MAX_INLINE_STREAM_BYTES:
            return ((at, len(old_tail), fresh),) if gone or fresh else ()
        cut = self._cut()
        start = len(old_head) + len(old_note)
        if not old_note or cut >= at:
            same = len(old_head) if old_note else min(at, len(self._head))
            return ((same, start + len(old_tail), self._shown()[same:]),)
        end = (start + at, start + len(old_tail), fresh)
        front = ((start, start + cut, ""),) if cut else ()
        note = ((len(old_head), start, self._note),) if self._note != old_note else ()
        return (end, *front, *note)

    def settle(self, terminal: Terminal) -> tuple[tuple[int, int, str], ...]:
        """No more is to come: the tail is as long as it may be."""
        if not self.is_short or terminal.is_cut:
            return ()
        whole = terminal.text
        if not self._missing and len(whole.encode()) <= MAX_INLINE_STREAM_BYTES:
            return self._rebuild(terminal)
        start = len(whole) - len(cut_bytes(whole, STREAM_TAIL_BYTES, end=True))
        more = whole[start : self._tail_from]
        if not more:
            return ()
        end = len(self._head) + len(self._note)
        self._skipped -= len(more.encode())
        self._note = left_out(self._skipped)
        self._tail_from, self._tail = start, more + self._tail
        self._tail_bytes += len(more.encode())
        return ((len(self._head), end, self._note + more),)

    def _cut(self) -> int:
        """Shortens the tail to its bound; how many characters of it went."""
        before = self._tail
        if not self._note:
            self._head = cut_bytes(before, STREAM_HEAD_BYTES)
            self._skipped -= len(self._head.encode())
        if self._tail_bytes > STREAM_TAIL_BYTES:
            self._tail = cut_bytes(before, _CUT_TAIL_BYTES, end=True)
            size = len(self._tail.encode())
            self._skipped += self._tail_bytes - size
            self._tail_bytes = size
        cut = len(before) - len(self._tail)
        self._tail_from += cut
        self._note = left_out(self._skipped)
        return cut

    def _rebuild(self, terminal: Terminal) -> tuple[tuple[int, int, str], ...]:
        """The change begins above the tail, as a terminal may reach further back than that."""
        old = self._shown()
        if terminal.is_cut:  # of a flood that is not held whole, what the terminal reaches; the number is about right
            self._tail_from, self._tail = terminal.reach
        else:
            if not self._missing:
                self._head = self._note = ""
            self._tail_from, self._tail = 0, terminal.text
            self._skipped = self._missing
        self._tail_bytes = len(self._tail.encode())
        if self._note or self._tail_bytes > MAX_INLINE_STREAM_BYTES:
            self._cut()
        return ((0, len(old), self._shown()),)

    def _shown(self) -> str:
        return self._head + self._note + self._tail


def left_out(size: int) -> str:
    """The line that stands for the middle of a shortened stream."""
    return f"\n[… {size:,} bytes left out; download the whole output …]\n"


def cut_bytes(text: str, size: int, end: bool = False) -> str:
    """At most `size` bytes of the text's beginning, or of its end, cut between characters."""
    data = (text[-size:] if end else text[:size]).encode()
    if len(data) <= size:
        return text[-size:] if end else text[:size]
    return (data[-size:] if end else data[:size]).decode(errors="ignore")


def _left_out_of(text: str) -> re.Match[str] | None:
    """Our line on what is left out, where we put it; not one that a program printed."""
    for found in _LEFT_OUT.finditer(text):
        if STREAM_HEAD_BYTES - 4 < len(text[: found.start()].encode()) <= STREAM_HEAD_BYTES:
            return found
    return None
