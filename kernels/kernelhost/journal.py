"""What a kernel said last, for all its clients: the newest part in memory, what is older on disk (kernels.md J3-J5).

It never waits for a reader. At its bound the oldest output is dropped; status, replies, errors, questions, comm
messages and clear_output stay for as much again, so that who was away learns how everything ended. A client has no
queue of its own: it is as far behind as its Reader.
"""

import logging
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

from kernelhost.messages import is_idle
from kernelhost.segment import Kept, Segment, name_of, name_of_id, record
from kernelhost.wire import Message

log = logging.getLogger(__name__)

MAX_BYTES: Final = 64 << 20
_MEMORY_BYTES: Final = 4 << 20
_SEGMENT_BYTES: Final = 4 << 20
# What a message costs in memory besides its bytes; a flood of tiny ones is bounded by it.
_OVERHEAD_BYTES: Final = 600
_MAX_NAMES: Final = 100_000
_MAX_ENDS: Final = 2_000
_MAX_IDLE: Final = 200


@dataclass(slots=True)
class _End:
    """A reply and the idle that belongs to it; None while that has not come."""

    reply: int
    session: str
    idle: int | None = None


class Journal:
    """`folder` is made when it is needed, and gone after `close`. Files in it are for its owner only (0600)."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int = MAX_BYTES,
        memory_bytes: int = _MEMORY_BYTES,
        segment_bytes: int = _SEGMENT_BYTES,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._memory_bytes = min(memory_bytes, max(1, max_bytes // 4))
        self._segment_bytes = min(segment_bytes, max(1, max_bytes // 8))
        self._numbers = count(1)
        self._recent: deque[Kept] = deque()
        self._recent_bytes = 0
        self._whole: deque[Segment] = deque()
        self._pruned: deque[Segment] = deque()  # older: output is not in them any more
        self._whole_bytes = self._pruned_bytes = 0
        self._names: deque[tuple[array[int], array[int]]] = deque()  # seqs and names of output that was dropped
        self._names_count = 0
        self._questions: dict[str, int] = {}
        self._answered: set[int] = set()
        self._ends: deque[_End] = deque(maxlen=_MAX_ENDS)
        self._open_ends: dict[str, _End] = {}
        self._idle: dict[str, None] = {}  # parents whose idle came before a reply, if one comes at all
        self._failing = False
        self.seq = 0  # of the newest message
        self.dropped = 0  # up to this one everything was dropped
        self.lossy = 0  # up to this one output was dropped
        self.dropped_bytes = 0  # since the beginning

    @property
    def size(self) -> int:
        return self._recent_bytes + self._whole_bytes + self._pruned_bytes

    @property
    def disk_bytes(self) -> int:
        return self._whole_bytes + self._pruned_bytes

    # -- writing --------------------------------------------------------------------------------------------------

    def add(self, message: Message, session: str | None = None, passing: bool = False) -> None:
        self.seq += 1
        kept = Kept(self.seq, session, message, passing)
        self._recent.append(kept)
        self._recent_bytes += _cost(kept)
        self._note(kept)
        if self._recent_bytes > self._memory_bytes:
            self._spill()

    def _note(self, kept: Kept) -> None:
        message = kept.message
        if kept.session is not None and message.channel == "stdin":
            self._questions[kept.session] = kept.seq
        elif kept.session is not None and message.channel in ("shell", "control"):
            if message.parent_id in self._idle:
                del self._idle[message.parent_id]
                return
            end = _End(kept.seq, kept.session)
            self._ends.append(end)
            self._open_ends[message.parent_id] = end
            while len(self._open_ends) > _MAX_ENDS:
                del self._open_ends[next(iter(self._open_ends))]
        elif message.channel == "iopub" and is_idle(message):
            found = self._open_ends.pop(message.parent_id, None)
            if found is not None:
                found.idle = kept.seq
                return
            self._idle[message.parent_id] = None
            if len(self._idle) > _MAX_IDLE:
                del self._idle[next(iter(self._idle))]

    def _spill(self) -> None:
        """The older half of what is in memory goes to disk. In one write, which goes to the system's cache: nothing
        here is to survive a power cut."""
        chunk: list[Kept] = []
        while len(self._recent) > 1 and self._recent_bytes > self._memory_bytes // 2:
            chunk.append(self._recent.popleft())
            self._recent_bytes -= _cost(chunk[-1])
        if not chunk:
            return  # a single message that is larger than all of it; the next one sends it on
        try:
            if not self._whole or self._whole[-1].size >= self._segment_bytes:
                self._whole.append(self._segment())
            before = self._whole[-1].size
            self._whole[-1].append([record(kept) for kept in chunk])
            self._whole_bytes += self._whole[-1].size - before
            self._failing = False
        except OSError as error:
            self._cannot_write(chunk, error)
        while len(self._whole) > 1 and self._recent_bytes + self._whole_bytes > self._max_bytes:
            self._prune()

    def _segment(self) -> Segment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Segment(self._folder / f"{next(self._numbers)}")

    def _prune(self) -> None:
        """Of the oldest whole segment only what is no output stays."""
        segment = self._whole.popleft()
        self._whole_bytes -= segment.size
        self.dropped_bytes += segment.size
        self._lose(segment.last_output)
        self._remember(segment.seqs, segment.names)
        try:
            essentials = segment.essentials()
            if essentials:
                if not self._pruned or self._pruned[-1].size >= self._segment_bytes:
                    self._pruned.append(self._segment())
                before = self._pruned[-1].size
                self._pruned[-1].append(essentials)
                self._pruned_bytes += self._pruned[-1].size - before
                self.dropped_bytes -= self._pruned[-1].size - before
        except OSError as error:
            self._tell_of(error)
            self._drop_to(segment.last)
        segment.close()
        while self._pruned_bytes > self._max_bytes:
            self._drop_to(self._pruned[0].last)

    def _remember(self, seqs: "array[int]", names: "array[int]") -> None:
        self._names.append((seqs, names))
        self._names_count += len(seqs)
        while self._names_count > _MAX_NAMES:
            self._names_count -= len(self._names.popleft()[0])

    def _lose(self, seq: int) -> None:
        self.lossy = max(self.lossy, seq)

    def _drop_to(self, seq: int) -> None:
        self.dropped = max(self.dropped, seq)
        self._lose(seq)
        while self._pruned and self._pruned[0].last <= seq:
            segment = self._pruned.popleft()
            self._pruned_bytes -= segment.size
            self.dropped_bytes += segment.size
            segment.close()
        while self._whole and self._whole[0].last <= seq:
            segment = self._whole.popleft()
            self._whole_bytes -= segment.size
            self.dropped_bytes += segment.size
            segment.close()
        self._answered = {each for each in self._answered if each > seq}

    def _cannot_write(self, chunk: list[Kept], error: OSError) -> None:
        """A full disk costs output. What else there is stays in memory, for as much again as there may be."""
        self._tell_of(error)
        essentials = [kept for kept in chunk if not kept.is_output]
        self._lose(max((kept.seq for kept in chunk if kept.is_output), default=0))
        self._remember(array("Q", [kept.seq for kept in chunk]), array("q", [name_of(kept.message) for kept in chunk]))
        self._recent.extendleft(reversed(essentials))
        self._recent_bytes += sum(map(_cost, essentials))
        while len(self._recent) > 1 and self._recent_bytes > 2 * self._memory_bytes:
            kept = self._recent.popleft()
            self._recent_bytes -= _cost(kept)
            self._drop_to(kept.seq)

    def _tell_of(self, error: OSError) -> None:
        if not self._failing:
            log.warning("Output cannot be kept on disk", extra={"folder": str(self._folder), "reason": str(error)})
        self._failing = True

    def close(self) -> None:
        """What is in memory can still be read."""
        for segment in (*self._pruned, *self._whole):
            segment.close()
        self._pruned.clear()
        self._whole.clear()
        self._whole_bytes = self._pruned_bytes = 0
        self._drop_to(self._recent[0].seq - 1 if self._recent else self.seq)
        if self._folder.is_dir():
            self._folder.rmdir()

    # -- reading --------------------------------------------------------------------------------------------------

    def following(self, seq: int) -> Kept | None:
        """What is kept first after `seq`: at most one record is read from disk."""
        recent = self._recent
        if not recent or seq >= self.seq:
            return None
        while seq < recent[0].seq:
            segment = next((each for each in (*self._pruned, *self._whole) if each.last > seq), None)
            if segment is None:
                break
            try:
                return self._as_it_is_now(segment.read(segment.after(seq)))
            except OSError as error:
                self._tell_of(error)
                self._drop_to(segment.last)
        at = seq + 1 - recent[0].seq
        if recent[-1].seq - recent[0].seq != len(recent) - 1 or at < 0:
            at = bisect_right(recent, seq, key=lambda kept: kept.seq)
        return self._as_it_is_now(recent[at])

    def _as_it_is_now(self, kept: Kept) -> Kept:
        return replace(kept, passing=True) if kept.seq in self._answered else kept

    def place_of(self, id: str) -> int | None:
        """The seq of the iopub message `id`, also of one that was dropped not long ago."""
        for kept in reversed(self._recent):
            if kept.message.id == id and kept.message.channel == "iopub":
                return kept.seq
        name = name_of_id(id)
        for segment in (*reversed(self._whole), *reversed(self._pruned)):
            for index in _places(segment.names, name):
                if segment.read(index).message.id == id:
                    return segment.seqs[index]
        for seqs, names in reversed(self._names):
            for index in _places(names, name):
                return seqs[index]
        return None

    @property
    def known_from(self) -> int:
        """A message that `place_of` does not know came before this one, if it ever came."""
        return self._names[0][0][0] - 1 if self._names else self.dropped

    def unfinished_replies(self, seq: int, session: str) -> list[Message]:
        """Replies up to `seq` whose idle comes later or never: reply and idle travel on two sockets, in either order,
        so whoever goes on after an iopub message may lack the reply that came before it (kernels.md E3)."""
        wanted = [
            end.reply
            for end in self._ends
            if end.session == session and self.dropped < end.reply <= seq and (end.idle is None or end.idle > seq)
        ]
        found = [self.following(reply - 1) for reply in wanted]
        return [kept.message for kept in found if kept is not None]

    def retire_question(self, session: str) -> None:
        """The session's last input request was answered: who comes back is not asked again."""
        question = self._questions.pop(session, 0)
        if question > self.dropped:
            self._answered.add(question)

    def since(self, seq: int) -> Iterator[Kept]:
        while (kept := self.following(seq)) is not None:
            yield kept
            seq = kept.seq


def _cost(kept: Kept) -> int:
    return kept.message.size + _OVERHEAD_BYTES


def _places(names: "array[int]", name: int) -> Iterator[int]:
    at = -1
    while True:
        try:
            at = names.index(name, at + 1)
        except ValueError:
            return
        yield at
