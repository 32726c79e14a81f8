"""A notebook's own virtual environment: made with its first kernel, installed into by what people type, and alone."""

import json
import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kernelhost import venvs

from tests.support.wheels import make_wheel


def run(folder: Path, code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """As a kernel would be run, with code in place of the launcher."""
    line = [sys.executable, "-X", "utf8", str(venvs.__file__), str(folder), "-c", code]
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment | variables)


def test_it_is_the_kernels_environment_seen_from_one_of_its_own(tmp_path: Path) -> None:
    code = """
import json, os, sys, shutil, ipykernel
told = [sys.prefix, os.environ["VIRTUAL_ENV"], shutil.which("python"), shutil.which("pip"), ipykernel.__file__]
print(json.dumps([*told, sys.flags.utf8_mode]))
"""
    ran = run(tmp_path, code, PIP_TARGET="/elsewhere")
    own = str(tmp_path / ".venv")
    *told, of_ipykernel, utf8 = json.loads(ran.stdout)
    assert told == [own, own, f"{own}/bin/python", f"{own}/bin/pip"]
    assert of_ipykernel.startswith(sysconfig.get_path("purelib"))
    assert utf8 == 1  # flags of the kernelspec stay


def test_what_is_installed_goes_into_it_and_nowhere_else(tmp_path: Path) -> None:
    for name in ("spam_by_pip", "spam_by_uv"):
        make_wheel(tmp_path, name)
    code = """
import subprocess
for line in ("pip install --no-index ./spam_by_pip-1.0-py3-none-any.whl",
             "uv pip install --offline ./spam_by_uv-1.0-py3-none-any.whl"):
    subprocess.run(line.split(), check=True, capture_output=True)
import spam_by_pip, spam_by_uv
print(spam_by_pip.__file__, spam_by_uv.__file__)
"""
    ran = run(tmp_path, code)
    packages = next((tmp_path / ".venv" / "lib").glob("python*")) / "site-packages"
    assert ran.stdout.split() == [f"{packages}/spam_by_pip.py", f"{packages}/spam_by_uv.py"], ran.stderr
    # The next kernel finds it there; the gateway's own environment knows nothing of it.
    assert run(tmp_path, "import spam_by_pip; print(spam_by_pip.WORD)").stdout == "hello\n"
    assert not list(Path(sysconfig.get_path("purelib")).glob("spam_by*"))


def test_pip_is_that_of_the_folder_as_it_is_seen_now(tmp_path: Path) -> None:
    """It is elsewhere in a sandbox, and when it was moved."""
    (tmp_path / "before").mkdir()
    run(tmp_path / "before", "pass")
    (tmp_path / "before").rename(tmp_path / "after")
    ran = run(tmp_path / "after", "import subprocess; subprocess.run(['pip', '--version'], check=True)")
    assert (ran.returncode, ran.stdout[:4]) == (0, "pip "), ran.stderr


def test_two_kernels_that_begin_at_once_share_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda _: run(tmp_path, "import sys; print(sys.prefix)"), range(2)))
    assert [process.stdout for process in ran] == [f"{tmp_path / '.venv'}\n"] * 2


def test_one_of_an_interpreter_that_is_gone_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    assert run(tmp_path, "print('runs')").stdout == "runs\n"


def test_one_of_another_python_is_left_alone_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    ran = run(tmp_path, "print('runs')")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("The folder has a .venv of another Python than the kernel's")
    assert (tmp_path / ".venv" / "bin" / "python").is_symlink()


def test_without_uv_pythons_own_way_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    venvs.create(str(tmp_path / ".venv"))
    assert run(tmp_path, "import ipykernel, sys; print(sys.prefix)").stdout == f"{tmp_path / '.venv'}\n"


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    line = [sys.executable, str(venvs.__file__), str(tmp_path / "none"), "-c", ""]
    ran = subprocess.run(line, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (
        1,
        "The virtual environment cannot be made in the working folder: No such file or directory.\n",
    )
