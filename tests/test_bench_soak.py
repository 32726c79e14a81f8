"""That the soak runs, with little of each; whether anything grows is for its hour."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.soak import MEASURES


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_was_measured_is_told_and_drawn(tmp_path: Path) -> None:
    figure = tmp_path / "soak.svg"
    command = [sys.executable, "-m", "bench.soak", "--minutes", "0.3", "--people", "3", "--notebooks", "1"]
    done = subprocess.run(
        [*command, "--figure", str(figure)], cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=230
    )
    assert "Traceback" not in done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.startswith("3 people in 1 notebooks for 0.3 minutes: ")
    assert [line[:18].strip() for line in lines[1 : 1 + len(MEASURES)]] == [measure.name for measure in MEASURES]
    # In so short a time everything still grows, but nobody is sent away and all end equal.
    assert {line for line in lines[1 + len(MEASURES) :] if not line.endswith("grew")} <= {
        "flat; nobody was sent away; all ended equal"
    }
    assert figure.read_text().count("<svg") == 1
