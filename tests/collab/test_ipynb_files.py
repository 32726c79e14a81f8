"""Real notebooks and ones as other programs write them: up, and down again, over HTTP."""

import json
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest

from collab.ipynb import to_bytes
from tests.collab.serving import made
from tests.collab.test_ipynb import normalised, without_ids

ROOT = Path(__file__).resolve().parents[2]
REAL = [*sorted((ROOT / "examples").glob("*.ipynb")), ROOT / "collab" / "welcome.ipynb"]

# 4.0, no ids of its own but Colab's in the metadata, forms, provenance, who ran what.
COLAB = {
    "nbformat": 4,
    "nbformat_minor": 0,
    "metadata": {
        "accelerator": "GPU",
        "colab": {"provenance": [], "toc_visible": True, "collapsed_sections": ["a1"], "gpuType": "T4"},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    },
    "cells": [
        {
            "cell_type": "markdown",
            "source": ["# Über 🙂\n", "[![x](https://example.org/x.svg)](https://example.org)"],
            "metadata": {"id": "Tce3stUlHN0L"},
        },
        {
            "cell_type": "code",
            "source": ['#@title A form { display-mode: "form" }\n', "x = 0.10 #@param {type:'slider', min:0, max:1}"],
            "metadata": {
                "id": "kIl2",
                "cellView": "form",
                "outputId": "3ba4",
                "colab": {"base_uri": "https://localhost:8080/", "height": 34},
                "executionInfo": {"status": "ok", "elapsed": 1.0, "user": {"displayName": "", "userId": ""}},
            },
            "execution_count": 12,
            "outputs": [
                {
                    "output_type": "display_data",
                    "data": {
                        "text/plain": ["<IPython.core.display.HTML object>"],
                        "text/html": ["<script src='https://example.org/x.js'></script>\n", "<p>\u2028</p>"],
                    },
                    "metadata": {},
                },
            ],
        },
    ],
}
# 4.5 with widgets, tags, slides, attachments, a kernel that is not ours, and keys that nobody else knows.
JUPYTER = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {
        "celltoolbar": "Tags",
        "kernelspec": {"name": "ir", "display_name": "R", "language": "R", "env": {"A": "1"}},
        "language_info": {"name": "R", "codemirror_mode": {"name": "r", "version": 3}, "file_extension": ".r"},
        "toc": {"nav_menu": {}, "base_numbering": 1, "toc_position": {}},
        "vscode": {"interpreter": {"hash": "0" * 64}},
        "widgets": {
            "application/vnd.jupyter.widget-state+json": {
                "version_major": 2,
                "version_minor": 0,
                "state": {"a": {"model_name": "IntSliderModel", "state": {"value": 7, "step": 1e-07, "big": 2**60}}},
            }
        },
        "authors": [{"name": "Ада"}],
        "title": "A title of its own",
    },
    "cells": [
        {
            "id": "2f1e-a_B",
            "cell_type": "markdown",
            "metadata": {"slideshow": {"slide_type": "slide"}, "tags": ["a", "b"], "__proto__": {"polluted": 1}},
            "source": ["![one](attachment:one%20two.png)\n", "\n", "trailing newline\n"],
            "attachments": {"one two.png": {"image/png": "iVBORw0KGgo="}, "../../x": {"text/plain": ["a\n", "b"]}},
        },
        {
            "id": "cell-2",
            "cell_type": "raw",
            "metadata": {"raw_mimetype": "text/latex", "jupyter": {"source_hidden": True}},
            "source": ["\\begin{x}\\end{x}"],
        },
        {
            "id": "x" * 64,
            "cell_type": "code",
            "metadata": {
                "collapsed": True,
                "scrolled": "auto",
                "jupyter": {"outputs_hidden": True},
                "deletable": False,
            },
            "execution_count": None,
            "source": [],
            "outputs": [
                {"output_type": "stream", "name": "stderr", "text": [" 10%|█         |\r", " 20%|██        |\r\n"]},
                {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mred\x1b[0m\n", "\x00\x08"]},
                {
                    "output_type": "execute_result",
                    "execution_count": 5,
                    "metadata": {"application/json": {"expanded": True, "root": "r"}, "isolated": 1},
                    "data": {
                        "application/json": {"a": [1, 1.0, None, {"b": "é"}]},
                        "application/vnd.vega.v5+json": {"$schema": "x", "data": [{"values": [0.1, -0.0]}]},
                        "application/vnd.jupyter.widget-view+json": {"model_id": "a", "version_major": 2},
                        "image/svg+xml": ["<svg>\n", "</svg>\n"],
                        "text/latex": ["$$x$$"],
                        "text/plain": [],
                    },
                },
                {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["\x1b[0;31mE\x1b[0m", "\n", "a\nb"]},
            ],
        },
    ],
}


def there_and_back(owner: httpx.Client, value: object) -> Any:
    id = made(owner, notebook=value)
    return owner.get(f"/api/notebooks/{id}/export").json()


def test_there_are_examples() -> None:
    assert len(REAL) >= 4


@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name)
def test_a_real_notebook_is_what_nbformat_makes_of_it(owner: httpx.Client, file: Path) -> None:
    value = json.loads(file.read_text(encoding="utf-8"))
    assert json.dumps(there_and_back(owner, value)) == json.dumps(normalised(value))


def test_a_notebook_of_jupyter(owner: httpx.Client) -> None:
    assert json.dumps(there_and_back(owner, JUPYTER)) == json.dumps(normalised(JUPYTER))


def test_a_notebook_of_colab(owner: httpx.Client) -> None:
    exported = there_and_back(owner, COLAB)
    assert json.dumps(without_ids(exported)) == json.dumps(without_ids(normalised(COLAB)))


def test_a_second_round_changes_nothing_at_all(owner: httpx.Client) -> None:
    for value in (JUPYTER, COLAB):
        once = there_and_back(owner, value)
        assert json.dumps(there_and_back(owner, once)) == json.dumps(once)


def test_the_line_ends_of_the_file_do_not_matter(owner: httpx.Client) -> None:
    text = json.dumps(JUPYTER, indent=1).replace("\n", "\r\n").encode("utf-8-sig")
    id = owner.post("/api/notebooks", content=text).json()["id"]
    assert owner.get(f"/api/notebooks/{id}/export").json() == normalised(JUPYTER)


@pytest.mark.parametrize("format", ["py", "md", "html"])
def test_all_of_them_can_be_taken_away(owner: httpx.Client, format: str) -> None:
    values = [JUPYTER, COLAB, *(json.loads(file.read_text(encoding="utf-8")) for file in REAL)]
    for value in values:
        id = made(owner, notebook=value)
        answer = owner.get(f"/api/notebooks/{id}/export", params={"format": format})
        assert answer.status_code == 200
        assert answer.text.strip()


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_a_file_is_written_byte_for_byte_as_nbformat_writes_it(path: Path) -> None:
    content = json.loads(json.dumps(nbformat.v4.reads(path.read_text())))
    assert to_bytes(content) == f"{nbformat.v4.writes(nbformat.from_dict(content))}\n".encode()
