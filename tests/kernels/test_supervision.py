"""`collab.gateway`: one gateway for one data folder, found again, replaced when it is gone."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from collab import gateway as module
from collab.config import BadSetting
from collab.data import open_data
from collab.gateway import Gateway, NoGateway
from collab.jupyter_server import Address
from tests.kernels.client import GatewayProcess, eventually, is_alive, kernel_pids


@asynccontextmanager
async def supervised(folder: Path) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        gateway = Gateway(http, folder)
        try:
            yield gateway, http
        finally:
            await gateway.stop()


async def start_kernel(http: httpx.AsyncClient, at: Address) -> str:
    answer = await http.post(f"{at.url}/api/kernels", headers=headers(at), json={})
    return str(answer.json()["id"])


async def status_of(http: httpx.AsyncClient, at: Address, kernel: str) -> int:
    return (await http.get(f"{at.url}/api/kernels/{kernel}", headers=headers(at))).status_code


def headers(at: Address) -> dict[str, str]:
    return {"Authorization": f"token {at.token}"}


def gateways_of(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        if "kernelhost.cli" in command and str(folder / "gateway.json") in command:
            found.append(process.info["pid"])
    return found


def test_a_gateway_is_started_apart_from_us_and_with_no_secret_in_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_TOKEN", "a-secret")

    async def test() -> None:
        async with supervised(tmp_path) as (gateway, http):
            first = await gateway.address()
            assert await gateway.address() == first
            assert (tmp_path / "gateway.json").stat().st_mode & 0o777 == 0o600
            process = psutil.Process(first.pid)
            assert os.getsid(first.pid) == first.pid != os.getsid(0)
            assert first.token not in " ".join(process.cmdline())
            assert "COLLAB_TOKEN" not in process.environ()
            assert Path(process.cwd()) == tmp_path / "files"
            assert (await http.get(f"{first.url}/api/kernels")).status_code == 403
            await start_kernel(http, first)
            pids = kernel_pids(first.pid) | {first.pid}
            await gateway.stop()
            assert [pid for pid in pids if is_alive(pid)] == []
            assert not (tmp_path / "gateway.json").exists()

    asyncio.run(test())


def test_one_that_is_just_being_started_is_ended_too(tmp_path: Path) -> None:
    async def test() -> None:
        async with supervised(tmp_path) as (gateway, _):
            starting = asyncio.create_task(gateway.address())
            while not gateways_of(tmp_path):  # noqa: ASYNC110 - a process tells nobody that it is there
                await asyncio.sleep(0)
            assert not (tmp_path / "gateway.json").exists()  # it has not said where it is
            starting.cancel()
            await gateway.stop()
            assert gateways_of(tmp_path) == []

    asyncio.run(test())


STARTER = """
import asyncio, httpx, json, os, pathlib, sys
from collab.gateway import Gateway
async def main():
    async with httpx.AsyncClient(trust_env=False) as http:
        at = await Gateway(http, pathlib.Path(sys.argv[1])).address()
        print(json.dumps([at.url, at.token, at.pid, at.started]), flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_gateway_outlives_its_document_server_and_is_found_again(tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        before = Address(*json.loads(server.stdout.readline()))

        async def test() -> None:
            async with supervised(tmp_path) as (gateway, http):
                kernel = await start_kernel(http, before)
                server.send_signal(how)
                assert await asyncio.to_thread(server.wait, 10) != 0
                assert await gateway.address() == before
                assert await status_of(http, before, kernel) == 200
                assert gateways_of(tmp_path) == [before.pid]

        asyncio.run(test())


def test_a_gateway_that_was_killed_comes_back_with_its_kernels(tmp_path: Path) -> None:
    async def test() -> None:
        async with supervised(tmp_path) as (gateway, http):
            before = await gateway.address()
            kernel = await start_kernel(http, before)
            os.kill(before.pid, signal.SIGKILL)
            after = await gateway.address()
            assert after.pid != before.pid
            assert after.token != before.token
            assert not psutil.pid_exists(before.pid)  # not a zombie either
            assert await status_of(http, after, kernel) == 200

    asyncio.run(test())


def test_a_gateway_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with supervised(tmp_path) as (gateway, _):
            before = await gateway.address()
            os.kill(before.pid, signal.SIGSTOP)
            monkeypatch.setattr(module, "_ANSWER_WITHIN_S", 0.2)
            after = await gateway.address()
            monkeypatch.undo()
            assert after.pid != before.pid
            assert not is_alive(before.pid)
            assert gateways_of(tmp_path) == [after.pid]

    asyncio.run(test())


class Unsteady(httpx.AsyncHTTPTransport):
    """Answers too late so often as `failures` says."""

    failures = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.failures:
            self.failures -= 1
            raise httpx.ReadTimeout("too late", request=request)
        return await super().handle_async_request(request)


def test_a_gateway_that_is_only_slow_is_kept(tmp_path: Path) -> None:
    async def test() -> None:
        transport = Unsteady()
        async with httpx.AsyncClient(transport=transport) as http:
            gateway = Gateway(http, tmp_path)
            before = await gateway.address()
            transport.failures = 2
            assert await gateway.address() == before
            await gateway.stop()

    asyncio.run(test())


def test_two_who_start_a_gateway_for_one_folder_get_the_same(tmp_path: Path) -> None:
    async def test() -> None:
        async with supervised(tmp_path) as (one, _), supervised(tmp_path) as (other, _):
            first, second = await asyncio.gather(one.address(), other.address())
            assert first == second
            eventually(lambda: gateways_of(tmp_path) == [first.pid], "the second one has given up")

    asyncio.run(test())


def test_x13_a_process_that_has_a_dead_gateways_number_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as innocent:
        value = {"url": "http://127.0.0.1:9", "token": "x", "pid": innocent.pid, "started": "1"}
        (tmp_path / "gateway.json").write_text(json.dumps(value))

        async def test() -> None:
            async with supervised(tmp_path) as (gateway, _):
                await gateway.stop()
                assert (await gateway.address()).pid != innocent.pid

        asyncio.run(test())
        assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize(
    "state", ["", "{", "[]", '{"url": 1}', '{"url": "x", "token": "x", "pid": "x", "started": ""}']
)
def test_a_state_file_that_makes_no_sense_is_replaced(tmp_path: Path, state: str) -> None:
    (tmp_path / "gateway.json").write_text(state)
    assert Gateway(httpx.AsyncClient(), tmp_path)._read() is None


def test_a_gateway_that_cannot_start_says_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files").write_text("in the way")
    monkeypatch.setattr(module, "_ANSWER_WITHIN_S", 0.2)

    async def test() -> None:
        async with supervised(tmp_path) as (gateway, _):
            with pytest.raises(NoGateway, match=r"gateway\.log in the data folder says why"):
                await gateway.address()

    asyncio.run(test())
    assert "choose another --root" in (tmp_path / "gateway.log").read_text()


def test_a_gateway_of_somebody_else_is_never_started_or_ended(gateway: GatewayProcess, tmp_path: Path) -> None:
    async def test() -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            wrong = Gateway(http, tmp_path, Address(gateway.url, "wrong"))
            with pytest.raises(NoGateway, match="COLLAB_GATEWAY_TOKEN"):
                await wrong.address()
            nobody = Gateway(http, tmp_path, Address("http://127.0.0.1:9", "x"))
            with pytest.raises(NoGateway, match="does not answer"):
                await nobody.address()
            await wrong.stop()

    asyncio.run(test())
    assert list(tmp_path.iterdir()) == []
    assert gateway.http.get("/api/status").status_code == 200


def test_a_second_document_server_is_not_let_into_the_data_folder(tmp_path: Path) -> None:
    with open_data(tmp_path, ""), pytest.raises(BadSetting, match="Another collab serves"):
        open_data(tmp_path, "")
    with open_data(tmp_path, ""):
        pass


def test_a_gateway_that_nobody_asks_for_anything_ends(start_gateway: Callable[..., GatewayProcess]) -> None:
    gateway = start_gateway("--orphan-after", "3")
    gateway.start()
    assert gateway.process.wait(20) == 0
    gateway.end()
    assert list(gateway.temp.iterdir()) == []
