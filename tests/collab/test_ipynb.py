"""Notebooks as files: what is imported comes out again, and what cannot be read is named in one sentence."""

import base64
import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map

from collab import notebook
from collab.ipynb import BadNotebook, Content, Format, export, output_map, read, to_bytes, to_notebook, write_into
from collab.model import (
    MAX_CELLS,
    MAX_DOCUMENT_BYTES,
    MAX_INLINE_DATA_BYTES,
    MAX_INLINE_STREAM_BYTES,
    MAX_JSON_DEPTH,
    STREAM_HEAD_BYTES,
    STREAM_TAIL_BYTES,
    CellId,
)
from collab.notebook import NewCell, NotebookDoc
from tests.collab.docs import content as doc_content

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
HUGE_PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000).decode()
SPEC = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


class Store:
    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.held[sha256] = data
        return sha256

    def get(self, sha256: str) -> bytes:
        try:
            return self.held[sha256]
        except KeyError as error:
            raise FileNotFoundError(sha256) from error


def code(source: str | list[str] = "1", **more: Any) -> Content:
    return {"cell_type": "code", "metadata": {}, "source": source, "execution_count": None, "outputs": []} | more


def markdown(source: str | list[str] = "text", **more: Any) -> Content:
    return {"cell_type": "markdown", "metadata": {}, "source": source} | more


def raw(source: str | list[str] = "text", **more: Any) -> Content:
    return {"cell_type": "raw", "metadata": {}, "source": source} | more


def display(data: Content, **more: Any) -> Content:
    return {"output_type": "display_data", "data": data, "metadata": {}} | more


def stream(text: str | list[str], name: str = "stdout") -> Content:
    return {"output_type": "stream", "name": name, "text": text}


def book(*cells: Content, minor: int = 5, metadata: Content | None = None, **more: Any) -> Content:
    """A valid file, where the cells are; ids are given as nbformat 4.5 wants them."""
    named = [{"id": f"cell-{index}"} | cell for index, cell in enumerate(cells)] if minor >= 5 else list(cells)
    return {"cells": named, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": minor} | more


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def imported(value: object, store: Store | None = None, title: str = "A title") -> NotebookDoc:
    doc: NotebookDoc = Doc()
    write_into(doc, read(encoded(value)), title, (store or Store()).put)
    other: NotebookDoc = Doc()  # as another process has it, after the bytes
    notebook.roots(other)
    other.apply_update(doc.get_update())
    return other


def there_and_back(value: object) -> Content:
    store = Store()
    return to_notebook(imported(value, store), store.get)


def normalised(value: Content) -> Content:
    """What nbformat makes of the file: upgraded, with joined lines and without what says nothing of the content."""
    node = nbformat.reads(json.dumps(value), as_version=4)
    node = nbformat.v4.upgrade(node)
    plain: Content = json.loads(nbformat.v4.writes(node))
    return plain


def without_ids(value: Content) -> Content:
    value = copy.deepcopy(value)
    for cell in value["cells"]:
        del cell["id"]
    return value


def outputs_of(doc: NotebookDoc, cell: str = "cell-0") -> list[Content]:
    found: list[Content] = doc_content(doc)["outputs"][cell]
    return found


def with_outputs(*outputs: Content) -> Content:
    return book(code(outputs=list(outputs)))


FILES: dict[str, Content] = {
    "empty": book(),
    "all types of cell": book(code("1 + 1"), markdown("# Hi"), raw("<b>"), metadata={"kernelspec": SPEC}),
    "empty sources": book(code(""), markdown(""), raw([])),
    "lines": book(code(["import a\n", "\n", "a.b()"]), markdown(["# One\n", "two"])),
    "odd line ends": book(code("a\u2028b\x0bc\x85d\x1ce")),
    "attachments": book(markdown("![a](attachment:a.png)", attachments={"a.png": {"image/png": PNG}})),
    "raw cells": book(raw("x", metadata={"format": "text/restructuredtext", "raw_mimetype": "text/html"})),
    "counts": book(code(execution_count=0), code(execution_count=7), code(execution_count=2**50)),
    "metadata": book(
        code(metadata={"tags": ["a", "b"], "collapsed": True, "mine": {"z": [1, 1.0, 2**60, -0.0, None], "a": "\0"}}),
        metadata={"kernelspec": SPEC | {"mine": 1}, "language_info": {"name": "python"}, "widgets": {}, "x": [1.0, 1]},
    ),
    "another kernel": book(metadata={"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}),
    "no kernel": book(metadata={"language_info": {"name": "R"}, "title": "In the file"}),
    "streams": with_outputs(
        stream("a\n"), stream("b", "stderr"), stream(["c\n", "d"]), stream(" 10%\r 20%\r"), stream("")
    ),
    "display": with_outputs(
        display({"image/png": PNG, "text/plain": ["<Figure\n", "size>"]}, metadata={"image/png": {"width": 3.0}}),
        display(
            {"text/html": ["<b>\n", "x</b>"], "application/x-unknown": "?", "image/svg+xml": ["<svg>\n", "</svg>"]}
        ),
        display({}),
    ),
    "base64 with white space": with_outputs(display({"image/png": PNG + "\n"}), display({"image/png": "A A\n=="})),
    "JSON": with_outputs(
        display({"application/json": {"a": [2**60, 1.0, 1, -1e300, True, None, "x"]}}),
        display({"application/vnd.plotly.v1+json": {"z": 1, "a": [], "lines": ["a\n", "b"]}}),
        display({"application/geo+json": ["a\n", "b"]}),
        display({"application/x+json": "text"}),
        display({"application/x+json": None}),
        display({"application/x+json": 2**60}),
    ),
    "results": with_outputs(
        {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}, "execution_count": 3},
        {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}, "execution_count": None},
    ),
    "errors": with_outputs(
        {"output_type": "error", "ename": "E", "evalue": "v\nw", "traceback": ["\x1b[0;31mE\x1b[0m", "a\nb", ""]},
        {"output_type": "error", "ename": "", "evalue": "", "traceback": []},
    ),
    "a huge image": with_outputs(display({"image/png": HUGE_PNG, "text/plain": "x"}), display({"image/png": HUGE_PNG})),
    "a huge image, ended": with_outputs(display({"image/png": HUGE_PNG + "\n"})),
    "a huge image in lines": with_outputs(
        display({"image/png": base64.encodebytes(base64.b64decode(HUGE_PNG)).decode()})
    ),
    "a huge image that is none": with_outputs(
        display({"image/png": "no base64! " * 10_000, "image/x-icon": "é" * 70_000})
    ),
    "huge texts": with_outputs(
        display({"text/html": "é" * MAX_INLINE_DATA_BYTES, "application/json": {"x": ["é" * 70_000, 2**60]}}),
        display({"image/svg+xml": "<svg>" * 20_000}),
    ),
    "a huge stream": with_outputs(stream("héllo\n" * 60_000), stream("y" * MAX_INLINE_STREAM_BYTES)),
    "a flood of outputs": book(*[code(outputs=[display({"text/plain": "x" * 50_000}), stream("y\n" * 50_000)])] * 30),
    "other planes": book(code("x = '\U0001f600'"), markdown("\U0001f600" * 3)),
    "many": book(*[code(f"x{number}") for number in range(300)]),
}


@pytest.mark.parametrize("name", FILES)
def test_import_then_export_changes_nothing(name: str) -> None:
    file = FILES[name]
    nbformat.validate(file, version=4, version_minor=5)
    exported = there_and_back(file)
    nbformat.validate(exported, version=4, version_minor=5)
    assert json.dumps(normalised(exported)) == json.dumps(normalised(file))  # as text, since 1 == 1.0
    assert json.loads(to_bytes(exported)) == normalised(file)


def test_the_file_is_as_nbformat_writes_it() -> None:
    file = book(code(["a\n", "b"], outputs=[stream("é\n")]), metadata={"kernelspec": SPEC, "b": 1, "a": 2})
    node = nbformat.reads(json.dumps(file), as_version=4)
    assert to_bytes(there_and_back(file)).decode() == nbformat.writes(node) + "\n"


@pytest.mark.parametrize("minor", range(5))
def test_older_minors_are_upgraded(minor: int) -> None:
    file = book(code(["a\n", "b"], outputs=[stream("x")], execution_count=1), markdown("m"), minor=minor)
    exported = there_and_back(file)
    nbformat.validate(exported)
    assert without_ids(normalised(exported)) == without_ids(normalised(file))
    assert len({cell["id"] for cell in exported["cells"]}) == 2


@pytest.mark.parametrize("minor", [6, 99, "x", None])
def test_a_minor_that_we_do_not_know_is_no_obstacle(minor: object) -> None:
    assert normalised(there_and_back(book(code("a")) | {"nbformat_minor": minor})) == normalised(book(code("a")))


V3: Content = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": "old", "signature": "x", "mine": {"a": 1.0}},
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["A heading\n", "of two lines"]},
                {"cell_type": "markdown", "metadata": {}, "source": ["one", "two"]},
                {"cell_type": "html", "metadata": {}, "source": "<b>"},
                {"cell_type": "raw", "metadata": {}, "source": "raw"},
                {
                    "cell_type": "code",
                    "collapsed": False,
                    "input": ["a = 1\n", "a"],
                    "language": "python",
                    "metadata": {},
                    "prompt_number": 4,
                    "outputs": [
                        {"output_type": "stream", "stream": "stderr", "text": ["a\n", "b"]},
                        {"output_type": "pyout", "prompt_number": 4, "text": ["1"], "metadata": {}},
                        {"output_type": "display_data", "png": PNG, "svg": ["<svg>\n", "</svg>"], "metadata": {}},
                        {"output_type": "display_data", "json": '{"a": 1.0}', "metadata": {}},
                        {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["t"]},
                    ],
                },
            ],
        },
        {"metadata": {}, "cells": [{"cell_type": "markdown", "metadata": {}, "source": "second sheet"}]},
    ],
}


def test_nbformat_3_is_upgraded() -> None:
    exported = there_and_back(V3)
    nbformat.validate(exported)
    assert without_ids(normalised(exported)) == without_ids(normalised(V3))
    assert exported["cells"][0]["source"] == "## A heading of two lines"
    assert [cell["cell_type"] for cell in exported["cells"]] == ["markdown"] * 3 + ["raw", "code", "markdown"]


def test_unknown_keys_are_kept() -> None:
    """The file is as invalid as it was: nbformat knows no such keys."""
    output = stream("x") | {"mine": 1.0, "data": [1]}
    file = book(code(outputs=[output], vscode={"a": 1}), markdown(mine=2**60), top={"b": 1.0})
    exported = there_and_back(file)
    assert json.dumps(exported["cells"][0]["outputs"][0], sort_keys=True) == json.dumps(output, sort_keys=True)
    assert exported["cells"][0]["vscode"] == {"a": 1}
    assert exported["cells"][1]["mine"] == 2**60
    assert exported["top"] == {"b": 1.0}
    assert "collab_extra" not in json.dumps(exported)


def test_transient_keys_are_dropped() -> None:
    shown = display({"text/plain": "x"}, transient={"display_id": "d"})
    file = book(
        code(metadata={"trusted": True, "a": 1}, outputs=[shown]),
        metadata={"signature": "s", "orig_nbformat": 3, "orig_nbformat_minor": 0, "a": 1},
    )
    assert normalised(there_and_back(file)) == normalised(
        book(code(metadata={"a": 1}, outputs=[display({"text/plain": "x"})]), metadata={"a": 1})
    )


def test_what_belongs_to_another_type_of_cell_does_not_come_out() -> None:
    attachments = {"a.png": {"image/png": PNG}}
    file = book(code(attachments=attachments), markdown(outputs=[], execution_count=1))
    exported = there_and_back(file)
    nbformat.validate(exported)
    assert set(exported["cells"][0]) == {"id", "cell_type", "source", "metadata", "outputs", "execution_count"}
    assert set(exported["cells"][1]) == {"id", "cell_type", "source", "metadata"}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("\ud800", "\ufffd"),
        ("a\ud83d\ude00", "a\U0001f600"),
        ("a\0b", "a\ufffdb"),
        (["\ud83d", "\ude00"], "\ufffd\ufffd"),
    ],
)
def test_what_a_source_cannot_hold_is_replaced(source: str | list[str], wanted: str) -> None:
    cells = there_and_back(book(code(source), markdown(source)))["cells"]
    assert [cell["source"] for cell in cells] == [wanted, wanted]


def test_lone_surrogates_are_replaced_everywhere() -> None:
    bad = "\ud800"
    file = book(
        code(
            metadata={bad: bad},
            outputs=[stream(bad), display({"text/plain": bad, "a/b+json": {bad: [bad]}}, **{bad: bad})],
        ),
        markdown(attachments={bad: {"image/png": bad}}),
        metadata={bad: {bad: bad}},
    )
    file[bad] = bad
    exported = json.loads(to_bytes(there_and_back(file)))
    assert "\\ud800" not in json.dumps(exported)
    assert exported["\ufffd"] == "\ufffd"


def test_numbers_that_json_has_not_become_null() -> None:
    data = b'{"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {"a": [NaN, -Infinity, 1e999, 1.5]}}'
    assert read(data)["metadata"] == {"a": [None, None, None, 1.5]}


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert read(b"\xef\xbb\xbf" + encoded(book())) == book()


def test_ids_are_kept_unless_they_will_not_do() -> None:
    ids = ["good", "good", "not good", "", "x" * 65, 7, None, "also_Good-1"]
    cells = [code(id=id) for id in ids]
    del cells[6]["id"]
    given = [cell["id"] for cell in there_and_back(book() | {"cells": cells})["cells"]]
    assert (given[0], given[7]) == ("good", "also_Good-1")
    assert len(set(given)) == len(ids)
    assert not set(given[1:7]) & {str(id) for id in ids}


def test_a_bound_on_cells_and_on_depth() -> None:
    assert len(read(encoded(book(*[code()] * MAX_CELLS)))["cells"]) == MAX_CELLS
    deep: object = 1
    for _ in range(MAX_JSON_DEPTH):
        deep = [deep]
    file = with_outputs(display({"application/json": deep}))
    assert normalised(there_and_back(file)) == normalised(file)


def test_what_the_document_holds() -> None:
    file = book(
        code(
            "a",
            execution_count=3,
            metadata={"tags": ["x"]},
            outputs=[
                stream(["a\n", "b"]),
                display({"application/json": {"a": 1.0}, "image/png": PNG}, metadata={"k": 1}, mine=1),
                {"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": 3},
                {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
            ],
        ),
        markdown(attachments={"a": {"image/png": PNG}}),
        metadata={"kernelspec": {"name": "ir", "display_name": "R"}, "language_info": {"name": "R"}},
    )
    doc = imported(file, title=" A \n title ")
    held = doc_content(doc)
    assert held["outputs"] == {
        "cell-0": [
            {"output_type": "stream", "name": "stdout", "text": "a\nb"},
            {
                "output_type": "display_data",
                "data": {"application/json": '{"a": 1.0}', "image/png": PNG},
                "metadata": '{"k": 1}',
                "extra": '{"mine": 1}',
            },
            {"output_type": "execute_result", "data": {}, "metadata": "{}", "count": 3.0},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": '["t"]'},
        ]
    }
    assert held["runs"] == {"cell-0": {"state": "finished", "count": 3.0, "status": "imported", "session": ""}}
    assert held["cells"]["cell-0"]["metadata"] == {"tags": '["x"]'}
    assert json.loads(held["cells"]["cell-1"]["attachments"]["a"]) == {"image/png": PNG}
    assert json.loads(held["meta"]["metadata"]) == file["metadata"]
    assert (notebook.title(doc), notebook.language(doc), notebook.kernelspec(doc)) == ("A title", "R", "ir")


def test_one_transaction() -> None:
    doc: NotebookDoc = Doc()
    events: list[object] = []
    doc.observe(events.append)
    write_into(doc, read(encoded(FILES["display"])), "t", Store().put)
    assert len(events) == 1


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({"collab": {"table": "table-1"}}, {}),
        ({"collab": {"table": "table-1", "x": 1}, "y": 2}, {"collab": {"x": 1}, "y": 2}),
        ({"collab": "table"}, {"collab": "table"}),
    ],
)
def test_a_dataframe_leaves_its_key_in_the_kernel_behind(metadata: Content, wanted: Content) -> None:
    value = there_and_back(with_outputs(display({"text/html": "<table>"}, metadata=metadata)))
    assert value["cells"][0]["outputs"][0]["metadata"] == wanted


def test_large_values_are_blobs() -> None:
    store = Store()
    doc = imported(with_outputs(display({"image/png": HUGE_PNG, "text/html": "é" * 40_000, "text/plain": "x"})), store)
    (output,) = outputs_of(doc)
    named = json.loads(output["blobs"])
    assert output["data"] == {"text/plain": "x"}
    assert store.get(named["image/png"]["sha256"]) == base64.b64decode(HUGE_PNG)
    assert store.get(named["text/html"]["sha256"]) == "é".encode() * 40_000
    assert named["text/html"]["size"] == 80_000


def test_a_large_stream_is_shortened_between_characters() -> None:
    store, text = Store(), "€" * 200_000
    (output,) = outputs_of(imported(with_outputs(stream(text)), store))
    named = json.loads(output["blobs"])["text/plain"]
    assert store.get(named["sha256"]) == text.encode()
    head, note, tail = output["text"].split("\n")
    assert STREAM_HEAD_BYTES - 3 < len(head.encode()) <= STREAM_HEAD_BYTES
    assert STREAM_TAIL_BYTES - 3 < len(tail.encode()) <= STREAM_TAIL_BYTES
    assert f"{named['size'] - len(head.encode()) - len(tail.encode()):,} bytes" in note


def test_many_outputs_leave_room_for_the_cells() -> None:
    assert len(imported(FILES["a flood of outputs"]).get_update()) < MAX_DOCUMENT_BYTES / 4


def test_blobs_that_are_gone_leave_the_rest() -> None:
    doc = imported(with_outputs(display({"image/png": HUGE_PNG, "text/plain": "x"}), stream("y\n" * 200_000)))
    shown, printed = to_notebook(doc, Store().get)["cells"][0]["outputs"]
    assert shown["data"] == {"text/plain": "x"}
    assert "bytes left out" in printed["text"]


def test_without_outputs() -> None:
    store = Store()
    exported = to_notebook(imported(book(code("a", execution_count=1, outputs=[stream("x")])), store), store.get, False)
    assert normalised(exported) == normalised(book(code("a")))


def test_a_new_notebook_names_its_kernel() -> None:
    doc: NotebookDoc = Doc()
    notebook.create(doc, "t", [NewCell(CellId("a"), "code", "1")])
    exported = to_notebook(doc, Store().get)
    nbformat.validate(exported)
    assert exported["metadata"] == {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@pytest.mark.parametrize("metadata", [{}, {"kernelspec": SPEC}, {"kernelspec": "x"}, {"kernelspec": {"name": "ir"}}])
def test_the_kernel_that_was_chosen_wins(metadata: Content) -> None:
    doc = imported(book(metadata=metadata))
    notebook.roots(doc).meta["kernelspec"] = "julia"
    exported = to_notebook(doc, Store().get)
    nbformat.validate(exported)
    assert exported["metadata"]["kernelspec"]["name"] == "julia"


def test_whatever_a_document_holds_comes_out_valid() -> None:
    doc = imported(book(code(), markdown()))
    opened = notebook.roots(doc)
    opened.meta["metadata"] = "[" * 100_000
    for id in ("cell-0", "cell-1"):
        opened.cells[id]["metadata"].update(
            {"a": "[" * 100_000, "b": "9" * 5000, "c": 1.5, "d": Map({"x": Array([1])}), "e": "NaN", "f": "no JSON"}
        )
        opened.cells[id]["metadata"]["collab_extra"] = '{"outputs": 1, "source": 2, "id": "x"}'
        opened.cells[id]["attachments"]["a"] = '"x"'
    opened.outputs["cell-0"] = Array(
        [
            {"output_type": "stream", "name": "stdout", "text": "plain"},
            Map({"output_type": "error", "traceback": "{"}),
            Map({"output_type": "display_data", "data": Map({"a/b+json": "[" * 100_000}), "blobs": "[]"}),
            Map({"output_type": "execute_result", "metadata": "5", "blobs": '{"a/b": 1}'}),
            Map({"output_type": "nonsense"}),
            "nonsense",
        ]
    )
    exported = to_notebook(doc, Store().get)
    nbformat.validate(exported)
    assert [output["output_type"] for output in exported["cells"][0]["outputs"]] == [
        "stream",
        "error",
        "display_data",
        "execute_result",
    ]
    read(to_bytes(exported))


def test_an_output_alone() -> None:
    held = imported(book(code()))
    notebook.roots(held).outputs["cell-0"] = Array([output_map(display({"text/plain": "x"}), Store().put)])
    assert outputs_of(held) == [{"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": "{}"}]


# -- broken files -----------------------------------------------------------------------------------------------------


def _deep(levels: int) -> bytes:
    return b'{"nbformat": 4, "a": ' + b"[" * levels + b"]" * levels + b"}"


def _v3(*cells: object) -> Content:
    return {"nbformat": 3, "metadata": {}, "worksheets": [{"cells": list(cells)}]}


BROKEN: list[tuple[object, str]] = [
    (b"", "This is no notebook: the file is empty."),
    (b"\xff\xfe{", "This is no notebook: byte 0 is not UTF-8."),
    (b"print(1)", "This is no notebook file: it does not begin with '{'."),
    (b'{\n "a": 1,\n "b" 2}', "This is not valid JSON: line 3, column 6: Expecting ':' delimiter."),
    (b'{"a": "\n"}', "This is not valid JSON: line 1, column 8: Invalid control character."),
    (b'{"nbformat": 4, "a": ' + b"9" * 5000 + b"}", "This file has a number of more than 4300 digits."),
    (_deep(100_000), "This file is nested deeper than 70 levels."),
    (_deep(70), "This file is nested deeper than 70 levels."),
    ([], "This is no notebook: the file holds a list, not an object."),
    (None, "This is no notebook: the file holds null, not an object."),
    ({}, "This is no notebook: it has no 'nbformat' number."),
    ({"nbformat": True}, "This is no notebook: it has no 'nbformat' number."),
    ({"nbformat": "4"}, "This is no notebook: it has no 'nbformat' number."),
    ({"nbformat": 2}, "This notebook is in nbformat 2; versions 3 and 4 can be read."),
    ({"nbformat": 5}, "This notebook is in nbformat 5; versions 3 and 4 can be read."),
    ({"nbformat": 4}, "This is no notebook: it has no list of 'cells'."),
    (book() | {"cells": {}}, "This is no notebook: it has no list of 'cells'."),
    (book() | {"metadata": []}, "The notebook's 'metadata' is a list, not an object."),
    (book(*[code()] * (MAX_CELLS + 1)), "This notebook has 10001 cells; at most 10000 are possible."),
    (book() | {"cells": [code(), "x"]}, "Cell 2 is text, not an object."),
    (book({"source": ""}), "Cell 1 has no 'cell_type'."),
    (book(code(cell_type="heading")), "Cell 1 has the type 'heading'; there are code, markdown, raw."),
    (book(code(cell_type=["a\n"])), "Cell 1 has the type ['a\\n']; there are code, markdown, raw."),
    (book(code(), {"cell_type": "code"}), "Cell 2 has no 'source'."),
    (book(code() | {"source": None}), "The 'source' of cell 1 is null, not text."),
    (book(code() | {"source": ["a", 1]}), "The 'source' of cell 1 is a list with more than text in it."),
    (book(markdown(metadata="x")), "The 'metadata' of cell 1 is text, not an object."),
    (book(markdown(attachments=[])), "The 'attachments' of cell 1 is a list, not an object."),
    (book(markdown(attachments={"a": ""})), "The attachment 'a' of cell 1 is text, not an object."),
    (book(code(execution_count="1")), "The 'execution_count' of cell 1 is text, not a whole number."),
    (book(code(outputs={})), "The 'outputs' of cell 1 is an object, not a list."),
    (with_outputs(stream("a")) | {"cells": [code(outputs=[1])]}, "Output 1 of cell 1 is a number, not an object."),
    (with_outputs(stream("a"), {}), "Output 2 of cell 1 has no 'output_type'."),
    (
        with_outputs({"output_type": "pyout"}),
        "Output 1 of cell 1 has the type 'pyout'; there are stream, display_data, execute_result, error.",
    ),
    (
        with_outputs({"output_type": {}}),
        "Output 1 of cell 1 has the type {}; there are stream, display_data, execute_result, error.",
    ),
    (with_outputs(stream("a") | {"text": 1}), "The 'text' of output 1 of cell 1 is a number, not text."),
    (with_outputs(display({}) | {"data": []}), "The 'data' of output 1 of cell 1 is a list, not an object."),
    (with_outputs(display({}, metadata=None)), "The 'metadata' of output 1 of cell 1 is null, not an object."),
    (
        with_outputs({"output_type": "error", "traceback": "x"}),
        "The 'traceback' of output 1 of cell 1 is text, not a list.",
    ),
    (
        with_outputs({"output_type": "execute_result", "data": {}, "execution_count": 1.5}),
        "The 'execution_count' of output 1 of cell 1 is a number, not a whole number.",
    ),
    ({"nbformat": 3}, "This notebook in nbformat 3 has no list of 'worksheets'."),
    ({"nbformat": 3, "worksheets": [1]}, "Worksheet 1 is a number, not an object."),
    ({"nbformat": 3, "worksheets": [{"cells": 1}]}, "The 'cells' of worksheet 1 is a number, not a list."),
    (_v3({"cell_type": "markdown", "source": ""}, 1), "Cell 2 is a number, not an object."),
    (_v3({"cell_type": "markdown"}), "Cell 1 has no 'source'."),
    (_v3({"cell_type": "plum", "source": ""}), "Cell 1 has the type 'plum'; there are code, markdown, raw."),
    (_v3({"source": ""}), "Cell 1 cannot be upgraded from nbformat 3: cell_type."),
    (_v3({"cell_type": "code", "outputs": [{}]}), "Cell 1 cannot be upgraded from nbformat 3: 'output_type'."),
]


@pytest.mark.parametrize(("file", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_a_broken_file_is_refused_with_one_sentence(file: object, message: str) -> None:
    with pytest.raises(BadNotebook) as caught:
        read(file if isinstance(file, bytes) else encoded(file))
    assert str(caught.value) == message


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["nbformat", "cells", "worksheets", "metadata", "cell_type", "source", "outputs", "output_type"])
WORDS = st.sampled_from([3, 4, "code", "markdown", "stream", "display_data", "pyout", "error", "heading"])


@given(st.recursive(JSON | WORDS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20))
@settings(max_examples=150, deadline=None)
def test_anything_else_is_refused_too(file: Any) -> None:
    for value in (file, {"nbformat": 4, "cells": file}, {"nbformat": 3, "worksheets": [{"cells": file}]}):
        content, message = outcome(value)
        if content is None:
            assert message.endswith(".")
            assert "\n" not in message
        else:
            there_and_back(content)


def outcome(file: object) -> tuple[Content | None, str]:
    try:
        return read(encoded(file)), ""
    except BadNotebook as error:
        return None, str(error)


# -- generated notebooks ----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SOURCE = TEXT.map(lambda text: text.replace("\r", "\n").replace("\0", ""))
# Metadata in which nbformat has no say.
METADATA = st.dictionaries(TEXT.map(lambda key: f"x-{key}"), JSON, max_size=3)
MULTILINE = TEXT | TEXT.map(lambda text: text.splitlines(True))
DATA = st.dictionaries(st.sampled_from(["text/plain", "text/html", "image/png", "a/b", "image/svg+xml"]), MULTILINE)
RICH = st.builds(
    lambda data, value: data | value,
    DATA,
    st.dictionaries(st.sampled_from(["application/json", "application/x+json"]), JSON),
)
OUTPUT = st.one_of(
    st.builds(stream, MULTILINE, st.sampled_from(["stdout", "stderr"])),
    st.builds(lambda data, metadata: display(data, metadata=metadata), RICH, METADATA),
    st.builds(
        lambda data, count: {
            "output_type": "execute_result",
            "data": data,
            "metadata": {},
            "execution_count": count,
        },
        RICH,
        st.none() | st.integers(0, 2**50),
    ),
    st.builds(
        lambda ename, evalue, traceback: {
            "output_type": "error",
            "ename": ename,
            "evalue": evalue,
            "traceback": traceback,
        },
        TEXT,
        TEXT,
        st.lists(TEXT, max_size=3),
    ),
)
CELL = st.one_of(
    st.builds(
        lambda source, metadata, outputs, count: code(
            source, metadata=metadata, outputs=outputs, execution_count=count
        ),
        SOURCE,
        METADATA,
        st.lists(OUTPUT, max_size=3),
        st.none() | st.integers(0, 2**50),
    ),
    st.builds(
        lambda make, source, metadata, attachments: make(source, metadata=metadata, **attachments),
        st.sampled_from([markdown, raw]),
        SOURCE,
        METADATA,
        st.just({}) | st.dictionaries(TEXT, DATA, min_size=1, max_size=2).map(lambda found: {"attachments": found}),
    ),
)
BOOK = st.builds(lambda cells, metadata: book(*cells, metadata=metadata), st.lists(CELL, max_size=4), METADATA)


@given(BOOK)
@settings(max_examples=100, deadline=None)
def test_any_notebook_comes_out_as_it_went_in(file: Content) -> None:
    exported = there_and_back(file)
    nbformat.validate(exported)
    assert json.dumps(normalised(exported)) == json.dumps(normalised(file))


@given(BOOK)
@settings(max_examples=10, deadline=None)
def test_any_notebook_can_be_taken_away(file: Content) -> None:
    for format in ("py", "md", "html"):
        export(there_and_back(file), format, "t")


# -- other formats ----------------------------------------------------------------------------------------------------


def exported(format: Format, *cells: Content, title: str = "A <title>") -> str:
    return export(there_and_back(book(*cells, metadata={"title": "not this"})), format, title).decode()


def test_as_ipynb() -> None:
    content = there_and_back(FILES["display"])
    assert export(content, "ipynb", "t") == to_bytes(content)


def test_as_python() -> None:
    text = exported("py", markdown("# Words"), code("%time 1\nx = 2", execution_count=3, outputs=[stream("no")]))
    compile(text, "exported", "exec")
    assert "# # Words" in text
    assert "# In[3]:" in text
    assert "x = 2" in text
    assert "no" not in text.replace("notebook", "")


IMAGES = [
    display({"image/png": PNG + "\n", "text/plain": "figure"}),
    display({"image/svg+xml": "<svg/>"}, metadata={"filenames": {}}),
    display({"image/gif": "R0lGODlh"}),
]


def test_as_markdown() -> None:
    text = exported(
        "md",
        markdown("![a](attachment:a%20b.png) ![b](attachment:gone)", attachments={"a b.png": {"image/png": PNG}}),
        markdown("![a](attachment:a.png)", attachments={"a.png": {"image/png": "AAAA"}}),
        markdown("![a](attachment:a.png)", attachments={"a.png": {"image/png": "BBBB"}}),
        code("x", outputs=[*IMAGES, stream("\x1b[31mred\x1b[0m"), display({"text/html": "<b>", "image/png": "!"})]),
    )
    assert text.count(f"data:image/png;base64,{PNG})") == 2
    assert "![a](data:image/png;base64,AAAA)" in text
    assert "![a](data:image/png;base64,BBBB)" in text
    assert f"data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}" in text
    assert "data:image/gif;base64,R0lGODlh" in text
    assert "    red\n" in text
    assert "\x1b" not in text
    assert "output_" not in text


def test_as_html() -> None:
    text = exported(
        "html",
        markdown("![a](attachment:a.png) ![b](attachment:gone)", attachments={"a.png": {"image/png": PNG}}),
        code("x", outputs=[*IMAGES, display({"text/html": "<b id='mine'>x</b>"}), stream("\x1b[31mred\x1b[0m")]),
    )
    assert "<title>A &lt;title&gt;</title>" in text
    assert text.count(f"data:image/png;base64,{PNG}") == 2
    assert '<b id="mine">' in text
    assert "ansi-red-fg" in text
    assert "data:image/gif;base64,R0lGODlh" in text
    assert '<script src="' not in text


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (markdown("$x^2$"), "mathjax"),
        (code(outputs=[display({"text/latex": "$x$"})]), "mathjax"),
        (code(outputs=[display({"text/html": "<script>require(['x'])</script>"})]), "require"),
    ],
)
def test_html_asks_for_scripts_where_they_are_needed(cell: Content, name: str) -> None:
    sources = [part.partition('"')[0] for part in exported("html", cell).split('<script src="')[1:]]
    assert len(sources) == 1
    assert name in sources[0]


def test_html_holds_nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.png").write_bytes(b"a secret")
    monkeypatch.chdir(tmp_path)  # nbconvert would look there, and there only
    text = exported("html", markdown(f"![a](secret.png) <img src='secret.png'>\n\n![b]({tmp_path}/secret.png)"))
    assert base64.b64encode(b"a secret").decode() not in text


@pytest.mark.parametrize("metadata", [{"language_info": "x"}, {"kernelspec": 5}, {"widgets": 3}, {"language_info": {}}])
@pytest.mark.parametrize("format", ["py", "md", "html"])
def test_odd_metadata_are_no_obstacle(metadata: Content, format: Format) -> None:
    assert b"x = 1" in export(there_and_back(book(raw("x = 1"), metadata=metadata)), format, "t")


def test_exports_leave_the_notebook_alone() -> None:
    content = there_and_back(FILES["attachments"])
    before = copy.deepcopy(content)
    for format in ("ipynb", "py", "md", "html"):
        export(content, format, "t")
    assert content == before
