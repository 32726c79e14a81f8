"""How much a browser loads before a page works. Runs on what scripts/test has built."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[1] / "collab/static"
_STATIC_IMPORT = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")
_FIRST = re.compile(r"""(?:src|href)="/(assets/[\w.-]+\.(?:js|css))\"""")


def loaded(files: set[Path]) -> set[Path]:
    """With what they import, chunks that are asked for later left out."""
    found = set(files)
    waiting = [file for file in files if file.suffix == ".js"]
    while waiting:
        for name in _STATIC_IMPORT.findall(waiting.pop().read_text()):
            file = STATIC / "assets" / name
            if file not in found:
                found.add(file)
                waiting.append(file)
    return found


def packed_bytes(files: set[Path]) -> int:
    return sum(file.with_name(f"{file.name}.gz").stat().st_size for file in files)


def chunk(name: str) -> set[Path]:
    files = {file for file in (STATIC / "assets").glob(f"{name}-*") if file.suffix in (".js", ".css")}
    assert files
    return files


@pytest.mark.parametrize(("view", "most_kb"), [("Library", 130), ("NotebookPage", 330)])
def test_a_first_visit_loads_no_more_than_its_budget(view: str, most_kb: int) -> None:
    index = {STATIC / path for path in _FIRST.findall((STATIC / "index.html").read_text())}
    assert {file.suffix for file in index} == {".js", ".css"}
    size = packed_bytes(loaded(index | chunk(view)))
    assert size > 50_000  # the test has found what it weighs
    assert size <= most_kb * 1000


def test_heavy_libraries_come_when_they_are_needed() -> None:
    index = {STATIC / path for path in _FIRST.findall((STATIC / "index.html").read_text())}
    names = " ".join(file.name for file in loaded(index | chunk("NotebookPage")))
    assert "katex" not in names
    assert "markdown_nodes" not in names


@pytest.mark.parametrize("part", ["Resources", "ExecutedCode", "ChangeType", "Attach", "Reset"])
def test_panes_and_dialogs_come_when_they_are_opened(part: str) -> None:
    index = {STATIC / path for path in _FIRST.findall((STATIC / "index.html").read_text())}
    assert not chunk(part) & loaded(index | chunk("NotebookPage"))


def test_the_frame_begins_with_less_than_60_kb() -> None:
    frame = (STATIC / "_out/live/frame.html").read_text()
    first = {STATIC / "_out" / name for name in re.findall(r'(?:src|href)="/_out/(assets/[\w.-]+)"', frame)}
    assert first
    assert packed_bytes(first) < 60_000
