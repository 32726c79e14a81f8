"""JavaScript of widgets from the environments of kernels."""

from pathlib import Path

import pytest
from kernelhost.nbextensions import find


@pytest.fixture
def program(tmp_path: Path) -> str:
    """Of an environment whose packages brought files along."""
    folder = tmp_path / "venv/share/jupyter/nbextensions"
    for name in ("plain/index.js", "@scope/package/index.js", "plain/secret.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("define([], () => ({}))")
    (tmp_path / "venv/share/outside.js").write_text("outside")
    (folder / "link.js").symlink_to(tmp_path / "venv/share/outside.js")
    return str(tmp_path / "venv/bin/python")


@pytest.mark.parametrize("path", ["plain/index.js", "@scope/package/index.js"])
def test_what_a_package_of_the_kernels_environment_brought_is_found(program: str, path: str) -> None:
    found = find(path, ["python", program])
    assert found is not None
    assert found.as_posix().endswith(path)


@pytest.mark.parametrize(
    "path", ["", "absent/index.js", "plain", "plain/secret.txt", "../../outside.js", "/etc/hosts.js", "link.js"]
)
def test_nothing_else_is(program: str, path: str) -> None:
    assert find(path, [program]) is None
