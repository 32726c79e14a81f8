"""The table of bounds says what the code does."""

import importlib
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
MODULES: Final = (
    "model",
    "connection",
    "rooms",
    "executions",
    "questions",
    "colab_requests",
    "invocations",
    "secrets",
    "widgets",
    "widget_files",
    "captures",
    "comms",
    "comm_lane",
    "comm_throttle",
    "outputs",
    "ports",
    "terminal",
    "store._log",
    "store.store",
)
UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "Mi characters": 1 << 20}

ROWS = [
    (line.split("|")[1].strip(), line.split("|")[2].strip())
    for line in (ROOT / "docs/bounds.md").read_text().splitlines()
    if line.startswith("| ") and "`" in line
]


def constant(name: str) -> float:
    """The one value that modules of ours have under this name."""
    modules = [importlib.import_module(f"collab.{module}") for module in MODULES]
    (value,) = {float(getattr(module, name)) for module in modules if hasattr(module, name)}
    return value


@pytest.mark.parametrize(("what", "bound"), ROWS, ids=lambda text: text[:40])
def test_every_number_is_the_codes(what: str, bound: str) -> None:
    names = re.findall(r"`(\w+)`", bound)
    numbers = [
        float(number.replace(",", "")) * UNITS.get(unit, 1)
        for number, unit in re.findall(r"(\d[\d,]*)(?: (KiB|MiB|Mi characters))?", re.sub(r"`\w+`", "", bound))
    ]
    assert len(names) >= 1
    for name in names:
        assert constant(name) in numbers, f"{name} of '{what}' is {constant(name):g}"
