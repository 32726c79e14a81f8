"""What kernels put out, into the document: the one place that writes `outputs`.

Events are only collected; `write` brings everything since the last one into the document in one transaction, each
stream as a terminal shows it. Pure: the bytes of Blobs are handed out, storing them is the caller's.
"""

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
from collab.terminal import Terminal

MAX_OUTPUTS: Final = 1000
# A shortened stream's end is rewritten whole, so less often than others are appended to.
_SHORT_EVERY_S: Final = 0.5

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


@dataclass(frozen=True, slots=True)
class _Named:
    """The whole of a shortened stream is stored by now."""

    index: int
    sha256: str
    size: int


@dataclass(slots=True)
class _Stream:
    """The last output of a cell while text may still be added to it. `chars` counts what its Text holds."""

    index: int
    name: str
    terminal: Terminal
    chars: int = 0
    size: int = 0
    short: bool = False
    written: float = 0.0
    touched: bool = False


@dataclass(slots=True)
class _Cell:
    stream: _Stream | None = None
    stale: bool = False  # the outputs there are belong to the last run
    clear_next: bool = False
    left_out: bool = False
    short: list[_Stream] = field(default_factory=list)


class OutputWriter:
    def __init__(self, doc: NotebookDoc, clock: Callable[[], float] = time.monotonic) -> None:
        self._doc = doc
        self._clock = clock
        self._pending: list[tuple[CellId, OutputEvent | _Begin | _Stale | _End | _Named]] = []
        self._pending_bytes = 0
        self._blobs: dict[str, bytes] = {}
        self._cells: dict[CellId, _Cell] = {}
        self._displays: dict[str, list[tuple[CellId, int]]] = {}

    @property
    def pending(self) -> bool:
        return bool(self._pending)

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    def begin(self, cell: CellId) -> None:
        """A new run: the outputs of the last one stay until the first new one, or until `clear_stale`."""
        self._pending.append((cell, _Begin()))

    def receive(self, cell: CellId, event: OutputEvent) -> None:
        if isinstance(event, Stream) and self._pending:
            last_cell, last = self._pending[-1]
            if last_cell == cell and isinstance(last, Stream) and last.name == event.name and len(last.text) < 65536:
                self._pending[-1] = (cell, Stream(event.name, last.text + event.text))
                self._pending_bytes += len(event.text)
                return
        self._pending.append((cell, event))
        self._pending_bytes += _size(event)
        if isinstance(event, (Display, Result)):
            for value, mime in _large(event.data):
                self._add_blob(blob_bytes(mime, value))

    def clear_stale(self, cell: CellId) -> None:
        """What the last run left goes at the next write, if it has not gone yet."""
        self._pending.append((cell, _Stale()))

    def end(self, cell: CellId) -> None:
        """The run is over. The whole of a stream that was shortened becomes a Blob now, not at each write: after the
        next `write` it is among `blobs`, and the one after that names it."""
        self._pending.append((cell, _End()))

    def clear(self, cells: Iterable[CellId]) -> None:
        self._pending.extend((cell, Clear(False)) for cell in cells)

    def blobs(self) -> list[bytes]:
        """Bytes of Blobs that the next `write` names, each handed out once; ask until there are none, then write."""
        blobs, self._blobs = list(self._blobs.values()), {}
        return blobs

    def write(self) -> None:
        """Everything collected, in one transaction of the server's; joins the caller's if one is open."""
        pending, self._pending = self._pending, []
        self._pending_bytes = 0
        touched: dict[CellId, _Cell] = {}
        with self._doc.transaction(origin=SERVER_ORIGIN):
            for cell, event in pending:
                touched[cell] = self._cells.setdefault(cell, _Cell())
                self._apply(cell, touched[cell], event)
            for cell, state in touched.items():
                self._flush_stream(cell, state, False)

    def adopt(self) -> None:
        """After a restart: which display_id is where. Streams are taken up again when more of them comes."""
        self._displays.clear()
        outputs = notebook.roots(self._doc).outputs
        with self._doc.transaction(origin=SERVER_ORIGIN):
            for cell in list(outputs.keys()):
                array = outputs[cell]
                for index in range(len(array) if isinstance(array, Array) else 0):
                    entry = array[index]
                    shown = entry.get("display_id") if isinstance(entry, Map) else None
                    if isinstance(shown, str) and shown:
                        self._displays.setdefault(shown, []).append((CellId(cell), index))

    # -- applying --------------------------------------------------------------------------------------------------

    def _apply(self, cell: CellId, state: _Cell, event: OutputEvent | _Begin | _Stale | _End | _Named) -> None:
        match event:
            case _Begin():
                self._close_stream(cell, state)
                state.stale, state.clear_next = True, False
            case _Stale():
                if state.stale:
                    self._clear(cell, state)
            case _End():
                self._close_stream(cell, state)
                state.clear_next = False
                for stream in state.short:
                    self._name_whole(cell, stream)
                state.short.clear()
            case _Named(index, sha256, size):
                entry = self._entry(cell, index)
                if entry is not None:
                    entry["blobs"] = json.dumps({"text/plain": {"sha256": sha256, "size": size}})
            case Clear(wait):
                if wait:
                    state.clear_next = True
                else:
                    self._clear(cell, state)
            case Stream(name, text):
                self._stream(cell, state, name, text)
            case Failure(ename, evalue, traceback):
                self._add(cell, state, lambda: failure_map(ename, evalue, traceback))
            case Display(data, metadata, display_id, update):
                if update:
                    self._update(display_id, data, metadata)
                else:
                    self._add(cell, state, lambda: data_map("display_data", data, metadata, display_id), display_id)
            case Result(data, metadata, display_id, count):
                self._add(
                    cell, state, lambda: data_map("execute_result", data, metadata, display_id, count), display_id
                )

    def _array(self, cell: CellId) -> Any:
        outputs = notebook.roots(self._doc).outputs
        array = outputs.get(cell)
        if not isinstance(array, Array):
            outputs[cell] = array = Array()
        return array

    def _entry(self, cell: CellId, index: int) -> Any:
        array = self._array(cell)
        entry = array[index] if index < len(array) else None
        return entry if isinstance(entry, Map) else None

    def _clear(self, cell: CellId, state: _Cell) -> None:
        """In place: whoever watches the array goes on watching it."""
        array = self._array(cell)
        if len(array):
            array.clear()
        state.stream = None
        state.stale = state.clear_next = state.left_out = False
        state.short.clear()
        for shown in list(self._displays):
            places = [place for place in self._displays[shown] if place[0] != cell]
            if places:
                self._displays[shown] = places
            else:
                del self._displays[shown]

    def _make_room(self, cell: CellId, state: _Cell) -> bool:
        if state.stale or state.clear_next:
            self._clear(cell, state)
        array = self._array(cell)
        if len(array) < MAX_OUTPUTS:
            return True
        if not state.left_out:
            state.left_out = True
            self._close_stream(cell, state)
            text = f"[A cell keeps its first {MAX_OUTPUTS} outputs; the others were left out.]\n"
            array.append(stream_map("stderr", text))
        return False

    def _add(self, cell: CellId, state: _Cell, make: Callable[[], Any], display_id: str = "") -> None:
        if not self._make_room(cell, state):
            return
        self._close_stream(cell, state)
        array = self._array(cell)
        if display_id:
            self._displays.setdefault(display_id, []).append((cell, len(array)))
        array.append(make())

    def _update(self, display_id: str, data: Mapping[str, str], metadata: str) -> None:
        for cell, index in self._displays.get(display_id, ()):
            entry = self._entry(cell, index)
            if entry is None:
                continue
            inline, blobs = split_data(data)
            values = entry.get("data")
            if isinstance(values, Map):
                for mime in list(values.keys()):
                    if mime not in inline:
                        del values[mime]
                for mime, value in inline.items():
                    if values.get(mime) != value:
                        values[mime] = value
            else:
                entry["data"] = Map(inline)
            entry["metadata"] = metadata
            if blobs:
                entry["blobs"] = json.dumps(blobs)
            elif "blobs" in entry:
                del entry["blobs"]

    # -- streams ---------------------------------------------------------------------------------------------------

    def _stream(self, cell: CellId, state: _Cell, name: str, text: str) -> None:
        if state.stale or state.clear_next:
            self._clear(cell, state)
        if state.stream is None:
            state.stream = self._resumed(cell, name)
        if state.stream is None or state.stream.name != name:
            if not self._make_room(cell, state):
                return
            self._close_stream(cell, state)
            array = self._array(cell)
            state.stream = _Stream(len(array), name, Terminal())
            array.append(stream_map(name, ""))
        state.stream.terminal.write(text)
        state.stream.touched = True

    def _resumed(self, cell: CellId, name: str) -> _Stream | None:
        """The stream that the document ends with, when another server began it."""
        if cell in self._cells and self._cells[cell].left_out:
            return None
        index = len(self._array(cell)) - 1
        entry = self._entry(cell, index) if index >= 0 else None
        if entry is None or entry.get("output_type") != "stream" or entry.get("name") != name or "blobs" in entry:
            return None
        text = str(entry["text"])
        return _Stream(index, name, Terminal(text), len(text), len(text.encode()))

    def _close_stream(self, cell: CellId, state: _Cell) -> None:
        if state.stream is not None:
            self._flush_stream(cell, state, True)
            state.stream = None

    def _flush_stream(self, cell: CellId, state: _Cell, last: bool) -> None:
        stream = state.stream
        if stream is None or not stream.touched:
            return
        entry = self._entry(cell, stream.index)
        text = None if entry is None else entry.get("text")
        if not isinstance(text, Text):
            state.stream = None
            return
        if not stream.short:
            keep, fresh = stream.terminal.take()
            if keep == stream.chars:
                notebook.append(text, fresh)
                stream.size += len(fresh.encode())
            else:
                notebook.replace(text, keep, stream.chars, fresh)
                stream.size = len(str(text).encode())
            stream.chars = keep + len(fresh)
            stream.touched = False
            if stream.size > MAX_INLINE_STREAM_BYTES:
                stream.short = True
                state.short.append(stream)
                self._shorten(text, stream)
        elif last or self._clock() - stream.written >= _SHORT_EVERY_S:
            self._shorten(text, stream)

    def _shorten(self, text: Text, stream: _Stream) -> None:
        head = cut_bytes(stream.terminal.head(STREAM_HEAD_BYTES), STREAM_HEAD_BYTES)
        tail = cut_bytes(stream.terminal.tail(STREAM_TAIL_BYTES), STREAM_TAIL_BYTES, end=True)
        notebook.replace_by_diff(text, f"{head}{left_out(stream.terminal.chars - len(head) - len(tail))}{tail}")
        stream.written = self._clock()
        stream.touched = False

    def _name_whole(self, cell: CellId, stream: _Stream) -> None:
        data = stream.terminal.text.encode()
        sha256 = self._add_blob(data)
        self._pending.append((cell, _Named(stream.index, sha256, len(data))))

    def _add_blob(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self._blobs[sha256] = data
        return sha256


# -- one output as the schema has it; imports use these, too -----------------------------------------------------------


def stream_map(name: str, text: str) -> Any:
    return Map({"output_type": "stream", "name": name, "text": Text(notebook.clean(text))})


def failure_map(ename: str, evalue: str, traceback: Iterable[str]) -> Any:
    return Map({"output_type": "error", "ename": ename, "evalue": evalue, "traceback": json.dumps(list(traceback))})


def data_map(kind: str, data: Mapping[str, str], metadata: str, display_id: str = "", count: int | None = None) -> Any:
    inline, blobs = split_data(data)
    entry: dict[str, object] = {"output_type": kind, "data": Map(inline), "metadata": metadata}
    if count is not None:
        entry["count"] = count
    if display_id:
        entry["display_id"] = display_id
    if blobs:
        entry["blobs"] = json.dumps(blobs)
    return Map(entry)


def split_data(data: Mapping[str, str]) -> tuple[dict[str, str], dict[str, dict[str, object]]]:
    """What stays in the document, and what is named as a Blob."""
    blobs: dict[str, dict[str, object]] = {}
    for value, mime in _large(data):
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


def left_out(chars: int) -> str:
    """The line that stands for the middle of a shortened stream."""
    return f"\n[… {chars:,} characters left out here; the whole output can be downloaded when the run is over …]\n"


def cut_bytes(text: str, size: int, end: bool = False) -> str:
    """At most `size` bytes of the text's beginning, or of its end, cut between characters."""
    data = text.encode()
    if len(data) <= size:
        return text
    return (data[-size:] if end else data[:size]).decode(errors="ignore")


def _large(data: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(value, mime) for mime, value in data.items() if len(value.encode()) > MAX_INLINE_DATA_BYTES]


def _size(event: OutputEvent) -> int:
    match event:
        case Stream(_, text):
            return len(text)
        case Display(data) | Result(data):
            return sum(map(len, data.values()))
        case Failure(_, _, traceback):
            return sum(map(len, traceback))
        case _:
            return 0
