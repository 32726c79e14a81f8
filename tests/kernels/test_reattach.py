"""A gateway that ends, orderly or by kill -9, and the next one in its folder (kernels.md X10, X12, X13, A6, D2)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from kernelhost import link
from kernelhost.kernels import Kernels
from kernelhost.opening import Opening
from starlette.responses import PlainTextResponse
from websockets.exceptions import ConnectionClosed

from tests.kernels.client import Channel, GatewayProcess, Message, eventually, is_alive, state_of

Start = Callable[..., GatewayProcess]


class Lasting:
    """A gateway and its successors, in one folder. `registry` has a folder for each kernel."""

    def __init__(self, start: Start, folder: Path, *arguments: str) -> None:
        self.registry = folder / "data"
        self._start = start
        self._arguments = ["--data", str(self.registry), *arguments]
        self._folder = folder
        self.gateway = self.begin()

    def end(self, how: signal.Signals) -> None:
        self.gateway.end(how)

    def begin(self) -> GatewayProcess:
        self.gateway = self._start(*self._arguments, folder=self._folder)
        return self.gateway

    def rows(self) -> dict[str, Message]:
        found = [json.loads(path.read_text()) for path in self.registry.glob("*/row.json")]
        return {row["id"]: row for row in found}


@pytest.fixture(scope="module")
def lasting(start_gateway: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lasting]:
    lasting = Lasting(start_gateway, tmp_path_factory.mktemp("lasting"))
    yield lasting
    pids = [pid for row in lasting.rows().values() for pid in (row["pid"], row["kernel_pid"])]
    lasting.end(signal.SIGINT)
    assert [pid for pid in pids if is_alive(pid)] == []
    assert [path.name for path in lasting.registry.iterdir() if path.is_dir()] == []
    assert list(lasting.gateway.temp.iterdir()) == []


PRINTING = "import time\nfor number in range(1000):\n    print(number, flush=True)\n    time.sleep(0.001)"


def dropped(channel: Channel) -> None:
    with pytest.raises((ConnectionClosed, OSError)):
        channel.until(lambda message: False)


def last_output(channel: Channel) -> str:
    return str(
        [item for item in channel.got if item["channel"] == "iopub" and item["parent_header"]][-1]["header"]["msg_id"]
    )


def replies(channels: list[Channel]) -> dict[str, list[str]]:
    """By request, how often it was answered, and how."""
    found: dict[str, list[str]] = {}
    for channel in channels:
        for item in channel.got:
            if item["msg_type"] == "execute_reply":
                found.setdefault(item["parent_header"]["msg_id"], []).append(item["content"]["status"])
    return found


def test_x10_a_gateway_killed_in_mid_print_loses_and_doubles_nothing(lasting: Lasting) -> None:
    gateway = lasting.gateway
    kernel = gateway.start()
    with gateway.channel(kernel, "runs") as first, gateway.channel(kernel, "waits") as other:
        printing = first.execute(PRINTING)
        asking = first.execute("print('got', input('Name: '))")
        last = first.execute("print('last')")
        others = other.execute("print('of another')")
        other.until(lambda item: item["msg_type"] == "stream")
        first.until(lambda item: item["msg_type"] == "stream" and "50\n" in item["content"]["text"])
        lasting.end(signal.SIGKILL)
        dropped(first)
        dropped(other)
    gateway = lasting.begin()
    with (
        gateway.channel(kernel, "runs", last_output(first)) as second,
        gateway.channel(kernel, "waits", last_output(other)) as others_second,
    ):
        second.until(lambda item: item["msg_type"] == "input_request")
        second.send("input_reply", {"value": "Ada"}, "stdin")
        second.reply(last)
        others_second.reply(others)
        second.idle(others)
    assert first.text(printing) + second.text(printing) == "".join(f"{number}\n" for number in range(1000))
    assert (second.text(asking), second.text(last), second.text(others)) == ("got Ada\n", "last\n", "of another\n")
    assert replies([first, second]) == {printing: ["ok"], asking: ["ok"], last: ["ok"]}
    assert replies([other, others_second]) == {others: ["ok"]}
    seen = other.text(printing) + others_second.text(printing)
    assert seen == "".join(f"{number}\n" for number in range(1000))
    gateway.delete(kernel)


def test_x10_an_open_question_can_be_answered_through_the_next_gateway(lasting: Lasting) -> None:
    kernel = lasting.gateway.start()
    with lasting.gateway.channel(kernel, "asked") as channel:
        asking = channel.execute("print('got', input('Name: '))")
        channel.until(lambda item: item["msg_type"] == "input_request")
        lasting.end(signal.SIGKILL)
        dropped(channel)
    gateway = lasting.begin()
    assert gateway.model(kernel)["execution_state"] == "busy"
    with gateway.channel(kernel, "asked") as channel:
        channel.send("input_reply", {"value": "Ada"}, "stdin")
        assert channel.reply(asking)["content"]["status"] == "ok"
        assert channel.text(asking) == "got Ada\n"
    gateway.delete(kernel)


def test_h10_an_orderly_restart_closes_with_1012_and_keeps_kernels_and_places(lasting: Lasting) -> None:
    kernel = lasting.gateway.start(path="a/folder")
    with lasting.gateway.channel(kernel, "here") as channel:
        channel.run("kept = 1")
        running = channel.execute("import time\nprint('begun', flush=True)\ntime.sleep(0.5)\nprint('ended')")
        channel.until(lambda item: item["msg_type"] == "stream")
        before = lasting.gateway.model(kernel)
        lasting.end(signal.SIGTERM)
        assert channel.closed()[0] == 1012
    gateway = lasting.begin()
    after = gateway.model(kernel)
    changing = {"last_activity": "", "connections": 0, "execution_state": "", "usage": ""}
    assert after | changing == before | changing
    assert gateway.http.post("/api/kernels", json={"kernel_id": kernel}).status_code == 409
    with gateway.channel(kernel, "here") as again:
        assert again.reply(running)["content"]["status"] == "ok"
        assert again.text(running) == "ended\n"
        assert again.run("assert kept == 1")["status"] == "ok"
        # What it is told now goes to the host that was found as well.
        assert gateway.http.post(f"/api/kernels/{kernel}/restart").json()["generation"] == 2
        assert again.run("kept")["ename"] == "NameError"
    assert gateway.http.delete(f"/api/kernels/{kernel}").status_code == 204


def test_x12_a_host_that_is_killed_takes_its_kernel_along_and_says_so(lasting: Lasting) -> None:
    gateway = lasting.gateway
    kernel = gateway.start()
    with gateway.channel(kernel, "s") as channel:
        child = channel.execute("import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid)")
        channel.reply(child)
        row = lasting.rows()[kernel]
        pids = [row["kernel_pid"], int(channel.text(child))]
        running = channel.execute("print('begun', flush=True)\nwhile True: pass")
        channel.until(lambda item: "begun" in str(item["content"].get("text")))
        os.kill(row["pid"], signal.SIGKILL)
        aborted = channel.until(lambda item: item["msg_type"] == "execute_reply")
        told = channel.until(lambda item: state_of(item) == "dead")
        assert (aborted["parent_header"]["msg_id"], aborted["content"]["status"]) == (running, "aborted")
        assert "ended unexpectedly" in told["content"]["reason"]
        model = gateway.model(kernel)
        assert (model["execution_state"], model["reason"]) == ("dead", told["content"]["reason"])
        eventually(lambda: not any(map(is_alive, pids)), "the kernel and its child are gone")
        assert not Path(row["home"]).exists()
        assert channel.run("1")["status"] == "aborted"
        restarted = gateway.http.post(f"/api/kernels/{kernel}/restart").json()
        assert (restarted["execution_state"], restarted["generation"]) == ("idle", 2)
        assert channel.run("1")["status"] == "ok"
    gateway.delete(kernel)


def test_x13_i8_what_a_dead_gateway_left_is_cleared_away_and_nothing_else_is_touched(lasting: Lasting) -> None:
    kernel = lasting.gateway.start(name="python3")
    row = lasting.rows()[kernel]
    lasting.end(signal.SIGKILL)
    home = lasting.gateway.temp / "kernelhost-of-nobody"
    home.mkdir()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as innocent:
        stale = row | {"id": "1-1-1-1-1", "pid": innocent.pid, "started": "1", "home": str(home)}
        stale |= {"kernel_pid": innocent.pid, "kernel_started": "1"}
        for name, text in (("stale", json.dumps(stale)), ("half", '{"id": "x'), ("other", "[]"), ("empty", "")):
            (lasting.registry / name).mkdir()
            if text:
                (lasting.registry / name / "row.json").write_text(text)
        gateway = lasting.begin()
        assert innocent.poll() is None
        innocent.kill()
    assert [model["id"] for model in gateway.http.get("/api/kernels").json()] == [kernel]
    assert len([path for path in lasting.registry.iterdir() if path.is_dir()]) == 1
    assert not home.exists()
    gateway.delete(kernel)


def test_i8_a_host_that_died_while_no_gateway_was_there_is_no_kernel_any_more(lasting: Lasting) -> None:
    kernel = lasting.gateway.start()
    row = lasting.rows()[kernel]
    lasting.end(signal.SIGKILL)
    os.kill(row["pid"], signal.SIGKILL)
    gateway = lasting.begin()
    assert gateway.http.get(f"/api/kernels/{kernel}").status_code == 404
    eventually(lambda: not is_alive(row["kernel_pid"]), "the kernel ends with its host")
    assert not Path(row["home"]).exists()


def test_a_second_gateway_is_not_let_into_the_folder(lasting: Lasting) -> None:
    arguments = ["-m", "kernelhost.cli", "--port", "0", "--data", str(lasting.registry)]
    found = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"KERNELHOST_TOKEN": "x" * 20},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (found.returncode, "Another gateway has" in found.stderr) == (1, True)


def test_d2_kernels_that_no_gateway_comes_back_for_end(start_gateway: Start, tmp_path: Path) -> None:
    brief = Lasting(start_gateway, tmp_path, "--outlive", "0.3")
    brief.gateway.start()
    (row,) = brief.rows().values()
    assert psutil.Process(row["pid"]).username() == psutil.Process().username()
    assert os.getsid(row["pid"]) == row["pid"]
    brief.end(signal.SIGTERM)
    eventually(lambda: not is_alive(row["pid"]) and not is_alive(row["kernel_pid"]), "host and kernel end")
    eventually(lambda: not any(path.is_dir() for path in brief.registry.iterdir()), "the registry is empty")
    assert list(brief.gateway.temp.iterdir()) == []


def test_kernels_whose_registry_is_gone_end(start_gateway: Start, tmp_path: Path) -> None:
    lost = Lasting(start_gateway, tmp_path)
    lost.gateway.start()
    (row,) = lost.rows().values()
    for folder in lost.registry.glob("k*"):
        folder.rename(tmp_path / "elsewhere")
    lost.end(signal.SIGKILL)
    eventually(lambda: not is_alive(row["pid"]), "nobody could find it")


def test_a6_everything_is_503_until_the_last_gateways_kernels_are_found(lasting: Lasting) -> None:
    kernel = lasting.gateway.start()
    row = lasting.rows()[kernel]
    lasting.end(signal.SIGKILL)
    os.kill(row["pid"], signal.SIGSTOP)

    async def served(app: Opening, state: dict[str, object], kind: str) -> list[Message]:
        sent: list[Message] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(dict(message))

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        denial: dict[str, object] = {"extensions": {"websocket.http.response": {}}}
        scope = {"type": kind, "path": "/api/kernels", "method": "GET", "headers": [], "query_string": b""} | denial
        await app(scope | {"state": state}, receive, send)
        return sent

    async def test() -> None:
        app = Opening(PlainTextResponse("found"))
        kernels = Kernels(lasting.gateway.root, data=lasting.registry, alone_s=60)
        async with kernels.running():
            for kind in ("http", "websocket"):
                sent = await served(app, {"kernels": kernels}, kind)
                assert (sent[0]["status"], "looks for its kernels" in str(sent[1]["body"])) == (503, True)
            os.kill(row["pid"], signal.SIGCONT)
            await kernels.found.wait()
            assert [found.id for found in kernels.all] == [kernel]
            assert (await served(app, {"kernels": kernels}, "http"))[0]["status"] == 200

    asyncio.run(test())
    lasting.begin().delete(kernel)


def test_j7_a_host_that_says_nothing_is_ended(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = lasting.gateway.start()
    row = lasting.rows()[kernel]
    lasting.end(signal.SIGKILL)
    monkeypatch.setattr(link, "_ANSWER_WITHIN_S", 0.2)

    async def test() -> None:
        kernels = Kernels(lasting.gateway.root, data=lasting.registry, alone_s=60)
        async with kernels.running():
            await kernels.found.wait()
            (found,) = kernels.all
            os.kill(row["pid"], signal.SIGSTOP)
            await asyncio.to_thread(eventually, lambda: found.state == "dead", "the host is ended")
            assert "did not answer" in str(found.model()["reason"])

    asyncio.run(test())
    assert (is_alive(row["pid"]), Path(row["home"]).exists()) == (False, False)
    eventually(lambda: not is_alive(row["kernel_pid"]), "the kernel ends with its host")
    lasting.begin()


def test_j7_a_host_that_says_nothing_to_the_next_gateway_is_ended(
    lasting: Lasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = lasting.gateway.start()
    row = lasting.rows()[kernel]
    lasting.end(signal.SIGKILL)
    os.kill(row["pid"], signal.SIGSTOP)
    monkeypatch.setattr(link, "_ANSWER_WITHIN_S", 0.2)

    async def test() -> None:
        kernels = Kernels(lasting.gateway.root, data=lasting.registry, alone_s=60)
        async with kernels.running():
            await kernels.found.wait()
            assert kernels.all == []

    asyncio.run(test())
    assert not is_alive(row["pid"])
    lasting.begin()
