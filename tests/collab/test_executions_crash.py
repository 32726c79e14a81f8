"""A server that is killed at any moment of a run, and the next one: nothing doubled, nothing lost, every mark right."""

import random
from pathlib import Path

import anyio
import pytest

from collab.commands import AnswerInput, ClearOutputs, Interrupt, RunCells, ShutDownRuntime
from collab.events import RuntimeChanged
from collab.flights import ANSWER_LOST
from collab.model import CellId
from collab.room import CommandRefused
from tests.support.executions import ADA, BO, Server, bench, crashed

pytestmark = pytest.mark.anyio

A, B = CellId("a"), CellId("b")
GONE = "The kernel was gone when the server came back."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_OTHER_HALF_S", "_LOST_REQUEST_S", "_STALE_AFTER_S"):
        monkeypatch.setattr(f"collab.flights.{name}", 0.05)
    monkeypatch.setattr("collab.room_kernel._FIND_AGAIN_S", (0.01, 0.01))


def say(server: Server, text: str, parent: str = "") -> None:
    kernel = server.gateway.only
    kernel.say("iopub", "stream", parent or kernel.log[-1].parent_id, {"name": "stdout", "text": text})


async def shown_and_committed(server: Server, cell: str, text: str) -> None:
    await server.until(lambda: server.text(cell).endswith(text))
    await server.room.commit()


async def test_the_run_goes_on_and_so_does_the_queue(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')\nprint('two')", "print('b')", "print('c')") as server:
        server.run("a", "b")
        server.run("c", user=BO)
        await shown_and_committed(server, "a", "one\n")
        async with crashed(server) as after:
            await after.until(lambda: after.status == "busy")
            assert [run.cell for run in after.executions._state.waiting] == ["b", "c"]
            after.gateway.release("a")
            await after.ended("a", "b", "c")
            assert after.text("a") == "one\ntwo\n"
            assert (after.text("b"), after.text("c"), after.mark("c").user) == ("b\n", "c\n", "Bo")
            assert {after.mark(cell).status for cell in "abc"} == {"ok"}
            assert len(after.gateway.only.executed) == 3


async def test_a_running_cell_that_waits_again_runs_again(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')", "print('b')") as server:
        server.run("a")
        await server.until(lambda: server.text("a") == "one\n")
        server.run("b")
        server.run("a", user=BO)
        await server.room.commit()
        async with crashed(server) as after:
            await after.until(lambda: after.status == "busy")
            after.gateway.release("a")
            await after.until(lambda: after.mark("a").user == "Bo" and after.mark("a").state == "finished")
            assert after.gateway.only.executed == ["print('one')\nwait('a')", "print('b')", "print('one')\nwait('a')"]
            assert (after.mark("a").again, after.mark("b").state) == ("", "finished")


async def test_on_a_stock_server_a_run_that_ended_meanwhile_is_settled(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('up')\nwait('a')\nprint('lost')", "print('b')") as server:
        server.gateway.keeps = False
        server.run("a")
        server.run("b")
        await shown_and_committed(server, "a", "up\n")
        server.runtime.cut_off()
        server.gateway.release("a")
        await server.until(lambda: server.gateway.only.state == "idle")
        async with crashed(server) as after:
            await after.ended("a", "b")
            assert (after.text("a"), after.mark("a").status, after.text("b")) == ("up\n", ANSWER_LOST, "b\n")
            assert len(after.gateway.only.executed) == 2


async def test_what_came_while_no_server_was_there_arrives(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')\nprint('two')") as server:
        server.run("a")
        await shown_and_committed(server, "a", "one\n")
        server.runtime.cut_off()
        server.gateway.release("a")
        await server.until(lambda: server.gateway.only.state == "idle")
        async with crashed(server) as after:
            await after.ended("a")
            assert (after.text("a"), after.mark("a").state, after.mark("a").count) == ("one\ntwo\n", "finished", 1)


async def test_an_error_after_a_crash_still_cancels_what_was_asked_for_with_it(tmp_path: Path) -> None:
    async with bench(tmp_path, "wait('a')\nraise ValueError('no')", "print('b')", "print('c')") as server:
        server.ask(RunCells((A, B)))
        await server.until(lambda: server.states().get("a") == "running")
        server.run("c", user=BO)
        await server.room.commit()
        async with crashed(server) as after:
            after.gateway.release("a")
            await after.ended("a", "b", "c")
            assert after.states() == {"a": "failed", "b": "cancelled", "c": "finished"}


@pytest.mark.parametrize("seed", range(6))
async def test_every_line_is_there_once_wherever_servers_die(tmp_path: Path, seed: int) -> None:
    """Four crashes in a row at moments of the seed's choice, while two cells and a thread print."""
    rng = random.Random(seed)
    lines = "\n".join(f"print('{number}')" + ("\nwait('w')" if number % 5 == 4 else "") for number in range(20))
    async with bench(tmp_path, "print('thread')", lines, lines) as server:
        server.run("a")
        await server.ended("a")
        thread = server.gateway.only.log[-1].parent_id
        server.run("b", "c")
        await server.room.commit()
        await _crash(server, rng, thread, 4)


async def _crash(server: Server, rng: random.Random, thread: str, times: int) -> None:
    said = 4 - times
    for _ in range(rng.randrange(8)):
        await anyio.sleep(rng.random() * 0.02)
    say(server, f"late {said}\n", thread)
    if times:
        async with crashed(server) as after:
            await _crash(after, rng, thread, times - 1)
        return
    server.gateway.release("w")
    await server.ended("b", "c")
    printed = "".join(f"{number}\n" for number in range(20))
    await server.until(lambda: server.text("a").endswith("late 4\n"))
    assert server.text("b") == server.text("c") == printed
    assert server.text("a") == "thread\n" + "".join(f"late {number}\n" for number in range(5))
    assert {server.mark(cell).status for cell in "abc"} == {"ok"}
    assert len(server.gateway.only.executed) == 3


async def test_the_outputs_of_the_run_before_do_not_stay_among_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')") as server:
        server.gateway.release("a")
        server.run("a")
        await server.ended("a")
        monkeypatch.setattr("collab.flights._STALE_AFTER_S", 60)
        slow = server.gateway.only.slow = anyio.Event()
        server.run("a")
        await server.until(lambda: server.gateway.only.requested == 2)
        assert server.text("a") == "one\n"
        async with crashed(server) as after:
            slow.set()
            await after.until(lambda: after.mark("a").count == 2)
            await after.ended("a")
            assert after.text("a") == "one\n"


async def test_a_reply_that_came_before_the_crash_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab.flights._OTHER_HALF_S", 60)
    async with bench(tmp_path, "print('one')") as server:
        server.gateway.lost = {"status"}
        server.run("a")
        await server.until(lambda: server.mark("a").status == "ok")
        say(server, "tail\n")
        await shown_and_committed(server, "a", "tail\n")
        assert server.mark("a").state == "running"
        server.gateway.only.log[:] = [item for item in server.gateway.only.log if item.type != "execute_reply"]
        async with crashed(server) as after:
            await after.ended("a")
            assert (after.mark("a").status, after.text("a")) == ("ok", "one\ntail\n")


async def test_a_run_whose_end_nobody_can_tell_of_any_more_ends(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')") as server:
        server.run("a")
        await shown_and_committed(server, "a", "one\n")
        server.gateway.lost = {"execute_reply", "status"}
        server.runtime.cut_off()
        server.gateway.release("a")
        await server.until(lambda: server.gateway.only.state == "idle")
        async with crashed(server) as after:
            await after.ended("a")
            assert (after.mark("a").state, after.mark("a").status) == ("failed", ANSWER_LOST)
            assert len(after.gateway.only.executed) == 1


async def test_a_run_that_was_marked_and_never_sent_is_sent(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')") as server:
        await server.started()
        server.runtime.swallows = 1
        server.run("a")
        await server.until(lambda: server.runtime.swallows == 0)
        async with crashed(server) as after:
            await after.ended("a")
            assert (after.mark("a").status, after.text("a"), len(after.gateway.only.executed)) == ("ok", "one\n", 1)


async def test_a_question_is_asked_again_and_one_that_was_answered_is_not(tmp_path: Path) -> None:
    async with bench(tmp_path, "print(input('name? '))\nprint(input('town? '))\nwait('a')") as server:
        server.run("a")
        await server.until(lambda: "name" in server.mark("a").prompt)
        await server.room.commit()
        async with crashed(server) as second:
            await second.until(lambda: second.status == "busy")
            assert "name" in second.mark("a").prompt
            second.ask(AnswerInput(A, "Bo"))
            await second.until(lambda: "town" in second.mark("a").prompt)
            second.ask(AnswerInput(A, "Ulm"))
            kernel = second.gateway.only
            kernel.log[:] = [item for item in kernel.log if item.content != {"name": "stdout", "text": "Ulm\n"}]
            await second.room.commit()
            async with crashed(second) as third:
                await third.until(lambda: third.status == "busy" and third.runtime.is_connected)
                third.gateway.release("a")
                await third.ended("a")
                prompts = {str(event) for event in third.room.told if "prompt" in str(event)}
                assert (third.mark("a").prompt, prompts) == ("", set())
                assert third.text("a").count("town? Ulm\n") == 1
                assert kernel.answered == ["Bo", "Ulm"]


async def test_output_that_was_cleared_does_not_come_back(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        server.run("a", "b")
        await server.ended("a", "b")
        server.ask(ClearOutputs("all"))
        await server.room.commit()
        assert server.states() == {}
        async with crashed(server) as after:
            await after.until(lambda: after.status == "idle" and after.runtime.is_connected)
            say(after, "thread\n")
            await after.until(lambda: after.text("b") == "thread\n")
            assert (after.text("a"), after.states()) == ("", {})


async def test_a_run_whose_kernel_is_gone_is_ended_with_the_reason(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')", "print('b')") as server:
        server.run("a", "b")
        await shown_and_committed(server, "a", "one\n")
        server.runtime.cut_off()
        server.gateway.die()
        async with crashed(server) as after:
            await after.ended("a", "b")
            assert after.states() == {"a": "failed", "b": "cancelled"}
            assert after.mark("a").status == after.mark("b").status == GONE
            assert RuntimeChanged("dead", reason=GONE) in after.room.told
            after.run("b")
            await after.until(lambda: after.mark("b").state == "finished")


async def test_a_kernel_that_died_meanwhile_says_why(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')") as server:
        server.run("a")
        await shown_and_committed(server, "a", "one\n")
        server.runtime.cut_off()
        server.gateway.only.die("Out of memory.")
        async with crashed(server) as after:
            await after.ended("a")
            assert (after.mark("a").status, after.status) == ("Out of memory.", "dead")
            await after.until(lambda: not after.gateway.kernels)


async def test_runs_of_an_earlier_process_are_not_taken_for_this_one_s(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')", "print('b')") as server:
        server.run("a")
        server.run("b", user=BO)
        await shown_and_committed(server, "a", "one\n")
        server.runtime.cut_off()
        server.gateway.only.restart()
        async with crashed(server) as after:
            await after.ended("a", "b")
            assert (after.mark("a").state, after.mark("a").status) == ("failed", "The kernel was restarted meanwhile.")
            assert (after.mark("b").state, after.text("b")) == ("finished", "b\n")


@pytest.mark.parametrize("moment", ["ask for a start", "start"])
async def test_what_waited_while_the_kernel_was_being_started_runs(tmp_path: Path, moment: str) -> None:
    """Killed before the gateway has heard of the kernel, and after."""
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        server.gateway.hold(moment)
        server.run("a", "b")
        await server.room.commit()
        await server.until(lambda: moment in server.gateway.calls)
        async with crashed(server) as after:
            if moment == "ask for a start":
                await after.until(lambda: after.gateway.calls.count(moment) == 2)
                after.gateway.let_go(moment)
            await after.ended("a", "b")
            assert (after.text("a"), after.text("b")) == ("a\n", "b\n")
            if moment == "start":  # it had heard: there is one kernel and not two
                assert len(after.gateway.kernels) == 1
                after.gateway.let_go(moment)


async def test_what_is_asked_for_while_the_kernel_is_being_found_runs_in_it(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('a')", "print('b')") as server:
        server.run("a")
        await server.ended("a")
        await server.room.commit()
        server.gateway.hold("find")
        async with crashed(server) as after:
            after.run("b")
            assert after.states()["b"] == "queued"
            after.gateway.let_go("find")
            await after.ended("b")
            assert (after.mark("b").session, len(after.gateway.kernels)) == (after.mark("a").session, 1)
            assert after.gateway.calls.count("start") == 1


async def test_commands_while_the_kernel_is_being_found_do_no_harm(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')") as server:
        server.run("a")
        await shown_and_committed(server, "a", "one\n")
        server.gateway.hold("find")
        async with crashed(server) as after:
            with pytest.raises(CommandRefused, match="looks for the runtime"):
                after.ask(Interrupt())
            after.ask(ShutDownRuntime(), BO)
            after.gateway.let_go("find")
            await after.ended("a")
            await after.until(lambda: not after.gateway.kernels)
            assert (after.mark("a").status, after.status) == ("The runtime was shut down by Bo", "none")


async def test_ending_the_runtime_returns_when_the_kernel_is_gone_however_it_was_found(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')") as server:
        server.run("a")
        await shown_and_committed(server, "a", "one\n")
        async with crashed(server) as after:
            await after.executions.end(BO)
            assert (after.gateway.kernels, after.mark("a").status) == ({}, "The runtime was shut down by Bo")
        async with crashed(server) as last:
            await last.executions.end(BO)  # there is none by now
            assert last.gateway.kernels == {}


async def test_a_gateway_that_does_not_answer_for_a_while_is_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path, "print('one')\nwait('a')") as server:
        server.run("a", user=ADA)
        await shown_and_committed(server, "a", "one\n")
        server.gateway.silent_for = 1
        async with crashed(server) as after:
            after.gateway.release("a")
            await after.ended("a")
            assert after.mark("a").status == "ok"
