"""Tests that use Jupyter's own clients, unmodified, on a real gateway. Each file is a process of its own: these
packages warn, and leave sockets to the garbage collector."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernels.client import TOKEN, GatewayProcess

OPTIONS = ["-q", "-c", os.devnull, "-p", "no:cacheprovider", "-p", "no:xdist", "--durations=10", "-Wignore"]
PROGRAMS = Path(__file__).with_name("programs")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("with_*.py")))
def test_a_client_that_is_not_ours_works(gateway: GatewayProcess, tmp_path: Path, name: str) -> None:
    variables = {"GATEWAY_URL": gateway.url, "GATEWAY_TOKEN": TOKEN, "PYTHONWARNINGS": "ignore"}
    places = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    program = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, str(PROGRAMS / f"{name}.py")],
        cwd=tmp_path,
        env=os.environ | variables | dict.fromkeys(places, str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
    assert program.returncode == 0, program.stdout
    assert gateway.http.get("/api/kernels").json() == []
