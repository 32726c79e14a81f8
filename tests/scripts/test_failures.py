"""A failing test is reported as a failing test, whatever garbage it left."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Every collection leaves an object whose finaliser raises in the next one.
FAILING = """
import gc

class Broken:
    def __init__(self):
        self.me = self
    def __del__(self):
        raise RuntimeError("Event loop is closed")

def leave(phase, info):
    if phase == "stop":
        Broken()

def test_that_fails():
    gc.callbacks.append(leave)
    gc.set_threshold(100)
    assert 1 == 2

def test_after_it():
    gc.callbacks.clear()
"""


def test_a_finaliser_that_raises_during_the_report_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FAILING)
    options = ["-p", "no:cacheprovider", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "assert 1 == 2" in done.stdout
    assert done.returncode == 1
