"""The states of one kernel, with a real process and no gateway around it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from kernelhost.environment import kernel_environment
from kernelhost.exchange import Overflow
from kernelhost.journal import Journal
from kernelhost.kernel import Kernel, KernelFailed
from kernelhost.messages import make
from kernelhost.revival import Deaths, Revival
from kernelhost.specs import Specs
from kernelhost.wire import Message

pytestmark = pytest.mark.anyio

ALWAYS = Revival(lived_s=-1, deaths=100)
ABORT = "import os; os.abort()"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Seat:
    """A client that is connected all along."""

    session = "seat"

    def __init__(self, kernel: Kernel) -> None:
        self.got: list[Message] = []
        self.ended = ""
        self._kernel = kernel
        self._woken = asyncio.Event()
        self._reader = kernel.join(self, None)

    def wake(self) -> None:
        self._woken.set()

    def end(self, reason: str) -> None:
        self.ended = reason
        self._woken.set()

    async def execute(self, code: str) -> str:
        item = make("shell", "execute_request", {"code": code, "silent": False}, session="test")
        await self._kernel.send(self, item)
        return item.id

    async def until(self, true: Callable[[Message], object]) -> Message:
        with anyio.fail_after(40):
            while True:
                while (item := self._reader.next()) is not None:
                    self.got.append(item)
                    if true(item):
                        return item
                self._woken.clear()
                await self._woken.wait()

    async def status(self, *states: str) -> dict[str, object]:
        """The next one of the gateway's own that is one of these."""
        item = await self.until(
            lambda item: item.type == "status" and not item.parent_id and item.part("content").get("reason") is not None
            and item.part("content")["execution_state"] in states
        )  # fmt: skip
        return item.part("content")

    async def run(self, code: str) -> dict[str, object]:
        """The content of the reply."""
        return await self.reply(await self.execute(code))

    async def printed(self, code: str) -> str:
        """When all of it has come: reply and idle come in either order."""
        id = await self.execute(code)

        def is_over(_: Message) -> bool:
            words = [
                (item.type, item.part("content").get("execution_state")) for item in self.got if item.parent_id == id
            ]
            return ("execute_reply", None) in words and ("status", "idle") in words

        await self.until(is_over)
        return self.text(id)

    async def reply(self, id: str) -> dict[str, object]:
        reply = await self.until(lambda item: item.type == "execute_reply" and item.parent_id == id)
        return reply.part("content")

    def text(self, id: str) -> str:
        return "".join(
            str(item.part("content")["text"]) for item in self.got if item.type == "stream" and item.parent_id == id
        )


@asynccontextmanager
async def a_kernel(folder: Path, **more: Any) -> AsyncIterator[tuple[Kernel, Seat]]:
    """Started; stopped at the end."""
    spec = Specs().get("python3")
    assert spec is not None
    home = folder / "home"
    home.mkdir(mode=0o700)
    environment = kernel_environment(os.environ, {})
    async with anyio.create_task_group() as tasks:
        journal = Journal(folder / "journal")
        kernel = Kernel("id", spec, environment, folder, home, journal, tasks, **more)
        try:
            await kernel.start()
            yield kernel, Seat(kernel)
        finally:
            with anyio.CancelScope(shield=True):
                await kernel.stop()
            journal.close()
        tasks.cancel_scope.cancel()


async def new_process(kernel: Kernel) -> int:
    """Its number: another process than that of now."""
    before = kernel.pid
    with anyio.fail_after(40):
        while kernel.pid in (0, before):  # noqa: ASYNC110 - it tells nobody before it is ready
            await anyio.sleep(0.001)
    return kernel.pid


# -- reviving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "lived_s", "died_at_s", "revives"),
    [
        (-signal.SIGABRT, 31, [0], [True]),
        (1, 31, [0], [True]),
        (1, 30, [0], [False]),
        (-signal.SIGKILL, 31, [0], [False]),
        (128 + signal.SIGKILL, 31, [0], [False]),
        (-signal.SIGXCPU, 31, [0], [False]),
        (1, 31, [0, 100, 200, 300], [True, True, False, False]),
        (1, 31, [0, 100, 700, 800], [True, True, True, True]),
    ],
)
def test_i6_who_is_started_again(code: int, lived_s: float, died_at_s: list[float], revives: list[bool]) -> None:
    deaths = Deaths(Revival())
    assert [deaths.revives(code, lived_s, at_s) for at_s in died_at_s] == revives


def test_i6_nobody_is_when_it_is_off() -> None:
    assert not Deaths(Revival(deaths=0)).revives(1, 1000, 0)


async def test_i6_a_kernel_that_dies_comes_back_and_says_what_happened(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    async with a_kernel(tmp_path, revival=ALWAYS, noticed=lambda kind, text: told.append((kind, text))) as (
        kernel,
        seat,
    ):
        await seat.run("kept = 1")
        dying, behind = await seat.execute(ABORT), await seat.execute("1")
        restarting = await seat.status("restarting", "dead")
        why = "The kernel crashed in native code (abort)."
        assert restarting["execution_state"] == "restarting"  # H8: JupyterLab says so and connects anew
        assert str(restarting["reason"]).startswith(why)
        replies = {item.parent_id: item.part("content") for item in seat.got if item.type == "execute_reply"}
        for id in (dying, behind):
            assert (replies[id]["status"], replies[id]["evalue"]) == ("aborted", restarting["reason"])
        assert f"is started again; its variables are lost. {why}" in seat.text(dying)
        assert [kind for kind, text in told] == ["restarted"]
        # H9: who connects meanwhile does not hear of a restart, and so does not connect again for it.
        late = Seat(kernel)
        assert (await late.status("starting", "restarting", "idle"))["execution_state"] != "restarting"
        asked = await seat.execute("kept")
        assert await seat.status("idle", "busy", "dead") == {
            "execution_state": "busy",  # with what was asked meanwhile
            "reason": "",
            "generation": 2,
        }
        assert (await seat.reply(asked))["ename"] == "NameError"
        assert (kernel.generation, kernel.reason) == (2, "")


async def test_i6_a_kernel_that_was_killed_stays_dead_until_it_is_restarted(tmp_path: Path) -> None:
    async with a_kernel(tmp_path, revival=ALWAYS) as (kernel, seat):
        os.kill(kernel.pid, signal.SIGKILL)
        assert (await seat.status("restarting", "dead"))["execution_state"] == "dead"
        assert (await seat.run("1"))["status"] == "aborted"
        await kernel.restart()
        assert (await seat.run("1"))["status"] == "ok"


async def test_i6_x15_a_restart_or_an_end_during_a_revival_wins(tmp_path: Path) -> None:
    async with a_kernel(tmp_path, revival=ALWAYS) as (kernel, seat):
        await seat.execute(ABORT)
        await seat.status("restarting")
        await kernel.restart()
        assert kernel.state == "idle"
        assert kernel.generation in (2, 3)  # as whoever came first had begun or not
        assert (await seat.run("1"))["status"] == "ok"
        await seat.execute(ABORT)
        await seat.status("restarting")
        generation = kernel.generation
        await kernel.stop("Culled.")
        assert (kernel.state, kernel.reason, kernel.pid) == ("dead", "Culled.", 0)
        assert kernel.generation <= generation + 1
        assert seat.ended == "Culled."


async def test_x15_an_end_during_a_restart_is_told_as_what_it_is(tmp_path: Path) -> None:
    async with a_kernel(tmp_path) as (kernel, seat):
        async with anyio.create_task_group() as tasks:

            async def restart() -> None:
                with pytest.raises(KernelFailed, match="Culled"):
                    await kernel.restart()

            tasks.start_soon(restart)
            await seat.status("starting")
            waiting = await seat.execute("1")
            await new_process(kernel)
            await kernel.stop("Culled.")
        assert (kernel.state, kernel.reason, kernel.pid) == ("dead", "Culled.", 0)
        assert (await seat.reply(waiting))["evalue"] == seat.ended == "Culled."


# -- never stuck -----------------------------------------------------------------------------------------------------


async def test_x15_a_kernel_that_dies_while_it_is_restarted_is_dead_and_can_be_restarted(tmp_path: Path) -> None:
    async with a_kernel(tmp_path, revival=ALWAYS) as (kernel, seat):
        async with anyio.create_task_group() as tasks:

            async def restart() -> None:
                with pytest.raises(KernelFailed, match="could not be started"):
                    await kernel.restart()

            tasks.start_soon(restart)
            await seat.status("starting")
            os.kill(await new_process(kernel), signal.SIGKILL)
        assert (kernel.state, kernel.pid) == ("dead", 0)
        assert "signal 9" in kernel.reason
        await kernel.restart()
        assert (await seat.run("1"))["status"] == "ok"


async def test_x15_restarts_during_a_flood_leave_nothing_of_it(tmp_path: Path) -> None:
    async with a_kernel(tmp_path) as (kernel, seat):
        for _ in range(2):
            id = await seat.execute("while True: print('x' * 1000)")
            await seat.until(lambda item, id=id: item.type == "stream" and item.parent_id == id)  # type: ignore[misc]
            await kernel.restart()
            await seat.status("idle")
            assert (await seat.run("1"))["status"] == "ok"


async def test_x16_a_kernel_whose_code_exits_is_dead_with_its_exit_code(tmp_path: Path) -> None:
    async with a_kernel(tmp_path) as (kernel, seat):  # it has not lived long enough to come back
        await seat.execute("import os; os._exit(7)")
        dead = await seat.status("dead")
        assert dead["reason"] == kernel.reason == "The kernel was ended by its own code (exit 7)."


# -- interrupts ------------------------------------------------------------------------------------------------------

HOOK = """
import os, signal
def hook(info):
    get_ipython().events.unregister('pre_run_cell', hook)
    {}
get_ipython().events.register('pre_run_cell', hook)
"""
INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize("code", ["ran = 1", "ran = 1\nimport asyncio; await asyncio.sleep(600)", "ran = 1; 1/0"])
async def test_i2_an_interrupt_that_comes_before_the_code_meets_its_first_line(tmp_path: Path, code: str) -> None:
    async with a_kernel(tmp_path) as (_, seat):
        assert (await seat.run(HOOK.format(INTERRUPT)))["status"] == "ok"
        interrupted = await seat.run(code)
        assert interrupted["ename"] in ("KeyboardInterrupt", "CancelledError")
        assert interrupted["traceback"]  # an error of the cell's, and no reply that we had to make up
        assert "launcher" not in str(interrupted["traceback"])
        # It is not for the next one. A coroutine may be cancelled before its first line or at its first `await`.
        assert await seat.printed("print('ran' in globals())") in ("False\n", "True\n" if "await" in code else "")


async def test_i2_a_second_interrupt_ends_what_hangs_before_the_code(tmp_path: Path) -> None:
    async with a_kernel(tmp_path) as (_, seat):
        hangs = f"{INTERRUPT}; {INTERRUPT}; import time; time.sleep(600)"
        assert (await seat.run(HOOK.format(hangs)))["status"] == "ok"
        assert (await seat.run("ran = 1"))["ename"] == "KeyboardInterrupt"
        assert (await seat.run("assert 'ran' not in globals()"))["status"] == "ok"


async def test_i2_an_interrupt_while_a_request_waits_its_turn_meets_that_one(tmp_path: Path) -> None:
    async with a_kernel(tmp_path) as (kernel, seat):
        for _ in range(20):
            # The one before has replied, and its idle may still be on its way.
            id = await seat.execute("while True: pass")
            await kernel.interrupt()
            assert (await seat.reply(id))["ename"] == "KeyboardInterrupt"


# -- notices ---------------------------------------------------------------------------------------------------------


async def test_a_notice_is_shown_under_the_code_that_runs_and_told_at_a_bounded_rate(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    async with a_kernel(tmp_path, noticed=lambda kind, text: told.append((kind, text))) as (kernel, seat):
        kernel.notice("memory", "Nothing runs.")
        id = await seat.execute("print('begun', flush=True)\nwhile True: pass")
        await seat.until(lambda item: "begun" in str(item.part("content").get("text", "")))
        for number in range(100):
            kernel.notice("disk", f"{number}.")
        kernel.notice("memory", "Memory is nearly used up.")
        await kernel.interrupt()
        await seat.printed("")
        lines = [line.strip("[]") for line in seat.text(id).splitlines() if line.startswith("[")]
        assert lines == ["0.", "1.", "2.", "3.", "4.", "Memory is nearly used up."]
        notices = [item for item in seat.got if item.type == "stream" and "nearly" in str(item.part("content"))]
        assert [item.part("content")["name"] for item in notices] == ["stderr"]
        assert told == [
            ("memory", "Nothing runs."),
            *(("disk", f"{number}.") for number in range(5)),
            ("memory", "Memory is nearly used up."),
        ]


async def test_h7_what_is_sent_to_a_kernel_that_is_not_ready_is_bounded(tmp_path: Path) -> None:
    async with a_kernel(tmp_path) as (kernel, seat):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kernel.restart)
            await seat.status("starting")
            item = make("shell", "history_request", {})
            for _ in range(1_000):
                await kernel.send(seat, item)
            with pytest.raises(Overflow):
                await kernel.send(seat, item)
        assert (await seat.run("1"))["status"] == "ok"
