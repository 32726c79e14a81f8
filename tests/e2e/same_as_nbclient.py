"""Whether a notebook that ran in the browser has the outputs that nbclient gives for the original.

usage: same_as_nbclient.py DOWNLOADED ORIGINAL

Prints `same`, or the first difference. Images are compared pixel by pixel, text as it stands.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from matplotlib import image
from nbclient import NotebookClient


def main(downloaded: Path, original: Path) -> str:
    ours = nbformat.read(downloaded, as_version=4)
    nbformat.validate(ours)
    theirs = NotebookClient(nbformat.read(original, as_version=4), timeout=120, kernel_name="python3").execute()
    for number, (our_cell, their_cell) in enumerate(zip(ours.cells, theirs.cells, strict=True), 1):
        if our_cell.source != their_cell.source:
            return f"cell {number}: the source differs"
        if our_cell.cell_type != "code":
            continue
        if our_cell.execution_count != their_cell.execution_count:
            return f"cell {number}: count {our_cell.execution_count} instead of {their_cell.execution_count}"
        mine, wanted = merged(our_cell.outputs), merged(their_cell.outputs)
        if len(mine) != len(wanted):
            return f"cell {number}: {len(mine)} outputs instead of {len(wanted)}"
        for index, (our_output, their_output) in enumerate(zip(mine, wanted, strict=True), 1):
            if plain(our_output) != plain(their_output):
                found, expected = repr(plain(our_output)), repr(plain(their_output))
                return f"cell {number}, output {index}:\n{found:.800}\ninstead of\n{expected:.800}"
    return "same"


def merged(outputs: list[nbformat.NotebookNode]) -> list[dict[str, object]]:
    """Consecutive pieces of one stream as one; how the kernel cuts them depends on timing."""
    result: list[dict[str, object]] = []
    for output in outputs:
        last = result[-1] if result else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last["text"] = f"{last['text']}{output.text}"
        else:
            result.append(dict(output))
    return result


def plain(output: dict[str, object]) -> dict[str, object]:
    data = output.get("data")
    if not isinstance(data, dict) or "image/png" not in data:
        return output
    pixels = image.imread(io.BytesIO(base64.b64decode(data["image/png"])), format="png")
    return output | {"data": dict(data) | {"image/png": (pixels.shape, hash(pixels.tobytes()))}}


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
