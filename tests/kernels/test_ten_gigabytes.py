"""10 GB of output that nobody reads: a bounded part is kept, the cell ends, and others are answered meanwhile."""

from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.kernels.client import GatewayProcess, eventually
from tests.kernels.test_floods import host_of, pid_of, resident_mb

MB = 1 << 20
KEEP_MB = 64
MOST_MB = 250
# How long it may take where many tests run at once; alone it is a minute and a quarter on two cores.
WITHIN_S = 900
CODE = """
line = 'x' * 1_000_000
for _ in range(10_000): print(line)
print('end')
"""


def kept_mb(host: int) -> float:
    """Of its journal, on disk."""
    files = [Path(file.path) for file in psutil.Process(host).open_files() if "/journal/" in file.path]
    return sum(file.stat().st_size for file in files if file.exists()) / MB


@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S + 60)
def test_ten_gigabytes_that_nobody_reads_are_bounded_on_disk_and_in_memory(
    start_gateway: Callable[..., GatewayProcess],
) -> None:
    gateway = start_gateway("--keep", str(KEEP_MB))
    kernel, other = gateway.start(), gateway.start()
    with gateway.channel(kernel, "away") as channel:
        pid = pid_of(channel)
        host = host_of(pid)
        id = channel.execute(CODE)
        channel.until(lambda item: item["msg_type"] == "stream")
    most_mb, most_kept_mb = 0.0, 0.0

    def is_over() -> bool:
        nonlocal most_mb, most_kept_mb
        most_mb = max(most_mb, *(resident_mb(each) for each in (gateway.pid, host, pid)))
        most_kept_mb = max(most_kept_mb, kept_mb(host))
        return bool(gateway.model(kernel)["execution_state"] == "idle")

    with gateway.channel(other) as channel:
        assert channel.run("1 + 1")["status"] == "ok"
    eventually(is_over, "the cell ends without readers", WITHIN_S)
    assert most_mb < MOST_MB
    assert 0 < most_kept_mb < 2 * KEEP_MB
    with gateway.channel(kernel, "away") as channel:
        assert channel.reply(id)["content"]["status"] == "ok"
        assert len(channel.text(id)) < (KEEP_MB + 40) * MB
        assert channel.text(id).endswith("end\n")
