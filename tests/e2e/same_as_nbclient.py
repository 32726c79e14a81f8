"""Whether a notebook that ran in the browser has the outputs that nbclient gives for the original.

usage: same_as_nbclient.py DOWNLOADED ORIGINAL

Prints `same`, or the first difference. Images are compared pixel by pixel, everything else as it stands.
"""

import base64
import hashlib
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from matplotlib import image
from nbclient import NotebookClient


def main(downloaded: Path, original: Path) -> str:
    ours = nbformat.read(downloaded, as_version=nbformat.NO_CONVERT)
    nbformat.validate(ours)
    theirs = nbformat.read(original, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(theirs, timeout=120, record_timing=False, resources={"metadata": {"path": folder}}).execute()
    if (ours.nbformat, ours.nbformat_minor) != (theirs.nbformat, theirs.nbformat_minor):
        return f"nbformat {ours.nbformat}.{ours.nbformat_minor}"
    for number, (our_cell, their_cell) in enumerate(zip(ours.cells, theirs.cells, strict=True), 1):
        for key in ("id", "cell_type", "source", "metadata", "execution_count"):
            if our_cell.get(key) != their_cell.get(key):
                return f"cell {number}, {key}: {our_cell.get(key)!r} instead of {their_cell.get(key)!r}"
        mine, wanted = merged(our_cell.get("outputs", [])), merged(their_cell.get("outputs", []))
        if len(mine) != len(wanted):
            return f"cell {number}: {len(mine)} outputs instead of {len(wanted)}"
        for index, (our_output, their_output) in enumerate(zip(mine, wanted, strict=True), 1):
            found, expected = comparable(our_output), comparable(their_output)
            if found != expected:
                return f"cell {number}, output {index}:\n{found!r:.800}\ninstead of\n{expected!r:.800}"
    return "same"


def merged(outputs: list[nbformat.NotebookNode]) -> list[dict[str, Any]]:
    """Consecutive pieces of one stream as one; how the kernel cuts them depends on timing."""
    result: list[dict[str, Any]] = []
    for output in outputs:
        last = result[-1] if result else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last["text"] += output.text
        else:
            result.append(dict(output))
    return result


def comparable(output: dict[str, Any]) -> dict[str, Any]:
    """The output with its image as shape and hash of the pixels, which a line break in its base64 does not change."""
    data = output.get("data", {})
    if "image/png" not in data:
        return output
    pixels = image.imread(io.BytesIO(base64.b64decode(data["image/png"])), format="png")
    return output | {"data": dict(data) | {"image/png": (pixels.shape, hashlib.sha256(pixels.tobytes()).hexdigest())}}


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
