"""Kept messages in one file, in order, and what finds them there again.

A record is the message's own bytes behind a head of numbers; ids and types are read from them again, so that nothing is
said twice. What a file holds is indexed in memory, at some 20 bytes a message.
"""

import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from kernelhost.wire import CHANNELS, Message, message

_HEAD: Final = struct.Struct("<QBBIIIIII")  # seq, channel, flags, session, 4 parts, number of buffers
_PASSING: Final = 1
_FOR_ONE: Final = 2
# What a program can put out without end, and what can be done without.
OUTPUT: Final = ("stream", "display_data", "update_display_data", "execute_result")


@dataclass(frozen=True, slots=True)
class Kept:
    """`session` is the client session that it is for; None is everybody's. One that is `passing` is for those who are
    connected now: a replayed `restarting` makes clients loop (kernels.md H9)."""

    seq: int
    session: str | None
    message: Message
    passing: bool

    @property
    def is_output(self) -> bool:
        return self.message.channel == "iopub" and self.message.type in OUTPUT


class Record(NamedTuple):
    seq: int
    name: int
    is_output: bool
    data: bytes


def name_of(item: Message) -> int:
    """0 for what is not on iopub: nobody asks for it by its name."""
    return name_of_id(item.id) if item.channel == "iopub" else 0


def name_of_id(id: str) -> int:
    """Stands for a msg_id. Two may have the same: look before you trust it."""
    return hash(id) or 1


def record(kept: Kept) -> Record:
    item = kept.message
    session = b"" if kept.session is None else kept.session.encode("utf-8", "surrogatepass")
    parts = (item.header, item.parent, item.metadata, item.content)
    flags = (_PASSING if kept.passing else 0) | (0 if kept.session is None else _FOR_ONE)
    head = _HEAD.pack(kept.seq, CHANNELS.index(item.channel), flags, len(session), *map(len, parts), len(item.buffers))
    sizes = struct.pack(f"<{len(item.buffers)}Q", *map(len, item.buffers))
    data = b"".join((head, sizes, session, *parts, *item.buffers))
    return Record(kept.seq, name_of(item), kept.is_output, data)


def kept(data: bytes) -> Kept:
    """Of what `record` made."""
    seq, channel, flags, of_session, *of_parts, count = _HEAD.unpack_from(data)
    sizes = struct.unpack_from(f"<{count}Q", data, _HEAD.size)
    at = _HEAD.size + 8 * count
    found = []
    for size in (of_session, *of_parts, *sizes):
        found.append(data[at : at + size])
        at += size
    session, header, parent, metadata, content, *buffers = found
    item = message(CHANNELS[channel], header, parent, metadata, content, tuple(buffers))
    return Kept(
        seq, session.decode("utf-8", "surrogatepass") if flags & _FOR_ONE else None, item, bool(flags & _PASSING)
    )


class Segment:
    """Raises OSError where the disk does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.size = 0
        self.seqs = array("Q")
        self.names = array("q")
        self._starts = array("Q")
        self._output = bytearray()

    @property
    def last(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    def append(self, records: Iterable[Record]) -> None:
        """All of them or none."""
        records = list(records)
        data = memoryview(b"".join(each.data for each in records))
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self.size + written)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        for each in records:
            self.seqs.append(each.seq)
            self.names.append(each.name)
            self._starts.append(self.size)
            self._output.append(each.is_output)
            self.size += len(each.data)

    def after(self, seq: int) -> int:
        """The index of the first record after `seq`."""
        return bisect_right(self.seqs, seq)

    def read(self, index: int) -> Kept:
        return kept(self._bytes(index))

    def essentials(self) -> list[Record]:
        return [
            Record(self.seqs[index], self.names[index], False, self._bytes(index))
            for index, is_output in enumerate(self._output)
            if not is_output
        ]

    @property
    def last_output(self) -> int:
        """The seq of its last output; 0 when it has none."""
        index = self._output.rfind(1)
        return self.seqs[index] if index >= 0 else 0

    def _bytes(self, index: int) -> bytes:
        start = self._starts[index]
        stop = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
        parts = []
        while start < stop:
            part = os.pread(self._file, stop - start, start)
            if not part:
                raise OSError(f"{self._path.name} is shorter than it was made")
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """It is gone with its file."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)
