import json
import time

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.kernels.client import TOKEN, V1, Channel, GatewayProcess, eventually, state_of


@pytest.mark.parametrize("v1", [True, False])
def test_a_cell_runs_in_both_codecs(gateway: GatewayProcess, kernel: str, v1: bool) -> None:
    with gateway.channel(kernel, "s", v1=v1) as channel:
        assert channel.socket.subprotocol == (V1 if v1 else None)
        id = channel.execute("print('å'); 6 * 7")
        assert channel.reply(id)["content"]["status"] == "ok"
        ours = [message for message in channel.got if message["parent_header"].get("msg_id") == id]
        kinds = sorted(message["msg_type"] for message in ours)
        assert kinds == ["execute_input", "execute_reply", "execute_result", "status", "status", "stream"]
        # R4: ids and session pass unchanged.
        assert {message["parent_header"]["session"] for message in ours} == {"test"}
        assert channel.text(id) == "å\n"


@pytest.mark.parametrize("v1", [True, False])
def test_buffers_pass_both_ways(gateway: GatewayProcess, kernel: str, v1: bool) -> None:
    code = """
    from ipykernel.comm import Comm
    comm = Comm("t", data={"n": 1}, buffers=[b"one", b"", memoryview(b"three")])
    """
    with gateway.channel(kernel, "s", v1=v1) as channel:
        channel.run(code)
        opened = next(message for message in channel.got if message["msg_type"] == "comm_open")
        assert [bytes(buffer) for buffer in opened["buffers"]] == [b"one", b"", b"three"]
        if v1:
            channel.run("got = []\ncomm.on_msg(lambda m: got.append([bytes(b) for b in m['buffers']]))")
            content = {"comm_id": opened["content"]["comm_id"], "data": {}}
            channel.send("comm_msg", content, buffers=(b"back", b"again"))
            id = channel.execute("print(got)")
            channel.reply(id)
            assert channel.text(id) == "[[b'back', b'again']]\n"


def test_a_tornado_client_gets_text_only_and_is_told_once(gateway: GatewayProcess, kernel: str) -> None:
    url = f"{gateway.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?token={TOKEN}"
    with connect(url, user_agent_header="Tornado/6.5", proxy=None, compression=None) as socket:
        channel = Channel(socket, v1=False)
        id = channel.execute("from ipykernel.comm import Comm\nfor _ in range(2): Comm('t', buffers=[b'x'])")
        channel.reply(id)
        assert [message["msg_type"] for message in channel.got].count("comm_open") == 2
        assert channel.text(id).count("Binary data was left out") == 1


def test_h7_h11_a_small_cell_takes_milliseconds(gateway: GatewayProcess, kernel: str) -> None:
    """Without TCP_NODELAY it would be some 40 ms each."""
    with gateway.channel(kernel, "s", v1=True) as channel:
        channel.run("1")
        took = []
        for _ in range(20):
            began = time.perf_counter()
            channel.run("1+1")
            took.append(time.perf_counter() - began)
        assert min(took) < 0.02


def test_r3_two_clients_see_all_output_and_only_their_own_replies(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "one") as one, gateway.channel(kernel, "two", v1=True) as two:
        first, second = one.execute("print('of one')"), two.execute("print('of two')")
        one.reply(first)
        two.reply(second)
        one.idle(second)
        two.idle(first)
        assert (one.text(first), one.text(second)) == (two.text(first), two.text(second)) == ("of one\n", "of two\n")
        for channel, own in ((one, first), (two, second)):
            replies = [item["parent_header"]["msg_id"] for item in channel.got if item["msg_type"] == "execute_reply"]
            assert replies == [own]
        assert gateway.model(kernel)["connections"] == 2


def test_x6_the_same_msg_id_from_two_clients_without_a_session(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel) as one, gateway.channel(kernel) as two:
        for channel, code in ((one, "first = 1"), (two, "1/0")):
            content = {"code": code, "silent": False, "stop_on_error": False}
            channel.send("execute_request", content, id="same")
            channel.until(lambda message: message["msg_type"] == "execute_reply")
        replies = [
            [item["content"]["status"] for item in channel.got if item["msg_type"] == "execute_reply"]
            for channel in (one, two)
        ]
        assert replies == [["ok"], ["error"]]


def test_h1_a_second_socket_of_a_session_takes_the_firsts_place(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "s") as first:
        id = first.execute("import time; time.sleep(0.2); print('done')")
        first.until(lambda message: message["msg_type"] == "execute_input")
        with gateway.channel(kernel, "s") as second:
            code, reason = first.closed()
            assert (code, "took this session's place" in reason) == (1000, True)
            assert second.reply(id)["content"]["status"] == "ok"
            assert second.text(id) == "done\n"


COUNTING = """
import time
for number in range(60):
    print(number, flush=True)
    time.sleep(0.02)
"""
ALL = "".join(f"{number}\n" for number in range(60))


@pytest.mark.parametrize("v1", [True, False])
def test_h15_reconnecting_in_mid_print_gives_every_line_once(gateway: GatewayProcess, kernel: str, v1: bool) -> None:
    with gateway.channel(kernel, "again", v1=v1) as channel:
        id = channel.execute(COUNTING)
        channel.until(lambda message: message["msg_type"] == "stream")
        first = channel
        last = channel.got[-1]["header"]["msg_id"]
    with gateway.channel(kernel, "again", after=last, v1=v1) as channel:
        channel.until(lambda message: message["msg_type"] == "stream")
        second, last = channel, channel.got[-1]["header"]["msg_id"]
        while channel.got[-1]["channel"] != "iopub":
            last = channel.receive()["header"]["msg_id"]
    with gateway.channel(kernel, "again", after=last, v1=v1) as channel:
        assert channel.reply(id)["content"]["status"] == "ok"
        assert first.text(id) + second.text(id) + channel.text(id) == ALL


def test_h15_what_came_while_nobody_was_there_is_replayed_to_a_known_session(
    gateway: GatewayProcess, kernel: str
) -> None:
    with gateway.channel(kernel, "away") as channel:
        id = channel.execute("input_line = input('?'); print('got', input_line)")
        channel.until(lambda message: message["msg_type"] == "input_request")
    with gateway.channel(kernel, "other") as other:
        other.send("input_reply", {"value": "x"}, "stdin")
        other.idle(id)
    with gateway.channel(kernel, "away") as channel:
        assert channel.reply(id)["content"]["status"] == "ok"
        assert channel.text(id) == "got x\n"
        present = channel.receive()
        assert (state_of(present), present["parent_header"]) == ("idle", {})


def test_h15_after_nothing_gives_all_there_is(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "a") as channel:
        id = channel.execute("print('before')")
        channel.reply(id)
    with gateway.channel(kernel, "never seen", after="") as channel:
        channel.idle(id)
        assert channel.text(id) == "before\n"


def test_input_is_asked_of_who_runs_the_cell_and_answered_through_stdin(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "asks") as channel, gateway.channel(kernel, "looks") as other:
        id = channel.execute("from getpass import getpass\nprint(input('Name: '), getpass('Secret: '))")
        for prompt, password, value in (("Name: ", False, "Ada"), ("Secret: ", True, "s3cret")):
            asked = channel.until(lambda message: message["msg_type"] == "input_request")
            assert (asked["channel"], asked["parent_header"]["msg_id"]) == ("stdin", id)
            assert asked["content"] == {"prompt": prompt, "password": password}
            channel.send("input_reply", {"value": value}, "stdin")
        channel.reply(id)
        other.idle(id)
        assert channel.text(id) == "Ada s3cret\n"
        assert "input_request" not in [message["msg_type"] for message in other.got]


@pytest.mark.parametrize(("stop", "outcome"), [(True, "aborted"), (False, "ok")])
def test_q2_stop_on_error_is_the_senders_to_say(gateway: GatewayProcess, kernel: str, stop: bool, outcome: str) -> None:
    with gateway.channel(kernel, "s") as channel:
        failing = channel.execute("import time; time.sleep(0.3); 1/0", stop_on_error=stop)
        behind = channel.execute("1")
        status = {failing: "", behind: ""}
        while not all(status.values()):
            message = channel.until(lambda message: message["msg_type"] == "execute_reply")
            status[message["parent_header"]["msg_id"]] = message["content"]["status"]
        assert status == {failing: "error", behind: outcome}
        channel.run("1")  # the kernel has left its aborting state


def test_h7_a_busy_kernel_answers_kernel_info_at_once(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "runs") as channel, gateway.channel(kernel, "comes") as other:
        id = channel.execute("input()")
        channel.until(lambda message: message["msg_type"] == "input_request")
        assert gateway.model(kernel)["execution_state"] == "busy"
        info = other.reply(other.send("kernel_info_request", {}))
        assert info["content"]["language_info"]["name"] == "python"
        assert state_of(other.receive()) == "busy"
        channel.send("input_reply", {"value": ""}, "stdin")
        channel.reply(id)
        direct = other.reply(other.send("kernel_info_request", {}))
        assert direct["content"] | {"banner": ""} == info["content"] | {"banner": ""}


@pytest.mark.parametrize(
    "frame",
    ["no json", "{}", b"", b"\0" * 40, json.dumps({"channel": "x", "header": {"msg_id": "1", "msg_type": "y"}})],
)
@pytest.mark.parametrize("v1", [True, False])
def test_h5_a_bad_frame_closes_its_own_socket_only(
    gateway: GatewayProcess, kernel: str, frame: str | bytes, v1: bool
) -> None:
    with gateway.channel(kernel, "good") as good, gateway.channel(kernel, "bad", v1=v1) as bad:
        bad.socket.send(frame)
        assert bad.closed()[0] == 1003
        assert good.run("1")["status"] == "ok"


def test_h5_iopub_and_hb_of_a_client_are_ignored(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "s") as channel, gateway.channel(kernel, "t") as other:
        for name in ("iopub", "hb"):
            channel.send("stream", {"name": "stdout", "text": "forged"}, name)
        channel.run("1")
        other.run("1")
        assert "forged" not in channel.text() + other.text()


@pytest.mark.parametrize(
    ("query", "origin", "status"),
    [
        ("", None, 403),
        ("?token=wrong", None, 403),
        ("?token={token}", "https://evil.example", 403),
        ("?token={token}", "null", 403),
        ("?token={token}", "{own}", 101),
        ("?token={token}", None, 101),
    ],
)
def test_a2_h13_a_socket_wants_the_token_and_no_foreign_page(
    gateway: GatewayProcess, kernel: str, query: str, origin: str | None, status: int
) -> None:
    url = f"{gateway.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels{query.format(token=TOKEN)}"
    headers = {} if origin is None else {"Origin": origin.format(own=gateway.url)}
    if status == 101:
        with connect(url, additional_headers=headers, proxy=None):
            return
    with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=headers, proxy=None):
        pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["message"]


def test_an_unknown_kernel_is_404_before_the_socket_opens(gateway: GatewayProcess) -> None:
    url = f"{gateway.url.replace('http', 'ws', 1)}/api/kernels/00000000-0-0-0-0/channels"
    with pytest.raises(InvalidStatus) as refused, connect(f"{url}?{httpx.QueryParams(token=TOKEN)}", proxy=None):
        pass
    assert refused.value.response.status_code == 404


def test_who_reads_that_code_runs_or_does_not_finds_it_in_the_model(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "reads", v1=True) as channel:
        for _ in range(5):
            id = channel.execute("input()")
            channel.until(lambda item: state_of(item) == "busy")
            assert gateway.model(kernel)["execution_state"] == "busy"
            channel.until(lambda item: item["msg_type"] == "input_request")
            channel.send("input_reply", {"value": ""}, "stdin")
            channel.reply(id)
            assert gateway.model(kernel)["execution_state"] == "idle"
        before = gateway.model(kernel)["last_activity"]
        channel.run("1")
    eventually(lambda: gateway.model(kernel)["last_activity"] > before, "the time of a short run is told as well")
