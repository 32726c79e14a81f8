import json
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kernelhost.messages import make, status
from kernelhost.requests import Requests, Step, TooMany
from kernelhost.wire import Message, message


def ask(id: str, kind: str = "execute_request", content: object = None, channel: str = "shell") -> Message:
    return make(channel, kind, {"code": content}, id=id)


def above(id: str, kind: str = "execute_request") -> bytes:
    return json.dumps({"msg_id": id, "msg_type": kind}).encode()


def reply(id: str, outcome: str = "ok", kind: str = "execute") -> Message:
    return make("shell", f"{kind}_reply", {"status": outcome}, above(id, f"{kind}_request"))


def opened(**bounds: int) -> Requests:
    requests = Requests(**bounds)
    assert requests.open() == []
    return requests


def in_order(messages: list[Message]) -> list[str]:
    return [message.id for message in messages]


def end(requests: Requests, id: str, outcome: str = "ok") -> Step:
    requests.take(reply(id, outcome))
    requests.note(status("idle", above(id)))
    return requests.next()


def answered(requests: Requests, id: str) -> str | None:
    return requests.take(reply(id))


def test_r3_a_reply_goes_to_whoever_asked() -> None:
    requests = opened()
    requests.ask("a", ask("1"))
    requests.ask("b", ask("2", "complete_request"))
    assert requests.asker("2") == "b"
    assert requests.take(reply("2", kind="complete")) == "b"
    assert [answered(requests, id) for id in "13"] == ["a", None]
    assert requests.outstanding == []


def test_h6_answers_to_what_is_no_request_and_further_ones_go_there_too() -> None:
    requests = opened()
    requests.ask("a", ask("1", "colab_message"))
    requests.ask("b", ask("2", "apply_request"))
    answers = [reply(id, kind=kind) for id, kind in (("1", "colab"), ("2", "apply"), ("2", "apply"))]
    assert [requests.take(item) for item in answers] == ["a", "b", "b"]
    requests.ask("c", ask("3"))
    assert [requests.take(reply("3")) for _ in range(2)] == ["c", None]  # one reply for an execution
    assert requests.outstanding == []


def test_r4_x6_an_id_in_use_is_another_in_the_kernel_and_its_own_for_the_client() -> None:
    requests = opened()
    (first,) = requests.ask("a", ask("same"))
    (second,) = requests.ask("b", ask("same", "complete_request"))
    assert first.id == "same"
    assert second.id != "same"
    assert second.part("header")["msg_id"] == second.id
    answer = reply(second.id, kind="complete")
    assert (requests.take(answer), requests.original(answer).parent_id) == ("b", "same")
    assert requests.original(answer).part("parent")["msg_id"] == "same"
    assert requests.running is not None  # the other one is not over
    assert answered(requests, "same") == "a"


def test_r4_a_message_passes_as_it_was_sent() -> None:
    item = make("shell", "execute_request", {"code": "1", "stop_on_error": False}, id="1")
    requests = opened()
    assert requests.ask("a", item)[0] is item
    assert requests.original(reply("1")).parent_id == "1"


def test_q1_one_execution_is_in_the_kernel_the_others_come_first_come_first_served() -> None:
    requests = opened()
    sent = [requests.ask(session, ask(id)) for session, id in (("a", "1"), ("a", "2"), ("b", "3"), ("a", "4"))]
    assert [in_order(each) for each in sent] == [["1"], [], [], []]
    assert [in_order(end(requests, id).ready) for id in "1234"] == [["2"], ["3"], ["4"], []]


def test_q1_a_sessions_shell_messages_keep_their_order_and_others_pass() -> None:
    requests = opened()
    requests.ask("a", ask("1"))
    # In the kernel's queue behind the first, as the kernel would have it.
    assert in_order(requests.ask("a", ask("2", "comm_msg"))) == ["2"]
    held = [ask("3"), ask("4", "comm_msg"), ask("5", "inspect_request"), ask("6"), ask("7", "comm_msg")]
    assert [requests.ask("a", item) for item in held] == [[], [], [], [], []]
    assert in_order(requests.ask("b", ask("8", "comm_msg"))) == ["8"]
    assert in_order(end(requests, "1").ready) == ["3", "4", "5"]
    assert in_order(end(requests, "3").ready) == ["6", "7"]


def test_q1_subshells_and_control_never_wait() -> None:
    requests = opened()
    requests.ask("a", ask("1"))
    requests.ask("a", ask("2"))
    item = ask("3")
    header = json.dumps(item.part("header") | {"subshell_id": "s"}).encode()
    on_subshell = message("shell", header, b"{}", b"{}", item.content)
    assert in_order(requests.ask("a", on_subshell)) == ["3"]
    assert in_order(requests.ask("a", ask("4", channel="control"))) == ["4"]
    assert requests.running is not None
    assert requests.running.request.id == "1"


@pytest.mark.parametrize("content", [{}, {"stop_on_error": True}, {"stop_on_error": False}, {"code": "1", "x": [1]}])
def test_q2_no_execution_tells_the_kernel_to_stop(content: dict[str, object]) -> None:
    (sent,) = opened().ask("a", make("shell", "execute_request", {"code": "", **content}))
    assert sent.part("content") == {"code": "", **content, "stop_on_error": False}


@pytest.mark.parametrize(
    ("content", "outcome", "stops"),
    [
        ({}, "error", True),
        ({"stop_on_error": True}, "error", True),
        ({"stop_on_error": False}, "error", False),
        ({"silent": True}, "error", False),
        ({}, "ok", False),
        ({}, "aborted", False),
    ],
)
def test_q3_an_error_aborts_what_its_own_session_has_waiting(
    content: dict[str, object], outcome: str, stops: bool
) -> None:
    requests = opened()
    requests.ask("a", make("shell", "execute_request", {"code": ""} | content, id="1"))
    for session, id in (("a", "2"), ("b", "3"), ("a", "4")):
        requests.ask(session, ask(id))
    requests.ask("a", ask("5", "comm_msg"))
    aborted, ready = end(requests, "1", outcome)
    if stops:
        assert [request.id for request in aborted] == ["2", "4"]
        assert in_order(ready) == ["5", "3"]
        assert end(requests, "3") == ([], [])
    else:
        assert (aborted, in_order(ready)) == ([], ["2"])


def test_q3_what_is_sent_once_the_error_is_known_is_not_aborted() -> None:
    requests = opened()
    for id in "12":
        requests.ask("a", ask(id))
    requests.take(reply("1", "error"))
    requests.ask("a", ask("3"))  # its sender has seen the reply; the idle is still on its way
    requests.ask("a", ask("4", "comm_msg"))
    requests.note(status("idle", above("1")))
    aborted, ready = requests.next()
    assert ([request.id for request in aborted], in_order(ready)) == (["2"], ["3", "4"])


def test_q4_what_waits_is_bounded_in_number_and_size() -> None:
    requests = opened(max_held=2, max_held_bytes=5000)
    for id in "123":
        requests.ask("a", ask(id))
    with pytest.raises(TooMany, match="2 messages"):
        requests.ask("b", ask("4"))
    assert in_order(end(requests, "1").ready) == ["2"]
    with pytest.raises(TooMany):
        requests.ask("b", ask("4", content="x" * 5000))
    assert requests.ask("b", ask("4")) == []
    # What was refused left nothing behind.
    assert [in_order(end(requests, id).ready) for id in "234"] == [["3"], ["4"], []]
    assert requests.outstanding == []


@pytest.mark.parametrize("idle_first", [True, False])
def test_e3_an_execution_is_over_with_its_reply_and_its_idle(idle_first: bool) -> None:
    requests = opened()
    requests.ask("a", ask("1"))
    requests.ask("a", ask("2"))
    for step in ("idle", "reply") if idle_first else ("reply", "idle"):
        assert requests.next() == ([], [])
        requests.take(reply("1")) if step == "reply" else requests.note(status("idle", above("1")))
    assert in_order(requests.next().ready) == ["2"]


def test_h7_everything_waits_until_the_kernel_is_ready_and_then_for_its_turn() -> None:
    requests = Requests()
    sent = [ask("1", "complete_request"), ask("2"), ask("3"), ask("4", "comm_msg"), ask("5", channel="control")]
    assert [requests.ask("a", item) for item in sent] == [[]] * 5
    assert len(requests.outstanding) == 4
    assert in_order(requests.open()) == ["1", "2", "5"]
    assert in_order(end(requests, "2").ready) == ["3", "4"]


def test_outstanding_requests_are_bounded_and_hold_no_content() -> None:
    requests = opened(max_outstanding=10)
    requests.ask("a", ask("runs"))
    for number in range(100):
        requests.ask("a", ask(f"{number}", "history_request", content="x" * 1000))
    left = [request.id for request in requests.outstanding]
    assert sorted(left) == sorted(["runs", *(f"{number}" for number in range(91, 100))])
    assert not any(hasattr(request, "content") for request in requests.outstanding)


def test_a12_busy_is_from_the_request_to_its_reply_and_idle() -> None:
    requests = opened()
    seen = [requests.busy]
    requests.ask("a", ask("1"))
    seen.append(requests.busy)
    for step in ("busy", "reply", "idle"):
        requests.take(reply("1")) if step == "reply" else requests.note(status(step, above("1")))
        requests.next()
        seen.append(requests.busy)
    assert seen == [False, True, True, True, False]


def test_a12_a_completion_does_not_end_the_busy_of_a_running_cell() -> None:
    requests = opened()
    requests.ask("a", ask("1"))
    requests.note(status("busy", above("1")))
    requests.ask("a", ask("2", "complete_request"))
    for state in ("busy", "idle"):
        assert not requests.note(status(state, above("2", "complete_request")))
    requests.take(reply("2", kind="complete"))
    requests.next()
    assert requests.busy


def test_i2_code_has_begun_when_its_input_is_published() -> None:
    requests = opened()
    requests.ask("a", ask("1"))
    requests.note(status("busy", above("1")))
    assert requests.running is not None
    assert not requests.running.begun
    requests.note(make("iopub", "execute_input", {"code": ""}, above("1")))
    assert requests.running.begun
    end(requests, "1")
    assert requests.running is None


# -- any order of anything -------------------------------------------------------------------------------------------


@dataclass
class Sent:
    """One message of a client, and what became of it."""

    session: str
    id: str
    kind: str
    stops: bool
    outcome: str = ""


@dataclass
class FakeKernel:
    """Answers in order, as kernels do: on two sockets of which either may be read first."""

    queue: deque[Message] = field(default_factory=deque)
    shell: deque[Message] = field(default_factory=deque)
    iopub: deque[Message] = field(default_factory=deque)
    arrived: list[str] = field(default_factory=list)

    def send(self, items: list[Message]) -> None:
        self.queue.extend(items)
        self.arrived += [item.id for item in items]

    def work(self, outcome: str) -> None:
        if not self.queue:
            return
        item = self.queue.popleft()
        self.iopub.append(make("iopub", "status", {"execution_state": "busy"}, item.header))
        if item.type.endswith("_request"):
            kind = item.type.removesuffix("_request") + "_reply"
            self.shell.append(make("shell", kind, {"status": outcome}, item.header))
        self.iopub.append(make("iopub", "status", {"execution_state": "idle"}, item.header))


class AnyOrder(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.requests = opened()
        self.kernel = FakeKernel()
        self.sent: dict[str, Sent] = {}
        self.order: dict[str, list[str]] = defaultdict(list)  # of each session
        self.executions: list[str] = []
        self.replies: Counter[str] = Counter()

    @rule(
        session=st.sampled_from("abc"),
        kind=st.sampled_from(["execute_request", "execute_request", "comm_msg", "complete_request"]),
        stops=st.booleans(),
    )
    def ask(self, session: str, kind: str, stops: bool) -> None:
        id = f"{len(self.sent)}"
        self.sent[id] = Sent(session, id, kind, stops)
        self.order[session].append(id)
        if kind == "execute_request":
            self.executions.append(id)
        item = make("shell", kind, {"code": "", "stop_on_error": stops}, id=id)
        waiting = [self.sent[other] for other in self.executions if not self.sent[other].outcome]
        due = self.requests.ask(session, item)
        if kind != "execute_request" and not any(
            other.session == session and other.id not in self.kernel.arrived for other in waiting
        ):
            assert in_order(due) == [id]  # others' executions are none of its business
        self.kernel.send(due)

    @rule(outcome=st.sampled_from(["ok", "ok", "error"]))
    def work(self, outcome: str) -> None:
        self.kernel.work(outcome)

    @rule()
    def hear_shell(self) -> None:
        if not self.kernel.shell:
            return
        item = self.kernel.shell.popleft()
        sent = self.sent[item.parent_id]
        assert self.requests.take(item) == sent.session
        sent.outcome = str(item.part("content")["status"])
        self.replies[sent.id] += 1
        self.go_on(sent)

    @rule()
    def hear_iopub(self) -> None:
        if self.kernel.iopub:
            item = self.kernel.iopub.popleft()
            self.requests.note(item)
            self.go_on(self.sent[item.parent_id])

    def go_on(self, cause: Sent) -> None:
        aborted, ready = self.requests.next()
        for request in aborted:
            assert (cause.outcome, cause.stops, cause.kind) == ("error", True, "execute_request")
            assert request.session == cause.session
            self.sent[request.id].outcome = "aborted"
            self.replies[request.id] += 1
        if ready or aborted:
            # Whoever asked first is next, as far as nothing was aborted.
            left = [id for id in self.executions if not self.sent[id].outcome]
            assert [item.id for item in ready if item.type == "execute_request"] == left[:1]
        self.kernel.send(ready)

    @invariant()
    def one_execution_is_in_the_kernel(self) -> None:
        inside = [id for id in self.kernel.arrived if self.sent[id].kind == "execute_request"]
        assert sum(not self.sent[id].outcome for id in inside) <= 1

    @invariant()
    def a_session_keeps_its_order(self) -> None:
        for session, ids in self.order.items():
            arrived = [id for id in self.kernel.arrived if self.sent[id].session == session]
            assert arrived == [id for id in ids if id in set(arrived)]

    def teardown(self) -> None:
        while self.kernel.queue or self.kernel.shell or self.kernel.iopub:
            self.kernel.work("ok")
            self.hear_iopub()
            self.hear_shell()
        asked = {id for id, sent in self.sent.items() if sent.kind.endswith("_request")}
        assert self.replies == dict.fromkeys(asked, 1)
        assert set(self.kernel.arrived) == {id for id, sent in self.sent.items() if sent.outcome != "aborted"}
        assert (self.requests.outstanding, self.requests.held, self.requests.busy) == ([], 0, False)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
