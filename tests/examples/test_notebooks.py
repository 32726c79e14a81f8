"""The notebooks of examples/ as files: valid, clean, readable; and the classifier on images of another size."""

import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from scripts.build_examples import EXAMPLES, idx_code

NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["data-analysis", "digits-classifier", "image-filters"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_clean_and_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)

    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert nbformat.writes(notebook) + "\n" == text
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)
    assert [line for cell in code for line in cell.source.splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_contents_lead_to_its_headings(path: Path) -> None:
    prose = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
    # As Jupyter names them: the words of the heading, joined by hyphens.
    headings = {re.sub(r"\s+", "-", heading.strip()) for heading in re.findall(r"^#+ (.+)$", prose, re.M)}
    links = re.findall(r"\]\(#([^)]+)\)", prose)
    assert len(links) >= 7
    assert set(links) <= headings


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_becomes_html(path: Path) -> None:
    html, _ = HTMLExporter().from_notebook_node(nbformat.read(path, as_version=4))
    assert nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ") in html


def test_the_classifier_learns_from_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # on a busy machine, threads of small products only wait for each other
    # The digits at the size of Fashion-MNIST, in files that are not packed, in a folder that the notebook is told of.
    idx = idx_code()
    folder = tmp_path / "fashion"
    folder.mkdir()
    for part, (images_name, labels_name) in idx["NAMES"].items():
        images, labels = (array[:600] for array in idx["read_idx"](str(EXAMPLES / "digits-idx"), part))
        large = np.pad(np.kron(images, np.ones((1, 3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))
        idx["write_idx"](large, folder / images_name)
        idx["write_idx"](labels, folder / labels_name)
    notebook = nbformat.read(EXAMPLES / "digits-classifier.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["data"].source = f"DATA = {str(folder)!r}"
    NotebookClient(notebook, timeout=50, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert texts(cells["read"]) == (
        "training: 600 images of 28 × 28 pixels, values 0 to 255\n"
        "    test: 382 images of 28 × 28 pixels, values 0 to 255\n"
    )
    assert "Pullover" in texts(cells["balance"])
    right = re.search(r"right answers, test: +([\d.]+)%", texts(cells["test"]))
    assert right is not None
    assert float(right[1]) > 80
    assert not (tmp_path / "digits-idx").exists()
    assert [cell.id for cell in notebook.cells for output in cell.get("outputs", []) if is_trouble(output)] == []


def texts(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text") or output.data["text/plain"] for output in cell.outputs)


def is_trouble(output: dict[str, Any]) -> bool:
    return output["output_type"] == "error" or output.get("name") == "stderr"
