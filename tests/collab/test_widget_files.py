"""`metadata.widgets` of files, out and in (outputs.md W10)."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from pycrdt import Doc

from collab import notebook
from collab.ipynb import read, to_bytes, to_notebook, write_into
from collab.notebook import NotebookDoc
from collab.widget_files import (
    MAX_SAVED_BYTES,
    WIDGET_STATE,
    Pointer,
    bounded,
    read_pointer,
    read_saved,
    read_stored,
    restore,
    to_saved,
)
from collab.widgets import Widgets

VIEW = "application/vnd.jupyter.widget-view+json"
MODULE = {"model_module": "@jupyter-widgets/controls", "model_module_version": "2.0.0"}
SLIDER = MODULE | {"model_name": "IntSliderModel", "state": {"value": 7, "layout": "IPY_MODEL_l", "big": 2**60}}
LAYOUT = {
    "model_module": "@jupyter-widgets/base",
    "model_module_version": "2.0.0",
    "model_name": "LayoutModel",
    "state": {},
}
IMAGE = MODULE | {
    "model_name": "ImageModel",
    "state": {"format": "png"},
    "buffers": [{"data": base64.b64encode(b"png\x00").decode(), "encoding": "base64", "path": ["value"]}],
}


class Store(dict[str, bytes]):
    def put(self, data: bytes) -> str:
        name = f"{len(self):064x}"
        self[name] = data
        return name

    def get_blob(self, name: str) -> bytes:
        if name not in self:
            raise FileNotFoundError(name)
        return self[name]


def view(*models: str) -> dict[str, Any]:
    outputs = [
        {
            "output_type": "display_data",
            "data": {VIEW: {"version_major": 2, "version_minor": 0, "model_id": model}, "text/plain": "Widget()"},
            "metadata": {},
        }
        for model in models
    ]
    return {"id": "a", "cell_type": "code", "source": "", "metadata": {}, "outputs": outputs, "execution_count": 1}


def book(state: object, *models: str) -> dict[str, Any]:
    widgets = {WIDGET_STATE: state}
    return {"cells": [view(*models)], "metadata": {"widgets": widgets}, "nbformat": 4, "nbformat_minor": 5}


def standard(**models: object) -> dict[str, Any]:
    return {"state": models, "version_major": 2, "version_minor": 0}


def imported(value: object, store: Store) -> NotebookDoc:
    doc: NotebookDoc = Doc()
    write_into(doc, read(json.dumps(value).encode()), "A title", store.put)
    return doc


def exported(value: object) -> dict[str, Any]:
    store = Store()
    return to_notebook(imported(value, store), store.get_blob)


def test_w10_both_shapes_are_read_and_the_standard_one_is_written() -> None:
    models = {"s": SLIDER, "l": LAYOUT, "i": IMAGE}
    jupyter, colab = exported(book(standard(**models), "s", "i")), exported(book(models, "s", "i"))
    assert jupyter["metadata"]["widgets"] == {WIDGET_STATE: standard(**models)}
    assert colab == jupyter
    assert exported(jupyter) == jupyter


def test_w10_only_models_that_outputs_show_are_written_and_no_key_without_any() -> None:
    models = {"s": SLIDER, "l": LAYOUT, "i": IMAGE}
    assert sorted(exported(book(standard(**models), "s"))["metadata"]["widgets"][WIDGET_STATE]["state"]) == ["l", "s"]
    assert exported(book(standard(**models)))["metadata"] == {}


def test_other_things_in_the_key_stay() -> None:
    value = book(standard(s=SLIDER, l=LAYOUT), "s")
    value["metadata"]["widgets"]["application/vnd.other+json"] = {"a": 1}
    assert exported(value)["metadata"]["widgets"]["application/vnd.other+json"] == {"a": 1}


@pytest.mark.parametrize("state", [None, [], 5, {"state": 5}, {"state": {"a": 5, "b": {}, "c": {"state": []}}}, {}])
def test_state_that_is_none_is_no_reason_to_refuse_a_file(state: object) -> None:
    assert read_saved({WIDGET_STATE: state}) == {}
    exported(book(state, "s"))


def test_a22_hostile_state_is_restored_or_left_out_and_raises_nothing() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    hostile = {
        "__proto__": {"model_name": "X", "state": {"polluted": 1}},
        "deep": {"model_name": ["x"], "state": {"a": deep}},
        "buffers": {"state": {"a": 1}, "buffers": [5, {"path": 5, "data": 5}, {"path": ["b", "c"], "data": "!"}]},
        "hex": {"state": {}, "buffers": [{"path": ["v"], "data": "00ff", "encoding": "hex"}]},
    }
    widgets = Widgets()
    restore(widgets, read_saved({WIDGET_STATE: {"state": hostile}}))
    assert widgets.models["hex"].state["v"] == b"\x00\xff"
    assert "buffers" not in widgets.models
    assert not any(model.is_live for model in widgets.models.values())


def test_what_is_restored_is_saved_again_as_it_was() -> None:
    models: dict[str, Any] = {"s": SLIDER, "l": LAYOUT, "i": IMAGE}
    widgets = Widgets()
    restore(widgets, copy.deepcopy(models))
    saved = to_saved(widgets, ["s", "i"])
    for id, entry in saved.items():
        for key in ("_model_name", "_model_module", "_model_module_version"):
            entry["state"].pop(key)
        assert entry == models[id]


def test_w10_the_biggest_models_are_left_out_first_and_the_file_says_so() -> None:
    big, small = SLIDER | {"state": {"x": "x" * MAX_SAVED_BYTES}}, LAYOUT
    assert bounded({"big": big, "small": small}) == ({"small": small}, 1)
    metadata = exported(book(standard(big=big, small=small), "big", "small"))["metadata"]
    assert metadata["collab_widgets"] == "1 widgets were left out: together they had more than 10 MB."


def test_w10_nbformat_and_nbconvert_take_the_file(tmp_path: Path) -> None:
    data = to_bytes(exported(book(standard(s=SLIDER, l=LAYOUT), "s")))
    node = nbformat.reads(data.decode(), as_version=4)
    nbformat.validate(node)
    page, _ = HTMLExporter().from_notebook_node(node)
    assert f'<script type="{WIDGET_STATE}">' in page
    assert "IntSliderModel" in page


def test_the_document_names_what_is_stored_and_nobody_else_may() -> None:
    store = Store()
    doc = imported(book(standard(s=SLIDER, l=LAYOUT), "s"), store)
    pointer = read_pointer(doc)
    assert sorted(read_stored(pointer, store.get_blob)) == ["l", "s"]
    assert pointer.sha256 in notebook.blobs_of(doc)
    assert read_stored(Pointer("f" * 64), store.get_blob) == {}
    assert "widgets" not in json.loads(notebook.roots(doc).meta["metadata"])
    notebook.roots(doc).meta[notebook.WIDGETS] = '{"sha256": "x", "strange": 1}'
    assert read_pointer(doc) == Pointer()
