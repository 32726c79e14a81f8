"""Cells that print without end, and clients that read slowly or not at all (kernels.md sections 7 and 8)."""

import time
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]
import pytest
from websockets.exceptions import ConnectionClosed

from tests.kernels.client import Channel, GatewayProcess, eventually

MB = 1 << 20
KEEP_MB = 8
FLOODS = {
    "lines": "while True: print('x' * 100)",
    "megabytes": "import sys\nwhile True: sys.stdout.write('x' * 1_000_000)",
    "displays": "from IPython.display import display\nwhile True: display({'text/plain': 'x' * 20_000}, raw=True)",
}


@pytest.fixture(scope="module")
def flooded(start_gateway: Callable[..., GatewayProcess]) -> GatewayProcess:
    """A gateway of its own, so that its memory is what these tests make it."""
    return start_gateway("--keep", str(KEEP_MB))


def resident_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / MB


def pid_of(channel: Channel) -> int:
    id = channel.execute("import os; print(os.getpid())")
    channel.reply(id)
    return int(channel.text(id))


def host_of(pid: int) -> int:
    """The kernel's host process, in whatever the kernel is wrapped."""
    return next(int(each.pid) for each in psutil.Process(pid).parents() if "kernelhost.host" in each.cmdline())


def read_mb(channel: Channel, megabytes: int) -> None:
    """Until so much has come, or the channel was too slow for it."""
    size = 0
    try:
        while size < megabytes * MB:
            size += len(str(channel.receive()["content"]))
            channel.got.clear()
    except ConnectionClosed:
        pass


@pytest.mark.parametrize("flood", FLOODS)
def test_x8_a_flood_is_bounded_and_ends_when_it_is_interrupted(flooded: GatewayProcess, flood: str) -> None:
    kernel = flooded.start()
    with flooded.channel(kernel, "slow", v1=True) as slow:
        with flooded.channel(kernel, "reads", v1=True) as channel:
            pid = pid_of(channel)
            host = host_of(pid)
            before, host_before = resident_mb(flooded.pid), resident_mb(host)
            id = channel.execute(FLOODS[flood])
            read_mb(channel, 3 * KEEP_MB)
            assert resident_mb(pid) < 250
            assert resident_mb(flooded.pid) < before + 10 * KEEP_MB
            # J3: a part of what is kept is in memory, the rest on disk; up to 32 MB are on their way from the kernel.
            assert resident_mb(host) < host_before + 80
            # Others are answered meanwhile.
            began = time.monotonic()
            assert flooded.model(kernel)["execution_state"] == "busy"
            assert time.monotonic() - began < 2
        flooded.http.post(f"/api/kernels/{kernel}/interrupt")
        eventually(lambda: flooded.model(kernel)["execution_state"] == "idle", "the interrupt ends the flood")
        with flooded.channel(kernel, "reads", v1=True) as channel:
            assert channel.reply(id)["content"]["ename"] == "KeyboardInterrupt"
            assert "error" in [item["msg_type"] for item in channel.got]
        # Who never read is overtaken and told so, comes back, and gets the end with a word about what is missing.
        assert slow.closed()[0] == 1013
    with flooded.channel(kernel, "slow", v1=True) as slow:
        slow.idle(id)
        assert slow.text(id).startswith("\n[Output was lost here")
    flooded.delete(kernel)


def test_a_flood_that_nobody_reads_ends_with_its_reply_and_idle(flooded: GatewayProcess) -> None:
    kernel = flooded.start()
    with flooded.channel(kernel, "away", v1=True) as channel:
        id = channel.execute("for _ in range(30): print('x' * 1_000_000)\nprint('end')")
        channel.until(lambda item: item["msg_type"] == "stream")
    eventually(lambda: flooded.model(kernel)["execution_state"] == "idle", "the cell ends without readers")
    with flooded.channel(kernel, "away", v1=True) as channel:
        assert channel.reply(id)["content"]["status"] == "ok"
        assert channel.text(id).startswith("\n[Output was lost here")
        assert channel.text(id).endswith("x\nend\n")
    flooded.delete(kernel)


def test_x9_l2_what_was_printed_is_not_kept(flooded: GatewayProcess) -> None:
    kernel = flooded.start()
    with flooded.channel(kernel, "s", v1=True) as channel:
        pid = pid_of(channel)
        printing = "for _ in range(5): print('x' * 1_000_000)"  # less than is kept, however slow we read
        channel.run(printing)
        before = resident_mb(pid)
        for _ in range(12):
            channel.run(printing)
            channel.got.clear()
        assert resident_mb(pid) < before + 30  # 60 MB were printed
        assert channel.run("assert not get_ipython().history_manager.outputs")["status"] == "ok"
    flooded.delete(kernel)
