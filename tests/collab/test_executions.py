"""Executions on a fake gateway: the queue, what runs leave in the document, and what people are told."""

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from collab import notebook
from collab.commands import (
    AnswerInput,
    AttachRuntime,
    CancelRuns,
    ChooseRuntime,
    ClearOutputs,
    Command,
    DetachRuntime,
    ExtendRuntime,
    Interrupt,
    ResetRuntime,
    Restart,
    RunCells,
    ShutDownRuntime,
)
from collab.events import Event, Notice, QueueChanged, Refused, RuntimeChanged, event_json
from collab.flights import ANSWER_LOST
from collab.model import CellId, NotebookId, User
from collab.room import CommandRefused
from tests.support.executions import ADA, BO, NOTEBOOK, Server, bench
from tests.support.runtime import FakeGateway

pytestmark = pytest.mark.anyio

A, B, C = CellId("a"), CellId("b"), CellId("c")
SECRET = "correct horse battery staple"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given up after seconds, is after a moment here."""
    for name in ("_OTHER_HALF_S", "_LOST_REQUEST_S", "_STALE_AFTER_S"):
        monkeypatch.setattr(f"collab.flights.{name}", 0.05)
    monkeypatch.setattr("collab.liveness._NOT_LIVE_AFTER_S", 0.05)


async def test_a_run_leaves_its_whole_mark(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('hello')") as server:
        server.run("a")
        await server.ended("a")
        mark = server.mark("a")
        assert mark.requested is not None
        assert mark.started is not None
        assert mark.finished is not None
        assert mark.requested <= mark.started <= mark.finished
        assert (mark.state, mark.status, mark.count) == ("finished", "ok", 1)
        assert (mark.user, mark.user_id, mark.prompt) == ("Ada", "ada", "")
        assert mark.source_sha256 == hashlib.sha256(b"print('hello')").hexdigest()
        assert mark.session == server.gateway.only.model.session
        assert server.text("a") == "hello\n"


async def test_what_was_accepted_is_in_the_document_when_the_request_returns(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('hello')") as server:
        server.run("a")
        assert server.states() == {"a": "queued"}
        await server.ended("a")
        server.run("a")
        assert server.states() == {"a": "running"}
        await server.ended("a")


async def test_people_hear_of_the_runtime_and_the_queue(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')", "print('b')") as server:
        server.run("a", "b")
        await server.until(lambda: server.states().get("a") == "running")
        server.gateway.release("a")
        await server.until(lambda: server.status == "idle")
        session = server.gateway.only.model.session
        told = [event for event in server.room.told if isinstance(event, (RuntimeChanged, QueueChanged))]
        assert told == [
            *([] if told[0] != RuntimeChanged("none") else [RuntimeChanged("none"), QueueChanged(())]),
            RuntimeChanged("starting"),
            QueueChanged((A, B)),
            RuntimeChanged("busy", "Fake Python", session),
            QueueChanged((B,)),
            QueueChanged(()),
            RuntimeChanged("idle", "Fake Python", session),
        ]


async def test_an_error_cancels_what_waits_behind_it_in_the_same_request(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')\nraise ValueError('no')", "print('b')", "print('c')") as server:
        server.run("a", "b")
        server.run("c", user=BO)
        server.gateway.release("a")
        await server.ended("a", "b", "c")
        assert server.states() == {"a": "failed", "b": "cancelled", "c": "finished"}
        assert server.mark("a").status == "error"
        assert server.mark("b").status == "Not run, as a cell before it failed"
        (error,) = server.outputs("a")
        assert (error["output_type"], error["ename"], error["evalue"]) == ("error", "ValueError", "no")
        assert server.mark("c").user == "Bo"


async def test_a_running_cell_that_is_asked_for_again_keeps_its_mark_until_it_has_ended(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        first = server.mark("a")
        server.run("a", user=BO)
        assert json.loads(server.mark("a").again)["user"] == "Bo"
        assert replace(server.mark("a"), again="") == first
        server.ask(CancelRuns((A,)))
        assert server.mark("a") == first
        server.run("a", user=BO)
        server.gateway.release("a")
        await server.until(lambda: server.mark("a").user == "Bo" and server.mark("a").state == "finished")
        assert server.gateway.only.executed == ["print('up')\nwait('a')"] * 2


async def test_cancelling_takes_a_cell_out_of_the_queue(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')", "print('b')", "print('c')") as server:
        server.run("a", "b", "c")
        await server.until(lambda: server.states().get("a") == "running")
        server.ask(CancelRuns((A, B)), BO)
        assert (server.states()["a"], server.states()["b"]) == ("running", "cancelled")
        assert server.mark("b").status == "Cancelled by Bo"
        server.gateway.release("a")
        await server.ended("c")
        assert server.gateway.only.executed == ["wait('a')", "print('c')"]


async def test_one_cell_runs_only_as_it_was_seen(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        seen = notebook.source_sha256("print('a')")
        with pytest.raises(CommandRefused, match="Somebody changed this cell just now"):
            server.ask(RunCells((A,), {A: notebook.source_sha256("print('older')")}))
        with pytest.raises(CommandRefused, match="There is no code cell to run"):
            server.ask(RunCells((CellId("nonesuch"),)))
        server.ask(RunCells((A,), {A: seen}))
        await server.ended("a")


async def test_run_all_is_all_code_cells_in_display_order(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')", "print('c')") as server:
        with server.doc.transaction(origin="server"):
            notebook.roots(server.doc).cells["b"]["type"] = "markdown"
        server.ask(RunCells("all"))
        await server.ended("a", "c")
        assert server.gateway.only.executed == ["print('a')", "print('c')"]


# -- deleted cells --------------------------------------------------------------------------------------------------


async def test_a_cell_that_is_deleted_while_it_waits_does_not_run(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')", "print('b')", "print('c')") as server:
        server.run("a", "b", "c")
        await server.until(lambda: server.states().get("a") == "running")
        with server.doc.transaction(origin="server"):
            del notebook.roots(server.doc).cells["b"]
        server.gateway.release("a")
        await server.ended("a", "b", "c")
        assert server.states() == {"a": "finished", "b": "cancelled", "c": "finished"}
        assert server.gateway.only.executed == ["wait('a')", "print('c')"]


async def test_thousands_of_deleted_cells_in_the_queue_are_passed_over(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')", "print('b')", *["print('x')"] * 3000) as server:
        server.ask(RunCells("all"))
        with server.doc.transaction(origin="server"):
            cells = notebook.roots(server.doc).cells
            for cell in [cell for cell in cells.keys() if cell not in ("a", "b")]:  # noqa: SIM118
                del cells[cell]
        server.gateway.release("a")
        await server.until(lambda: server.status == "idle")
        assert server.gateway.only.executed == ["wait('a')", "print('b')"]
        await server.until(lambda: server.mark("x100").state == "cancelled")


async def test_the_run_of_a_cell_that_is_deleted_goes_on(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')\nprint('two')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "one\n")
        with server.doc.transaction(origin="server"):
            del notebook.roots(server.doc).cells["a"]
        server.gateway.release("a")
        await server.ended("a")
        assert server.text("a") == "one\ntwo\n"


# -- interrupts -----------------------------------------------------------------------------------------------------


async def test_an_interrupt_ends_the_cell_and_what_waits_behind_it(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\ntime.sleep(60)", "print('b')", "print('c')") as server:
        server.run("a", "b")
        server.run("c")
        await server.until(lambda: server.text("a") == "up\n")
        server.ask(Interrupt(), BO)
        await server.ended("a", "b", "c")
        assert server.states() == {"a": "failed", "b": "cancelled", "c": "finished"}
        assert server.mark("a").status == "interrupted by Bo"


async def test_an_interrupt_that_comes_before_the_kernel_runs_the_cell_is_not_lost(tmp_path: Path) -> None:
    async with bench(tmp_path, "time.sleep(60)") as server:
        await server.started()
        server.run("a")
        server.ask(Interrupt())  # not even sent yet
        await server.ended("a")
        assert (server.mark("a").status, server.gateway.only.executed) == ("interrupted by Ada", [])

        kernel = server.gateway.only
        kernel.slow = anyio.Event()
        server.run("a")
        await server.until(lambda: kernel.requested == 1)
        server.ask(Interrupt())  # sent, and not under way
        kernel.slow.set()
        await server.ended("a")
        assert (server.mark("a").status, len(kernel.executed)) == ("interrupted by Ada", 1)


async def test_an_interrupt_while_the_kernel_starts_empties_the_queue(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        server.gateway.hold("start")
        server.run("a", "b")
        server.ask(Interrupt(), BO)
        assert server.states() == {"a": "cancelled", "b": "cancelled"}
        server.gateway.let_go("start")
        await server.until(lambda: server.status == "idle")
        assert server.gateway.only.executed == []


async def test_a_cell_that_heeds_no_interrupt_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.flights._INTERRUPTED_WITHIN_S", 0.05)
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        server.gateway.only.heedless = True
        server.ask(Interrupt())
        notice = Notice("The cell does not heed the interrupt; restart the runtime to end it.")
        await server.until(lambda: notice in server.room.told)
        server.gateway.release("a")
        await server.ended("a")


# -- restarts -------------------------------------------------------------------------------------------------------


async def test_restart_and_run_all(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')\nwait('b')") as server:
        server.run("a", "b")
        await server.until(lambda: server.text("b") == "b\n")
        before = server.mark("a").session
        server.gateway.release("b")
        server.ask(Restart(run_all=True, clear_outputs=True), BO)
        await server.until(lambda: server.states() == {"a": "finished", "b": "finished"})
        assert Notice("Bo restarted the runtime.", BO.id) in server.room.told
        assert server.mark("a").session == server.mark("b").session != before
        assert (server.text("a"), server.text("b")) == ("a\n", "b\n")
        assert len(server.gateway.kernels) == 1


async def test_a_restart_ends_what_runs_and_what_waits(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('never')", "print('b')") as server:
        server.run("a", "b")
        await server.until(lambda: server.text("a") == "up\n")
        server.ask(Restart(), BO)
        assert server.states() == {"a": "failed", "b": "cancelled"}
        assert server.mark("a").status == server.mark("b").status == "The runtime was restarted by Bo"
        with pytest.raises(CommandRefused, match="being started already"):
            server.ask(Restart())
        await server.until(lambda: server.status == "idle")
        assert server.gateway.only.executed == ["print('up')\nwait('never')"]


async def test_what_the_old_process_still_says_is_not_output_of_the_new_run(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        (old,) = {message.parent_id for message in server.gateway.only.log}
        server.gateway.release("a")
        server.ask(Restart(run_all=True))
        await server.until(lambda: server.text("a") == "up\n" and server.states()["a"] == "finished")
        server.gateway.only.say("iopub", "stream", old, {"name": "stdout", "text": "late\n"})
        server.run("a")
        await server.ended("a")
        assert server.text("a") == "up\n"


async def test_a_restart_that_fails_is_the_end_of_the_kernel(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        await server.started()
        server.gateway.hold("restart")
        server.ask(Restart(run_all=True))
        server.gateway.die()
        server.gateway.let_go("restart")
        await server.ended("a")
        assert (server.status, server.states()) == ("dead", {"a": "cancelled"})
        server.run("a")
        await server.until(lambda: server.mark("a").state == "finished")
        assert server.text("a") == "a\n"


async def test_a_kernel_that_somebody_else_restarts_is_another_session(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('never')", "print('b')") as server:
        server.run("a")
        server.run("b")
        await server.until(lambda: server.text("a") == "up\n")
        before = server.mark("a").session
        server.gateway.only.restart()
        await server.ended("a", "b")
        assert (server.mark("a").state, server.mark("a").status) == ("failed", "The kernel was restarted.")
        assert (server.mark("b").state, server.text("b")) == ("finished", "b\n")
        assert server.mark("b").session == server.gateway.only.model.session != before


async def test_a_kernel_that_died_and_came_back_by_itself_is_another_session(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('never')", "print('b')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        before = server.mark("a").session
        server.gateway.only.revive("The kernel crashed.")
        await server.ended("a")
        assert (server.mark("a").state, server.mark("a").status) == ("failed", "The kernel crashed.")
        server.run("b")
        await server.ended("b")
        assert (server.mark("b").state, server.text("b")) == ("finished", "b\n")
        assert server.mark("b").session == server.gateway.only.model.session != before


async def test_no_run_begins_in_the_process_that_is_about_to_end(tmp_path: Path) -> None:
    """While somebody else restarts the kernel, the mark of a run would name the wrong process."""
    async with bench(tmp_path, "print('a')") as server:
        await server.started()
        kernel = server.gateway.only
        kernel.state = "starting"
        kernel.announce("starting")
        await server.until(lambda: server.status == "restarting")
        server.run("a")
        assert server.states() == {"a": "queued"}
        kernel.generation += 1
        kernel.state = "idle"
        kernel.announce("idle")
        await server.ended("a")
        assert (server.mark("a").session, server.mark("a").state) == (kernel.model.session, "finished")


async def test_a_late_word_about_a_restart_of_ours_is_no_news(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        await server.started()
        server.ask(Restart())
        await server.until(lambda: server.status == "idle")
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        kernel = server.gateway.only
        kernel.generation = 1
        kernel.announce("starting")  # of the process before
        kernel.generation = 2
        server.gateway.release("a")
        await server.ended("a")
        assert server.mark("a").status == "ok"


async def test_of_a_long_line_the_first_are_told_and_how_many_wait_behind(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')", *["print('x')"] * 250) as server:
        server.ask(RunCells("all"))
        await server.until(lambda: server.states().get("a") == "running")
        told = [event for event in server.room.told if isinstance(event, QueueChanged)]
        assert (len(told[-1].cells), told[-1].cells[0], told[-1].more) == (100, "b", 150)
        assert max(len(event.cells) for event in told) == 100
        server.ask(CancelRuns("all"))


# -- the runtime: what is asked of it beyond runs ---------------------------------------------------------------------


async def outcome(server: Server, command: Command, user: User = ADA) -> list[Event]:
    """What who asked was told, once it is over."""
    answers: list[Event] = []
    done = server.executions.request(command, user, answers.append)
    assert done is not None
    with anyio.fail_after(10):
        await done.wait()
    return answers


async def test_a_reset_ends_everything_and_one_that_is_refused_ends_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('never')", "print('b')") as server:
        with pytest.raises(CommandRefused, match="start it first"):
            server.ask(ResetRuntime())
        server.run("a")
        server.run("b")
        await server.until(lambda: server.text("a") == "up\n")
        server.gateway.resets_at_once = False
        assert await outcome(server, ResetRuntime(), BO) == [Refused("The runtime was reset just now; wait a minute.")]
        assert server.states() == {"a": "running", "b": "queued"}
        server.gateway.resets_at_once = True
        before = server.mark("a").session
        assert await outcome(server, ResetRuntime(folder=True), BO) == []
        await server.until(lambda: server.status == "idle")
        why = "The runtime was reset by Bo"
        assert [(server.mark(cell).state, server.mark(cell).status) for cell in "ab"] == [
            ("failed", why),
            ("cancelled", why),
        ]
        assert server.gateway.only.resets == [True]
        assert Notice("Bo reset the runtime and its working folder.", BO.id) in server.room.told
        server.run("b")
        await server.ended("b")
        assert server.mark("b").session != before


async def test_an_end_that_is_near_is_told_until_it_is_put_off(tmp_path: Path) -> None:
    async with bench(tmp_path) as server:
        await server.started()
        server.gateway.only.stops_at = "2030-01-01T00:00:00Z"
        server.executions._model_changed()

        def ends() -> list[str]:
            return [event.stops_at for event in server.room.told if isinstance(event, RuntimeChanged)]

        await server.until(lambda: ends()[-1] == "2030-01-01T00:00:00Z")
        assert await outcome(server, ExtendRuntime()) == []
        assert ends()[-1] == ""


async def test_who_waits_for_a_gpu_is_told_the_place_and_may_give_up(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        server.gateway.places.extend([2, 1])
        server.run("a")
        await server.ended("a")
        told = [(event.status, event.place) for event in server.room.told if isinstance(event, RuntimeChanged)]
        assert [place for status, place in told if status == "starting" and place] == [2, 1]
        assert told[-1] == ("idle", 0)
        server.ask(ShutDownRuntime())
        await server.until(lambda: not server.gateway.kernels)
        server.gateway.places.extend([1] * 1_000_000)
        server.run("a")
        await server.until(lambda: server.states()["a"] == "queued" and len(server.gateway.places) < 1_000_000)
        server.ask(ShutDownRuntime())
        await server.until(lambda: not server.executions._kernel.turn.locked())
        assert (server.status, server.states(), server.gateway.kernels) == ("none", {"a": "cancelled"}, {})
        assert await kernel_noted(server) == ""


async def test_what_was_chosen_is_in_the_document_and_in_the_next_start(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        await server.started()
        before = server.gateway.only
        choice = ChooseRuntime("python3", gpus="0.5", gpu_memory="4 GiB", venv=True)
        assert await outcome(server, choice) == []
        assert server.gateway.kernels == {before.id: before}
        assert await outcome(server, replace(choice, restart=True)) == []
        await server.until(lambda: server.status == "idle" and server.gateway.only is not before)
        assert server.gateway.wishes == [{}, {"KERNEL_GPUS": "0.5", "KERNEL_GPU_MEMORY": "4GiB", "KERNEL_VENV": "1"}]
        (refused,) = await outcome(server, ChooseRuntime("nonesuch"))
        assert isinstance(refused, Refused)
        assert refused.reason == "There is no kernel 'nonesuch'; there are python3."


async def test_another_server_is_attached_and_a_crash_finds_the_notebook_there(tmp_path: Path) -> None:
    async with FakeGateway().running() as elsewhere, bench(tmp_path, "print('a')") as server:
        elsewhere.token = "secret"
        await server.started()
        server.runtime.elsewhere["http://there:8888"] = elsewhere
        server.executions.attachment._allowed = ("any",)
        (refused,) = await outcome(server, AttachRuntime("http://there:8888", "wrong"))
        assert isinstance(refused, Refused)
        assert refused.reason.endswith("does not take this token.")
        assert len(server.gateway.kernels) == 1

        ours = server.gateway
        assert await outcome(server, AttachRuntime("http://there:8888", "secret")) == []
        await server.until(lambda: server.status == "idle" and not ours.kernels)
        server.run("a")
        await server.ended("a")
        assert elsewhere.only.executed == ["print('a')"]
        await server.room.commit()
        assert await outcome(server, DetachRuntime()) == []
        await server.until(lambda: not elsewhere.kernels and server.status == "none")
        server.run("a")
        await server.until(lambda: bool(ours.kernels) and ours.only.executed == ["print('a')"])


async def test_so_much_is_asked_of_the_runtime_at_once_and_no_more(tmp_path: Path) -> None:
    async with bench(tmp_path) as server:
        await server.started()
        server.gateway.hold("extend")
        for _ in range(8):
            server.ask(ExtendRuntime())
        with pytest.raises(CommandRefused, match="still busy"):
            server.ask(ExtendRuntime())
        server.gateway.let_go("extend")


# -- starting and stopping ------------------------------------------------------------------------------------------


async def kernel_noted(server: Server) -> str:
    return await server.store.remembered(NOTEBOOK, "kernel")


async def noted_live(server: Server, expected: list[NotebookId]) -> None:
    with anyio.fail_after(5):
        while await server.store.live_notebooks() != expected:
            await anyio.lowlevel.checkpoint()


async def test_a_kernel_that_cannot_be_started_is_told_with_the_reason(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        server.gateway.refuses = "The machine is full."
        server.run("a")
        await server.ended("a")
        assert (server.mark("a").state, server.mark("a").status) == ("cancelled", "The machine is full.")
        assert server.room.told[-2:] == [RuntimeChanged("dead", reason="The machine is full."), QueueChanged(())]
        server.gateway.refuses = ""
        server.run("a")
        await server.until(lambda: server.mark("a").state == "finished")


async def test_a_shut_down_while_the_kernel_starts_leaves_none(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        server.gateway.hold("start")
        server.run("a")
        await server.until(lambda: "start" in server.gateway.calls)
        server.ask(ShutDownRuntime(), BO)
        assert server.mark("a").status == "The runtime was shut down by Bo"
        server.gateway.let_go("start")
        await server.until(lambda: "shut_down" in server.gateway.calls and not server.executions._kernel.turn.locked())
        assert (server.status, server.gateway.kernels) == ("none", {})
        assert await kernel_noted(server) == ""


async def test_shutting_down_and_starting_again_at_once_ends_with_one_kernel_that_is_remembered(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        server.run("a")
        await server.ended("a")
        for _ in range(3):
            server.ask(ShutDownRuntime())
            server.run("a")
        await server.until(lambda: server.mark("a").state == "finished" and server.status == "idle")
        assert await kernel_noted(server) == server.gateway.only.id
        assert server.text("a") == "a\n"


async def test_a_shut_down_while_the_kernel_restarts_leaves_none(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        await server.started()
        server.gateway.hold("restart")
        server.ask(Restart())
        await server.until(lambda: "restart" in server.gateway.calls)
        server.ask(ShutDownRuntime())
        server.gateway.let_go("restart")
        await server.until(lambda: not server.gateway.kernels and not server.executions._kernel.turn.locked())
        assert (server.status, server.gateway.kernels) == ("none", {})
        assert await kernel_noted(server) == ""


async def test_a_notebook_is_live_in_the_store_while_something_runs_or_waits(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')") as server:
        server.gateway.hold("start")
        server.run("a")
        await server.until(lambda: "start" in server.gateway.calls)
        await noted_live(server, [NOTEBOOK])
        server.gateway.let_go("start")
        server.gateway.release("a")
        await server.ended("a")
        assert not server.executions.live
        await noted_live(server, [])


# -- death ----------------------------------------------------------------------------------------------------------


async def test_a_death_ends_the_run_with_its_reason_and_nothing_else_begins(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nos._exit(3)", "print('b')", "print('c')") as server:
        server.run("a", "b")
        server.run("c")
        await server.ended("a", "b", "c")
        reason = "The kernel was ended by its own code (exit 3)."
        assert server.states() == {"a": "failed", "b": "cancelled", "c": "cancelled"}
        assert {server.mark(cell).status for cell in "abc"} == {reason}
        assert server.text("a") == "up\n"
        assert server.room.told[-2:] == [RuntimeChanged("dead", reason=reason), QueueChanged(())]
        await server.until(lambda: not server.gateway.kernels)  # a dead kernel takes no place
        server.run("b")
        await server.until(lambda: server.mark("b").state == "finished")


async def test_a_death_that_nobody_heard_of_is_found_out(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        server.runtime.cut_off()
        await server.until(lambda: server.status == "reconnecting")
        server.gateway.only.die("Out of memory.")
        server.runtime.reconnect()
        await server.ended("a")
        assert (server.mark("a").status, server.status) == ("Out of memory.", "dead")


async def test_the_end_of_the_gateway_is_told_and_the_next_run_works(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')", "print('b')") as server:
        server.run("a", "b")
        await server.until(lambda: server.text("a") == "up\n")
        server.gateway.die()
        await server.ended("a", "b")
        assert (server.status, server.states()) == ("dead", {"a": "failed", "b": "cancelled"})
        server.run("b")
        await server.until(lambda: server.mark("b").state == "finished")
        assert server.gateway.only.executed == ["print('b')"]


async def test_what_was_meant_for_a_dead_kernel_never_reaches_the_next(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        await server.started()
        server.runtime.cut_off()
        await server.until(lambda: server.status == "reconnecting")
        server.run("a")
        await server.until(
            lambda: server.executions._flights.current is not None and server.executions._flights.current.sent
        )
        server.gateway.die()
        server.runtime.reconnect()
        await server.ended("a")
        server.run("b")
        await server.ended("b")
        assert (server.mark("a").state, server.gateway.only.executed) == ("failed", ["print('b')"])


# -- lost messages --------------------------------------------------------------------------------------------------


async def test_a_run_ends_although_its_reply_is_lost(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        server.gateway.lost = {"execute_reply"}
        server.run("a")
        await server.ended("a")
        assert server.mark("a").status == "The kernel's last word on this run was lost; its output may be incomplete."
        server.gateway.lost = set()
        server.run("b")
        await server.ended("b")
        assert server.mark("b").status == "ok"


async def test_a_run_ends_although_its_idle_is_lost(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        server.gateway.lost = {"status"}
        server.run("a")
        await server.ended("a")
        assert (server.mark("a").status, server.text("a")) == ("ok", "a\n")


async def test_output_that_comes_long_after_the_reply_still_belongs_to_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab.flights._OTHER_HALF_S", 0.5)
    async with bench(tmp_path, "print('a')") as server:
        server.gateway.lost = {"status"}
        server.run("a")
        await server.until(lambda: server.mark("a").status == "ok")
        kernel, id = server.gateway.only, server.gateway.only.log[-1].parent_id
        for number in range(8):
            await anyio.sleep(0.1)  # all of it takes longer than what is waited after the last
            kernel.say("iopub", "stream", id, {"name": "stdout", "text": f"{number}\n"})
            await server.until(lambda: server.text("a").endswith(f"{number}\n"))  # noqa: B023
            assert server.states() == {"a": "running"}
        await server.ended("a")


async def test_k2_on_a_stock_server_the_answer_to_a_question_behind_it_ends_a_run_whose_reply_was_lost(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')\nprint('lost')", "print('b')") as server:
        server.gateway.keeps = False
        server.run("a")
        server.run("b")
        await server.until(lambda: server.text("a") == "up\n")
        server.runtime.cut_off()
        await server.until(lambda: server.status == "reconnecting")
        server.gateway.release("a")
        await server.until(lambda: server.gateway.only.state == "idle")
        server.runtime.reconnect()
        await server.ended("a", "b")
        assert (server.text("a"), server.mark("a").status) == ("up\n", ANSWER_LOST)
        assert (server.text("b"), len(server.gateway.only.executed)) == ("b\n", 2)


async def test_k2_a_run_that_goes_on_over_a_lost_connection_ends_with_its_own_reply(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')\nprint('end')") as server:
        server.gateway.keeps = False
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        server.runtime.cut_off()
        await server.until(lambda: server.status == "reconnecting")
        server.runtime.reconnect()
        await server.until(lambda: server.status == "busy")
        server.gateway.release("a")
        await server.ended("a")
        assert (server.text("a"), server.mark("a").status) == ("up\nend\n", "ok")


async def test_a_request_that_was_lost_with_the_connection_is_sent_again(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        await server.started()
        server.runtime.swallows = 1
        server.run("a")
        await server.until(lambda: server.runtime.swallows == 0)
        server.runtime.cut_off()
        server.runtime.reconnect()
        await server.ended("a")
        assert (server.mark("a").status, server.gateway.only.executed) == ("ok", ["print('a')"])


async def test_a_connection_that_comes_and_goes_sends_a_lost_request_again_once(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        await server.started()
        kernel = server.gateway.only
        kernel.slow = anyio.Event()
        server.runtime.swallows = 1
        server.run("a")
        await server.until(lambda: server.runtime.swallows == 0)
        for _ in range(4):
            server.runtime.cut_off()
            await server.until(lambda: server.status == "reconnecting")
            server.runtime.reconnect()
            await server.until(lambda: server.runtime.is_connected)
        await server.until(lambda: kernel.requested > 0)
        await anyio.sleep(0.2)  # long enough for the others to come to the same conclusion
        assert kernel.requested == 1
        kernel.slow.set()
        await server.ended("a")


async def test_a_run_that_the_kernel_has_is_not_sent_again(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')\nprint('two')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "one\n")
        for _ in range(3):
            server.runtime.cut_off()
            await server.until(lambda: server.status == "reconnecting")
            server.runtime.reconnect()
            await server.until(lambda: server.status == "busy")
            await anyio.sleep(0.1)  # longer than after which it would be sent again
        server.runtime.cut_off()
        server.gateway.release("a")
        await server.until(lambda: server.gateway.only.state == "idle")
        server.runtime.reconnect()
        await server.ended("a")
        assert (server.text("a"), len(server.gateway.only.executed)) == ("one\ntwo\n", 1)


# -- input ----------------------------------------------------------------------------------------------------------


async def test_anybody_answers_and_the_first_answer_wins(tmp_path: Path) -> None:
    async with bench(tmp_path, "print(input('name? '))") as server:
        server.run("a")
        await server.until(lambda: server.mark("a").prompt != "")
        assert json.loads(server.mark("a").prompt) == {"text": "name? ", "password": False}
        server.ask(AnswerInput(A, "Bo"), BO)
        with pytest.raises(CommandRefused, match="somebody else may have given it"):
            server.ask(AnswerInput(A, "Ada"), ADA)
        await server.ended("a")
        assert (server.mark("a").prompt, server.text("a")) == ("", "name? Bo\nBo\n")


async def test_a_password_goes_to_the_kernel_and_nowhere_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with bench(tmp_path, "getpass('word? ')\nprint('in')") as server:
        server.run("a")
        await server.until(lambda: server.mark("a").prompt != "")
        server.ask(AnswerInput(A, SECRET))
        await server.ended("a")
        assert server.gateway.only.answered == [SECRET]
        assert server.text("a") == "word? ········\nin\n"
        await server.room.commit()
        assert SECRET.encode() not in server.doc.get_update()
        assert SECRET not in "".join(event_json(event) for event in server.room.told)
        assert SECRET not in caplog.text
        assert all(SECRET not in str(record.__dict__) for record in caplog.records)
    assert SECRET.encode() not in everything_in(tmp_path)


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_an_interrupt_ends_the_question(tmp_path: Path) -> None:
    async with bench(tmp_path, "print(input('name? '))") as server:
        server.run("a")
        await server.until(lambda: server.mark("a").prompt != "")
        server.ask(Interrupt())
        await server.ended("a")
        assert (server.mark("a").prompt, server.mark("a").status) == ("", "interrupted by Ada")
        with pytest.raises(CommandRefused):
            server.ask(AnswerInput(A, "late"))


async def test_an_endless_question_is_cut(tmp_path: Path) -> None:
    async with bench(tmp_path, f"print(input('{'?' * 100_000}'))") as server:
        server.run("a")
        await server.until(lambda: server.mark("a").prompt != "")
        assert len(server.mark("a").prompt) < 3000
        server.ask(AnswerInput(A, "x"))
        await server.ended("a")


# -- outputs --------------------------------------------------------------------------------------------------------


async def test_clearing_takes_outputs_and_the_marks_of_what_is_over(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')\nwait('b')") as server:
        server.run("a", "b")
        await server.until(lambda: server.text("b") == "b\n")
        server.ask(ClearOutputs("all"))
        assert (server.outputs("a"), server.outputs("b"), server.states()) == ([], [], {"b": "running"})
        server.gateway.release("b")
        await server.ended("b")


async def test_clearing_cells_that_never_were_leaves_nothing_behind(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')") as server:
        before = server.doc.get_update()
        server.ask(ClearOutputs(tuple(CellId(f"nonesuch-{number}") for number in range(1000))))
        assert server.doc.get_update() == before
        assert not server.executions._recorder._writer._cells


async def test_a_second_run_replaces_the_outputs_with_its_first_one(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')") as server:
        server.gateway.release("a")
        server.run("a")
        await server.ended("a")
        server.run("a")
        await server.until(lambda: server.states() == {"a": "finished"})
        assert server.text("a") == "one\n"


async def test_threads_print_on_under_the_cell_that_started_them(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        server.run("a")
        await server.ended("a")
        thread = server.gateway.only.log[-1].parent_id
        server.run("b")
        await server.ended("b")
        server.gateway.only.say("iopub", "stream", thread, {"name": "stdout", "text": "thread\n"})
        await server.until(lambda: server.text("a") == "a\nthread\n")


async def test_a_kernel_cannot_end_a_run_or_ask_on_the_wrong_channel(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "up\n")
        kernel, id = server.gateway.only, server.gateway.only.log[-1].parent_id
        kernel.say("iopub", "execute_reply", id, {"status": "ok"})
        kernel.say("iopub", "input_request", id, {"prompt": "?", "password": False})
        kernel.say("shell", "stream", id, {"name": "stdout", "text": "no\n"})
        bad: tuple[object, ...] = (None, [], "text", {"name": 1}, {"execution_state": 7}, {"data": {"a/b": object()}})
        for content in bad:
            for type in ("stream", "display_data", "update_display_data", "execute_result", "status", "error", ""):
                kernel.say("iopub", type, id, content)
        kernel.say("iopub", "stream", id, {"name": "stdout", "text": "end\n"})
        await server.until(lambda: server.text("a").endswith("end\n"))
        assert (server.states(), server.mark("a").prompt) == ({"a": "running"}, "")
        server.gateway.release("a")
        await server.ended("a")
        assert server.mark("a").status == "ok"
