import json

from kernelhost.messages import make, status
from kernelhost.requests import Requests
from kernelhost.wire import Message


def ask(id: str, kind: str = "execute_request", content: object = None) -> Message:
    return make("shell", kind, {"code": content}, id=id)


def above(id: str, kind: str = "execute_request") -> bytes:
    return json.dumps({"msg_id": id, "msg_type": kind}).encode()


def answered(requests: Requests, id: str) -> str | None:
    request = requests.take(id)
    return request.session if request else None


def test_r3_a_reply_goes_to_whoever_asked() -> None:
    requests = Requests()
    requests.ask("a", ask("1"))
    requests.ask("b", ask("2"))
    assert [answered(requests, id) for id in "211"] == ["b", "a", None]


def test_x6_the_same_msg_id_of_two_clients_is_answered_in_order() -> None:
    requests = Requests()
    requests.ask("a", ask("1"))
    requests.ask("b", ask("1"))
    assert requests.asker("1") == "a"
    assert [answered(requests, "1") for _ in range(3)] == ["a", "b", None]


def test_outstanding_requests_are_bounded_and_hold_no_content() -> None:
    requests = Requests(max_outstanding=10)
    for number in range(100):
        requests.ask("a", ask(f"{number}", content="x" * 1000))
    requests.ask("a", ask("comm", "comm_msg"))
    left = requests.take_all()
    assert [request.id for request in left] == [f"{number}" for number in range(90, 100)]
    assert not requests.busy


def test_a12_busy_is_from_the_request_to_its_reply_and_idle() -> None:
    requests = Requests()
    seen = [requests.busy]
    requests.ask("a", ask("1"))
    seen.append(requests.busy)
    for step in ("busy", "reply", "idle"):
        requests.take("1") if step == "reply" else requests.note(status(step, above("1")))
        seen.append(requests.busy)
    assert seen == [False, True, True, True, False]


def test_a12_a_completion_does_not_end_the_busy_of_a_running_cell() -> None:
    requests = Requests()
    requests.ask("a", ask("1"))
    requests.note(status("busy", above("1")))
    requests.ask("a", ask("2", "complete_request"))
    for state in ("busy", "idle"):
        assert not requests.note(status(state, above("2", "complete_request")))
    requests.take("2")
    assert requests.busy


def test_i2_code_has_begun_when_its_input_is_published() -> None:
    requests = Requests()
    requests.ask("a", ask("1"))
    requests.note(status("busy", above("1")))
    assert (requests.executing, requests.begun) == (True, False)
    requests.note(make("iopub", "execute_input", {"code": ""}, above("1")))
    assert requests.begun
    requests.note(status("idle", above("1")))
    assert not requests.begun
