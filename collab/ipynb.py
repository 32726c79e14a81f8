"""Notebooks as files: nbformat in and out, and the other formats that a notebook can be taken away in. Pure.

The document is the truth and a file is a copy (crdt.md G8). Import then export changes nothing but what nbformat's own
upgrade changes: what the schema has no place for is kept as JSON text.
"""

import base64
import binascii
import json
import re
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote

from pycrdt import Array, Map, Text

from collab import notebook, widget_files
from collab.excerpt import cut_bytes, left_out
from collab.messages import is_base64, is_json, sanitise, to_json
from collab.model import (
    CELL_TYPES,
    MAX_CELLS,
    MAX_DOCUMENT_BYTES,
    MAX_INLINE_DATA_BYTES,
    MAX_INLINE_STREAM_BYTES,
    MAX_JSON_DEPTH,
    STREAM_HEAD_BYTES,
    STREAM_TAIL_BYTES,
    CellId,
)
from collab.notebook import CELL_ID, SERVER_ORIGIN, NewCell, NotebookDoc, clean

_TEXT_MIMES: Final = ("application/javascript", "image/svg+xml")  # which nbformat writes as lines, too

Format: TypeAlias = Literal["ipynb", "py", "md", "html"]
Content: TypeAlias = dict[str, Any]

_OUTPUT_KEYS: Final = {
    "stream": ("output_type", "name", "text"),
    "display_data": ("output_type", "data", "metadata"),
    "execute_result": ("output_type", "data", "metadata", "execution_count"),
    "error": ("output_type", "ename", "evalue", "traceback"),
}
_CELL_KEYS: Final = ("id", "cell_type", "source", "metadata", "outputs", "execution_count", "attachments")
_TOP_KEYS: Final = ("cells", "metadata", "nbformat", "nbformat_minor")
# What nbformat, too, strips from every file: it says something of one installation, or of one reading.
_TRANSIENT: Final = ("signature", "orig_nbformat", "orig_nbformat_minor")
_EXTRA: Final = "collab_extra"  # unknown keys of a cell or a notebook, in its metadata and nowhere else
_DEFAULT_KERNEL: Final = "python3"
_LEVELS: Final = 6  # of a file, around the JSON of an output
_MAX_COUNT: Final = 2**53
# Outputs of more than this together leave room for the cells by being Blobs much sooner.
_ROOMY_BYTES: Final = MAX_DOCUMENT_BYTES // 2
_TIGHT: Final = 64


class BadNotebook(ValueError):
    """One sentence that says what is wrong and where."""


# -- in ---------------------------------------------------------------------------------------------------------------


def read(data: bytes) -> Content:
    """The bytes of an .ipynb as nbformat 4.5, upgraded if need be. Raises BadNotebook.

    Valid where nbformat has a say, but for unknown keys and for the insides of metadata: those stay as they are.
    """
    value = _parse(data)
    major = value.get("nbformat", 3 if "worksheets" in value else None)
    if not isinstance(major, int) or isinstance(major, bool):
        raise BadNotebook("This is no notebook: it has no 'nbformat' number.")
    if major not in (3, 4):
        raise BadNotebook(f"This notebook is in nbformat {major!s:.20}; versions 3 and 4 can be read.")
    content = _from_v3(value) if major == 3 else value
    _check(content)
    content["nbformat"], content["nbformat_minor"] = 4, 5
    _give_ids(content["cells"])
    return content


def _parse(data: bytes) -> Content:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadNotebook(f"This is no notebook: byte {error.start} is not UTF-8.") from error
    if not text.strip():
        raise BadNotebook("This is no notebook: the file is empty.")
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        if not text.lstrip().startswith("{"):
            raise BadNotebook("This is no notebook file: it does not begin with '{'.") from error
        reason = error.msg.removesuffix(" at")
        raise BadNotebook(f"This is not valid JSON: line {error.lineno}, column {error.colno}: {reason}.") from error
    except ValueError as error:  # Python's own bound on digits
        raise BadNotebook("This file has a number of more than 4300 digits.") from error
    except RecursionError as error:
        raise BadNotebook(f"This file is nested deeper than {MAX_JSON_DEPTH + _LEVELS} levels.") from error
    if not isinstance(value, dict):
        raise BadNotebook(f"This is no notebook: the file holds {_a(value)}, not an object.")
    if _is_deeper(value, MAX_JSON_DEPTH + _LEVELS):
        raise BadNotebook(f"This file is nested deeper than {MAX_JSON_DEPTH + _LEVELS} levels.")
    return {clean(key): _sane(item) for key, item in value.items()}


def _from_v3(value: Content) -> Content:
    """As nbformat.v4.upgrade, which logs and does not say where it failed."""
    sheets = value.get("worksheets")
    if not isinstance(sheets, list):
        raise BadNotebook("This notebook in nbformat 3 has no list of 'worksheets'.")
    cells: list[object] = []
    for number, sheet in enumerate(sheets, 1):
        _is(sheet, dict, f"Worksheet {number}", "an object")
        cells += _is(sheet.get("cells", []), list, f"The 'cells' of worksheet {number}", "a list")
    metadata = _is(value.get("metadata", {}), dict, "The notebook's 'metadata'", "an object")
    kept = {key: item for key, item in value.items() if key not in ("worksheets", *_TRANSIENT)}
    return kept | {
        "metadata": {key: item for key, item in metadata.items() if key != "name"},
        "cells": [_cell_from_v3(cell, number) for number, cell in enumerate(cells, 1)],
    }


def _cell_from_v3(cell: object, number: int) -> Content:
    _is(cell, dict, f"Cell {number}", "an object")
    assert isinstance(cell, dict)
    if cell.get("cell_type") == "code":
        cell.setdefault("outputs", [])
    # Here and below: what nbformat's validator imports parses a grammar, which takes longer than all else that the
    # server does when it starts, and a quarter of its memory.
    from nbformat.v3.nbjson import to_notebook as from_v3_json
    from nbformat.v4.convert import upgrade_cell

    try:
        old = from_v3_json({"worksheets": [{"cells": [cell]}]})
        upgraded: Content = _plain(upgrade_cell(old.worksheets[0].cells[0]))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadNotebook(f"Cell {number} cannot be upgraded from nbformat 3: {_short(error)}.") from error
    return upgraded


def _check(content: Content) -> None:
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise BadNotebook("This is no notebook: it has no list of 'cells'.")
    if len(cells) > MAX_CELLS:
        raise BadNotebook(f"This notebook has {len(cells)} cells; at most {MAX_CELLS} are possible.")
    metadata = _is(content.get("metadata", {}), dict, "The notebook's 'metadata'", "an object")
    content["metadata"] = {key: value for key, value in metadata.items() if key not in _TRANSIENT}
    for number, cell in enumerate(cells, 1):
        _check_cell(_is(cell, dict, f"Cell {number}", "an object"), number)


def _check_cell(cell: Content, number: int) -> None:
    kind = cell.get("cell_type")
    if kind is None:
        raise BadNotebook(f"Cell {number} has no 'cell_type'.")
    if kind not in CELL_TYPES:
        raise BadNotebook(f"Cell {number} has the type {kind!r:.40}; there are {', '.join(CELL_TYPES)}.")
    if "source" not in cell:
        raise BadNotebook(f"Cell {number} has no 'source'.")
    cell["source"] = _lines(cell["source"], f"The 'source' of cell {number}")
    metadata = _is(cell.get("metadata", {}), dict, f"The 'metadata' of cell {number}", "an object")
    cell["metadata"] = {key: value for key, value in metadata.items() if key != "trusted"}
    if kind == "code":
        _check_code(cell, number)
    if "attachments" in cell:
        _is(cell["attachments"], dict, f"The 'attachments' of cell {number}", "an object")
        for name, bundle in cell["attachments"].items():
            where = f"The attachment {name!r:.40} of cell {number}"
            cell["attachments"][name] = _bundle(_is(bundle, dict, where, "an object"))


def _check_code(cell: Content, number: int) -> None:
    where = f"The 'execution_count' of cell {number}"
    cell["execution_count"] = _count(cell.get("execution_count"), where)
    outputs = _is(cell.setdefault("outputs", []), list, f"The 'outputs' of cell {number}", "a list")
    for place, output in enumerate(outputs, 1):
        where = f"output {place} of cell {number}"
        _check_output(_is(output, dict, where.capitalize(), "an object"), where)


def _check_output(output: Content, where: str) -> None:
    output.pop("transient", None)
    kind = output.get("output_type")
    if kind is None:
        raise BadNotebook(f"{where.capitalize()} has no 'output_type'.")
    if not isinstance(kind, str) or kind not in _OUTPUT_KEYS:
        raise BadNotebook(f"{where.capitalize()} has the type {kind!r:.40}; there are {', '.join(_OUTPUT_KEYS)}.")
    if kind == "stream":
        output["name"] = _joined(output.get("name", "stdout"))
        output["text"] = _lines(output.get("text", ""), f"The 'text' of {where}")
    elif kind == "error":
        traceback = _is(output.get("traceback", []), list, f"The 'traceback' of {where}", "a list")
        output["traceback"] = [_joined(line) for line in traceback]
        output["ename"], output["evalue"] = _joined(output.get("ename", "")), _joined(output.get("evalue", ""))
    else:
        output["data"] = _bundle(_is(output.get("data", {}), dict, f"The 'data' of {where}", "an object"))
        _is(output.setdefault("metadata", {}), dict, f"The 'metadata' of {where}", "an object")
        if kind == "execute_result":
            count = output.get("execution_count")
            output["execution_count"] = _count(count, f"The 'execution_count' of {where}")


def _give_ids(cells: list[Content]) -> None:
    """Every cell has one of its own; one that is missing, malformed or taken is made.

    Colab writes nbformat 4.0, which has none, and keeps its own in the metadata: links and comments there name it.
    """
    given = {id for cell in cells for id in (cell.get("id"), cell["metadata"].get("id")) if isinstance(id, str)}
    taken: set[str] = set()
    for cell in cells:
        id = cell.get("id", cell["metadata"].get("id"))
        if not isinstance(id, str) or not CELL_ID.fullmatch(id) or id in taken:
            id = secrets.token_hex(4)
            while id in given or id in taken:
                id = secrets.token_hex(4)
        cell["id"] = id
        taken.add(id)


def write_into(doc: NotebookDoc, content: Content, title: str, put_blob: Callable[[bytes], str]) -> None:
    """Fills an empty Doc. `content` is what `read` gave; `put_blob` stores bytes and gives their SHA-256."""
    metadata, widgets = widget_files.imported(content["metadata"], put_blob)
    spec = metadata.get("kernelspec")
    extra = {key: value for key, value in content.items() if key not in _TOP_KEYS}
    kept = {"kernelspec": None} | metadata | ({_EXTRA: extra} if extra else {})  # null: the file names none
    language = _named(metadata.get("language_info"), "name") or _named(spec, "language") or "python"
    codes = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    is_tight = sum(_size(output) for cell in codes for output in cell["outputs"]) > _ROOMY_BYTES
    outputs = {
        cell["id"]: [output_map(output, put_blob, tight=is_tight) for output in cell["outputs"]] for cell in codes
    }
    with doc.transaction(origin=SERVER_ORIGIN):
        notebook.create(
            doc,
            title,
            [_new_cell(cell) for cell in content["cells"]],
            language=language,
            kernelspec=_named(spec, "name") or _DEFAULT_KERNEL,
            metadata=_dumps(kept),
        )
        opened = notebook.roots(doc)
        if widgets:
            opened.meta[notebook.WIDGETS] = widgets
        for cell in codes:
            if outputs[cell["id"]]:
                opened.outputs[cell["id"]] = Array(outputs[cell["id"]])
            if cell["execution_count"] is not None:
                mark = {"state": "finished", "count": cell["execution_count"], "status": "imported", "session": ""}
                opened.runs[cell["id"]] = Map(mark)


def _new_cell(cell: Content) -> NewCell:
    extra = {key: value for key, value in cell.items() if key not in _CELL_KEYS}
    metadata = cell["metadata"] | ({_EXTRA: extra} if extra else {})
    return NewCell(
        CellId(cell["id"]),
        cell["cell_type"],
        cell["source"],
        {key: _dumps(value) for key, value in metadata.items()},
        {name: _dumps(value) for name, value in cell.get("attachments", {}).items()},
    )


def output_map(output: Mapping[str, Any], put_blob: Callable[[bytes], str], *, tight: bool = False) -> Any:
    """One nbformat output as the schema has it: a Map. With `tight`, Blobs begin at a 64th of their usual size."""
    kind = output["output_type"]
    entry: dict[str, object] = {"output_type": kind}
    if kind == "stream":
        entry |= {"name": output["name"]} | _stream(output["text"], put_blob, _TIGHT if tight else 1)
    elif kind == "error":
        entry |= {"ename": output["ename"], "evalue": output["evalue"], "traceback": _dumps(output["traceback"])}
    else:
        entry |= {"metadata": _dumps(output["metadata"])} | _data(output["data"], put_blob, _TIGHT if tight else 1)
        if output.get("execution_count") is not None:
            entry["count"] = output["execution_count"]
    extra = {key: value for key, value in output.items() if key not in _OUTPUT_KEYS[kind]}
    return Map(entry | ({"extra": _dumps(extra)} if extra else {}))


def _stream(text: str, put_blob: Callable[[bytes], str], part: int) -> dict[str, object]:
    data = text.encode()
    if len(data) <= MAX_INLINE_STREAM_BYTES // part:
        return {"text": Text(text)}
    head, tail = cut_bytes(text, STREAM_HEAD_BYTES // part), cut_bytes(text, STREAM_TAIL_BYTES // part, end=True)
    note = left_out(len(data) - len(head.encode()) - len(tail.encode()))
    blobs = {"text/plain": {"sha256": put_blob(data), "size": len(data)}}
    return {"text": Text(f"{head}{note}{tail}"), "blobs": _dumps(blobs)}


def _data(data: Mapping[str, object], put_blob: Callable[[bytes], str], part: int) -> dict[str, object]:
    inline: dict[str, str] = {}
    blobs: dict[str, dict[str, object]] = {}
    for mime, item in data.items():
        value = to_json(item, exact=True) if is_json(mime) else _joined(item)
        if len(value.encode()) <= MAX_INLINE_DATA_BYTES // part:
            inline[mime] = value
        else:
            content, written = _blob_of(mime, value)
            blobs[mime] = {"sha256": put_blob(content), "size": len(content)} | written
    return {"data": Map(inline)} | ({"blobs": _dumps(blobs)} if blobs else {})


def _blob_of(mime: str, value: str) -> tuple[bytes, dict[str, object]]:
    """A value's bytes, and what else it takes to write them as the file had them."""
    if not is_base64(mime):
        return value.encode(), {}
    compact = "".join(value.split())
    try:
        content = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if base64.b64encode(content).decode() != compact:
        return value.encode(), {"written": "text"}  # no base64 after all
    if value == f"{compact}\n":
        return content, {"written": "newline"}
    return content, {"written": "lines"} if value == base64.encodebytes(content).decode() else {}


# -- out --------------------------------------------------------------------------------------------------------------


def omits_outputs(doc: NotebookDoc) -> bool:
    """Whether this notebook's outputs are to be seen and never kept, as Colab's files say it."""
    return _omits(_object(_string(notebook.roots(doc).meta.get("metadata"))))


def set_omits_outputs(doc: NotebookDoc, on: bool) -> None:
    """In one transaction; the rest of the metadata stays to the letter of its numbers."""
    with doc.transaction(origin=SERVER_ORIGIN):
        meta = notebook.roots(doc).meta
        metadata = _object(_string(meta.get("metadata")))
        colab = _dict(metadata.get("colab"))
        colab.pop("private_outputs", None)
        metadata.pop("colab", None)
        named = colab | ({"private_outputs": True} if on else {})
        meta["metadata"] = _dumps(metadata | ({"colab": named} if named else {}))


def _omits(metadata: Content) -> bool:
    return _dict(metadata.get("colab")).get("private_outputs") is True


def to_notebook(doc: NotebookDoc, get_blob: Callable[[str], bytes], outputs: bool = True) -> Content:
    """The document as nbformat 4.5. `get_blob` raises FileNotFoundError for a Blob that is gone."""
    with doc.transaction():
        metadata = _object(_string(notebook.roots(doc).meta.get("metadata")))
        extra = _dict(metadata.pop(_EXTRA, None))
        outputs = outputs and not _omits(metadata)
        if not outputs:
            metadata.pop("widgets", None)  # their states are outputs by another name
        else:
            metadata = widget_files.exported(doc, metadata, get_blob)
        cells = [_cell(doc, cell, get_blob, outputs) for cell in notebook.order(doc)]
        _name_kernel(metadata, notebook.kernelspec(doc), notebook.language(doc))
    return extra | {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _name_kernel(metadata: Content, name: str, language: str) -> None:
    if "kernelspec" in metadata and metadata["kernelspec"] is None and name == _DEFAULT_KERNEL:
        del metadata["kernelspec"]  # the file had none, and nobody chose one since
        return
    display_name = "Python 3" if name == _DEFAULT_KERNEL else name
    spec = _dict(metadata.get("kernelspec"))
    if spec.get("name") != name:
        spec = {"name": name, "display_name": display_name, "language": language}
    if not isinstance(spec.get("display_name"), str):
        spec["display_name"] = display_name
    metadata["kernelspec"] = spec


def _cell(doc: NotebookDoc, id: CellId, get_blob: Callable[[str], bytes], outputs: bool) -> Content:
    opened = notebook.roots(doc)
    entry = opened.cells[id]
    kind = notebook.cell_type(doc, id) or "raw"
    metadata = {key: _value(value) for key, value in _items(entry.get("metadata"))}
    if not outputs or _ran_here(opened.runs.get(id)):
        _forget_run(metadata)
    extra = _dict(metadata.pop(_EXTRA, None))
    cell: Content = {key: value for key, value in extra.items() if key not in _CELL_KEYS}
    cell |= {"cell_type": kind, "id": id, "metadata": metadata, "source": notebook.cell_source(doc, id)}
    if kind == "code":
        mark = notebook.run_mark(doc, id)
        cell["execution_count"] = mark.count if mark is not None and outputs else None
        array = opened.outputs.get(id)
        entries = [array[index] for index in range(len(array))] if outputs and isinstance(array, Array) else []
        cell["outputs"] = [
            _output(item, get_blob)
            for item in entries
            if isinstance(item, (Map, dict)) and item.get("output_type") in _OUTPUT_KEYS
        ]
    else:
        attachments = {name: _value(value) for name, value in _items(entry.get("attachments"))}
        if attachments:
            cell["attachments"] = {name: _bundle(_dict(value)) for name, value in attachments.items()}
    return cell


def _ran_here(mark: Any) -> bool:
    """Marks that came with a file name no kernel process."""
    return isinstance(mark, (Map, dict)) and _string(mark.get("session")) != ""


def _forget_run(metadata: Content) -> None:
    """What Colab noted of a run that is no longer the last, and of its outputs: who, when, and how high they were."""
    for key in ("executionInfo", "outputId"):
        metadata.pop(key, None)
    colab = metadata.get("colab")
    if isinstance(colab, dict) and "height" in colab:
        metadata["colab"] = {key: value for key, value in colab.items() if key != "height"}


def _output(entry: Any, get_blob: Callable[[str], bytes]) -> Content:
    kind = entry.get("output_type")
    output = _object(_string(entry.get("extra")))
    blobs = _object(_string(entry.get("blobs")))
    output["output_type"] = kind
    if kind == "stream":
        whole = _blob(blobs.get("text/plain"), get_blob)
        text = _string(entry.get("text")) if whole is None else whole.decode("utf-8", "replace")
        output |= {"name": _string(entry.get("name")), "text": text}
    elif kind == "error":
        traceback = _value(_string(entry.get("traceback")))
        lines = [_joined(line) for line in traceback] if isinstance(traceback, list) else []
        output |= {"ename": _string(entry.get("ename")), "evalue": _string(entry.get("evalue")), "traceback": lines}
    else:
        data = {mime: _mime_value(mime, _string(value)) for mime, value in _items(entry.get("data"))}
        for mime, named in blobs.items():
            content = _blob(named, get_blob)
            if content is not None:
                data[mime] = _blob_value(mime, content, named.get("written"))
        output |= {"data": data, "metadata": _without_key(_object(_string(entry.get("metadata"))))}
        if kind == "execute_result":
            count = entry.get("count")
            output["execution_count"] = int(count) if isinstance(count, (int, float)) else None
    return output


def _without_key(metadata: Content) -> Content:
    """A DataFrame's key is one in the kernel that showed it, and means nothing in a file."""
    ours = metadata.get("collab")
    if not isinstance(ours, dict) or "table" not in ours:
        return metadata
    rest = {key: value for key, value in ours.items() if key != "table"}
    return {key: value for key, value in metadata.items() if key != "collab"} | ({"collab": rest} if rest else {})


def to_bytes(content: Content) -> bytes:
    """The file as nbformat writes it: sorted keys, one space of indent, text as lists of lines."""
    metadata = {key: value for key, value in content["metadata"].items() if key not in _TRANSIENT}
    file = content | {"metadata": metadata, "cells": [_cell_in_lines(cell) for cell in content["cells"]]}
    text = json.dumps(file, ensure_ascii=False, indent=1, sort_keys=True, separators=(",", ": "))
    return f"{text}\n".encode()


def _cell_in_lines(cell: Content) -> Content:
    metadata = {key: value for key, value in cell["metadata"].items() if key != "trusted"}
    lines = cell | {"metadata": metadata, "source": _in_lines(cell["source"])}
    if "attachments" in cell:
        lines["attachments"] = {name: _data_in_lines(data) for name, data in cell["attachments"].items()}
    if cell["cell_type"] == "code":
        lines["outputs"] = [_output_in_lines(output) for output in cell["outputs"]]
    return lines


def _output_in_lines(output: Content) -> Content:
    match output["output_type"]:
        case "stream":
            return output | {"text": _in_lines(output["text"])}
        case "execute_result" | "display_data":
            return output | {"data": _data_in_lines(output.get("data", {}))}
        case _:
            return output


def _data_in_lines(data: Content) -> Content:
    return {
        mime: _in_lines(value) if mime.startswith("text/") or mime in _TEXT_MIMES else value
        for mime, value in data.items()
    }


def _in_lines(text: object) -> object:
    return text.splitlines(True) if isinstance(text, str) else text


# -- other formats ----------------------------------------------------------------------------------------------------

_IMAGES: Final = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")
_SHOWN: Final = {"text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg"}  # by HTMLExporter
_ATTACHED: Final = re.compile(r"(\]\(\s*<?|\]:\s*<?)attachment:([^\s)>\"']*)")
_ANSI: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_MATH: Final = re.compile(r"\$|\\\(|\\\[|\\begin\{")
_EMPTY_SCRIPT: Final = re.compile(r'<script src="">\s*</script>\n?')


def export(content: Content, format: Format, title: str) -> bytes:
    """The file in one of the formats; everything but .ipynb by nbconvert. Takes a while: call it in a thread."""
    if format == "ipynb":
        return to_bytes(content)
    import nbformat
    from nbconvert import HTMLExporter, MarkdownExporter, PythonExporter  # half a second to import
    from nbformat.validator import normalize

    # A copy without the metadata at which nbconvert would give up.
    _, node = normalize(nbformat.from_dict(content), 4, 5, relax_add_props=True, strip_invalid_metadata=True)
    node.metadata.pop("title", None)  # it would win over ours
    if not isinstance(node.metadata.get("widgets", {}), dict):
        del node.metadata["widgets"]
    exporter: PythonExporter | MarkdownExporter | HTMLExporter
    match format:
        case "py":
            exporter = PythonExporter()
        case "md":
            exporter = MarkdownExporter()
            for cell in node.cells:
                _make_plain(cell)
        case "html":
            exporter = HTMLExporter(**_scripts(content))
            for cell in node.cells:
                _make_page(cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that cannot be shown, and of odd line ends
        text, _ = exporter.from_notebook_node(node, {"metadata": {"name": title}})
    if format == "html":
        text = _EMPTY_SCRIPT.sub("", text)
    return clean(str(text)).encode()


def _make_plain(cell: Any) -> None:
    """A cell for Markdown: images within the text, so that the file can be sent alone, and no colours of terminals."""
    attachments = {name: _first_uri(bundle) for name, bundle in cell.pop("attachments", {}).items()}

    def linked(match: re.Match[str]) -> str:
        uri = attachments.get(match[2]) or attachments.get(unquote(match[2]))
        return f"{match[1]}{uri}" if uri else match[0]

    if cell.cell_type == "markdown":
        cell.source = _ATTACHED.sub(linked, cell.source)
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            output.text = _ANSI.sub("", output.text)
        elif output.output_type in ("display_data", "execute_result"):
            output.metadata.pop("filenames", None)
            uri = _first_uri({mime: value for mime, value in output.data.items() if mime in _IMAGES})
            if uri and not {"text/html", "text/markdown"} & output.data.keys():
                output.data["text/markdown"] = f"![]({uri})"
            for mime in _IMAGES:
                output.data.pop(mime, None)
            output.data.pop("application/pdf", None)


def _first_uri(bundle: Mapping[str, object]) -> str:
    for mime, value in sorted(bundle.items(), key=lambda item: _IMAGES.index(item[0]) if item[0] in _IMAGES else 9):
        if isinstance(value, str):
            data = "".join(value.split()) if is_base64(mime) else base64.b64encode(value.encode()).decode()
            return f"data:{mime};base64,{data}"
    return ""


def _make_page(cell: Any) -> None:
    """A cell for HTML: without links to attachments that are not there, at which nbconvert gives up."""
    attachments = cell.get("attachments", {})

    def linked(match: re.Match[str]) -> str:
        return match[0] if attachments.get(match[2]) else f"{match[1]}#{match[2]}"

    if cell.cell_type == "markdown":
        cell.source = _ATTACHED.sub(linked, cell.source)
    for output in cell.get("outputs", []):
        if output.output_type in ("display_data", "execute_result"):
            output.metadata.pop("filenames", None)
            uri = _first_uri({mime: value for mime, value in output.data.items() if mime in _IMAGES})
            if uri and not _SHOWN & output.data.keys():
                output.data["text/html"] = f'<img src="{uri}">'


def _scripts(content: Content) -> dict[str, str]:
    """Nothing from elsewhere without need: MathJax where there may be mathematics, require.js where a script asks."""
    texts = [cell["source"] for cell in content["cells"] if cell["cell_type"] == "markdown"]
    values = [
        (mime, value)
        for cell in content["cells"]
        for output in cell.get("outputs", [])
        for mime, value in output.get("data", {}).items()
    ]
    texts += [str(value) for mime, value in values if mime in ("text/latex", "text/markdown", "text/html")]
    is_required = any("require" in value for mime, value in values if mime in ("text/html", "application/javascript"))
    is_math = any(_MATH.search(text) for text in texts)
    unused = ([] if is_math else ["mathjax_url"]) + ([] if is_required else ["require_js_url"])
    return dict.fromkeys([*unused, "jquery_url"], "")


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


def _count(value: object, where: str) -> int | None:
    """A count that is none, as -1, is dropped."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadNotebook(f"{where} is {_a(value)}, not a whole number.")
    return value if 0 <= value < _MAX_COUNT else None


def _lines(value: object, where: str) -> str:
    """Text, or the list of lines that nbformat makes of it on disk."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return clean("".join(value))
    if isinstance(value, list):
        raise BadNotebook(f"{where} is a list with more than text in it.")
    return clean(_is(value, str, where, "text"))


def _joined(value: object) -> str:
    """As `_lines`, with anything else as its JSON."""
    if isinstance(value, list):
        return clean("".join(_joined(line) for line in value))
    return clean(value) if isinstance(value, str) else _dumps(value)


def _bundle(bundle: Mapping[str, object]) -> Content:
    return {mime: value if is_json(mime) else _joined(value) for mime, value in bundle.items()}


def _plain(value: Any) -> Any:
    """NotebookNodes as plain values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _is_deeper(value: object, bound: int) -> bool:
    level = [value]
    for _ in range(bound):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
            if isinstance(inner, (dict, list))
        ]
    return bool(level)


def _short(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()[:120].rstrip(".") or type(error).__name__


def _named(value: object, key: str) -> str:
    name = value.get(key) if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def _size(output: Content) -> int:
    return len(_dumps(output).encode())


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _sane(value: object) -> Any:
    return sanitise(value, exact=True, depth=1 - _LEVELS)


def _string(value: object) -> str:
    return "" if value is None else clean(str(value))


def _items(value: Any) -> list[tuple[str, Any]]:
    """Of a shared Map or the plain dict that stands for one, in the order of their keys: a Map has none."""
    return sorted((clean(key), item) for key, item in value.items()) if isinstance(value, (Map, dict)) else []


def _value(value: Any) -> Any:
    """Values are JSON texts; plain ones are taken for what they are."""
    if not isinstance(value, (str, Text)):
        return _sane(value.to_py() if isinstance(value, (Map, Array)) else value)
    text = str(value)
    try:
        return _sane(json.loads(text))
    except (ValueError, RecursionError):
        return clean(text)


def _dict(value: object) -> Content:
    return value if isinstance(value, dict) else {}


def _object(text: str) -> Content:
    return _dict(_value(text)) if text else {}


def _mime_value(mime: str, value: str) -> Any:
    return _value(value) if is_json(mime) else value


def _blob(named: object, get_blob: Callable[[str], bytes]) -> bytes | None:
    sha256 = named.get("sha256") if isinstance(named, dict) else None
    if not isinstance(sha256, str):
        return None
    try:
        return get_blob(sha256)
    except FileNotFoundError:
        return None


def _blob_value(mime: str, content: bytes, written: object) -> Any:
    if is_base64(mime) and written == "lines":
        return base64.encodebytes(content).decode()
    if is_base64(mime) and written != "text":
        return base64.b64encode(content).decode() + ("\n" if written == "newline" else "")
    return _mime_value(mime, content.decode("utf-8", "replace"))
