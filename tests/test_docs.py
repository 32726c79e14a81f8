"""What the docs say of the code, where it can be checked: named files exist, and what is said to be in them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("examples/*.md")]
FOLDERS = ("", "frontend/", "frontend/src/")
SUFFIXES = ("py", "ts", "tsx", "md", "json", "ipynb", "toml", "lock", "css")

_FILE = re.compile(rf"`([\w./-]+/[\w.-]+\.(?:{'|'.join(SUFFIXES)}))(?:: ([\w.]+))?`")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def found(path: str) -> Path | None:
    return next((ROOT / folder / path for folder in FOLDERS if (ROOT / folder / path).is_file()), None)


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: str(doc.relative_to(ROOT)))
def test_links_lead_somewhere(doc: Path) -> None:
    broken = [link for link in _LINK.findall(doc.read_text()) if not (doc.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: str(doc.relative_to(ROOT)))
def test_files_and_what_is_said_to_be_in_them_exist(doc: Path) -> None:
    wrong = []
    for path, name in _FILE.findall(doc.read_text()):
        file = found(path)
        words = re.findall(r"\w+", file.read_text()) if file is not None else []
        if file is None or any(part not in words for part in name.split(".") if part):
            wrong.append(f"{path}: {name}" if name else path)
    assert wrong == []


def test_architecture_names_every_module_of_the_document_server() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    modules = [file.stem for file in (ROOT / "collab").glob("*.py") if file.stem != "__init__"]
    assert [name for name in modules if not re.search(rf"\b{name}(\.py)?\b", text)] == []


def test_every_benchmark_is_in_its_readme() -> None:
    text = (ROOT / "bench/README.md").read_text()
    modules = [file.stem for file in (ROOT / "bench").glob("*.py") if file.stem != "__init__"]
    assert [name for name in modules if f"bench.{name}" not in text] == []
