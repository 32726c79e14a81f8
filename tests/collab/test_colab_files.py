"""Files as Colab writes them, in tests/vectors/colab: what it noted in them stays until it is no longer true."""

import json
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Map

from collab import notebook
from collab.ipynb import Content, to_notebook
from collab.model import CellId
from collab.notebook import NotebookDoc
from tests.collab.test_ipynb import Store, imported, normalised
from tests.support.executions import bench, crashed

FILES = sorted((Path(__file__).resolve().parents[1] / "vectors/colab").glob("*.ipynb"))


def file(name: str) -> Content:
    value: Content = json.loads(next(path for path in FILES if path.stem == name).read_text(encoding="utf-8"))
    return value


def exported(doc: NotebookDoc, store: Store, outputs: bool = True) -> Content:
    return to_notebook(doc, store.get, outputs)


def without(value: Content, *keys: str) -> Content:
    """Without keys of the notebook's metadata, and the ids that a file of nbformat 4.0 has not."""
    metadata = {key: item for key, item in value["metadata"].items() if key not in keys}
    return value | {"metadata": metadata, "cells": [cell | {"id": ""} for cell in value["cells"]]}


@pytest.mark.parametrize("name", ["forms", "widgets"])
def test_what_colab_wrote_comes_out_again(name: str) -> None:
    store, value = Store(), file(name)
    # What becomes of widgets' state is told in test_widget_files.py.
    found = normalised(exported(imported(value, store), store))
    assert without(found, "widgets") == without(normalised(value), "widgets")


def test_the_ids_of_colab_are_ours_where_they_can_be() -> None:
    store = Store()
    ids = [cell["id"] for cell in exported(imported(file("forms"), store), store)["cells"]]
    assert ids[:3] + ids[5:] == ["view-in-github", "bNRFAjuB8Yx1", "fjqVYdzYh0UZ", "lastEmpty001"]
    assert len(set(ids)) == len(ids) == 6


def test_an_id_of_the_cell_wins_over_one_in_its_metadata() -> None:
    store, value = Store(), file("forms")
    value["nbformat_minor"] = 5
    for number, cell in enumerate(value["cells"]):
        cell["id"] = f"own-{number}"
    ids = [cell["id"] for cell in exported(imported(value, store), store)["cells"]]
    assert ids == [f"own-{number}" for number in range(6)]


def test_what_was_noted_of_a_run_goes_when_the_cell_runs_again() -> None:
    store = Store()
    doc = imported(file("forms"), store)
    ran = CellId("fjqVYdzYh0UZ")
    notebook.roots(doc).runs[ran] = Map({"state": "finished", "count": 1, "session": "kernel:0", "user": "Bo"})
    cells = exported(doc, store)["cells"]
    assert cells[2]["metadata"] == {
        "id": ran,
        "cellView": "form",
        "colab": {"base_uri": "https://localhost:8080/"},
    }
    assert cells[3]["metadata"]["executionInfo"]["user"]["displayName"] == "Ada Lovelace"
    assert "Bo" not in json.dumps(cells)


def test_without_outputs_nothing_is_told_of_them_either() -> None:
    store = Store()
    value = exported(imported(file("widgets"), store), store, outputs=False)
    assert [cell["metadata"] for cell in value["cells"]] == [
        {
            "id": "wJk3b0q4YqXn",
            "colab": {
                "base_uri": "https://localhost:8080/",
                "referenced_widgets": ["5f2a9c7a0a6f4a2f8a5a9d2a4b6c8e01", "1111111111114a2f8a5a9d2a4b6c8e01"],
            },
        },
        {"id": "Tq9mXb2ZcD_e"},
    ]
    assert "widgets" not in value["metadata"]


def test_private_outputs_are_never_exported() -> None:
    store, value = Store(), file("private")
    found = exported(imported(value, store), store)
    assert [cell.get("outputs") for cell in found["cells"]] == [None, [], [], []]
    assert found["metadata"]["colab"] == {"private_outputs": True, "provenance": []}
    assert [cell["source"] for cell in found["cells"]] == ["".join(cell["source"]) for cell in value["cells"]]


def outputs_of(doc: Any) -> list[Any]:
    return [len(array) for array in notebook.roots(doc).outputs.values()]


@pytest.mark.anyio
async def test_private_outputs_are_gone_when_the_notebook_is_opened_without_its_runtime(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('secret')") as server:
        server.run("a")
        await server.ended("a")
        with server.doc.transaction():
            notebook.roots(server.doc).meta["metadata"] = json.dumps({"colab": {"private_outputs": True}})
        await server.room.commit()
        async with crashed(server) as after:
            await after.until(lambda: after.status == "idle")
            assert after.text("a") == "secret\n"
            await after.room.commit()
            after.gateway.die()
            async with crashed(after) as last:
                await last.until(lambda: last.status == "none")
                await last.until(lambda: outputs_of(last.doc) == [0])
                assert last.states() == {}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
