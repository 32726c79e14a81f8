"""The Notebook as a Doc: schema version 1, its readers, and the writes the server makes (ARCHITECTURE.md, "Schema").

Every function is pure over the Doc it is given; a read never writes. Outputs and run marks are only opened here:
`outputs` and `executions` write them. Nothing here may be called inside an observer, as opening a root is a write.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, TypeAlias, cast, get_args

from pycrdt import Array, Decoder, Doc, Map, Text

from collab.model import CELL_TYPES, MAX_POSITION_CHARS, MAX_TITLE_CHARS, CellId, CellType, RunState
from collab.positions import between, is_position, spread

NotebookDoc: TypeAlias = "Doc[Any]"
SharedMap: TypeAlias = "Map[Any]"

SCHEMA: Final = 1
META: Final = "meta"
WIDGETS: Final = "widgets"  # in meta: where the last state of widgets was stored, as JSON text (`widget_files`)
CELLS: Final = "cells"
OUTPUTS: Final = "outputs"
RUNS: Final = "runs"
ROOT_NAMES: Final = (META, CELLS, OUTPUTS, RUNS)

# The origin of every transaction the server makes on its own; anything else is a Connection.
SERVER_ORIGIN: Final = "server"
UNTITLED: Final = "Untitled"

CELL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # nbformat's pattern, to be matched in full
_RUN_STATES: Final = get_args(RunState)
_SHA256: Final = re.compile(r"\b[0-9a-f]{64}\b")
_UNWANTED: Final = re.compile("\r\n?|\0")
_REPLACEMENT: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class Roots:
    meta: SharedMap
    cells: SharedMap
    outputs: SharedMap
    runs: SharedMap


@dataclass(frozen=True, slots=True)
class NewCell:
    """A cell to be made. Values of `metadata` and `attachments` are JSON texts."""

    id: CellId
    type: CellType
    source: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    attachments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunMark:
    """`runs[cell]`, read. Times are ms since 1970; absent numbers are None, absent texts empty.

    `prompt` is the JSON text `{"text", "password"}` while input is awaited, else empty; `again`, of a running cell
    that also waits, `{"requested", "user", "id"}` of that run.
    """

    state: RunState
    count: int | None = None
    user: str = ""
    user_id: str = ""
    requested: int | None = None
    started: int | None = None
    finished: int | None = None
    source_sha256: str = ""
    session: str = ""
    status: str = ""
    prompt: str = ""
    cursor: str = ""
    again: str = ""


def roots(doc: NotebookDoc) -> Roots:
    """The four roots under their types; opening them declares them, so do it before the first update is applied."""
    with doc.transaction():
        return Roots(*(cast(SharedMap, doc.get(name, type=Map)) for name in ROOT_NAMES))


def order(doc: NotebookDoc) -> list[CellId]:
    """Ids in display order. Costs 10 us per cell: cache it and drop the cache on events."""
    return [id for _, id in _ordered(doc)]


def has_cell(doc: NotebookDoc, cell: CellId) -> bool:
    return cell in roots(doc).cells


def cell_type(doc: NotebookDoc, cell: CellId) -> CellType | None:
    """None when there is no such cell; a type we do not know reads as raw."""
    entry = _field(roots(doc).cells, cell)
    if entry is None:
        return None
    kind = _field(entry, "type")
    return cast(CellType, kind) if kind in CELL_TYPES else "raw"


def cell_source(doc: NotebookDoc, cell: CellId) -> str:
    """Empty when there is no such cell."""
    return _text(_field(_field(roots(doc).cells, cell), "source"))


def source_sha256(source: str) -> str:
    return hashlib.sha256(clean(source).encode()).hexdigest()


def code_cells(doc: NotebookDoc) -> list[CellId]:
    with doc.transaction():
        return [cell for cell in order(doc) if cell_type(doc, cell) == "code"]


def title(doc: NotebookDoc) -> str:
    return _text(_field(roots(doc).meta, "title")) or UNTITLED


def language(doc: NotebookDoc) -> str:
    return _text(_field(roots(doc).meta, "language")) or "python"


def kernelspec(doc: NotebookDoc) -> str:
    return _text(_field(roots(doc).meta, "kernelspec")) or "python3"


def run_mark(doc: NotebookDoc, cell: CellId) -> RunMark | None:
    """None when the cell never ran, and for an entry without a state that we know."""
    with doc.transaction():
        entry = _field(roots(doc).runs, cell)
        state = _field(entry, "state")
        if state not in _RUN_STATES:
            return None
        return RunMark(
            state=cast(RunState, state),
            count=_whole(_field(entry, "count")),
            user=_text(_field(entry, "user")),
            user_id=_text(_field(entry, "user_id")),
            requested=_whole(_field(entry, "requested")),
            started=_whole(_field(entry, "started")),
            finished=_whole(_field(entry, "finished")),
            source_sha256=_text(_field(entry, "source_sha256")),
            session=_text(_field(entry, "session")),
            status=_text(_field(entry, "status")),
            prompt=_text(_field(entry, "prompt")),
            cursor=_text(_field(entry, "cursor")),
            again=_text(_field(entry, "again")),
        )


def run_marks(doc: NotebookDoc) -> dict[CellId, RunMark]:
    """Every mark there is, also of cells that are gone (their runs go on, crdt.md O10)."""
    with doc.transaction():
        ids = list(roots(doc).runs.keys())
        marks = {CellId(id): run_mark(doc, CellId(id)) for id in ids}
        return {cell: mark for cell, mark in marks.items() if mark is not None}


def written_bytes(doc: NotebookDoc) -> int:
    """How much browsers wrote: cells and the notebook's description, without outputs and run marks."""
    with doc.transaction():
        opened = roots(doc)
        total = sum(len(_text(value).encode()) for value in opened.meta.values())
        for cell in opened.cells.values():
            source = _field(cell, "source")
            total += len(source) if isinstance(source, Text) else len(_text(source).encode())
            for key in ("metadata", "attachments"):
                total += len(json.dumps(_plain(_field(cell, key)), ensure_ascii=False).encode())
        return total


def blobs_of(doc: NotebookDoc) -> frozenset[str]:
    """The Blobs that its outputs and its widgets name, by SHA-256."""
    opened = roots(doc)
    outputs = opened.outputs.to_py() or {}
    entries = [entry for cell in outputs.values() if isinstance(cell, list) for entry in cell]
    texts = [entry.get("blobs") for entry in entries if isinstance(entry, dict)] + [opened.meta.get(WIDGETS)]
    return frozenset(name for text in texts if isinstance(text, str) for name in _SHA256.findall(text))


def clocks(state: bytes) -> dict[int, int]:
    """A state vector as what it says; the order of its bytes says nothing. Raises ValueError for what is none."""
    decoder = Decoder(state)
    try:
        return {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(decoder.read_var_uint())}
    except (IndexError, RuntimeError) as error:
        raise ValueError("The state vector is cut off.") from error


def search_text(doc: NotebookDoc) -> str:
    """Title and sources, for the search index; outputs are not searched."""
    with doc.transaction():
        return "\n".join([title(doc), *(cell_source(doc, cell) for cell in order(doc))])


def create(
    doc: NotebookDoc,
    title: str = UNTITLED,
    cells: Sequence[NewCell] = (),
    *,
    language: str = "python",
    kernelspec: str = "python3",
    metadata: str = "{}",
    rng: random.Random | None = None,
) -> None:
    """Fills an empty Doc, in one transaction. `metadata` is nbformat's notebook metadata as JSON text."""
    keys = spread(len(cells), "", "", rng or random.SystemRandom())
    entries = [(cell.id, _entry(cell, key)) for cell, key in zip(cells, keys, strict=True)]
    with doc.transaction(origin=SERVER_ORIGIN):
        opened = roots(doc)
        opened.meta.update(
            {
                "schema": SCHEMA,
                "title": _clean_title(title),
                "language": clean(language),
                "kernelspec": clean(kernelspec),
                "metadata": clean(metadata),
            }
        )
        for id, entry in entries:
            opened.cells[id] = entry


def insert_cell(
    doc: NotebookDoc, cell: NewCell, before: CellId | None = None, rng: random.Random | None = None
) -> CellId:
    """A cell before `before`, or at the end (also when `before` is gone). Raises ValueError if the id is taken (S4)."""
    rng = rng or random.SystemRandom()
    with doc.transaction(origin=SERVER_ORIGIN):
        cells = roots(doc).cells
        if cell.id in cells:
            raise ValueError(f"There already is a cell '{cell.id}'.")
        repair(doc, rng)  # so that a key fits everywhere
        ordered = _ordered(doc)
        at = next((index for index, (_, id) in enumerate(ordered) if id == before), len(ordered))
        low = ordered[at - 1][0] if at else ""
        high = ordered[at][0] if at < len(ordered) else ""
        key = between(low, high, rng)
        cells[cell.id] = _entry(cell, key)
        if not is_position(key):  # too long, as its neighbours' were almost
            repair(doc, rng)
    return cell.id


def set_title(doc: NotebookDoc, title: str) -> None:
    title = _clean_title(title)
    with doc.transaction(origin=SERVER_ORIGIN):
        meta = roots(doc).meta
        if _field(meta, "title") != title:
            meta["title"] = title


def is_panic(error: BaseException) -> bool:
    """pycrdt's panics are no Exceptions and have no name to import (P4). What a Doc holds after one is uncertain."""
    return type(error).__name__ == "PanicException"


def clean(text: str) -> str:
    """The text with lone surrogates as U+FFFD, as pycrdt panics on them (P4); joined pairs become their character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_source(text: str) -> str:
    """A source as the schema has it: line feeds only (U4), no U+0000, no lone surrogates."""
    return _UNWANTED.sub(_wanted, clean(text))


def append(text: Text, value: str) -> None:
    """Adds at the end. The caller holds the transaction."""
    if value:
        text.insert(len(text), clean(value))


def replace(text: Text, start: int, stop: int, value: str) -> None:
    """Replaces code points `start` to `stop`. Raises IndexError when they are not in the text (P3)."""
    old = str(text)
    if not 0 <= start <= stop <= len(old):
        raise IndexError(f"{start} to {stop} is not within a text of {len(old)} characters.")
    value = clean(value)
    at = len(old[:start].encode())
    size = len(old[start:stop].encode())
    if size:
        del text[at : at + size]
    if value:
        text.insert(at, value)


def replace_by_diff(text: Text, new: str) -> None:
    """Makes the text `new` by replacing what lies between the common beginning and the common end.

    Cursors and concurrent edits outside that stretch stay where they are. The caller holds the transaction.
    """
    old, new = str(text), clean(new)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    replace(text, head, len(old) - tail, new[head : len(new) - tail])


def repair(doc: NotebookDoc, rng: random.Random | None = None) -> frozenset[CellId]:
    """Puts right what cells may get wrong without being refused; gives the cells it changed, none for a sound Doc.

    Equal, malformed and over-long positions get new keys, for as few cells as it takes and without changing the
    displayed order; sources lose U+0000 and carriage returns; cells get the fields they lack; what is no cell goes.
    A title that is too long is cut.
    """
    rng = rng or random.SystemRandom()
    changed: set[CellId] = set()
    with doc.transaction(origin=SERVER_ORIGIN):
        cells = roots(doc).cells
        for id in list(cells.keys()):
            if _repair_fields(cells, id):
                changed.add(CellId(id))
        for cell, key in _new_positions(_ordered(doc), rng).items():
            cells[cell]["position"] = key
            changed.add(cell)
        if len(title(doc)) > MAX_TITLE_CHARS:
            set_title(doc, title(doc))
    return frozenset(changed)


def _ordered(doc: NotebookDoc) -> list[tuple[str, CellId]]:
    with doc.transaction():
        return sorted((_text(_field(entry, "position")), CellId(id)) for id, entry in roots(doc).cells.items())


def _repair_fields(cells: SharedMap, id: str) -> bool:
    cell = cells[id]
    if not CELL_ID.fullmatch(id) or not isinstance(cell, (Map, dict)):
        del cells[id]
        return True
    if isinstance(cell, dict):
        kind = cell.get("type")
        plain = NewCell(
            CellId(id), cast(CellType, kind) if kind in CELL_TYPES else "raw", clean_source(_text(cell.get("source")))
        )
        cells[id] = _entry(plain, _text(cell.get("position")))
        return True
    repaired = False
    if _field(cell, "type") not in CELL_TYPES:
        cell["type"] = "raw"
        repaired = True
    source = _field(cell, "source")
    if not isinstance(source, Text):
        cell["source"] = Text(clean_source(_text(source)))
        repaired = True
    else:
        repaired = _repair_source(source) or repaired
    for key in ("metadata", "attachments"):
        if not isinstance(_field(cell, key), Map):
            cell[key] = Map({})
            repaired = True
    return repaired


def _repair_source(source: Text) -> bool:
    found = list(_UNWANTED.finditer(str(source)))
    for match in reversed(found):  # from the end, so that earlier offsets stay right
        replace(source, match.start(), match.end(), _wanted(match))
    return bool(found)


def _new_positions(ordered: Sequence[tuple[str, CellId]], rng: random.Random) -> dict[CellId, str]:
    """Keys for the cells whose own will not do; their neighbours are drawn in until every key is short enough."""
    sound = [is_position(key) and (at == 0 or ordered[at - 1][0] != key) for at, (key, _) in enumerate(ordered)]
    keys: dict[CellId, str] = {}
    at = 0
    while at < len(ordered):
        if sound[at]:
            at += 1
            continue
        for reach in count():
            start = max(0, at - reach)
            stop = at + 1
            while stop < len(ordered) and (not sound[stop] or stop <= at + reach):
                stop += 1
            low = keys.get(ordered[start - 1][1], ordered[start - 1][0]) if start else ""
            high = ordered[stop][0] if stop < len(ordered) else ""
            fresh = spread(stop - start, low, high, rng)
            if all(len(key) <= MAX_POSITION_CHARS for key in fresh):
                break
        keys.update((id, key) for (_, id), key in zip(ordered[start:stop], fresh, strict=True))
        at = stop
    return keys


def _entry(cell: NewCell, position: str) -> SharedMap:
    return Map(
        {
            "type": cell.type,
            "source": Text(clean_source(cell.source)),
            "position": position,
            "metadata": Map({clean(key): clean(value) for key, value in cell.metadata.items()}),
            "attachments": Map({clean(key): clean(value) for key, value in cell.attachments.items()}),
        }
    )


def _field(container: object, key: str) -> Any:
    """A value of a Map, or of the plain dict that stands for one (S9); None when there is neither."""
    return container.get(key) if isinstance(container, (Map, dict)) else None


def _plain(value: object) -> object:
    return value.to_py() if isinstance(value, (Map, Array, Text)) else value


def _text(value: object) -> str:
    """A text, however it was stored: shared, plain, or a list of lines as in old files."""
    match value:
        case str():
            return value
        case Text():
            return str(value)
        case list() | Array():
            return "".join(_text(part) for part in cast(Iterable[object], value))
        case _:
            return ""


def _whole(value: object) -> int | None:
    """Numbers are floats in Yjs (S10)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer():
        return int(value)
    return None


def _wanted(match: re.Match[str]) -> str:
    return _REPLACEMENT if match[0] == "\0" else "\n"


def _clean_title(title: str) -> str:
    return " ".join(clean_source(title).split())[:MAX_TITLE_CHARS] or UNTITLED


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # by halving, since slices compare at memory speed
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
