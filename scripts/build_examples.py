"""Writes examples/digits-idx: scikit-learn's digits in the IDX format, made by the cells of digits-classifier.ipynb.

The notebook is the only place where that code is written; its cells with the tag `idx` stand on their own.
"""

import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def idx_code() -> dict[str, Any]:
    """What the tagged cells define: parse_idx, read_idx, write_idx, write_sample, BadIdx and the names they use."""
    notebook = json.loads((EXAMPLES / "digits-classifier.ipynb").read_text(encoding="utf-8"))
    defined: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if "idx" in cell["metadata"].get("tags", []):
            exec(compile("".join(cell["source"]), f"digits-classifier.ipynb, cell {cell['id']}", "exec"), defined)
    return defined


if __name__ == "__main__":
    idx_code()["write_sample"](EXAMPLES / "digits-idx")
