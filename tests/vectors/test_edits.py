"""What browsers write when they edit, judged and read by the server: vectors that the frontend runs as well.

A vector has the notebook before, what somebody did, the updates their browser sent, and the cells afterwards.
"""

import json
from base64 import b64decode
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Map

from collab import notebook
from collab.gate import Admitted, Gate, Nothing

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "edits.json").read_text())


def cells_of(doc: notebook.NotebookDoc) -> list[dict[str, Any]]:
    """All cells in display order; JSON texts are parsed, as their spelling may differ."""
    cells = notebook.roots(doc).cells
    return [
        {
            "id": id,
            "type": notebook.cell_type(doc, id),
            "source": notebook.cell_source(doc, id),
            "metadata": _values(cells[id]["metadata"]),
            "attachments": _values(cells[id]["attachments"]),
        }
        for id in notebook.order(doc)
    ]


def _values(container: Map[Any]) -> dict[str, object]:
    return {key: json.loads(value, parse_int=float) for key, value in container.items()}


def _as_javascript_reads_it(cells: list[dict[str, Any]]) -> object:
    """JavaScript has one kind of number."""
    return json.loads(json.dumps(cells), parse_int=float)


def opened(update: str) -> notebook.NotebookDoc:
    doc: notebook.NotebookDoc = Doc()
    notebook.roots(doc)
    doc.apply_update(b64decode(update))
    return doc


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: str(v["name"]))
def test_edits_pass_the_gate_and_read_the_same_in_any_order(vector: dict[str, Any]) -> None:
    for updates in permutations(vector["updates"]):
        doc = opened(vector["before"])
        gate = Gate(doc.get_update())

        for update in updates:
            verdict = gate.admit(b64decode(update))
            assert isinstance(verdict, (Admitted, Nothing)), verdict
            if isinstance(verdict, Admitted):
                doc.apply_update(verdict.update)

        assert cells_of(doc) == _as_javascript_reads_it(vector["after"])
        assert notebook.title(doc) == vector["title"]


def test_there_is_a_vector_of_every_edit() -> None:
    edits = {edit["op"] for vector in VECTORS for edit in vector["edits"]}
    assert edits == {
        "insert", "delete", "move", "split", "merge", "type", "duplicate", "paste", "title", "metadata", "text"
    }  # fmt: skip
