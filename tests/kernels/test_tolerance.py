"""What stock clients send and offer, and what they may rely on in what they get (kernels.md H2 to H11)."""

import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.kernels.client import TOKEN, V1, WITHIN_S, Channel, GatewayProcess, Message, eventually, state_of

STATES = {"starting", "idle", "busy", "restarting", "dead"}


def address(gateway: GatewayProcess, kernel: str, **query: str) -> str:
    asked = httpx.QueryParams({"token": TOKEN} | query)
    return f"{gateway.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?{asked}"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([], None), (["other.protocol"], None), ([V1], V1), (["other.protocol", V1], V1), (["a", "b", "c"], None)],
)
def test_h2_v1_is_chosen_where_it_is_offered_and_else_nothing(
    gateway: GatewayProcess, kernel: str, offered: list[str], chosen: str | None
) -> None:
    protocols = [Subprotocol(name) for name in offered]
    with connect(address(gateway, kernel), subprotocols=protocols or None, proxy=None, compression=None) as opened:
        assert opened.subprotocol == chosen
        assert Channel(opened, v1=chosen == V1).run("1")["status"] == "ok"


def test_h11_frames_are_not_deflated(gateway: GatewayProcess, kernel: str) -> None:
    with connect(address(gateway, kernel), proxy=None, compression="deflate") as opened:
        assert opened.response is not None
        assert "Sec-WebSocket-Extensions" not in opened.response.headers


def test_h12_a_ping_is_answered_while_a_cell_runs(gateway: GatewayProcess, kernel: str) -> None:
    with gateway.channel(kernel, "p") as channel:
        id = channel.execute("input()")
        channel.until(lambda message: message["msg_type"] == "input_request")
        assert channel.socket.ping().wait(WITHIN_S)
        channel.send("input_reply", {"value": ""}, "stdin")
        channel.reply(id)


def test_h11_a_frame_of_half_a_gigabyte_is_refused_before_it_is_read(gateway: GatewayProcess, kernel: str) -> None:
    url = urlsplit(address(gateway, kernel))
    head = f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=WITHIN_S) as raw, raw.makefile("rb") as answers:
        raw.sendall(head.encode())
        assert b" 101 " in answers.readline()
        while answers.readline() != b"\r\n":
            pass
        raw.sendall(struct.pack("!BBQ", 0x82, 0x80 | 127, (512 << 20) + 1) + os.urandom(4))
        code = 0
        while code == 0:
            first, length = answers.read(2)
            if length >= 126:
                (length,) = struct.unpack("!H" if length == 126 else "!Q", answers.read(2 if length == 126 else 8))
            content = answers.read(length)
            code = struct.unpack("!H", content[:2])[0] if first & 0x0F == 8 else 0
    assert code == 1009
    with gateway.channel(kernel, "other") as other:
        assert other.run("1")["status"] == "ok"


HEADER = {"msg_id": "1", "msg_type": "execute_request", "username": "u", "session": "", "version": "5.0"}
RUN = {"header": HEADER, "content": {"code": "print('ran')"}}
FULL: Message = {"channel": "shell", "parent_header": {}, "metadata": {}, "buffers": []} | RUN


@pytest.mark.parametrize(
    "message",
    [
        RUN,
        FULL,
        FULL | {"buffers": None},
        FULL | {"buffers": {}},
        FULL | {"channel": None},
        FULL | {"parent_header": None, "metadata": None},
        FULL | {"msg_id": "1", "msg_type": "execute_request", "unknown": [1]},
        FULL | {"header": {"msg_id": "any text, with ä and spaces", "msg_type": "execute_request"}},
        FULL | {"header": HEADER | {"date": "no date", "subshell_id": None}},
    ],
)
def test_h5_what_old_and_careless_clients_leave_out_is_no_matter(
    gateway: GatewayProcess, kernel: str, message: Message
) -> None:
    with gateway.channel(kernel) as channel:
        channel.socket.send(json.dumps(message))
        assert channel.reply(message["header"]["msg_id"])["content"]["status"] == "ok"
        assert channel.text() == "ran\n"


def test_h3_a_legacy_frame_may_have_buffers(gateway: GatewayProcess, kernel: str) -> None:
    code = """
    from ipykernel.comm import Comm
    got = []
    comm = Comm("t")
    comm.on_msg(lambda message: got.append([bytes(buffer) for buffer in message["buffers"]]))
    """
    with gateway.channel(kernel, "legacy") as channel:
        channel.run(code)
        opened = next(message for message in channel.got if message["msg_type"] == "comm_open")
        header = HEADER | {"msg_type": "comm_msg"}
        value = {"header": header, "content": {"comm_id": opened["content"]["comm_id"], "data": {}}, "channel": "shell"}
        parts = [json.dumps(value).encode(), b"one", b"", b"three"]
        starts = [4 * (len(parts) + 1)]
        for part in parts[:-1]:
            starts.append(starts[-1] + len(part))
        channel.socket.send(struct.pack(f"!{len(parts) + 1}I", len(parts), *starts) + b"".join(parts))
        id = channel.execute("print(got)")
        channel.reply(id)
        assert channel.text(id) == "[[b'one', b'', b'three']]\n"


COLAB = """
import time, zmq
from ipykernel.kernelapp import IPKernelApp
kernel = IPKernelApp.instance().kernel
kernel.session.send(kernel.iopub_socket, "colab_request", {"request": "get_ipynb", "id": 7})
until = time.monotonic() + 30
while time.monotonic() < until:
    try:
        _, reply = kernel.session.recv(kernel.stdin_socket, zmq.NOBLOCK)
    except zmq.Again:
        reply = None
    if reply is not None:
        print(reply["content"])
        break
    time.sleep(0.01)
"""


def test_h6_r3_unknown_types_and_answers_that_nobody_asked_for_pass(gateway: GatewayProcess, kernel: str) -> None:
    """As Colab's code does it: a type of its own on iopub, without a parent, and its answer as an input_reply."""
    with gateway.channel(kernel, "colab") as channel, gateway.channel(kernel, "looks") as other:
        id = channel.execute(COLAB)
        for looking in (channel, other):
            asked = looking.until(lambda message: message["msg_type"] == "colab_request")
            assert (asked["channel"], asked["content"]) == ("iopub", {"request": "get_ipynb", "id": 7})
        channel.send("input_reply", {"value": {"type": "colab_reply", "colab_msg_id": 7, "data": [1]}}, "stdin")
        channel.reply(id)
        assert channel.text(id) == "{'value': {'type': 'colab_reply', 'colab_msg_id': 7, 'data': [1]}}\n"


def test_h8_every_header_is_whole_whatever_happens_to_the_kernel(gateway: GatewayProcess) -> None:
    """Also of what we say in the kernel's place: a page throws on less."""
    kernel = gateway.start(name="python3")
    with gateway.channel(kernel, "h") as channel:
        id = channel.execute("input()")
        channel.until(lambda message: message["msg_type"] == "input_request")
        channel.reply(channel.send("kernel_info_request", {}))
        gateway.http.post(f"/api/kernels/{kernel}/restart")
        channel.until(lambda message: state_of(message) == "idle" and not message["parent_header"])
        channel.execute("import os; os._exit(1)")
        channel.until(lambda message: state_of(message) in ("dead", "restarting"))
        gateway.delete(kernel)
        assert channel.closed()[0] == 1000
        assert id in [message["parent_header"].get("msg_id") for message in channel.got]
    for message in channel.got:
        for field in ("msg_id", "msg_type", "username", "session", "version"):
            assert isinstance(message["header"][field], str), message
        assert message["msg_type"] != "status" or state_of(message) in STATES


def test_h7_a_kernel_that_starts_can_be_connected_to_and_told(gateway: GatewayProcess) -> None:
    id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    started: list[Any] = []
    body = {"name": "slow-start", "kernel_id": id}
    thread = threading.Thread(target=lambda: started.append(gateway.http.post("/api/kernels", json=body)))
    thread.start()
    eventually(lambda: gateway.http.get(f"/api/kernels/{id}").status_code == 200, "the kernel is known")
    assert gateway.model(id)["execution_state"] == "starting"
    with gateway.channel(id, "early") as channel:
        sent = [channel.execute(f"print({number})") for number in range(3)]
        (gateway.root / "may-start").touch()
        for number, request in enumerate(sent):
            assert channel.reply(request)["content"]["status"] == "ok"
            assert channel.text(request) == f"{number}\n"
    thread.join()
    assert started[0].status_code == 201
    gateway.delete(id)


@pytest.mark.parametrize(
    ("binary", "agent", "gets_it"),
    [("always", "Tornado/6.5", True), ("never", "a browser", False), ("auto", "a browser", True)],
)
def test_who_gets_binary_frames_in_the_older_codec_can_be_set(
    start_gateway: Callable[..., GatewayProcess], binary: str, agent: str, gets_it: bool
) -> None:
    gateway = start_gateway("--binary", binary)
    url = address(gateway, gateway.start(name="python3"))
    with connect(url, user_agent_header=agent, proxy=None, compression=None) as opened:
        channel = Channel(opened, v1=False)
        channel.run("from ipykernel.comm import Comm\nComm('t', buffers=[b'x'])")
        comm = next(message for message in channel.got if message["msg_type"] == "comm_open")
        assert [bytes(buffer) for buffer in comm["buffers"]] == ([b"x"] if gets_it else [])
        assert ("Binary data was left out" in channel.text()) is not gets_it
    assert gateway.end() == 0
