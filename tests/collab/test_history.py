"""The code that was executed, as the store has it: every run that began also ends there, however it ends."""

from pathlib import Path

import anyio
import pytest

from collab.commands import Interrupt, Restart, ShutDownRuntime
from collab.store.store import ExecutedRun
from tests.support.executions import NOTEBOOK, Server, bench

pytestmark = pytest.mark.anyio
WITHIN_S = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def noted(server: Server, count: int) -> list[ExecutedRun]:
    """The runs, newest first, once so many have ended."""
    with anyio.fail_after(WITHIN_S):
        while True:
            runs = await server.store.runs(NOTEBOOK, 2**53, 10)
            if sum(run.state != "running" for run in runs) == count:
                return runs
            await anyio.sleep(0.02)


async def test_runs_are_noted_with_their_end(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "raise ValueError('no')") as server:
        server.run("a")
        await server.ended("a")
        server.run("b")
        await server.ended("b")
        failed, finished = await noted(server, 2)
        assert (finished.cell, finished.source, finished.state, finished.status) == (
            "a",
            "print('a')",
            "finished",
            "ok",
        )
        assert (failed.cell, failed.state, failed.status) == ("b", "failed", "error")
        assert (finished.user, finished.user_id) == ("Ada", "ada")
        assert finished.finished == server.mark("a").finished


async def test_a_run_ends_with_its_kernel(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        server.gateway.only.die("Out of memory.")
        await server.ended("a")
        (run,) = await noted(server, 1)
        assert (run.state, run.status, run.finished) == ("failed", "Out of memory.", server.mark("a").finished)


@pytest.mark.parametrize("command", [Restart(), ShutDownRuntime(), Interrupt()])
async def test_a_run_ends_by_command(tmp_path: Path, command: Restart | ShutDownRuntime | Interrupt) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        server.ask(command)
        await server.ended("a")
        (run,) = await noted(server, 1)
        assert (run.state, run.status) == ("failed", server.mark("a").status)
