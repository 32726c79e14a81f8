"""The history of executed code: written behind the runs, and right after a crash too."""

from pathlib import Path

import anyio
import pytest

from collab.history import MAX_SOURCE_CHARS
from collab.store.store import ExecutedRun, StoreError
from tests.support.executions import BO, NOTEBOOK, Server, bench, crashed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.history._WINDOW_S", 0.01)


async def noted(server: Server, *states: str) -> list[ExecutedRun]:
    """What the store has, newest first, once it has these."""
    with anyio.fail_after(10):
        while True:
            runs = await server.store.runs(NOTEBOOK, 2**63 - 1, 100)
            if tuple(run.state for run in runs) == states:
                return runs


async def test_who_ran_what_when_and_how_it_ended(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "raise ValueError('no')") as server:
        server.run("a")
        await server.ended("a")
        server.run("b", user=BO)
        await server.ended("b")
        failed, finished = await noted(server, "failed", "finished")
        mark = server.mark("b")
        assert (failed.cell, failed.user, failed.user_id, failed.source) == ("b", "Bo", "bo", "raise ValueError('no')")
        assert (failed.requested, failed.started, failed.finished) == (mark.requested, mark.started, mark.finished)
        assert (failed.status, failed.count, failed.kernel) == ("error", 2, "Fake Python")
        assert (finished.user, finished.status, finished.count) == ("Ada", "ok", 1)


async def test_the_source_is_what_ran_whatever_the_cell_says_now(tmp_path: Path) -> None:
    long = "print('a')" + "#" * MAX_SOURCE_CHARS
    async with bench(tmp_path, long, "wait('b')") as server:
        server.run("a", "b")
        await server.ended("a")
        (running, run) = await noted(server, "running", "finished")
        assert (run.source, run.shortened) == (long[:MAX_SOURCE_CHARS], True)
        assert (running.source, running.shortened, running.finished) == ("wait('b')", False, None)


async def test_after_a_crash_the_marks_say_how_runs_ended(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')\nwait('a')", "print('b')\nwait('b')") as server:
        server.run("a", "b")
        await noted(server, "running")
        server.executions._history._pending = Unwritten()  # the crash comes before its next batch
        server.gateway.release("a")
        await server.until(lambda: server.text("b") == "b\n")
        await server.room.commit()
        async with crashed(server) as after:
            running, ended = await noted(after, "running", "finished")
            assert (ended.cell, ended.finished, ended.status) == ("a", after.mark("a").finished, "ok")
            assert (running.cell, running.user, running.kernel) == ("b", "Ada", "Fake Python")
            after.gateway.release("b")
            await noted(after, "finished", "finished")


async def test_a_run_that_no_mark_tells_of_any_more_is_not_open_for_ever(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')\nwait('a')") as server:
        server.run("a")
        await noted(server, "running")
        server.gateway.die()
        async with crashed(server) as after:
            await after.ended("a")
            (run,) = await noted(after, "failed")
            assert run.status == after.mark("a").status == "The kernel was gone when the server came back."


async def test_runs_that_cannot_be_noted_are_noted_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, "print('a')") as server:
        write, failures = server.store.note_runs, 0

        async def broken(*arguments: object) -> None:
            nonlocal failures
            failures += 1
            raise StoreError("The disk is full.")

        monkeypatch.setattr(server.store, "note_runs", broken)
        server.run("a")
        await server.until(lambda: failures > 0)
        monkeypatch.setattr(server.store, "note_runs", write)
        server.run("a")
        await noted(server, "finished", "finished")


class Unwritten(dict[str, ExecutedRun]):
    """Notes that never reach the store."""

    def __bool__(self) -> bool:
        return False
