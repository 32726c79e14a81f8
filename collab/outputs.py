"""What kernels put out, into the document: the one place that writes `outputs`.

Events are only collected. `blobs` and `write` work out what they come to, each stream as a terminal shows it, and
`write` brings that into the document in one transaction. Pure: the bytes of Blobs are handed out, storing them is the
caller's.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, TypeAlias

from pycrdt import Array, Map, Text

from collab import notebook
from collab.messages import Clear, Display, Failure, Result, Stream, is_base64
from collab.model import (
    MAX_INLINE_DATA_BYTES,
    MAX_INLINE_STREAM_BYTES,
    STREAM_HEAD_BYTES,
    STREAM_TAIL_BYTES,
    CellId,
)
from collab.notebook import SERVER_ORIGIN, NotebookDoc
from collab.terminal import CUT_NOTE, MAX_WHOLE_CHARS, Terminal

MAX_OUTPUTS: Final = 1000
MAX_WHOLE_BYTES: Final = MAX_WHOLE_CHARS
# A tail that grew beyond its bound is cut to less, as each cut leaves something in the document for good.
_CUT_TAIL_BYTES: Final = STREAM_TAIL_BYTES * 2 // 3
_MAX_BUNDLE_BYTES: Final = 4 * MAX_INLINE_DATA_BYTES
# What everyone who joins loads: beyond this much data of one cell, or of all, only small values stay in the document.
_MAX_CELL_BYTES: Final = 1 << 20
_MAX_ALL_BYTES: Final = 4 << 20
_SMALL_BYTES: Final = 1024
_LEFT_OUT: Final = re.compile(r"\n\[… ([0-9,]+) bytes left out; download the whole output …\]\n")

OutputEvent: TypeAlias = Stream | Display | Result | Failure | Clear


@dataclass(frozen=True, slots=True)
class _Begin:
    pass


@dataclass(frozen=True, slots=True)
class _Stale:
    pass


@dataclass(frozen=True, slots=True)
class _End:
    pass


_Collected: TypeAlias = OutputEvent | _Begin | _Stale | _End


# What `write` does to one array of outputs. `contents` are the Blobs it names, by their SHA-256.


@dataclass(frozen=True, slots=True)
class _Cleared:
    pass


@dataclass(frozen=True, slots=True)
class _Added:
    entry: Any
    contents: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Edited:
    """Code points `start` to `stop` of a stream's Text become `value`, edit by edit."""

    index: int
    edits: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class _Updated:
    """None leaves the data as they are, as streams have none."""

    index: int
    data: Mapping[str, str] | None
    metadata: str
    blobs: str
    contents: Mapping[str, bytes]


_Change: TypeAlias = _Cleared | _Added | _Edited | _Updated


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


@dataclass(slots=True, eq=False)
class _Stream:
    """An output that text may still be added to."""

    index: int
    name: str
    terminal: Terminal
    excerpt: Excerpt
    touched: bool = False


@dataclass(slots=True)
class _Cell:
    count: int = 0  # outputs, with the changes that wait to be written
    inline: int = 0  # bytes of their data, Blobs left out
    stream: _Stream | None = None
    stale: bool = False  # the outputs there are belong to the last run
    clear_next: bool = False
    ended: bool = False
    short: list[_Stream] = field(default_factory=list)
    changes: list[_Change] = field(default_factory=list)
    updated: dict[int, int] = field(default_factory=dict)  # index of an output -> its update among `changes`


class OutputWriter:
    def __init__(self, doc: NotebookDoc) -> None:
        self._doc = doc
        self._pending: list[tuple[CellId, _Collected]] = []
        self._pending_bytes = 0
        self._handed: set[str] = set()
        self._cells: dict[CellId, _Cell] = {}
        self._changed: dict[CellId, _Cell] = {}
        self._displays: dict[str, dict[tuple[CellId, int], None]] = {}
        self._inline = 0  # of all cells

    @property
    def pending(self) -> bool:
        return bool(self._pending or self._changed)

    @property
    def pending_bytes(self) -> int:
        """About how much has been received since the last write."""
        return self._pending_bytes

    def is_stale(self, cell: CellId) -> bool:
        """As of the last write: whether the outputs in the document are those of the run before."""
        state = self._cells.get(cell)
        return state is not None and state.stale

    def has_lost(self, cell: CellId) -> bool:
        """After `adopt`: whether a stream was shortened by a server that could not store the whole of it any more."""
        state = self._cells.get(cell)
        return state is not None and any(stream.excerpt.lost for stream in state.short)

    def begin(self, cell: CellId) -> None:
        """A new run: the outputs of the last one stay until the first new one, or until `clear_stale`."""
        self._pending.append((cell, _Begin()))

    def receive(self, cell: CellId, event: OutputEvent) -> None:
        self._pending.append((cell, event))
        self._pending_bytes += _size(event)

    def clear_stale(self, cell: CellId) -> None:
        """What the last run left goes at the next write, if it has not gone yet."""
        self._pending.append((cell, _Stale()))

    def end(self, cell: CellId) -> None:
        """The run is over. The whole of a stream that was shortened becomes a Blob now, not at each write."""
        self._pending.append((cell, _End()))

    def clear(self, cells: Iterable[CellId]) -> None:
        self._pending.extend((cell, Clear(False)) for cell in cells)

    def blobs(self) -> list[bytes]:
        """Bytes of Blobs that the next `write` names, each handed out once; ask until there are none, then write."""
        self._work_out()
        changes = [change for state in self._changed.values() for change in state.changes]
        fresh = {
            sha256: data
            for change in changes
            if isinstance(change, (_Added, _Updated))
            for sha256, data in change.contents.items()
            if sha256 not in self._handed
        }
        self._handed.update(fresh)
        return list(fresh.values())

    def write(self) -> None:
        """Everything collected, in one transaction of the server's; joins the caller's if one is open."""
        self._work_out()
        self._pending_bytes = 0
        self._handed.clear()
        changed, self._changed = self._changed, {}
        with self._doc.transaction(origin=SERVER_ORIGIN):
            for cell, state in changed.items():
                _write(notebook.roots(self._doc).outputs, cell, state.changes)
                state.changes, state.updated = [], {}
                if state.ended:
                    state.stream = None  # it can be taken up again from the document

    def adopt(self) -> None:
        """After a restart: which display_id is where, and which streams were shortened but not stored whole yet.

        Other streams are taken up again when more of them comes. What this writer knows stays, so it may be called
        while runs are under way.
        """
        with self._doc.transaction(origin=SERVER_ORIGIN):
            outputs = notebook.roots(self._doc).outputs
            for cell in list(outputs.keys()):
                if CellId(cell) not in self._changed:
                    self._adopt_cell(CellId(cell), _entries(outputs, cell))

    def _adopt_cell(self, cell: CellId, entries: Any) -> None:
        is_known = cell in self._cells
        if not is_known and (inline := sum(_inline_bytes(entry) for entry in entries)):
            self._cells[cell] = _Cell(inline=inline)
            self._inline += inline
        for index, entry in enumerate(entries):
            if not isinstance(entry, Map):
                continue
            shown = entry.get("display_id")
            if isinstance(shown, str) and shown:
                self._displays.setdefault(shown, {})[cell, index] = None
            excerpt = None if is_known else _unfinished(entry, STREAM_HEAD_BYTES)
            if excerpt is not None and excerpt.is_short:
                stream = _Stream(index, str(entry.get("name")), Terminal(excerpt.tail), excerpt)
                self._cells.setdefault(cell, _Cell()).short.append(stream)

    # -- working out -----------------------------------------------------------------------------------------------

    def _work_out(self) -> None:
        pending, self._pending = self._pending, []
        touched: dict[CellId, _Cell] = {}
        for cell, event in _joined(pending):
            if cell not in touched:
                touched[cell] = self._state(cell)
            self._apply(cell, touched[cell], event)
        for cell, state in touched.items():
            self._flush(cell, state)

    def _state(self, cell: CellId) -> _Cell:
        """As the document has it, when nothing of the cell waits to be written."""
        state = self._cells.setdefault(cell, _Cell())
        if not state.changes:
            state.count = len(_entries(notebook.roots(self._doc).outputs, cell))
            if state.stream is not None and state.stream.index >= state.count:
                state.stream = None
        return state

    def _change(self, cell: CellId, state: _Cell, change: _Change) -> None:
        state.changes.append(change)
        self._changed[cell] = state

    def _apply(self, cell: CellId, state: _Cell, event: _Collected) -> None:
        match event:
            case _Begin():
                self._close_stream(cell, state)
                self._name_wholes(cell, state)
                state.stale, state.clear_next, state.ended = True, False, False
            case _Stale():
                if state.stale:
                    self._clear(cell, state)
            case _End():
                self._flush(cell, state)
                state.clear_next, state.ended = False, True
                self._name_wholes(cell, state)
                if state.stream is not None and state.stream.excerpt.is_short:
                    state.stream = None
            case Clear(wait):
                if wait:
                    state.clear_next = True
                else:
                    self._clear(cell, state)
            case Stream(name, text):
                self._stream(cell, state, name, text)
            case Failure(ename, evalue, traceback):
                short, lines = _bounded(evalue, MAX_INLINE_DATA_BYTES // 4), _bounded_lines(traceback)
                self._add(cell, state, failure_map(_bounded(ename, 1024), short, lines))
            case Display(data, metadata, display_id, True):
                self._update(display_id, data, _bounded_metadata(metadata))
            case Display(data, metadata, display_id):
                self._add_data(cell, state, "display_data", data, metadata, display_id)
            case Result(data, metadata, display_id, count):
                self._add_data(cell, state, "execute_result", data, metadata, display_id, count)

    def _clear(self, cell: CellId, state: _Cell) -> None:
        """What was to be written before comes to nothing."""
        state.changes, state.updated, state.short = [], {}, []
        state.stream = None
        state.stale = state.clear_next = False
        self._inline -= state.inline
        state.count = state.inline = 0
        self._change(cell, state, _Cleared())
        for shown, places in list(self._displays.items()):
            for place in [place for place in places if place[0] == cell]:
                del places[place]
            if not places:
                del self._displays[shown]

    def _has_room(self, cell: CellId, state: _Cell) -> bool:
        if state.stale or state.clear_next:
            self._clear(cell, state)
        if state.count == MAX_OUTPUTS:
            self._close_stream(cell, state)
            text = f"[A cell keeps its first {MAX_OUTPUTS:,} outputs; further ones are left out.]\n"
            self._change(cell, state, _Added(stream_map("stderr", text)))
            state.count += 1
        return state.count < MAX_OUTPUTS

    def _add_data(
        self,
        cell: CellId,
        state: _Cell,
        kind: str,
        data: Mapping[str, str],
        metadata: str,
        display_id: str,
        count: int | None = None,
    ) -> None:
        if not self._has_room(cell, state):
            return
        limit = self._limit(state)
        entry = data_map(kind, data, _bounded_metadata(metadata), display_id, count, limit)
        self._add(cell, state, entry, _blobs_of(data, limit), display_id)
        inline = sum(map(len, data.values())) - sum(len(value) for value, _ in _large(data, limit))
        state.inline += inline
        self._inline += inline

    def _add(
        self, cell: CellId, state: _Cell, entry: Any, blobs: Mapping[str, bytes] | None = None, display_id: str = ""
    ) -> None:
        if not self._has_room(cell, state):
            return
        self._close_stream(cell, state)
        if display_id:
            self._displays.setdefault(display_id, {})[cell, state.count] = None
        self._change(cell, state, _Added(entry, blobs or {}))
        state.count += 1

    def _limit(self, state: _Cell) -> int:
        """Up to how many bytes a value may stay in the document."""
        has_room = state.inline < _MAX_CELL_BYTES and self._inline < _MAX_ALL_BYTES
        return MAX_INLINE_DATA_BYTES if has_room else _SMALL_BYTES

    def _update(self, display_id: str, data: Mapping[str, str], metadata: str) -> None:
        """Of several updates that wait, the last one counts."""
        for cell, index in self._displays.get(display_id, ()):
            state = self._state(cell)
            if index >= state.count:
                continue
            limit = self._limit(state)
            inline, blobs = split_data(data, limit)
            contents = _blobs_of(data, limit)
            change = _Updated(index, inline, metadata, json.dumps(blobs) if blobs else "", contents)
            if index in state.updated:
                state.changes[state.updated[index]] = change
            else:
                state.updated[index] = len(state.changes)
                self._change(cell, state, change)

    # -- streams ---------------------------------------------------------------------------------------------------

    def _stream(self, cell: CellId, state: _Cell, name: str, text: str) -> None:
        if state.stale or state.clear_next:
            self._clear(cell, state)
        if state.stream is None:
            state.stream = self._resumed(cell, state, name)
        if state.stream is None or state.stream.name != name:
            if not self._has_room(cell, state):
                return
            self._close_stream(cell, state)
            held = sum(stream.terminal.kept for stream in state.short)
            state.stream = _Stream(state.count, name, Terminal(limit=max(0, MAX_WHOLE_CHARS - held)), Excerpt())
            self._change(cell, state, _Added(stream_map(name, "")))
            state.count += 1
        state.stream.terminal.write(text)
        state.stream.touched = True

    def _resumed(self, cell: CellId, state: _Cell, name: str) -> _Stream | None:
        """The stream that the document ends with: another server began it, or its run is over."""
        if state.changes or not 0 < state.count <= MAX_OUTPUTS:
            return None
        entry = _entries(notebook.roots(self._doc).outputs, cell)[-1]
        if not isinstance(entry, Map) or entry.get("name") != name:
            return None
        excerpt = _unfinished(entry)
        if excerpt is None:
            return None
        before = next((stream for stream in state.short if stream.index == state.count - 1), None)
        if before is not None:
            return before
        stream = _Stream(state.count - 1, name, Terminal(excerpt.tail), excerpt)
        if stream.terminal.text != excerpt.tail:  # not ours: an import that never met a terminal
            edits = excerpt.update(0, stream.terminal.text, stream.terminal)
            self._change(cell, state, _Edited(stream.index, edits))
        return stream

    def _close_stream(self, cell: CellId, state: _Cell) -> None:
        self._flush(cell, state)
        state.stream = None

    def _flush(self, cell: CellId, state: _Cell) -> None:
        stream = state.stream
        if stream is None or not stream.touched:
            return
        stream.touched = False
        was_short = stream.excerpt.is_short
        edits = stream.excerpt.update(*stream.terminal.take(), stream.terminal)
        if edits:
            self._change(cell, state, _Edited(stream.index, edits))
        if stream.excerpt.is_short and not was_short and stream not in state.short:
            state.short.append(stream)

    def _name_wholes(self, cell: CellId, state: _Cell) -> None:
        for stream in state.short:
            if edits := stream.excerpt.settle(stream.terminal):
                self._change(cell, state, _Edited(stream.index, edits))
            if stream.excerpt.is_short:
                whole = (stream.excerpt.lost + stream.terminal.text).removesuffix("\r").encode()
                if len(whole) > MAX_WHOLE_BYTES + len(CUT_NOTE.encode()):
                    whole = cut_bytes(whole.decode(), MAX_WHOLE_BYTES).encode() + CUT_NOTE.encode()
                sha256 = hashlib.sha256(whole).hexdigest()
                blobs = json.dumps({"text/plain": {"sha256": sha256, "size": len(whole)}})
                self._change(cell, state, _Updated(stream.index, None, "", blobs, {sha256: whole}))
        state.short.clear()


def _joined(collected: Iterable[tuple[CellId, _Collected]]) -> Iterator[tuple[CellId, _Collected]]:
    """Streams in one piece, as a loop that prints sends a message for each line."""
    for (cell, name), group in groupby(collected, lambda each: (each[0], getattr(each[1], "name", None))):
        if name is None:
            yield from group
        else:
            yield cell, Stream(name, "".join(event.text for _, event in group if isinstance(event, Stream)))


# -- into the document ---------------------------------------------------------------------------------------------


def _write(outputs: Any, cell: CellId, changes: Iterable[_Change]) -> None:
    """In place: whoever watches the array goes on watching it."""
    array = outputs.get(cell)
    for change in changes:
        if not isinstance(array, Array):
            if array is None and isinstance(change, _Cleared):
                continue
            outputs[cell] = array = Array()
        match change:
            case _Cleared():
                if len(array):
                    array.clear()
            case _Added(entry):
                array.append(entry)
            case _Edited(index, edits):
                entry = array[index] if index < len(array) else None
                text = entry.get("text") if isinstance(entry, Map) else None
                if isinstance(text, Text):
                    _edit(text, edits)
            case _Updated(index):
                entry = array[index] if index < len(array) else None
                if isinstance(entry, Map):
                    _update_entry(entry, change)


def _edit(text: Text, edits: Iterable[tuple[int, int, str]]) -> None:
    for start, stop, value in edits:
        size = len(str(text))
        if start >= size:
            notebook.append(text, value)
        else:
            notebook.replace(text, start, min(stop, size), value)


def _update_entry(entry: Any, change: _Updated) -> None:
    if change.data is not None:
        values = entry.get("data")
        if isinstance(values, Map):
            for mime in list(values.keys()):
                if mime not in change.data:
                    del values[mime]
            for mime, value in change.data.items():
                if values.get(mime) != value:
                    values[mime] = value
        else:
            entry["data"] = Map(dict(change.data))
        if entry.get("metadata") != change.metadata:
            entry["metadata"] = change.metadata
    if change.blobs and entry.get("blobs") != change.blobs:
        entry["blobs"] = change.blobs
    elif not change.blobs and "blobs" in entry:
        del entry["blobs"]


def _unfinished(entry: Any, over: int = -1) -> Excerpt | None:
    """What a stream of the document shows, when text may still be added to it."""
    text = entry.get("text")
    if entry.get("output_type") != "stream" or not isinstance(text, Text) or "blobs" in entry or len(text) <= over:
        return None
    return Excerpt(str(text))


def _entries(outputs: Any, cell: CellId | str) -> Any:
    array = outputs.get(cell)
    return array if isinstance(array, Array) else ()


# -- one output as the schema has it; `ipynb` uses these, too ------------------------------------------------------


def stream_map(name: str, text: str) -> Any:
    return Map({"output_type": "stream", "name": name, "text": Text(notebook.clean(text))})


def failure_map(ename: str, evalue: str, traceback: Iterable[str]) -> Any:
    return Map({"output_type": "error", "ename": ename, "evalue": evalue, "traceback": json.dumps(list(traceback))})


def data_map(
    kind: str,
    data: Mapping[str, str],
    metadata: str,
    display_id: str = "",
    count: int | None = None,
    limit: int = MAX_INLINE_DATA_BYTES,
) -> Any:
    inline, blobs = split_data(data, limit)
    entry: dict[str, object] = {"output_type": kind, "data": Map(inline), "metadata": metadata}
    if count is not None:
        entry["count"] = count
    if display_id:
        entry["display_id"] = display_id
    if blobs:
        entry["blobs"] = json.dumps(blobs)
    return Map(entry)


def split_data(
    data: Mapping[str, str], limit: int = MAX_INLINE_DATA_BYTES
) -> tuple[dict[str, str], dict[str, dict[str, object]]]:
    """What stays in the document, and what is named as a Blob."""
    blobs: dict[str, dict[str, object]] = {}
    for value, mime in _large(data, limit):
        content = blob_bytes(mime, value)
        blobs[mime] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return {mime: value for mime, value in data.items() if mime not in blobs}, blobs


def blob_bytes(mime: str, value: str) -> bytes:
    """The bytes that a value stands for: decoded where nbformat keeps base64."""
    if is_base64(mime):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass  # no base64 after all: kept as the text it is
    return value.encode()


def left_out(size: int) -> str:
    """The line that stands for the middle of a shortened stream."""
    return f"\n[… {size:,} bytes left out; download the whole output …]\n"


def cut_bytes(text: str, size: int, end: bool = False) -> str:
    """At most `size` bytes of the text's beginning, or of its end, cut between characters."""
    data = (text[-size:] if end else text[:size]).encode()
    if len(data) <= size:
        return text[-size:] if end else text[:size]
    return (data[-size:] if end else data[:size]).decode(errors="ignore")


def _large(data: Mapping[str, str], limit: int) -> list[tuple[str, str]]:
    """Values over the bound, and the largest of a bundle that has many."""
    large: list[tuple[str, str]] = []
    room = _MAX_BUNDLE_BYTES
    for size, mime, value in sorted((len(value.encode()), mime, value) for mime, value in data.items()):
        room -= size
        if size > limit or room < 0:
            large.append((value, mime))
    return large


def _left_out_of(text: str) -> re.Match[str] | None:
    """Our line on what is left out, where we put it; not one that a program printed."""
    for found in _LEFT_OUT.finditer(text):
        if STREAM_HEAD_BYTES - 4 < len(text[: found.start()].encode()) <= STREAM_HEAD_BYTES:
            return found
    return None


def _inline_bytes(entry: Any) -> int:
    """Of an output's data; its text is bounded as a stream."""
    data = entry.get("data") if isinstance(entry, Map) else None
    return sum(len(value) for value in data.values() if isinstance(value, str)) if isinstance(data, Map) else 0


def _blobs_of(data: Mapping[str, str], limit: int) -> dict[str, bytes]:
    contents = [blob_bytes(mime, value) for value, mime in _large(data, limit)]
    return {hashlib.sha256(content).hexdigest(): content for content in contents}


def _bounded(text: str, size: int) -> str:
    short = cut_bytes(text, size)
    return text if short == text else f"{short}\n[… {len(text.encode()) - len(short.encode()):,} bytes left out …]\n"


def _bounded_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """A traceback's beginning and its end, which says the most."""
    room = MAX_INLINE_DATA_BYTES // 2
    if sum(len(json.dumps(line)) for line in lines) <= 2 * room:
        return lines
    lines = tuple(_bounded(line, room // 16) for line in lines)
    head, tail = _fitting(lines, room), _fitting(lines[::-1], room)[::-1]
    if len(head) + len(tail) >= len(lines):
        return (*head, *lines[len(head) :])
    return (*head, "[… the middle of the traceback is left out …]", *tail)


def _fitting(lines: tuple[str, ...], room: int) -> tuple[str, ...]:
    kept: list[str] = []
    for line in lines:
        room -= len(json.dumps(line)) + 2
        if room < 0:
            break
        kept.append(line)
    return tuple(kept)


def _bounded_metadata(metadata: str) -> str:
    size = len(metadata.encode())
    return metadata if size <= MAX_INLINE_DATA_BYTES else json.dumps({"note": f"[{size:,} bytes of metadata left out]"})


def _size(event: OutputEvent) -> int:
    match event:
        case Stream(_, text):
            return len(text)
        case Display(data) | Result(data):
            return sum(map(len, data.values()))
        case Failure(_, evalue, traceback):
            return len(evalue) + sum(map(len, traceback))
        case _:
            return 0
