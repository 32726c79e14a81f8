"""One output as the schema has it: its Map, which of its data are Blobs, and what a kernel's words are shortened to.

Streams grow and are not bounded here; `excerpt` is about those. Pure.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from pycrdt import Map, Text

from collab import notebook
from collab.excerpt import cut_bytes
from collab.messages import is_base64
from collab.model import MAX_INLINE_DATA_BYTES

_MAX_BUNDLE_BYTES: Final = 4 * MAX_INLINE_DATA_BYTES
_MAX_NAME_BYTES: Final = 1024


def stream_map(name: str, text: str) -> Any:
    return Map({"output_type": "stream", "name": name, "text": Text(notebook.clean(text))})


def failure_map(ename: str, evalue: str, traceback: tuple[str, ...]) -> Any:
    return Map(
        {
            "output_type": "error",
            "ename": _bounded(ename, _MAX_NAME_BYTES),
            "evalue": _bounded(evalue, MAX_INLINE_DATA_BYTES // 4),
            "traceback": json.dumps(_bounded_lines(traceback)),
        }
    )


def data_map(
    kind: str,
    data: Mapping[str, str],
    metadata: str,
    display_id: str,
    count: int | None,
    limit: int,
) -> Any:
    """Values of more than `limit` bytes are Blobs."""
    inline, blobs = split_data(data, limit)
    entry: dict[str, object] = {"output_type": kind, "data": Map(inline), "metadata": bounded_metadata(metadata)}
    if count is not None:
        entry["count"] = count
    if display_id:
        entry["display_id"] = display_id
    if blobs:
        entry["blobs"] = json.dumps(blobs)
    return Map(entry)


def split_data(data: Mapping[str, str], limit: int) -> tuple[dict[str, str], dict[str, dict[str, object]]]:
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


def _large(data: Mapping[str, str], limit: int) -> list[tuple[str, str]]:
    """Values over the bound, and the largest of a bundle that has many."""
    large: list[tuple[str, str]] = []
    room = _MAX_BUNDLE_BYTES
    for size, mime, value in sorted((len(value.encode()), mime, value) for mime, value in data.items()):
        room -= size
        if size > limit or room < 0:
            large.append((value, mime))
    return large


def inline_size(data: Mapping[str, str], limit: int) -> int:
    """Characters of what stays in the document."""
    return sum(map(len, data.values())) - sum(len(value) for value, _ in _large(data, limit))


def inline_size_of(entry: Any) -> int:
    """The same of an output that is there; its text is bounded as a stream."""
    data = entry.get("data") if isinstance(entry, Map) else None
    return sum(len(value) for value in data.values() if isinstance(value, str)) if isinstance(data, Map) else 0


def blobs_of(data: Mapping[str, str], limit: int) -> dict[str, bytes]:
    """The Blobs that `split_data` names, by their SHA-256."""
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


def bounded_metadata(metadata: str) -> str:
    size = len(metadata.encode())
    return metadata if size <= MAX_INLINE_DATA_BYTES else json.dumps({"note": f"[{size:,} bytes of metadata left out]"})
