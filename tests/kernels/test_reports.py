"""Usage over REST and the feed, of real kernels (kernels.md section 15)."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.kernels.client import TOKEN, WITHIN_S, GatewayProcess, eventually

Frame = dict[str, Any]
MACHINE_KEYS = {"cpu_percent", "cpu_count", "memory_bytes", "memory_total_bytes", "disk_bytes", "disk_total_bytes"}
FAMILY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
full = b"1" * (200 << 20)
input()
"""
# Once it is asked to go on, no thread of the kernel gets its turn.
HOLDS_THE_LOCK = "import re; input(); re.match(r'(a+)+$', 'a' * 64 + 'b')"
USAGE_KEYS = {"at", "cpu_percent", "memory_bytes", "processes", "disk_bytes", "gpus", "request"}


@contextmanager
def feed(gateway: GatewayProcess, token: str = TOKEN, origin: str | None = None) -> Iterator[ClientConnection]:
    url = f"{gateway.url.replace('http', 'ws', 1)}/api/feed"
    headers = {"Authorization": f"token {token}"} | ({"Origin": origin} if origin else {})
    with connect(url, additional_headers=headers, compression=None, proxy=None, close_timeout=0.2) as socket:
        yield socket


def until(socket: ClientConnection, wanted: Callable[[Frame], bool]) -> Frame:
    while not wanted(frame := json.loads(socket.recv(timeout=WITHIN_S))):
        pass
    return dict(frame)


def of(kernel: str, wanted: Callable[[Frame], bool]) -> Callable[[Frame], bool]:
    """A sample of this kernel that is as wanted."""
    return lambda frame: frame["type"] == "usage" and kernel in frame["kernels"] and wanted(frame["kernels"][kernel])


def test_the_feed_tells_what_runs_and_what_it_uses(gateway: GatewayProcess) -> None:
    kernel = gateway.start(name="python3")
    with feed(gateway) as socket, gateway.channel(kernel) as channel:
        quiet = until(socket, of(kernel, lambda usage: usage["request"] is None))["kernels"][kernel]
        assert set(quiet) == USAGE_KEYS
        id = channel.execute(FAMILY)
        channel.until(lambda message: message["msg_type"] == "input_request")
        frame = until(socket, of(kernel, lambda usage: usage["request"] == id))
        busy = frame["kernels"][kernel]
        assert busy["memory_bytes"] > quiet["memory_bytes"] + (190 << 20)
        assert busy["processes"] == quiet["processes"] + 1
        assert set(frame["machine"]) == MACHINE_KEYS | {"gpus"}
        channel.send("input_reply", {"value": ""}, "stdin")
        channel.reply(id)
        channel.run("del full; child.kill(); child.wait()")
        until(socket, of(kernel, lambda usage: usage["memory_bytes"] < busy["memory_bytes"] - (190 << 20)))
    answer = gateway.http.get(f"/api/kernels/{kernel}/usage").json()
    assert [sample["at"] for sample in answer["samples"]] == sorted(sample["at"] for sample in answer["samples"])
    assert id in {sample["request"] for sample in answer["samples"]}
    assert answer["limits"] == gateway.model(kernel)["limits"]
    gateway.delete(kernel)
    with feed(gateway) as socket:
        until(socket, lambda frame: kernel not in frame.get("kernels", {kernel}))


def test_usage_is_in_the_model_and_of_all_in_one_answer(gateway: GatewayProcess, kernel: str) -> None:
    gateway.http.get("/api/usage")
    eventually(lambda: "usage" in gateway.model(kernel), "a first sample")
    answer = gateway.http.get("/api/usage").json()
    assert set(answer["kernels"][kernel]) == USAGE_KEYS
    assert answer["machine"]["memory_bytes"] < answer["machine"]["memory_total_bytes"]
    eventually(lambda: gateway.model(kernel)["usage"]["disk_bytes"] is not None, "the folder was walked")


def test_a_busy_kernel_is_sampled_without_its_help(gateway: GatewayProcess) -> None:
    kernel = gateway.start(name="python3")
    with feed(gateway) as socket, gateway.channel(kernel) as channel:
        id = channel.execute(HOLDS_THE_LOCK)
        channel.until(lambda message: message["msg_type"] == "input_request")
        channel.send("input_reply", {"value": ""}, "stdin")
        frame = until(socket, of(kernel, lambda usage: usage["request"] == id and usage["cpu_percent"] > 20))
        later = until(socket, of(kernel, lambda usage: usage["at"] > frame["kernels"][kernel]["at"]))
        assert later["kernels"][kernel]["request"] == id
    gateway.delete(kernel)


def test_a_death_is_told_on_the_feed_and_counted(gateway: GatewayProcess) -> None:
    def count() -> float:
        found = re.search(
            r'^kernelhost_deaths_total{cause="exited"} (\S+)', gateway.http.get("/metrics").text, re.MULTILINE
        )
        return float(found[1]) if found is not None else -1

    before = count()
    kernel = gateway.start(name="python3")
    with feed(gateway) as socket, gateway.channel(kernel) as channel:
        channel.execute("import os; os._exit(3)")
        notice = until(socket, lambda frame: frame["type"] == "notice" and frame["kernel"] == kernel)
        text = "The kernel was ended by its own code (exit 3)."
        assert notice == {"type": "notice", "kernel": kernel, "kind": "died", "text": text}
        until(socket, lambda frame: frame["type"] == "usage" and kernel not in frame["kernels"])
    assert count() == before + 1
    gateway.delete(kernel)


def test_a2_the_feed_wants_the_token_before_it_opens(gateway: GatewayProcess) -> None:
    for token, origin in (("wrong", None), ("", None), (TOKEN, "https://elsewhere.example"), (TOKEN, "http://[::1")):
        with pytest.raises(InvalidStatus) as refused, feed(gateway, token, origin):
            pass
        assert refused.value.response.status_code == 403


def test_readers_of_the_feed_are_bounded_and_what_they_say_is_ignored(gateway: GatewayProcess, kernel: str) -> None:
    with feed(gateway) as first:
        first.send("{}")
        first.send(b"\0" * 100_000)
        with ExitStack() as others:
            for _ in range(63):
                others.enter_context(feed(gateway))
            with pytest.raises(InvalidStatus) as refused, feed(gateway):
                pass
        assert refused.value.response.status_code == 403
        assert "64 readers" in json.loads(refused.value.response.body or b"")["message"]
        until(first, of(kernel, lambda usage: True))


def test_a_reader_that_never_reads_disturbs_nobody(gateway: GatewayProcess, kernel: str) -> None:
    """The other one has each sample while the first has read none."""
    with feed(gateway) as silent, feed(gateway) as quick:
        seen = {until(quick, of(kernel, lambda usage: True))["kernels"][kernel]["at"] for _ in range(3)}
        assert len(seen) == 3
        assert until(silent, of(kernel, lambda usage: True))


def test_prometheus_and_other_tools_are_served(gateway: GatewayProcess, kernel: str) -> None:
    gateway.http.get("/api/usage")
    eventually(lambda: gateway.http.get("/api/usage").json()["kernels"].get(kernel) is not None, "a sample")
    text = gateway.http.get("/metrics").text
    assert re.search(rf'^kernelhost_kernel_memory_bytes{{kernel="{kernel}"}} [1-9]', text, re.MULTILINE)
    started = re.search(r'^kernelhost_starts_total{outcome="started"} (\d+)', text, re.MULTILINE)
    assert started is not None
    assert int(started[1]) >= 1
    assert gateway.http.get("/api/metrics/v1").json()["rss"] > 10 << 20
    one = gateway.http.get(f"/api/metrics/v1/kernel_usage/get_usage/{kernel}").json()
    assert one["kernel_id"] == kernel
    assert one["content"]["kernel_memory"] > 10 << 20
    colab = gateway.http.get("/api/colab/resources").json()
    assert 0 < colab["memory"]["freeBytes"] < colab["memory"]["totalBytes"]


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/api/usage",
        "/api/metrics/v1",
        "/api/colab/resources",
        "/api/kernels/{kernel}/usage",
        "/api/metrics/v1/kernel_usage/get_usage/{kernel}",
    ],
)
def test_a2_reports_want_the_token(gateway: GatewayProcess, kernel: str, path: str) -> None:
    with httpx.Client(base_url=gateway.url, trust_env=False) as anyone:
        assert anyone.get(path.format(kernel=kernel)).status_code == 403
    if "{kernel}" in path:
        nobody = gateway.http.get(path.format(kernel="00000000-0000-0000-0000-000000000000"))
        assert nobody.status_code == 404
