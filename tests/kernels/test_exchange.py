"""Who gets what of a kernel's messages, and when an execution is over: with a pretended kernel and a real one."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from kernelhost.exchange import GRACE_S, MAX_GRACES, SILENCE_S, Exchange, Overflow
from kernelhost.journal import Journal
from kernelhost.messages import make, status
from kernelhost.reader import Reader
from kernelhost.sockets import Sockets
from kernelhost.wire import Message

from tests.kernels.client import Channel, GatewayProcess, state_of
from tests.kernels.client import Message as Received


class Seat:
    """A client; `got` is what it has read."""

    def __init__(self, exchange: Exchange, session: str) -> None:
        self.session = session
        self.got: list[Message] = []
        self._exchange = exchange
        self._reader: Reader = exchange.join(self, None)

    def wake(self) -> None:
        """It reads when the test looks."""

    def end(self, reason: str) -> None:
        raise AssertionError(reason)

    def execute(self, id: str, **content: object) -> None:
        self._exchange.send(self, make("shell", "execute_request", {"code": ""} | content, id=id))

    def read(self) -> list[Message]:
        while (item := self._reader.next()) is not None:
            self.got.append(item)
        return self.got

    def about(self, id: str) -> list[str]:
        """What came about a request, in words."""
        return [word(item) for item in self.read() if item.parent_id == id]


def word(item: Message) -> str:
    content = item.part("content")
    return str(content.get("execution_state") or content.get("status") or item.type)


class Wire:
    """In place of the sockets to a kernel."""

    has_stdin = True

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, item: Message) -> None:
        self.sent.append(item)

    @property
    def requests(self) -> list[str]:
        return [item.id for item in self.sent if item.type == "execute_request"]


def about(id: str) -> bytes:
    return json.dumps({"msg_id": id, "msg_type": "execute_request"}).encode()


def idle(id: str) -> Message:
    return status("idle", about(id))


def reply(id: str, outcome: str = "ok") -> Message:
    return make("shell", "execute_reply", {"status": outcome}, about(id))


class Timers:
    """Those of the running loop, which pass when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._due: list[Timer] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self._call_later)

    def _call_later(self, delay: float, call: Callable[..., None], *given: object) -> "Timer":
        assert delay in (GRACE_S, SILENCE_S)
        timer = Timer(lambda: call(*given))
        self._due.append(timer)
        return timer

    def pass_all(self) -> None:
        due, self._due = self._due, []
        for timer in due:
            if not timer.is_cancelled:
                timer.call()


@dataclass
class Timer:
    call: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


def a_kernel() -> tuple[Exchange, Wire]:
    exchange, wire = Exchange("id", Journal(Path("never made")), lambda restart: None), Wire()
    exchange.use(cast(Sockets, wire))
    exchange.open()
    return exchange, wire


def test_e3_a_reply_whose_idle_never_comes_is_the_end_after_a_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        timers, seat = Timers(monkeypatch), Seat(exchange, "a")
        seat.execute("1")
        seat.execute("2")
        exchange.receive(status("busy", about("1")))
        exchange.receive(reply("1"))
        assert (wire.requests, seat.about("1")) == (["1"], ["busy", "ok"])
        timers.pass_all()
        assert (wire.requests, seat.about("1")) == (["1", "2"], ["busy", "ok", "stream", "idle"])
        notice = next(item for item in seat.got if item.type == "stream")
        assert "may be incomplete" in str(notice.part("content")["text"])
        assert exchange.state == "busy"

    asyncio.run(test())


def test_e3_the_grace_begins_anew_while_output_still_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        timers, seat = Timers(monkeypatch), Seat(exchange, "a")
        seat.execute("1")
        seat.execute("2")
        exchange.receive(reply("1"))
        for _ in range(5):
            exchange.receive(make("iopub", "stream", {"name": "stdout", "text": "x"}, about("1")))
            timers.pass_all()
        assert wire.requests == ["1"]
        exchange.receive(idle("1"))
        timers.pass_all()
        assert wire.requests == ["1", "2"]
        assert seat.about("1") == ["ok", *["stream"] * 5, "idle"]

    asyncio.run(test())


def test_e3_output_of_others_keeps_an_end_waiting_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread prints without end lies before the idle that was sent after it."""

    async def test() -> None:
        exchange, wire = a_kernel()
        timers, seat = Timers(monkeypatch), Seat(exchange, "a")
        seat.execute("1")
        seat.execute("2")
        exchange.receive(reply("1"))
        for waited in range(MAX_GRACES):
            assert wire.requests == ["1"], waited
            exchange.receive(make("iopub", "stream", {"name": "stdout", "text": "x"}, about("long ago")))
            timers.pass_all()
        assert wire.requests == ["1", "2"]
        assert seat.about("1") == ["ok", "stream", "idle"]

    asyncio.run(test())


def test_e3_an_idle_alone_is_not_the_end_but_a_kernel_that_forgot_the_reply_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        timers, seat = Timers(monkeypatch), Seat(exchange, "a")
        seat.execute("1")
        seat.execute("2", stop_on_error=False)
        exchange.receive(idle("1"))
        assert [item.type for item in wire.sent] == ["execute_request"]
        timers.pass_all()
        assert [item.type for item in wire.sent] == ["execute_request", "kernel_info_request"]
        assert seat.about("1") == ["idle"]
        exchange.receive(make("shell", "kernel_info_reply", {}, wire.sent[-1].header))
        assert seat.about("1") == ["idle", "error"]
        assert seat.about("2") == ["busy", "aborted", "idle"]  # the first one failed, after all

    asyncio.run(test())


def test_a_kernel_that_says_nothing_of_an_execution_is_asked_and_the_next_one_gets_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kernels drop what they cannot read without a word; nobody else is to wait for it."""

    async def test() -> None:
        exchange, wire = a_kernel()
        timers, seat, other = Timers(monkeypatch), Seat(exchange, "a"), Seat(exchange, "b")
        seat.execute("1")
        other.execute("2")
        timers.pass_all()
        assert [item.type for item in wire.sent] == ["execute_request", "kernel_info_request"]
        exchange.receive(make("shell", "kernel_info_reply", {}, wire.sent[-1].header))
        timers.pass_all()
        assert seat.about("1") == ["error", "stream", "idle"]
        assert wire.requests == ["1", "2"]
        exchange.receive(status("busy", about("2")))
        timers.pass_all()
        assert len(wire.sent) == 3  # it runs, however long

    asyncio.run(test())


def test_e3_a_late_reply_is_taken_and_the_doubt_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        timers, seat = Timers(monkeypatch), Seat(exchange, "a")
        seat.execute("1")
        exchange.receive(idle("1"))
        timers.pass_all()
        exchange.receive(reply("1"))
        exchange.receive(make("shell", "kernel_info_reply", {}, wire.sent[-1].header))
        assert seat.about("1") == ["idle", "ok"]
        assert exchange.state == "idle"

    asyncio.run(test())


def test_a_doubt_that_is_answered_after_the_reply_aborts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        timers, seat = Timers(monkeypatch), Seat(exchange, "a")
        seat.execute("1")
        seat.execute("2")
        timers.pass_all()  # nothing was heard of the first one: the kernel is asked
        exchange.receive(status("busy", about("1")))
        exchange.receive(reply("1"))
        exchange.receive(make("shell", "kernel_info_reply", {}, wire.sent[-1].header))
        exchange.receive(idle("1"))
        assert wire.requests == ["1", "2"]
        assert seat.about("2") == []

    asyncio.run(test())


def test_r4_x6_two_clients_with_one_id_get_their_own_replies_in_any_order() -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        one, two = Seat(exchange, "a"), Seat(exchange, "b")
        one.execute("same")
        exchange.send(two, make("shell", "complete_request", {"code": ""}, id="same"))
        theirs = wire.sent[-1].header
        exchange.receive(make("iopub", "stream", {"name": "stdout", "text": ""}, theirs))
        exchange.receive(make("shell", "complete_reply", {"status": "ok"}, theirs))
        exchange.receive(reply("same"))
        replies = [[item.type for item in seat.read() if item.channel == "shell"] for seat in (one, two)]
        assert replies == [["execute_reply"], ["complete_reply"]]
        assert {item.parent_id for item in two.got if item.parent_id} == {"same"}

    asyncio.run(test())


def test_q4_a_request_too_many_is_answered_with_an_error_that_says_so() -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        seat = Seat(exchange, "a")
        for number in range(1_001):
            seat.execute(f"{number}")
        seat.execute("more")
        assert seat.about("more") == ["busy", "error", "idle"]
        answer = next(item for item in seat.got if item.channel == "shell")
        assert "wait for this kernel already" in str(answer.part("content")["evalue"])
        # There is no way to answer this one: its sender is told by the end of its connection.
        with pytest.raises(Overflow):
            exchange.send(seat, make("shell", "comm_msg", {}))
        assert wire.requests == ["0"]

    asyncio.run(test())


def test_what_a_kernel_does_not_read_is_bounded_and_makes_room_once_it_does() -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        seat = Seat(exchange, "a")
        seat.execute("1")
        exchange.receive(status("busy", about("1")))
        data = {"data": "x" * (10 << 20)}
        for number in range(6):
            exchange.send(seat, make("shell", "comm_msg", data, id=f"c{number}"))
        with pytest.raises(Overflow):
            exchange.send(seat, make("shell", "comm_msg", data))
        exchange.send(seat, make("shell", "comm_msg", {}, id="small"))
        exchange.receive(status("busy", json.dumps({"msg_id": "c5", "msg_type": "comm_msg"}).encode()))
        exchange.send(seat, make("shell", "comm_msg", data, id="again"))
        assert [item.id for item in wire.sent[-2:]] == ["small", "again"]

    asyncio.run(test())


def test_h6_an_answer_that_nobody_asked_for_and_unknown_messages_pass() -> None:
    async def test() -> None:
        exchange, wire = a_kernel()
        seat = Seat(exchange, "a")
        answer = make("stdin", "input_reply", {"value": {"type": "colab_reply", "colab_msg_id": 1}})
        exchange.send(seat, answer)
        exchange.send(seat, make("shell", "colab_request", {}, id="c"))
        request = make("iopub", "colab_request", {"request": {}})
        exchange.receive(request)
        assert wire.sent[:1] == [answer]
        assert wire.sent[1].id == "c"
        assert seat.read()[-1] == request

    asyncio.run(test())


# -- with a real kernel ----------------------------------------------------------------------------------------------


@pytest.fixture
def two(gateway: GatewayProcess, kernel: str) -> Iterator[tuple[Channel, Channel]]:
    with gateway.channel(kernel, "one", v1=True) as one, gateway.channel(kernel, "two", v1=True) as two:
        yield one, two


def replies_of(channel: Channel) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in channel.got:
        if item["msg_type"] == "execute_reply":
            found.setdefault(item["parent_header"]["msg_id"], []).append(item["content"]["status"])
    return found


def idles_of(channel: Channel, id: str) -> int:
    return sum(item["parent_header"].get("msg_id") == id and state_of(item) == "idle" for item in channel.got)


def test_x5_sixty_requests_at_once_from_two_clients_one_of_which_fails(two: tuple[Channel, Channel]) -> None:
    one, other = two
    # Threads that keep the interpreter's lock: a kernel that still aborts when the next request comes would show.
    busy = """
    import sys, threading
    def work():
        while not done: sum(range(10_000))
    sys.setswitchinterval(0.0005)
    done = []; ran = []
    for _ in range(2): threading.Thread(target=work, daemon=True).start()
    """
    assert one.run(busy)["status"] == "ok"
    sent: dict[str, list[str]] = {"one": [], "other": []}
    for number in range(30):
        sent["one"].append(one.execute("1/0" if number == 10 else f"ran.append('a{number}')"))
        sent["other"].append(other.execute(f"ran.append('b{number}')"))
    for channel, ids in ((one, sent["one"]), (other, sent["other"])):
        for id in ids:
            channel.idle(id)
            while id not in replies_of(channel):
                channel.receive()
    first, second = replies_of(one), replies_of(other)
    assert [first[id] for id in sent["one"]] == [["ok"]] * 10 + [["error"]] + [["aborted"]] * 19
    assert [second[id] for id in sent["other"]] == [["ok"]] * 30
    assert {idles_of(one, id) for id in sent["one"]} == {idles_of(other, id) for id in sent["other"]} == {1}
    id = one.execute("done.append(1); sys.setswitchinterval(0.005); print(*ran)")
    assert one.reply(id)["content"]["status"] == "ok"
    ran = one.text(id).split()
    assert [name for name in ran if name[0] == "a"] == [f"a{number}" for number in range(10)]
    assert [name for name in ran if name[0] == "b"] == [f"b{number}" for number in range(30)]


def test_q3_an_interrupt_aborts_what_its_own_connection_has_waiting(
    gateway: GatewayProcess, kernel: str, two: tuple[Channel, Channel]
) -> None:
    one, other = two
    running = one.execute("print('begun', flush=True)\nwhile True: pass")
    waiting = one.execute("1")
    others = other.execute("print('ran')")
    one.until(lambda item: "begun" in str(item["content"].get("text", "")))
    gateway.http.post(f"/api/kernels/{kernel}/interrupt")
    assert other.reply(others)["content"]["status"] == "ok"
    assert other.text(others) == "ran\n"
    one.idle(waiting)
    assert replies_of(one) == {running: ["error"], waiting: ["aborted"]}


def test_q1_a_comm_message_reaches_the_kernel_after_the_cell_it_was_sent_behind(two: tuple[Channel, Channel]) -> None:
    one, _ = two
    listen = """
    from ipykernel.comm import Comm
    comm = Comm('t', comm_id='c1'); order = []
    comm.on_msg(lambda message: order.append(message['content']['data']['n']))
    """
    assert one.run(listen)["status"] == "ok"
    first = one.execute("import time; time.sleep(0.2); order.append('first')")
    second = one.execute("order.append('second')")
    one.send("comm_msg", {"comm_id": "c1", "data": {"n": "after second"}})
    third = one.execute("print(order)")
    for id in (first, second, third):
        one.reply(id)
    assert one.text(third) == "['first', 'second', 'after second']\n"


def test_the_kernel_answers_others_while_a_cell_waits_for_its_turn(two: tuple[Channel, Channel]) -> None:
    """A held request does not hold up what another connection asks on a subshell."""
    one, other = two
    made = one.reply(one.send("create_subshell_request", {}, "control"))["content"]
    running: str = one.execute("input()")
    one.until(lambda item: item["msg_type"] == "input_request")
    held = other.execute("1")
    content: dict[str, object] = {"code": "impor", "cursor_pos": 5}
    id = other.send("complete_request", content, subshell=made["subshell_id"])
    completed: Received = other.reply(id)
    assert "import" in completed["content"]["matches"]
    assert held not in replies_of(other)
    one.send("input_reply", {"value": ""}, "stdin")
    one.reply(running)
    assert other.reply(held)["content"]["status"] == "ok"
    one.reply(one.send("delete_subshell_request", {"subshell_id": made["subshell_id"]}, "control"))
