"""What every Runtime does: the fake one of the tests, and real ones on our gateway and on a stock Jupyter server.

`servers` are all of them. `keepers` keep what is said while nobody listens, and tell what becomes of a kernel: the fake
and our gateway (kernels.md X29)."""

import os
import re
import secrets
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from collab.gateway import Gateway
from collab.jupyter_runtime import JupyterRuntime
from collab.jupyter_server import Address
from collab.runtime import Kernel, KernelGone, KernelSpec, Runtime, RuntimeFailed
from tests.support.listener import Listener, kind
from tests.support.runtime import FakeGateway, FakeRuntime
from tests.support.stock import stock_server

# Makes a Runtime of a document server; each call is one more server on the same kernels.
Servers: TypeAlias = Callable[[], Runtime]

SECRET = "correct horse battery staple"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    folder, token = tmp_path_factory.mktemp("gateway"), secrets.token_hex(16)
    process = subprocess.Popen(
        [sys.executable, "-m", "kernelhost.cli", "--port", "0", "--root", str(folder)],
        env=os.environ | {"KERNELHOST_TOKEN": token, "PYTHONPATH": str(Path(__file__).parents[2] / "kernels")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http\S+", process.stdout.readline())
        assert found is not None
        yield Address(found[0], token)
    finally:
        process.terminate()
        process.communicate()


@asynccontextmanager
async def fake() -> AsyncIterator[Servers]:
    async with FakeGateway().running() as gateway:
        yield lambda: FakeRuntime(gateway)


@asynccontextmanager
async def real(address: Address) -> AsyncIterator[Servers]:
    session = f"collab-{secrets.token_hex(4)}"
    async with httpx.AsyncClient(trust_env=False) as http:
        gateway = Gateway(http, Path("."), address)
        yield lambda: JupyterRuntime(http, gateway, session)


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.jupyter_runtime._LOOK_EVERY_S", 0.1)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with stock_server(tmp_path_factory.mktemp("stock")) as address:
        yield address


@pytest.fixture(params=["fake", "gateway", "stock"])
def servers(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Servers]:
    return fake() if request.param == "fake" else real(request.getfixturevalue(request.param))


@pytest.fixture(params=["fake", "gateway"])
def keepers(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Servers]:
    return fake() if request.param == "fake" else real(request.getfixturevalue(request.param))


pytestmark = pytest.mark.anyio


@asynccontextmanager
async def kernel_of(runtime: Runtime) -> AsyncIterator[Kernel]:
    kernel = await runtime.start("python3", "contract", str(uuid.uuid4()), {})
    try:
        yield kernel
    finally:
        await runtime.shut_down(kernel.id)


def run(runtime: Runtime, id: str, code: str) -> None:
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": True, "stop_on_error": False}
    runtime.send("shell", "execute_request", id, content)


async def test_what_can_be_started_is_listed(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server:
        specs = await server().specs()
        assert KernelSpec("python3", "python", "Python 3 (ipykernel)") in specs
        assert specs[0].name == "python3"


async def test_a_run_says_busy_what_it_prints_idle_and_replies(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        assert (await runtime.find(kernel.id)).state == "idle"

        run(runtime, "r1", "print('one')\nprint('two')")
        messages = await heard.over("r1")

        on_iopub = [kind(message) for message in messages if message.channel == "iopub"]
        assert on_iopub[:3] == ["busy", "execute_input", "stream"]
        assert on_iopub[-1] == "idle"
        assert heard.text("r1") == "one\ntwo\n"
        (reply,) = (message for message in messages if message.channel == "shell")
        assert isinstance(reply.content, dict)
        assert (reply.content["status"], reply.content["execution_count"]) == ("ok", 1)
        assert len({message.id for message in heard.messages}) == len(heard.messages)


async def test_an_error_is_an_output_and_a_reply(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        run(runtime, "r1", "raise ValueError('no')")
        messages = await heard.over("r1")

        error = next(message.content for message in messages if message.type == "error")
        reply = next(message.content for message in messages if message.channel == "shell")
        assert isinstance(error, dict)
        assert isinstance(reply, dict)
        assert (error["ename"], error["evalue"]) == ("ValueError", "no")
        assert (reply["status"], reply["ename"]) == ("error", "ValueError")


async def test_who_comes_later_gets_exactly_what_came_after_the_last_message_it_names(
    keepers: AbstractAsyncContextManager[Servers],
) -> None:
    async with keepers as server, kernel_of(runtime := server()) as kernel:
        async with Listener.on(runtime, kernel.id) as heard:
            run(runtime, "r1", "print('one')")
            await heard.over("r1")
        known = [message for message in heard.messages if message.channel == "iopub" and message.parent_id == "r1"]
        # In no particular order, but all of them: the reply comes on another channel.
        late = server()
        async with Listener.on(late, kernel.id, known[1].id) as again:
            await again.until(lambda: "idle" in map(kind, again.of("r1")))
        assert [m.id for m in again.of("r1") if m.channel == "iopub"] == [m.id for m in known[2:]]


async def test_what_is_said_while_nobody_listens_comes_with_the_reply(
    servers: AbstractAsyncContextManager[Servers],
) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel:
        async with Listener.on(runtime, kernel.id) as heard:
            run(runtime, "r1", "print('before')\nimport time; time.sleep(0.3)\nprint('after')")
            await heard.until(lambda: heard.text("r1") == "before\n")
            last = heard.messages[-1].id
        late = server()
        async with Listener.on(late, kernel.id, last) as again:
            await again.over("r1")
        assert again.text("r1") == "after\n"


async def test_the_history_of_a_run_is_what_it_said_up_to_a_message(
    keepers: AbstractAsyncContextManager[Servers],
) -> None:
    async with keepers as server, kernel_of(runtime := server()) as kernel:
        async with Listener.on(runtime, kernel.id) as heard:
            run(runtime, "r1", "print('one')")
            await heard.over("r1")
            run(runtime, "r2", "print('two')")
            await heard.over("r2")
        said = [message for message in heard.of("r2") if message.channel == "iopub"]
        assert await server().history(kernel.id, "r2", said[-2].id) == said[:-1]
        assert await runtime.history(kernel.id, "r1", said[-1].id) == [
            m for m in heard.of("r1") if m.channel == "iopub"
        ]
        assert await runtime.history(kernel.id, "nonesuch", said[-1].id) is None


async def test_a_restart_is_another_session_and_ends_what_ran(keepers: AbstractAsyncContextManager[Servers]) -> None:
    async with keepers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        run(runtime, "r1", "print('up')\nimport time; time.sleep(60)")
        await heard.until(lambda: heard.text("r1") == "up\n")

        fresh = await runtime.restart(kernel.id)

        assert (fresh.id, fresh.state) == (kernel.id, "idle")
        assert fresh.session != kernel.session
        reply = next(message.content for message in await heard.over("r1") if message.channel == "shell")
        assert isinstance(reply, dict)
        assert (reply["status"], reply["ename"]) == ("aborted", "KernelGone")
        run(runtime, "r2", "print('again')")
        await heard.over("r2")
        assert heard.text("r2") == "again\n"


async def test_a_restart_by_another_client_is_told(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        run(runtime, "r1", "print('up')\nimport time; time.sleep(60)")
        await heard.until(lambda: heard.text("r1") == "up\n")
        fresh = await server().restart(kernel.id)
        await heard.until(lambda: heard.said("restarting") or heard.said("starting"))
        assert (await runtime.find(kernel.id)).session == fresh.session != kernel.session


async def test_an_interrupt_ends_what_runs(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        run(runtime, "r1", "print('up')\nimport time; time.sleep(60)")
        await heard.until(lambda: heard.text("r1") == "up\n")

        await runtime.interrupt(kernel.id)

        reply = next(message.content for message in await heard.over("r1") if message.channel == "shell")
        assert isinstance(reply, dict)
        assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")


async def test_a_death_is_told_with_its_reason(keepers: AbstractAsyncContextManager[Servers]) -> None:
    async with keepers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        run(runtime, "r1", "import os; os._exit(3)")
        await heard.until(lambda: heard.said("dead"))

        reply = next(message.content for message in await heard.over("r1") if message.channel == "shell")
        found = await runtime.find(kernel.id)
        assert isinstance(reply, dict)
        assert (reply["status"], reply["ename"]) == ("aborted", "KernelGone")
        assert (found.state, found.reason) == ("dead", "The kernel was ended by its own code (exit 3).")
        assert reply["evalue"] == found.reason


async def test_input_is_asked_and_answered_on_stdin(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        run(runtime, "r1", "from getpass import getpass\nprint(input('name? '))\ngetpass('word? ')")
        await heard.until(lambda: "input_request" in map(kind, heard.of("r1")))
        runtime.send("stdin", "input_reply", "a1", {"value": "Ada"})
        await heard.until(lambda: list(map(kind, heard.of("r1"))).count("input_request") == 2)
        runtime.send("stdin", "input_reply", "a2", {"value": SECRET})
        await heard.over("r1")

        asked = [message for message in heard.of("r1") if message.type == "input_request"]
        assert [message.content for message in asked] == [
            {"prompt": "name? ", "password": False},
            {"prompt": "word? ", "password": True},
        ]
        assert {message.channel for message in asked} == {"stdin"}
        assert heard.text("r1") == "Ada\n"


async def test_a_subshell_answers_while_a_cell_runs(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel, Listener.on(runtime, kernel.id) as heard:
        run(runtime, "r1", "print('up')\nimport time; time.sleep(60)")
        await heard.until(lambda: heard.text("r1") == "up\n")

        runtime.send("control", "create_subshell_request", "s1", {})
        await heard.until(lambda: "create_subshell_reply" in map(kind, heard.of("s1")))
        (made,) = [message for message in heard.of("s1") if message.channel == "control"]
        assert isinstance(made.content, dict)
        runtime.send("shell", "complete_request", "c1", {"code": "pri", "cursor_pos": 3}, made.content["subshell_id"])
        await heard.until(lambda: "complete_reply" in map(kind, heard.of("c1")))
        assert "execute_reply" not in map(kind, heard.of("r1"))


async def test_what_was_to_be_forgotten_is_never_sent(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server, kernel_of(runtime := server()) as kernel:
        run(runtime, "r1", "print('stale')")
        runtime.forget_unsent()
        run(runtime, "r2", "print('fresh')")
        async with Listener.on(runtime, kernel.id) as heard:
            await heard.over("r2")
        assert (heard.text("r1"), heard.text("r2")) == ("", "fresh\n")


async def test_a_kernel_that_is_gone_is_gone_for_all(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server:
        runtime = server()
        id = str(uuid.uuid4())
        kernel = await runtime.start("python3", "contract", id, {})
        assert (kernel.id, await runtime.find(id)) == (id, kernel)
        async with Listener.on(runtime, kernel.id) as heard:
            await heard.until(lambda: heard.connections == [True])
            await runtime.shut_down(kernel.id)
            await heard.gone.wait()
        for call in (runtime.find, runtime.interrupt, runtime.restart):
            with pytest.raises(KernelGone):
                await call(kernel.id)
        await runtime.shut_down(kernel.id)


async def test_there_is_no_kernel_without_its_spec(servers: AbstractAsyncContextManager[Servers]) -> None:
    async with servers as server:
        with pytest.raises(RuntimeFailed, match=r"(There is no|No such) kernel.*nonesuch"):
            await server().start("nonesuch", "contract", str(uuid.uuid4()), {})
