"""What a client that connects again is given (kernels.md H15, J4, J5), from a journal that is too small for it all."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from kernelhost.exchange import Exchange
from kernelhost.journal import Journal
from kernelhost.messages import make, status
from kernelhost.sockets import Sockets
from kernelhost.wire import Message

KEPT = 40_000


class Wire:
    """In place of the sockets to a kernel; it is said to have read all."""

    def send(self, item: Message) -> None:
        pass


class Seat:
    def __init__(self, session: str) -> None:
        self.session = session

    def wake(self) -> None:
        pass

    def end(self, reason: str) -> None:
        raise AssertionError(reason)


def in_loop(test: Callable[[Exchange], None], folder: Path) -> None:
    async def run() -> None:
        journal = Journal(folder / "journal", KEPT, 5_000, 5_000)
        exchange = Exchange("id", journal, lambda restart: None)
        exchange.use(cast(Sockets, Wire()))
        exchange.open()
        test(exchange)
        journal.close()

    asyncio.run(run())


def about(run: str) -> bytes:
    return json.dumps({"msg_id": run, "msg_type": "execute_request"}).encode()


def visit(exchange: Exchange, session: str, after: str | None = None) -> list[Message]:
    """Joins, reads what is there, and leaves."""
    seat = Seat(session)
    reader = exchange.join(seat, after)
    found = []
    while (item := reader.next()) is not None:
        found.append(item)
    exchange.leave(seat, reader)
    return found


def say(exchange: Exchange, run: str, size: int = 0) -> list[str]:
    """A run of somebody who is there, with so much output; the ids of its messages."""
    said = [status("busy", about(run))]
    said += [make("iopub", "stream", {"name": "stdout", "text": "x" * 500}, about(run)) for _ in range(size // 500)]
    said += [make("iopub", "error", {"ename": run, "evalue": "", "traceback": []}, about(run))]
    said += [status("idle", about(run))]
    for item in said:
        exchange.receive(item)
    return [item.id for item in said]


def words(items: list[Message]) -> list[str]:
    """Without the outputs themselves and the present state, which ends every replay."""
    assert items[-1].type == "status"
    assert items[-1].parent_id == ""
    found = []
    for item in items[:-1]:
        content = item.part("content")
        if "Output was lost" in str(content.get("text", "")):
            found.append("lost")
        elif item.type != "stream":
            found.append(f"{item.parent_id} {content.get('execution_state') or item.type}")
    return found


def test_j4_who_was_away_for_too_much_gets_a_word_and_how_everything_ended(tmp_path: Path) -> None:
    def test(exchange: Exchange) -> None:
        visit(exchange, "a")
        for run in ("r1", "r2"):
            say(exchange, run, 2 * KEPT)
        found = visit(exchange, "a")
        assert words(found) == ["lost", "r1 busy", "r1 error", "r1 idle", "r2 busy", "r2 error", "r2 idle"]
        assert sum(item.size for item in found) < 2 * KEPT
        assert words(visit(exchange, "a")) == []

    in_loop(test, tmp_path)


def test_h15_after_a_message_that_was_dropped_only_what_came_later_is_given(tmp_path: Path) -> None:
    def test(exchange: Exchange) -> None:
        first = say(exchange, "r1", 5_000)
        visit(exchange, "a", first[4])
        say(exchange, "r2", 2 * KEPT)
        assert words(visit(exchange, "a", first[4])) == [
            "lost",
            "r1 error",
            "r1 idle",
            "r2 busy",
            "r2 error",
            "r2 idle",
        ]

    in_loop(test, tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_h15_after_a_message_that_nobody_knows_any_more_nothing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """What came before it may come again, but not what its session was known to have long before."""
    monkeypatch.setattr("kernelhost.journal._MAX_NAMES", 10)

    def test(exchange: Exchange) -> None:
        say(exchange, "r0")
        if known:
            visit(exchange, "a")
        first = say(exchange, "r1", 5_000)
        say(exchange, "r2", 2 * KEPT)
        found = words(visit(exchange, "a", first[4]))
        assert found[0] == "lost"
        assert found[-3:] == ["r2 busy", "r2 error", "r2 idle"]
        if known:
            assert found[1:4] == ["r1 busy", "r1 error", "r1 idle"]

    in_loop(test, tmp_path)


def test_h15_who_wants_all_there_is_gets_it_without_a_gap_or_its_beginning_is_missing(tmp_path: Path) -> None:
    """A document server that restores a run's output knows by its `execute_input` that nothing of it is missing."""

    def test(exchange: Exchange) -> None:
        say(exchange, "r1", 2 * KEPT)
        say(exchange, "r2", 1_000)
        found = visit(exchange, "new", "")
        assert "lost" not in words(found)
        assert words(found)[-3:] == ["r2 busy", "r2 error", "r2 idle"]
        assert "r1 busy" not in words(found)

    in_loop(test, tmp_path)


def test_e3_a_reply_that_overtook_its_output_is_not_lost_with_it(tmp_path: Path) -> None:
    """They travel on two sockets: a flood's reply may be read long before the last of its output."""

    def test(exchange: Exchange) -> None:
        seat = Seat("a")
        reader = exchange.join(seat, None)
        exchange.send(seat, make("shell", "execute_request", {"code": ""}, id="r"))
        exchange.leave(seat, reader)
        exchange.receive(make("shell", "execute_reply", {"status": "ok"}, about("r")))
        say(exchange, "r", 2 * KEPT)
        assert words(visit(exchange, "a")) == ["lost", "r execute_reply", "r busy", "r error", "r idle"]

    in_loop(test, tmp_path)
