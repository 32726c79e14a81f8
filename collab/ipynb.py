"""Notebooks as files: nbformat in and out, and the other formats that a notebook can be taken away in. Pure.

The document is the truth and a file is a copy (crdt.md G8). Import then export changes nothing but what nbformat's own
upgrade changes: what the schema has no place for is kept as JSON text.
"""

import base64
import json
import re
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import nbformat
from nbformat.validator import NotebookValidationError
from pycrdt import Array, Map

from collab import notebook
from collab.messages import bundle, is_base64, is_json, sanitise, to_json
from collab.model import (
    CELL_TYPES,
    MAX_CELLS,
    MAX_INLINE_STREAM_BYTES,
    MAX_JSON_DEPTH,
    STREAM_HEAD_BYTES,
    STREAM_TAIL_BYTES,
    CellId,
)
from collab.notebook import CELL_ID, SERVER_ORIGIN, NewCell, NotebookDoc, clean
from collab.outputs import blob_bytes, cut_bytes, data_map, failure_map, left_out, split_data, stream_map

Format: TypeAlias = Literal["ipynb", "py", "md", "html"]
Content: TypeAlias = dict[str, Any]

_OUTPUT_KEYS: Final = {
    "stream": ("output_type", "name", "text"),
    "display_data": ("output_type", "data", "metadata"),
    "execute_result": ("output_type", "data", "metadata", "execution_count"),
    "error": ("output_type", "ename", "evalue", "traceback"),
}
_CELL_KEYS: Final = ("id", "cell_type", "source", "metadata", "outputs", "execution_count", "attachments")
_EXTRA: Final = "collab_extra"  # a cell's unknown keys, in its metadata map and nowhere else


class BadNotebook(ValueError):
    """One sentence that says what is wrong and where."""


# -- in ---------------------------------------------------------------------------------------------------------------


def read(data: bytes) -> Content:
    """The bytes of an .ipynb as nbformat 4.5, upgraded if need be. Raises BadNotebook."""
    value = _parse(data)
    major = value.get("nbformat", 3 if "worksheets" in value else None)
    if not isinstance(major, int) or isinstance(major, bool):
        raise BadNotebook("This is no notebook: it has no 'nbformat' number.")
    if major not in (3, 4):
        raise BadNotebook(f"This notebook is in nbformat {major}; versions 3 and 4 can be read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ids that are missing; they are made below
            if major == 3:
                _check_v3(value)
                value = nbformat.convert(nbformat.from_dict(value), 4)
            content: Content = _plain(value)
    except (AttributeError, KeyError, TypeError, ValueError, NotebookValidationError) as error:
        if isinstance(error, BadNotebook):
            raise
        raise BadNotebook(f"This notebook in nbformat {major} cannot be upgraded: {_short(error)}.") from error
    _check(content)
    content["nbformat"], content["nbformat_minor"] = 4, 5
    _give_ids(content["cells"])
    return content


def _parse(data: bytes) -> Content:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadNotebook(f"This is no notebook: byte {error.start} is not UTF-8.") from error
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadNotebook(f"This is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise BadNotebook("This file is nested too deeply.") from error
    if not isinstance(value, dict):
        raise BadNotebook(f"This is no notebook: the file holds {_a(value)}, not an object.")
    if _depth(value) > MAX_JSON_DEPTH:
        raise BadNotebook(f"This file is nested deeper than {MAX_JSON_DEPTH} levels.")
    clean_value = sanitise(value, exact=True)
    assert isinstance(clean_value, dict)
    return clean_value


def _check_v3(value: Content) -> None:
    sheets = value.get("worksheets")
    if not isinstance(sheets, list) or not all(isinstance(sheet, dict) for sheet in sheets):
        raise BadNotebook("This notebook in nbformat 3 has no 'worksheets'.")
    value.setdefault("metadata", {})
    value.setdefault("nbformat_minor", 0)


def _check(content: Content) -> None:
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise BadNotebook("This is no notebook: it has no list of 'cells'.")
    if len(cells) > MAX_CELLS:
        raise BadNotebook(f"This notebook has {len(cells)} cells; at most {MAX_CELLS} are possible.")
    content["metadata"] = _is(content.get("metadata", {}), dict, "The notebook's 'metadata'", "an object")
    for number, cell in enumerate(cells, 1):
        where = f"Cell {number}"
        _is(cell, dict, where, "an object")
        kind = cell.get("cell_type")
        if kind not in CELL_TYPES:
            raise BadNotebook(f"{where} has the type {kind!r:.40}; there are {', '.join(CELL_TYPES)}.")
        if "source" not in cell:
            raise BadNotebook(f"{where} has no 'source'.")
        if not isinstance(cell["source"], str) and not _is_lines(cell["source"]):
            raise BadNotebook(f"The 'source' of cell {number} is {_a(cell['source'])}, not text.")
        cell["source"] = _joined(cell["source"])
        cell["metadata"] = _is(cell.get("metadata", {}), dict, f"The 'metadata' of cell {number}", "an object")
        if kind == "code":
            _check_code(cell, number)
        elif "attachments" in cell:
            _is(cell["attachments"], dict, f"The 'attachments' of cell {number}", "an object")


def _check_code(cell: Content, number: int) -> None:
    count = cell.setdefault("execution_count", None)
    if count is not None and (not isinstance(count, int) or isinstance(count, bool)):
        raise BadNotebook(f"The 'execution_count' of cell {number} is {_a(count)}, not a whole number.")
    outputs = _is(cell.setdefault("outputs", []), list, f"The 'outputs' of cell {number}", "a list")
    for place, output in enumerate(outputs, 1):
        where = f"Output {place} of cell {number}"
        _is(output, dict, where, "an object")
        kind = output.get("output_type")
        if kind not in _OUTPUT_KEYS:
            raise BadNotebook(f"{where} has the type {kind!r:.40}; there are {', '.join(_OUTPUT_KEYS)}.")
        if kind == "stream":
            if output.setdefault("name", "stdout") not in ("stdout", "stderr"):
                raise BadNotebook(f"{where} is a stream with the name {output['name']!r:.40}.")
            output["text"] = _joined(output.get("text", ""))
        elif kind == "error":
            output["traceback"] = [_joined(line) for line in _is(output.get("traceback", []), list, where, "a list")]
            output["ename"], output["evalue"] = _joined(output.get("ename", "")), _joined(output.get("evalue", ""))
        else:
            _is(output.setdefault("data", {}), dict, f"The 'data' of output {place} of cell {number}", "an object")
            _is(output.setdefault("metadata", {}), dict, f"The 'metadata' of output {place}", "an object")


def _give_ids(cells: list[Content]) -> None:
    """Every cell has one of its own; one that is missing, malformed or taken is made."""
    taken: set[str] = set()
    for cell in cells:
        id = cell.get("id")
        if not isinstance(id, str) or not CELL_ID.fullmatch(id) or id in taken:
            id = secrets.token_hex(4)
            cell["id"] = id
        taken.add(id)


def write_into(doc: NotebookDoc, content: Content, title: str, put_blob: Callable[[bytes], str]) -> None:
    """Fills an empty Doc. `content` is what `read` gave; `put_blob` stores bytes and gives their SHA-256."""
    metadata = content["metadata"]
    spec, info = metadata.get("kernelspec"), metadata.get("language_info")
    language = _name(info) or (spec.get("language") if isinstance(spec, dict) else None) or "python"
    extra = {
        key: value for key, value in content.items() if key not in ("cells", "metadata", "nbformat", "nbformat_minor")
    }
    kept = metadata | ({_EXTRA: extra} if extra else {})
    cells = [_new_cell(cell) for cell in content["cells"]]
    with doc.transaction(origin=SERVER_ORIGIN):
        notebook.create(
            doc,
            title,
            cells,
            language=str(language),
            kernelspec=_name(spec) or "python3",
            metadata=json.dumps(kept, ensure_ascii=False),
        )
        opened = notebook.roots(doc)
        for cell in content["cells"]:
            if cell["cell_type"] != "code":
                continue
            if cell["outputs"]:
                opened.outputs[cell["id"]] = Array([output_map(output, put_blob) for output in cell["outputs"]])
            if cell["execution_count"] is not None:
                mark = {"state": "finished", "count": cell["execution_count"], "status": "imported", "session": ""}
                opened.runs[cell["id"]] = Map(mark)


def _new_cell(cell: Content) -> NewCell:
    extra = {key: value for key, value in cell.items() if key not in _CELL_KEYS}
    metadata = {key: json.dumps(value, ensure_ascii=False) for key, value in cell["metadata"].items()}
    if extra:
        metadata[_EXTRA] = json.dumps(extra, ensure_ascii=False)
    attachments = cell.get("attachments", {})
    return NewCell(
        CellId(cell["id"]),
        cell["cell_type"],
        cell["source"],
        metadata,
        {name: json.dumps(value, ensure_ascii=False) for name, value in attachments.items()},
    )


def output_map(output: Mapping[str, Any], put_blob: Callable[[bytes], str]) -> Any:
    """One nbformat output as the schema has it."""
    kind = output["output_type"]
    if kind == "stream":
        entry = _stream(output["name"], output["text"], put_blob)
    elif kind == "error":
        entry = failure_map(output["ename"], output["evalue"], output["traceback"])
    else:
        data = bundle(output["data"])
        for mime in split_data(data)[1]:
            put_blob(blob_bytes(mime, data[mime]))
        entry = data_map(kind, data, to_json(output["metadata"], exact=True), count=output.get("execution_count"))
    extra = {key: value for key, value in output.items() if key not in _OUTPUT_KEYS[kind]}
    return Map(_preliminary(entry) | {"extra": json.dumps(extra, ensure_ascii=False)}) if extra else entry


def _stream(name: str, text: str, put_blob: Callable[[bytes], str]) -> Any:
    data = text.encode()
    if len(data) <= MAX_INLINE_STREAM_BYTES:
        return stream_map(name, text)
    head, tail = cut_bytes(text, STREAM_HEAD_BYTES), cut_bytes(text, STREAM_TAIL_BYTES, end=True)
    entry = _preliminary(stream_map(name, f"{head}{left_out(len(text) - len(head) - len(tail))}{tail}"))
    return Map(entry | {"blobs": json.dumps({"text/plain": {"sha256": put_blob(data), "size": len(data)}})})


def _preliminary(entry: Any) -> dict[str, Any]:
    """What a Map that is in no document yet will hold."""
    held: dict[str, Any] = entry._prelim
    return dict(held)


# -- out --------------------------------------------------------------------------------------------------------------


def to_notebook(doc: NotebookDoc, get_blob: Callable[[str], bytes], outputs: bool = True) -> Content:
    """The document as valid nbformat 4.5. `get_blob` raises FileNotFoundError for a Blob that is gone."""
    opened = notebook.roots(doc)
    metadata = _object(_string(opened.meta.get("metadata")))
    extra = metadata.pop(_EXTRA, {})
    spec = metadata.get("kernelspec")
    name = notebook.kernelspec(doc)
    if not isinstance(spec, dict) or spec.get("name") != name:
        spec = {"name": name, "display_name": _display_name(name), "language": notebook.language(doc)}
        metadata["kernelspec"] = spec
    cells = [_cell(doc, cell, get_blob, outputs) for cell in notebook.order(doc)]
    return (extra if isinstance(extra, dict) else {}) | {
        "cells": cells,
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(doc: NotebookDoc, id: CellId, get_blob: Callable[[str], bytes], outputs: bool) -> Content:
    opened = notebook.roots(doc)
    entry = opened.cells[id]
    kind = notebook.cell_type(doc, id) or "raw"
    metadata = {key: _value(value) for key, value in _items(entry.get("metadata"))}
    extra = metadata.pop(_EXTRA, {})
    cell: Content = dict(extra) if isinstance(extra, dict) else {}
    cell |= {"cell_type": kind, "id": id, "metadata": metadata, "source": notebook.cell_source(doc, id)}
    if kind == "code":
        mark = notebook.run_mark(doc, id)
        cell["execution_count"] = mark.count if mark is not None and outputs else None
        array = opened.outputs.get(id)
        entries = [array[index] for index in range(len(array))] if outputs and isinstance(array, Array) else []
        cell["outputs"] = [_output(item, get_blob) for item in entries]
    else:
        attachments = {name: _value(value) for name, value in _items(entry.get("attachments"))}
        if attachments:
            cell["attachments"] = attachments
    return cell


def _output(entry: Any, get_blob: Callable[[str], bytes]) -> Content:
    kind = entry.get("output_type")
    output = _object(_string(entry.get("extra")))
    blobs = _object(_string(entry.get("blobs")))
    output["output_type"] = kind
    if kind == "stream":
        output["name"] = entry.get("name")
        text = _string(entry.get("text"))
        whole = _blob(blobs.get("text/plain"), get_blob)
        output["text"] = (
            text.removesuffix("\r") if whole is None else whole.decode("utf-8", "replace").removesuffix("\r")
        )
    elif kind == "error":
        traceback = json.loads(_string(entry.get("traceback")) or "[]")
        output |= {"ename": entry.get("ename"), "evalue": entry.get("evalue"), "traceback": traceback}
    else:
        data = {mime: _mime_value(mime, _string(value)) for mime, value in _items(entry.get("data"))}
        for mime, name in blobs.items():
            content = _blob(name, get_blob)
            if content is not None:
                data[mime] = _blob_value(mime, content)
        output |= {"data": data, "metadata": _object(_string(entry.get("metadata")))}
        if kind == "execute_result":
            count = entry.get("count")
            output["execution_count"] = int(count) if isinstance(count, (int, float)) else None
    return output


def to_bytes(content: Content) -> bytes:
    """The file as nbformat writes it: sorted keys, one space of indent, text as lists of lines."""
    node = nbformat.from_dict(content)
    text: str = nbformat.v4.writes(node)
    return (text if text.endswith("\n") else text + "\n").encode()


def export(content: Content, format: Format, title: str) -> bytes:
    """The file in one of the formats; everything but .ipynb by nbconvert. Takes a while: call it in a thread."""
    if format == "ipynb":
        return to_bytes(content)
    from nbconvert import HTMLExporter, MarkdownExporter, PythonExporter  # half a second to import

    node = nbformat.from_dict(content)
    resources = {"metadata": {"name": title}}
    if format == "md":
        text, found = MarkdownExporter().from_notebook_node(node, resources)
        return _with_images(text, found.get("outputs", {})).encode()
    exporter = PythonExporter() if format == "py" else HTMLExporter(embed_images=True)
    text, _ = exporter.from_notebook_node(node, resources)
    return str(text).encode()


def _with_images(text: str, files: Mapping[str, bytes]) -> str:
    """Images into the text, so that the file can be sent alone."""
    types = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "svg": "image/svg+xml", "gif": "image/gif"}
    for name, data in files.items():
        kind = types.get(name.rpartition(".")[2].lower())
        if kind is not None:
            text = text.replace(f"]({name})", f"](data:{kind};base64,{base64.b64encode(data).decode()})")
    return text


# -- small things -----------------------------------------------------------------------------------------------------


def _is(value: Any, kind: type, where: str, wanted: str) -> Any:
    if not isinstance(value, kind):
        raise BadNotebook(f"{where} is {_a(value)}, not {wanted}.")
    return value


def _a(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _is_lines(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _joined(value: object) -> str:
    """Text, or the list of lines that nbformat makes of it on disk."""
    if isinstance(value, list):
        return "".join(_joined(line) for line in value)
    return clean(value) if isinstance(value, str) else json.dumps(value)


def _plain(value: Any) -> Any:
    """NotebookNodes as plain values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _depth(value: object) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        if deepest > MAX_JSON_DEPTH + 1:
            break
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
            if isinstance(inner, (dict, list))
        ]
    return deepest


def _short(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()[:120].rstrip(".") or type(error).__name__


def _name(value: object) -> str | None:
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) and name else None


def _display_name(spec: str) -> str:
    return "Python 3" if spec == "python3" else spec


def _string(value: object) -> str:
    return "" if value is None else str(value)


def _items(value: Any) -> list[tuple[str, Any]]:
    """Of a shared Map or the plain dict that stands for one, in the order of their keys: a Map has none."""
    return sorted(value.items()) if isinstance(value, (Map, dict)) else []


def _value(value: Any) -> Any:
    """Values are JSON texts; plain ones are taken for what they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _object(text: str) -> Content:
    value = _value(text) if text else {}
    return value if isinstance(value, dict) else {}


def _mime_value(mime: str, value: str) -> Any:
    return _value(value) if is_json(mime) else value


def _blob(name: object, get_blob: Callable[[str], bytes]) -> bytes | None:
    sha256 = name.get("sha256") if isinstance(name, dict) else None
    if not isinstance(sha256, str):
        return None
    try:
        return get_blob(sha256)
    except FileNotFoundError:
        return None


def _blob_value(mime: str, content: bytes) -> Any:
    if is_base64(mime):
        return base64.b64encode(content).decode()
    return _mime_value(mime, content.decode("utf-8", "replace"))
