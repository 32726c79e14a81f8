"""Real kernels that end by themselves, and those that somebody keeps (kernels.md section 16)."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

import pytest

from tests.kernels.client import TOKEN, GatewayProcess, eventually
from tests.kernels.test_reports import Frame, feed, until

# 6 s, and 7.2 s; with warnings of half of it.
IDLE = ("--cull-idle", "0.1")
LIFETIME = ("--max-lifetime", "0.002")
# A thread that goes on when its cell has ended.
WORK = "import threading as t; t.Thread(target=lambda: all(True for _ in iter(int, 1)), daemon=True).start()"


def notice(kernel: str, kind: str) -> Callable[[Frame], bool]:
    return lambda frame: frame["type"] == "notice" and (frame["kernel"], frame["kind"]) == (kernel, kind)


def test_t1_t2_an_idle_kernel_is_announced_kept_by_who_wants_it_and_ends_with_its_reason(
    start_gateway: Callable[..., GatewayProcess],
) -> None:
    gateway = start_gateway(*IDLE)
    with ExitStack() as stack:
        socket = stack.enter_context(feed(gateway))
        # Each is kept as soon as it is there, however long the next one takes to start.
        waits = gateway.start(name="python3")
        stack.enter_context(gateway.channel(waits)).execute("input()")
        works = gateway.start(name="python3")
        stack.enter_context(gateway.channel(works)).run(WORK)
        kernel = gateway.start(name="python3")
        channel = stack.enter_context(gateway.channel(kernel))
        channel.run("1")
        warning = until(socket, notice(kernel, "idle"))
        assert warning["text"].endswith("because nobody has used it; anything that is run keeps it.")
        model = gateway.model(kernel)
        assert (model["stops_at"], model["stops_why"]) == (warning["stops_at"], "idle")
        assert datetime.fromisoformat(warning["stops_at"]) > datetime.fromisoformat(model["last_activity"])

        assert gateway.http.post(f"/api/kernels/{kernel}/extend").status_code == 204
        stays = {"type": "notice", "kernel": kernel, "kind": "idle", "text": "This runtime stays."}
        assert until(socket, notice(kernel, "idle")) == stays
        assert "stops_at" not in gateway.model(kernel)

        # What clients do by themselves keeps nothing.
        while not notice(kernel, "culled")(frame := json.loads(socket.recv(timeout=20))):
            channel.send("kernel_info_request", {})
            channel.send("comm_info_request", {})
            gateway.http.get(f"/api/kernels/{kernel}/usage")
        assert frame["text"] == "Idle for 6 s."
        assert channel.closed()[1] == "Idle for 6 s."
        last = [message["content"] for message in channel.got if message["msg_type"] == "status"][-1]
        assert (last["execution_state"], last["reason"]) == ("dead", "Idle for 6 s.")
        answer = gateway.http.get(f"/api/kernels/{kernel}")
        assert answer.status_code == 404
        assert answer.json() == {"message": f"Kernel does not exist: {kernel}", "reason": "Idle for 6 s."}
        assert 'kernelhost_deaths_total{cause="idle"} 1.0' in gateway.http.get("/metrics").text

        # All the while one waited for its input, and one worked in silence.
        models = gateway.http.get("/api/kernels").json()
        assert {model["id"] for model in models} == {waits, works}
        assert not [model for model in models if "stops_at" in model]
    assert gateway.end() == 0


def test_t2_a_lifetime_ends_what_is_busy_and_nobody_may_put_that_off(
    start_gateway: Callable[..., GatewayProcess],
) -> None:
    gateway = start_gateway(*LIFETIME)
    with feed(gateway) as socket:
        kernel = gateway.start(name="python3")
        with gateway.channel(kernel) as channel:
            id = channel.execute("input()")
            until(socket, notice(kernel, "lifetime"))
            assert gateway.model(kernel)["stops_why"] == "lifetime"
            refused = gateway.http.post(f"/api/kernels/{kernel}/extend")
            assert refused.status_code == 403
            assert "only the administrator can put that off" in refused.json()["message"]
            assert until(socket, notice(kernel, "culled"))["text"] == "Its lifetime of 7 s is over."
            reply = channel.reply(id)["content"]
            assert (reply["status"], reply["evalue"]) == ("aborted", "Its lifetime of 7 s is over.")
    assert gateway.end() == 0


@pytest.mark.parametrize(
    ("kind", "content", "channel_name"),
    [
        ("execute_request", {"code": "1"}, "shell"),
        ("comm_msg", {"comm_id": "nobody's", "data": {}}, "shell"),
        ("complete_request", {"code": "pri", "cursor_pos": 3}, "shell"),
        ("inspect_request", {"code": "print", "cursor_pos": 3, "detail_level": 0}, "shell"),
        ("is_complete_request", {"code": "1"}, "shell"),
        ("interrupt_request", {}, "control"),
        ("input_reply", {"value": ""}, "stdin"),
    ],
)
def test_t1_what_a_person_does_is_activity(
    gateway: GatewayProcess, kernel: str, kind: str, content: dict[str, object], channel_name: str
) -> None:
    before = gateway.model(kernel)["last_activity"]
    with gateway.channel(kernel) as channel:

        def is_later() -> bool:
            channel.send(kind, content, channel_name)
            return bool(gateway.model(kernel)["last_activity"] > before)

        eventually(is_later, "a later last_activity")


def test_extend_wants_a_kernel_and_the_token(gateway: GatewayProcess) -> None:
    path = "/api/kernels/00000000-0000-0000-0000-000000000000/extend"
    assert gateway.http.post(path).status_code == 404
    assert gateway.http.post(path, headers={"Authorization": f"token {TOKEN}x"}).status_code == 403


def test_nothing_ends_by_itself_unless_asked_for(gateway: GatewayProcess, kernel: str) -> None:
    assert gateway.http.post(f"/api/kernels/{kernel}/extend").status_code == 204
    gateway.http.get("/api/usage")
    eventually(lambda: "usage" in gateway.model(kernel), "a sample")
    assert "stops_at" not in gateway.model(kernel)
