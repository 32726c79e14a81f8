import json
import sys
from collections.abc import Iterator

import pytest

from tests.kernels.client import GatewayProcess

BASH = {
    "argv": [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"],
    "display_name": "Bash",
    "language": "bash",
    "env": {"PS1": "$"},
}


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """With a kernel that is not IPython beside the one that is."""
    folder = tmp_path_factory.mktemp("clients")
    spec = folder / "jupyter" / "kernels" / "bash"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps(BASH))
    process = GatewayProcess(folder, environment={"JUPYTER_PATH": str(folder / "jupyter")})
    yield process
    assert process.end() == 0
