"""X20, X28: many kernels started at once, each with its own environment; their gateway killed, then they are stopped,
and nothing of them is left."""

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.kernels.client import GatewayProcess, eventually, is_alive
from tests.support import tiny_kernel

# A real gateway with 200 real kernels needs some 10 GB and minutes: what is counted is the same with small ones.
MANY = int(os.environ.get("KERNELHOST_TEST_KERNELS", "12"))


@pytest.mark.timeout(60 + 3 * MANY)
def test_x28_many_kernels_leave_nothing_behind_though_their_gateway_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_gateway: Callable[..., GatewayProcess]
) -> None:
    argv = ["python", tiny_kernel.__file__, "-f", "{connection_file}"]
    (tmp_path / "kernels" / "tiny").mkdir(parents=True)
    spec = {"argv": argv, "display_name": "Tiny", "language": "text"}
    (tmp_path / "kernels" / "tiny" / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    registry = tmp_path / "data"

    def begin() -> GatewayProcess:
        return start_gateway("--data", str(registry), "--max-starts", "1000", folder=tmp_path)

    def start(number: int) -> str:
        return gateway.start(name="tiny", env={"KERNEL_NUMBER": str(number)})

    def run(kernel: str, code: str) -> str:
        with gateway.channel(kernel, "s", v1=True) as channel:
            id = channel.execute(code)
            assert channel.reply(id)["content"]["status"] == "ok"
            return channel.text(id)

    def folders() -> list[Path]:
        return [path for path in [*registry.iterdir(), *gateway.temp.iterdir()] if path.is_dir()]

    gateway = begin()
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(start, range(MANY)))
        gateway.end(signal.SIGKILL)
        rows = [json.loads(path.read_text()) for path in registry.glob("*/row.json")]
        pids = [row[key] for row in rows for key in ("pid", "kernel_pid")]
        assert (len(rows), sum(map(is_alive, pids))) == (MANY, 2 * MANY)
        gateway = begin()
        process = psutil.Process(gateway.pid)
        kernels = {model["id"] for model in gateway.http.get("/api/kernels").json()}
        assert kernels == set(started)
        found = list(pool.map(run, started, ["env KERNEL_NUMBER"] * MANY))
        assert found == [f"{number}\n" for number in range(MANY)]
        assert set(pool.map(run, started, ["print 3"] * MANY)) == {"0\n1\n2\n"}
        most, resident = process.num_fds(), process.memory_info().rss
        list(pool.map(gateway.delete, kernels))
    eventually(lambda: not folders(), "no folder is left", 15 + MANY / 4)
    eventually(lambda: not any(map(is_alive, pids)), "no process is left")
    assert process.children() == []
    again = gateway.start(name="tiny")
    gateway.delete(again)
    eventually(lambda: not folders(), "the last one is gone too")
    # One connection to each host, and nothing that stays.
    eventually(lambda: process.num_fds() <= most - MANY, f"{process.num_fds()} descriptors, {most} with all kernels")
    assert process.memory_info().rss < resident + (8 << 20)
    listening = [found for found in process.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
    assert len(listening) == 1
    assert gateway.end() == 0
    assert list(gateway.temp.iterdir()) == []
