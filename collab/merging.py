"""Edits that were made in an earlier epoch of a Notebook, merged by content into what it has become (crdt.md G4). Pure.

Bytes of two epochs never meet: what somebody wanted is the difference between the end of their epoch and their copy of
it, and is carried over cell by cell. What cannot be is given back, as text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any, Final, TypeAlias, cast

from pycrdt import Doc, Map, Text

from collab import notebook
from collab.gate import Gap, Gate, Refused, TooLarge
from collab.model import CELL_TYPES, CellId, CellType
from collab.notebook import SERVER_ORIGIN, NewCell, NotebookDoc

_META: Final = ("title", "language", "kernelspec", "metadata")
_MAPS: Final = ("metadata", "attachments")
_NOTHING: Final = object()

# Lines `start` to `stop` of the base become these.
_Change: TypeAlias = tuple[int, int, list[str]]


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A cell's text that has no place any more, and why: one sentence."""

    cell: CellId
    type: CellType
    source: str
    why: str


@dataclass(slots=True)
class Outcome:
    """How many cells took something over, and what could not be merged."""

    merged: int = 0
    unmerged: list[Unmerged] = field(default_factory=list)


class RefusedWork(Exception):
    """Nothing of it can be merged: one sentence."""


def copy_of(end: bytes, work: bytes) -> tuple[NotebookDoc, NotebookDoc]:
    """The end of an epoch, and somebody's copy of it with their `work` of that epoch. Raises RefusedWork for work that
    the server would not have taken then, either."""
    base: NotebookDoc = Doc()
    notebook.roots(base)
    base.apply_update(end)
    gate = Gate(end)
    try:
        match gate.admit(work):
            case Refused(reason):
                raise RefusedWork(f"These edits cannot be merged: {reason}")
            case TooLarge():
                raise RefusedWork("The notebook would become too large.")
            case Gap():
                raise RefusedWork("A part of these edits is missing.")
        mine: NotebookDoc = Doc()
        notebook.roots(mine)
        mine.apply_update(gate.doc.get_update())
    finally:
        gate.close()
    return base, mine


def merge(base: NotebookDoc, mine: NotebookDoc, theirs: NotebookDoc) -> Outcome:
    """Carries what was changed from `base` to `mine` over to `theirs`, in one transaction.

    Of two changes of one thing the text of both is kept where they touch different lines, else `theirs` stays and
    `mine` is given back; an edit wins over a deletion; of a type, a place or a key `theirs` stays.
    """
    outcome = Outcome()
    with theirs.transaction(origin=SERVER_ORIGIN):
        _merge_meta(base, mine, theirs)
        before, wanted, now = (set(notebook.order(doc)) for doc in (base, mine, theirs))
        for cell in notebook.order(mine):
            if cell not in before:
                _add(mine, theirs, cell, cell in now, outcome)
            elif cell in now:
                outcome.merged += _merge_cell(base, mine, theirs, cell, outcome)
            elif notebook.cell_source(mine, cell) != notebook.cell_source(base, cell):
                _give_back(mine, cell, "The cell was deleted meanwhile.", outcome)
        for cell in (before - wanted) & now:
            if notebook.cell_source(theirs, cell) == notebook.cell_source(base, cell):
                del notebook.roots(theirs).cells[cell]
                outcome.merged += 1
        notebook.repair(theirs)
    return outcome


def merge_text(base: str, mine: str, theirs: str) -> str | None:
    """Both changes, line by line; None when they are of the same lines and differ."""
    if mine in (base, theirs):
        return theirs
    if theirs == base:
        return mine
    lines = base.splitlines(keepends=True)
    ours, others = _changes(lines, mine), _changes(lines, theirs)
    merged: list[str] = []
    at = 0
    while ours or others:
        if ours and others and _collide(ours[0], others[0]):
            if ours[0] != others[0]:
                return None
            ours.pop(0)
            continue
        first = ours if not others or (ours and ours[0][:2] < others[0][:2]) else others
        start, stop, new = first.pop(0)
        merged += [*lines[at:start], *new]
        at = stop
    return "".join([*merged, *lines[at:]])


def _changes(base: list[str], text: str) -> list[_Change]:
    new = text.splitlines(keepends=True)
    matcher = SequenceMatcher(None, base, new, autojunk=False)
    return [(i1, i2, new[j1:j2]) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def _collide(one: _Change, other: _Change) -> bool:
    """They share a line, or both put something at one place."""
    return one[0] == other[0] or (one[0] < other[1] and other[0] < one[1])


def _merge_meta(base: NotebookDoc, mine: NotebookDoc, theirs: NotebookDoc) -> None:
    was, is_, target = (notebook.roots(doc).meta for doc in (base, mine, theirs))
    for key in _META:
        value = is_.get(key, _NOTHING)
        if isinstance(value, str) and value != was.get(key) and target.get(key) == was.get(key):
            target[key] = value


def _add(mine: NotebookDoc, theirs: NotebookDoc, cell: CellId, is_there: bool, outcome: Outcome) -> None:
    source = notebook.cell_source(mine, cell)
    if is_there:
        if notebook.cell_source(theirs, cell) != source:
            _give_back(mine, cell, "Another cell has its place.", outcome)
        return
    place = notebook.roots(mine).cells[cell].get("position")
    entry = NewCell(cell, notebook.cell_type(mine, cell) or "raw", source)
    notebook.insert_cell(theirs, entry)
    added = notebook.roots(theirs).cells[cell]
    if isinstance(place, str):
        added["position"] = place  # a key that is taken or no key is repaired
    for name in _MAPS:
        for key, value in _entries(notebook.roots(mine).cells[cell], name).items():
            added[name][key] = value
    outcome.merged += 1


def _merge_cell(base: NotebookDoc, mine: NotebookDoc, theirs: NotebookDoc, cell: CellId, outcome: Outcome) -> bool:
    was, is_, target = (notebook.roots(doc).cells[cell] for doc in (base, mine, theirs))
    changed = False
    old, wanted, now = (notebook.cell_source(doc, cell) for doc in (base, mine, theirs))
    merged = merge_text(old, wanted, now)
    if merged is None:
        _give_back(mine, cell, "Somebody else changed the same lines meanwhile.", outcome)
    elif merged != now:
        _write(target["source"], now, merged)
        changed = True
    for key, is_sound in (("type", _is_type), ("position", _is_text)):
        value = is_.get(key)
        if value != was.get(key) and target.get(key) == was.get(key) and is_sound(value):
            target[key] = value
            changed = True
    for name in _MAPS:
        changed |= _merge_map(_entries(was, name), _entries(is_, name), target[name])
    return changed


def _write(text: Text, now: str, merged: str) -> None:
    """Line by line: a difference of characters may keep half of one word for another, and what somebody deletes at
    this moment would tear both."""
    old, new = now.splitlines(keepends=True), merged.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, old))]
    for tag, i1, i2, j1, j2 in reversed(SequenceMatcher(None, old, new, autojunk=False).get_opcodes()):
        if tag != "equal":
            notebook.replace(text, starts[i1], starts[i2], "".join(new[j1:j2]))


def _merge_map(was: Mapping[str, Any], wanted: Mapping[str, Any], target: Any) -> bool:
    now = target.to_py() or {}
    changed = False
    for key in {*was, *wanted}:
        old, new = was.get(key, _NOTHING), wanted.get(key, _NOTHING)
        if new == old or now.get(key, _NOTHING) != old:
            continue
        if new is _NOTHING:
            del target[key]
        else:
            target[key] = new
        changed = True
    return changed


def _entries(cell: Any, name: str) -> Mapping[str, Any]:
    value = cell.get(name)
    return cast(Mapping[str, Any], (value.to_py() or {}) if isinstance(value, Map) else value or {})


def _give_back(mine: NotebookDoc, cell: CellId, why: str, outcome: Outcome) -> None:
    source = notebook.cell_source(mine, cell)
    if source.strip():
        outcome.unmerged.append(Unmerged(cell, notebook.cell_type(mine, cell) or "raw", source, why))


_is_type: Callable[[object], bool] = CELL_TYPES.__contains__


def _is_text(value: object) -> bool:
    return isinstance(value, str)
