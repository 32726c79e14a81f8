"""What kernels put out, into the document: the one place that writes `outputs`.

Events are only collected. `blobs` and `write` work out what they come to, each stream as a terminal shows it, and
`write` brings that into the document in one transaction. Pure: the bytes of Blobs are handed out, storing them is the
caller's.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, TypeAlias

from pycrdt import Array, Map, Text

from collab import notebook
from collab.excerpt import Excerpt, cut_bytes
from collab.messages import Clear, Display, Failure, Result, Stream, Tags
from collab.model import MAX_INLINE_DATA_BYTES, STREAM_HEAD_BYTES, CellId
from collab.notebook import SERVER_ORIGIN, NotebookDoc
from collab.output import (
    blobs_of,
    bounded_metadata,
    data_map,
    failure_map,
    inline_size,
    inline_size_of,
    split_data,
    stream_map,
)
from collab.output_changes import Added, Change, Cleared, Edited, Removed, Updated, write_changes
from collab.output_tags import OutputTags, moved_up
from collab.terminal import CUT_NOTE, MAX_WHOLE_CHARS, Terminal

MAX_OUTPUTS: Final = 1000
MAX_WHOLE_BYTES: Final = MAX_WHOLE_CHARS
# What everyone who joins loads: beyond this much data of one cell, or of all, only small values stay in the document.
_MAX_CELL_BYTES: Final = 1 << 20
_MAX_ALL_BYTES: Final = 4 << 20
_SMALL_BYTES: Final = 1024

OutputEvent: TypeAlias = Stream | Display | Result | Failure | Clear | Tags


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
    clear_tagged: tuple[str, ...] = ()  # with the next output
    ended: bool = False
    tags: OutputTags = field(default_factory=OutputTags)
    short: list[_Stream] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
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
            if isinstance(change, (Added, Updated))
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
                write_changes(notebook.roots(self._doc).outputs, cell, state.changes)
                state.changes, state.updated = [], {}
                if state.ended:
                    state.stream = None  # it can be taken up again from the document

    def forget_displays(self) -> None:
        """Another kernel process: what it says of a display_id concerns none of those before (outputs.md A17)."""
        self._displays.clear()

    def adopt(self, is_current: Callable[[CellId], bool] = lambda _: True) -> None:
        """After a restart: which display_id of the current kernel process is where, and which streams were shortened
        but not stored whole yet. `is_current` tells whether a cell's outputs are of that process.

        Other streams are taken up again when more of them comes. What this writer knows stays, so it may be called
        while runs are under way.
        """
        with self._doc.transaction(origin=SERVER_ORIGIN):
            outputs = notebook.roots(self._doc).outputs
            for cell in list(outputs.keys()):
                if CellId(cell) not in self._changed:
                    self._adopt_cell(CellId(cell), _entries(outputs, cell), is_current(CellId(cell)))

    def _adopt_cell(self, cell: CellId, entries: Any, is_current: bool) -> None:
        is_known = cell in self._cells
        if not is_known and (inline := sum(inline_size_of(entry) for entry in entries)):
            self._cells[cell] = _Cell(inline=inline)
            self._inline += inline
        for index, entry in enumerate(entries):
            if not isinstance(entry, Map):
                continue
            shown = entry.get("display_id")
            if isinstance(shown, str) and shown and is_current:
                self._displays.setdefault(shown, {})[cell, index] = None
            if tags := _tags(entry):
                self._cells.setdefault(cell, _Cell()).tags.of[index] = tags
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

    def _change(self, cell: CellId, state: _Cell, change: Change) -> None:
        state.changes.append(change)
        self._changed[cell] = state

    def _apply(self, cell: CellId, state: _Cell, event: _Collected) -> None:
        match event:
            case _Begin():
                self._close_stream(cell, state)
                self._name_wholes(cell, state)
                state.stale, state.clear_next, state.ended = True, False, False
                state.clear_tagged, state.tags.held = (), frozenset()
            case _Stale():
                if state.stale:
                    self._clear(cell, state)
            case _End():
                self._flush(cell, state)
                state.clear_next, state.ended = False, True
                self._name_wholes(cell, state)
                if state.stream is not None and state.stream.excerpt.is_short:
                    state.stream = None
            case Clear(wait, tags):
                if wait:
                    state.clear_next, state.clear_tagged = not tags, tags
                elif tags:
                    self._clear_tagged(cell, state, tags)
                else:
                    self._clear(cell, state)
            case Tags(add, remove):
                self._close_stream(cell, state)
                state.tags.change(add, remove)
            case Stream(name, text):
                self._stream(cell, state, name, text)
            case Failure(ename, evalue, traceback):
                self._add(cell, state, failure_map(ename, evalue, traceback))
            case Display(data, metadata, display_id, True):
                self._update(display_id, data, bounded_metadata(metadata))
            case Display(data, metadata, display_id):
                self._add_data(cell, state, "display_data", data, metadata, display_id)
            case Result(data, metadata, display_id, count):
                self._add_data(cell, state, "execute_result", data, metadata, display_id, count)

    def _clear(self, cell: CellId, state: _Cell) -> None:
        """What was to be written before comes to nothing."""
        state.changes, state.updated, state.short = [], {}, []
        state.stream = None
        state.stale = state.clear_next = False
        state.clear_tagged = ()
        state.tags.clear()
        self._inline -= state.inline
        state.count = state.inline = 0
        self._change(cell, state, Cleared())
        for shown, places in list(self._displays.items()):
            for place in [place for place in places if place[0] == cell]:
                del places[place]
            if not places:
                del self._displays[shown]

    def _clear_tagged(self, cell: CellId, state: _Cell, tags: tuple[str, ...]) -> None:
        """Those that carry each of the tags; the others move up."""
        if state.stale:  # those of the run before go with this run's first word
            self._clear(cell, state)
        state.clear_tagged = ()
        self._flush(cell, state)
        gone = state.tags.with_all(tags)
        if not gone:
            return
        for index in reversed(gone):
            self._change(cell, state, Removed(index))
        state.tags.removed(gone)
        state.updated = {}
        state.count -= len(gone)
        if state.stream is not None and state.stream.index in gone:
            state.stream = None
        state.short = [stream for stream in state.short if stream.index not in gone]
        for stream in {id(each): each for each in (*state.short, state.stream) if each is not None}.values():
            stream.index = moved_up(stream.index, gone)
        for shown, places in list(self._displays.items()):
            if kept := {
                self._moved(place, cell, gone): None for place in places if place not in [(cell, i) for i in gone]
            }:
                self._displays[shown] = kept
            else:
                del self._displays[shown]

    def _moved(self, place: tuple[CellId, int], cell: CellId, gone: list[int]) -> tuple[CellId, int]:
        return (cell, moved_up(place[1], gone)) if place[0] == cell else place

    def _prepare(self, cell: CellId, state: _Cell) -> None:
        """What was to go with the next output."""
        if state.stale or state.clear_next:
            self._clear(cell, state)
        elif state.clear_tagged:
            self._clear_tagged(cell, state, state.clear_tagged)

    def _has_room(self, cell: CellId, state: _Cell) -> bool:
        self._prepare(cell, state)
        if state.count == MAX_OUTPUTS:
            self._close_stream(cell, state)
            text = f"[A cell keeps its first {MAX_OUTPUTS:,} outputs; further ones are left out.]\n"
            self._change(cell, state, Added(stream_map("stderr", text)))
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
        entry = data_map(kind, data, metadata, display_id, count, limit)
        self._add(cell, state, entry, blobs_of(data, limit), display_id)
        inline = inline_size(data, limit)
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
        self._change(cell, state, Added(entry, blobs or {}, state.tags.added(state.count)))
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
            contents = blobs_of(data, limit)
            change = Updated(index, inline, metadata, json.dumps(blobs) if blobs else "", contents)
            if index in state.updated:
                state.changes[state.updated[index]] = change
            else:
                state.updated[index] = len(state.changes)
                self._change(cell, state, change)

    # -- streams ---------------------------------------------------------------------------------------------------

    def _stream(self, cell: CellId, state: _Cell, name: str, text: str) -> None:
        self._prepare(cell, state)
        if state.stream is None:
            state.stream = self._resumed(cell, state, name)
        if state.stream is None or state.stream.name != name:
            if not self._has_room(cell, state):
                return
            self._close_stream(cell, state)
            held = sum(stream.terminal.kept for stream in state.short)
            state.stream = _Stream(state.count, name, Terminal(limit=max(0, MAX_WHOLE_CHARS - held)), Excerpt())
            self._change(cell, state, Added(stream_map(name, ""), {}, state.tags.added(state.count)))
            state.count += 1
        state.stream.terminal.write(text)
        state.stream.touched = True

    def _resumed(self, cell: CellId, state: _Cell, name: str) -> _Stream | None:
        """The stream that the document ends with: another server began it, or its run is over."""
        if state.changes or not 0 < state.count <= MAX_OUTPUTS:
            return None
        entry = _entries(notebook.roots(self._doc).outputs, cell)[-1]
        if not isinstance(entry, Map) or entry.get("name") != name or _tags(entry) != state.tags.held:
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
            self._change(cell, state, Edited(stream.index, edits))
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
            self._change(cell, state, Edited(stream.index, edits))
        if stream.excerpt.is_short and not was_short and stream not in state.short:
            state.short.append(stream)

    def _name_wholes(self, cell: CellId, state: _Cell) -> None:
        for stream in state.short:
            if edits := stream.excerpt.settle(stream.terminal):
                self._change(cell, state, Edited(stream.index, edits))
            if stream.excerpt.is_short:
                whole = (stream.excerpt.lost + stream.terminal.text).removesuffix("\r").encode()
                if len(whole) > MAX_WHOLE_BYTES + len(CUT_NOTE.encode()):
                    whole = cut_bytes(whole.decode(), MAX_WHOLE_BYTES).encode() + CUT_NOTE.encode()
                sha256 = hashlib.sha256(whole).hexdigest()
                blobs = json.dumps({"text/plain": {"sha256": sha256, "size": len(whole)}})
                self._change(cell, state, Updated(stream.index, None, "", blobs, {sha256: whole}))
        state.short.clear()


def _joined(collected: Iterable[tuple[CellId, _Collected]]) -> Iterator[tuple[CellId, _Collected]]:
    """Streams in one piece, as a loop that prints sends a message for each line."""
    for (cell, name), group in groupby(collected, lambda each: (each[0], getattr(each[1], "name", None))):
        if name is None:
            yield from group
        else:
            yield cell, Stream(name, "".join(event.text for _, event in group if isinstance(event, Stream)))


def _unfinished(entry: Any, over: int = -1) -> Excerpt | None:
    """What a stream of the document shows, when text may still be added to it."""
    text = entry.get("text")
    if entry.get("output_type") != "stream" or not isinstance(text, Text) or "blobs" in entry or len(text) <= over:
        return None
    return Excerpt(str(text))


def _tags(entry: Any) -> frozenset[str]:
    text = entry.get("tags")
    try:
        value = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        value = []
    return frozenset(tag for tag in value if isinstance(tag, str)) if isinstance(value, list) else frozenset()


def _entries(outputs: Any, cell: CellId | str) -> Any:
    array = outputs.get(cell)
    return array if isinstance(array, Array) else ()


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
