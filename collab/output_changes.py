"""Changes to the outputs of one cell, as data, and how the document takes them over. Pure.

`contents` are the Blobs that a change names, by their SHA-256.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pycrdt import Array, Map, Text

from collab import notebook
from collab.model import CellId


@dataclass(frozen=True, slots=True)
class Cleared:
    pass


@dataclass(frozen=True, slots=True)
class Added:
    entry: Any
    contents: Mapping[str, bytes] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    index: int


@dataclass(frozen=True, slots=True)
class Edited:
    """Code points `start` to `stop` of a stream's Text become `value`, edit by edit."""

    index: int
    edits: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """None leaves the data as they are, as streams have none."""

    index: int
    data: Mapping[str, str] | None
    metadata: str
    blobs: str
    contents: Mapping[str, bytes]


Change: TypeAlias = Cleared | Added | Removed | Edited | Updated


def write_changes(outputs: Any, cell: CellId, changes: Iterable[Change]) -> None:
    """In place: whoever watches the array goes on watching it."""
    array = outputs.get(cell)
    for change in changes:
        if not isinstance(array, Array):
            if array is None and isinstance(change, Cleared):
                continue
            outputs[cell] = array = Array()
        match change:
            case Cleared():
                if len(array):
                    array.clear()
            case Added(entry, _, tags):
                array.append(entry)
                if tags:
                    array[len(array) - 1]["tags"] = json.dumps(tags)
            case Removed(index):
                if index < len(array):
                    del array[index]
            case Edited(index, edits):
                entry = array[index] if index < len(array) else None
                text = entry.get("text") if isinstance(entry, Map) else None
                if isinstance(text, Text):
                    _edit(text, edits)
            case Updated(index):
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


def _update_entry(entry: Any, change: Updated) -> None:
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
