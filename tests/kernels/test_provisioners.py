"""Kernels that a third party's KernelProvisioner starts, named by the kernelspec and found by its entry point."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernels.client import Channel, GatewayProcess, eventually, is_alive
from tests.support import provisioner

FILE = ["-f", "{connection_file}"]
KERNEL = [sys.executable, "-m", "ipykernel_launcher", *FILE]


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("provisioner") / "log"


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, log_file: Path, start_gateway: Callable[..., GatewayProcess]
) -> GatewayProcess:
    """With a distribution on its path that was installed by nobody, and kernelspecs that name what is in it."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(Path(provisioner.__path__[0]) / "elsewhere.py", site)
    about = site / "elsewhere-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[jupyter_client.kernel_provisioners]\nelsewhere = elsewhere:Elsewhere\n")
    named = {"provisioner_name": "elsewhere", "config": {"log_file": str(log_file)}}
    jupyter = tmp_path_factory.mktemp("jupyter")
    for name, argv, wanted in (
        ("elsewhere", KERNEL, named),
        ("fails", ["/no/such/program", *FILE], named),
        ("not-installed", KERNEL, {"provisioner_name": "nobody-has-this"}),
        ("as-usual", KERNEL, {"provisioner_name": "local-provisioner"}),
    ):
        (jupyter / "kernels" / name).mkdir(parents=True)
        spec = {"argv": argv, "display_name": name, "language": "python", "metadata": {"kernel_provisioner": wanted}}
        (jupyter / "kernels" / name / "kernel.json").write_text(json.dumps(spec))
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return start_gateway(environment={"PYTHONPATH": path, "JUPYTER_PATH": str(jupyter)})


def value(channel: Channel, code: str) -> str:
    id = channel.execute(code)
    channel.reply(id)
    return channel.text(id).strip()


def test_a_kernel_of_a_third_partys_provisioner_lives_as_others_do(gateway: GatewayProcess, log_file: Path) -> None:
    id = gateway.start(name="elsewhere")
    with gateway.channel(id) as channel:
        pid = int(value(channel, "import os; print(os.getpid())"))
        run = channel.execute("print('begun', flush=True)\nwhile True: pass")
        channel.until(lambda item: item["msg_type"] == "stream" and "begun" in item["content"]["text"])
        gateway.http.post(f"/api/kernels/{id}/interrupt")
        assert channel.reply(run)["content"]["ename"] == "KeyboardInterrupt"
        assert gateway.http.post(f"/api/kernels/{id}/restart").json()["generation"] == 2
        assert not is_alive(pid)
        pid = int(value(channel, "import os; print(os.getpid())"))
        channel.execute("os._exit(3)")
        dead = channel.until(lambda item: item["content"].get("execution_state") == "dead")
        assert dead["content"]["reason"] == "The kernel was ended by its own code (exit 3)."
        gateway.http.post(f"/api/kernels/{id}/restart")
        pid = int(value(channel, "import os; print(os.getpid())"))
    gateway.delete(id)
    eventually(lambda: not is_alive(pid), "its kernel ends")
    eventually(lambda: log_file.read_text().count("cleanup") == 3, "it cleans up after each")
    told = log_file.read_text().splitlines()
    assert [line for line in told if not line.startswith("signal")] == [
        "launch elsewhere",
        "ended 0",
        "cleanup",
        "launch elsewhere",
        "ended 3",
        "cleanup",
        "launch elsewhere",
        "ended 0",
        "cleanup",
    ]
    assert "signal 2" in told


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        ("fails", 503, "its provisioner 'elsewhere' failed (FileNotFoundError: "),
        # Jupyter's list of kernelspecs leaves these out, with a line in the log.
        ("not-installed", 400, "There is no kernel 'not-installed'"),
    ],
)
def test_one_that_does_not_start_a_kernel_says_why(gateway: GatewayProcess, name: str, code: int, why: str) -> None:
    answer = gateway.http.post("/api/kernels", json={"name": name})
    assert (answer.status_code, why in answer.json()["message"]) == (code, True), answer.text
    assert gateway.http.get("/api/kernels").json() == []


def test_jupyters_own_local_provisioner_is_ours(gateway: GatewayProcess) -> None:
    id = gateway.start(name="as-usual")
    with gateway.channel(id) as channel:
        assert value(channel, "import sys; print(sys.argv[0])").endswith("launcher.py")
    gateway.delete(id)
