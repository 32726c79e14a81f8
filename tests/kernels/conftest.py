import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.kernels.client import GatewayProcess, is_alive, kernel_pids

FILE = ["-f", "{connection_file}"]
# A kernel that starts when there is a file of this name in its folder.
WAITS = """
import os, time
while not os.path.exists("may-start"): time.sleep(0.01)
from ipykernel import kernelapp; kernelapp.launch_new_instance()
"""
SPECS: dict[str, dict[str, object]] = {
    "by-message": {"argv": ["python", "-m", "ipykernel_launcher", *FILE], "interrupt_mode": "message"},
    "not-ours": {"argv": ["python", "-c", "from ipykernel import kernelapp; kernelapp.launch_new_instance()", *FILE]},
    "no-program": {"argv": ["/no/such/program", *FILE]},
    "exits": {"argv": ["python", "-c", "import sys; sys.exit('No module named spam')"]},
    "slow-start": {"argv": ["python", "-c", WAITS, *FILE]},
    "says-nothing": {"argv": ["python", "-c", "import time; time.sleep(600)"]},
}


@pytest.fixture(scope="session")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for JUPYTER_PATH."""
    folder = tmp_path_factory.mktemp("jupyter")
    for name, spec in SPECS.items():
        (folder / "kernels" / name).mkdir(parents=True)
        value = {"display_name": name, "language": "python"} | spec
        (folder / "kernels" / name / "kernel.json").write_text(json.dumps(value))
    return folder


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, specs: Path) -> Iterator[GatewayProcess]:
    """One for all tests that leave it running; at its end it leaves nothing behind."""
    environment = {"JUPYTER_PATH": str(specs), "COLLAB_TOKEN": "a-secret", "AWS_SECRET_ACCESS_KEY": "a-secret"}
    process = GatewayProcess(tmp_path_factory.mktemp("k"), environment=environment)
    yield process
    left = kernel_pids(process.pid)
    assert process.end() == 0
    assert [pid for pid in left if is_alive(pid)] == []
    assert list(process.temp.glob("kernelhost-*")) == []


@pytest.fixture(scope="module")
def start_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., GatewayProcess]]:
    """For tests that end theirs. `folder` to start one where another was."""
    started: list[GatewayProcess] = []

    def start(
        *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> GatewayProcess:
        folder = folder or tmp_path_factory.mktemp("k")
        started.append(GatewayProcess(folder, *arguments, environment=environment))
        return started[-1]

    yield start
    for process in started:
        process.clear()


@pytest.fixture(scope="module")
def kernel(gateway: GatewayProcess) -> Iterator[str]:
    """One for the tests of a module; none of them may end it."""
    id = gateway.start(name="python3")
    yield id
    gateway.delete(id)
