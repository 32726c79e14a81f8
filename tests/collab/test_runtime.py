"""The client of Jupyter's contract against servers that answer wrongly, break off, or send what nobody can read."""

import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from collab.gateway import Gateway
from collab.jupyter_runtime import JupyterRuntime
from collab.jupyter_server import Address
from collab.kernel_frames import V1, decode, encode, encode_older
from collab.messages import Failure, Stream, to_event
from collab.runtime import Kernel, KernelGone, KernelMessage, RuntimeFailed
from tests.support.listener import Listener


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# -- frames ---------------------------------------------------------------------------------------------------------


def frame(*parts: bytes) -> bytes:
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def event_of(content: bytes, kind: str = "stream") -> object:
    message = decode(frame(b"iopub", json.dumps({"msg_type": kind}).encode(), b"{}", b"{}", content))
    assert message is not None
    return to_event({"header": message.header, "content": message.content})


def test_what_is_encoded_is_decoded() -> None:
    header = {"msg_id": "m1", "msg_type": "execute_request"}
    message = decode(encode("shell", header, {"code": "'ü 🙂'"}))
    assert message == KernelMessage("shell", header, {}, {"code": "'ü 🙂'"})
    assert (message.id, message.type, message.parent_id) == ("m1", "execute_request", "")


def test_buffers_come_along() -> None:
    message = decode(frame(b"iopub", b'{"msg_id": "m"}', b'{"msg_id": "p"}', b"{}", b'{"a": 1}', b"\x00\xff", b""))
    assert message == KernelMessage("iopub", {"msg_id": "m"}, {"msg_id": "p"}, {"a": 1}, {}, (b"\x00\xff", b""))


@pytest.mark.parametrize("v1", [True, False])
def test_buffers_go_out_in_both_forms(v1: bool) -> None:
    sent = (encode if v1 else encode_older)("shell", {"msg_id": "m"}, {"a": 1}, (b"\x00\xff", b"", b"{}"))
    assert decode(sent, v1) == KernelMessage("shell", {"msg_id": "m"}, {}, {"a": 1}, {}, (b"\x00\xff", b"", b"{}"))


def test_the_older_text_form_is_read_too() -> None:
    value = {"channel": "iopub", "header": {"msg_id": "m"}, "parent_header": {}, "metadata": {}, "content": {"a": 1}}
    assert decode(json.dumps(value)) == KernelMessage("iopub", {"msg_id": "m"}, {}, {"a": 1})


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_no_frame_raises(data: bytes | str) -> None:
    decode(data)


@given(st.lists(st.binary(max_size=20), min_size=5, max_size=7))
def test_no_parts_raise(parts: list[bytes]) -> None:
    decode(frame(*parts))


def test_numbers_that_python_refuses_arrive_as_text() -> None:
    digits = "9" * 10_000
    assert event_of(b'{"name": "stdout", "text": %s}' % digits.encode()) == Stream("stdout", digits)


def test_content_that_is_no_json_is_an_output_that_says_so() -> None:
    for content in (b"{broken", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'"text"'):
        assert isinstance(event_of(content), Failure)


# -- REST -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def rest(answer: Callable[[httpx.Request], httpx.Response]) -> AsyncIterator[JupyterRuntime]:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={}) if request.url.path == "/api/status" else answer(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        yield JupyterRuntime(http, Gateway(http, Path("."), Address("http://gateway", "secret")), "session")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (httpx.Response(404), KernelGone, "The kernel is gone"),
        (httpx.Response(503, json={"reason": "The machine is full."}), RuntimeFailed, "The machine is full."),
        (httpx.Response(500, json={"message": "It broke.", "reason": None}), RuntimeFailed, "It broke."),
        (httpx.Response(500, json={}), RuntimeFailed, "The kernel gateway answered 500."),
        (httpx.Response(500, json=["no"]), RuntimeFailed, "The kernel gateway answered 500."),
        (httpx.Response(502, text="<html>Bad gateway</html>"), RuntimeFailed, "The kernel gateway answered 502."),
        (httpx.Response(200, text="<html>"), RuntimeFailed, "The kernel gateway answered with something"),
    ],
)
async def test_errors_are_one_sentence(answer: httpx.Response, error: type[Exception], sentence: str) -> None:
    async with rest(lambda request: answer) as runtime:
        with pytest.raises(error, match=sentence):
            await runtime.find("k")


@pytest.mark.anyio
async def test_a_gateway_that_breaks_off_is_an_error_too() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("broken off")

    async with rest(broken) as runtime:
        with pytest.raises(RuntimeFailed, match="does not answer"):
            await runtime.restart("k")


@pytest.mark.anyio
@pytest.mark.parametrize("model", [{"id": 7, "name": None}, {}, []])
@pytest.mark.parametrize("spec", [{"spec": []}, {"spec": {"display_name": "Py"}}, {}])
async def test_models_of_any_form_are_read(model: object, spec: object) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=spec if "kernelspecs" in request.url.path else model)

    async with rest(answer) as runtime:
        assert isinstance(await runtime.find("k"), Kernel)


# -- the socket -----------------------------------------------------------------------------------------------------


class Host:
    """A gateway of one kernel whose connections do what the test says. `asked` is the query of each."""

    def __init__(self, v1: bool = True) -> None:
        self._speaks = [Subprotocol(V1)] if v1 else None
        self.gone = False
        self.asked: list[str] = []
        self.received: list[KernelMessage] = []
        self._address = ""

    @asynccontextmanager
    async def running(self, talk: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[JupyterRuntime]:
        def process(connection: ServerConnection, request: Request) -> Response | None:
            if request.path == "/api/status":
                return Response(HTTPStatus.OK, "OK", Headers({"Content-Length": "2"}), b"{}")
            self.asked.append(request.path.partition("?")[2])
            return connection.respond(HTTPStatus.NOT_FOUND, "gone") if self.gone else None

        async def handle(connection: ServerConnection) -> None:
            await talk(connection)

        async with (
            serve(handle, "127.0.0.1", 0, process_request=process, max_size=None, subprotocols=self._speaks) as server,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield JupyterRuntime(http, Gateway(http, Path("."), Address(url, "secret")), "session")

    async def read(self, connection: ServerConnection) -> KernelMessage:
        message = decode(await connection.recv())
        assert message is not None
        self.received.append(message)
        return message


def said(id: str, text: str = "") -> bytes:
    header = {"msg_id": id, "msg_type": "stream"}
    return frame(b"iopub", json.dumps(header).encode(), b'{"msg_id": "r"}', b"{}", json.dumps({"text": text}).encode())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.jupyter_runtime._PAUSES_S", (0.01,))


@pytest.mark.anyio
async def test_a_connection_that_breaks_goes_on_after_the_last_message_and_doubles_nothing() -> None:
    host = Host()

    async def talk(connection: ServerConnection) -> None:
        for id in ("m1", "m2", "") if len(host.asked) == 1 else ("m2", "", "m3"):
            await connection.send(said(id))
        if len(host.asked) > 1:
            await connection.wait_closed()

    async with host.running(talk) as runtime, Listener.on(runtime, "k", "m0") as heard:
        await heard.until(lambda: len(heard.messages) == 5)
        assert [message.id for message in heard.messages] == ["m1", "m2", "", "", "m3"]
        assert heard.connections == [True, False, True]
        assert host.asked == ["session_id=session&after=m0", "session_id=session&after=m2"]


@pytest.mark.anyio
async def test_a_server_that_does_not_know_v1_is_spoken_to_in_the_older_form() -> None:
    host = Host(v1=False)
    text = {"channel": "iopub", "header": {"msg_id": "m1"}, "parent_header": {}, "metadata": {}, "content": {"a": 1}}
    # With buffers it is a binary frame: how many parts, where each begins, the JSON, the buffers.
    with_buffers = json.dumps(text | {"header": {"msg_id": "m2"}}).encode()
    offsets = struct.pack("!3I", 2, 12, 12 + len(with_buffers))

    async def talk(connection: ServerConnection) -> None:
        await host.read(connection)
        await connection.send(json.dumps(text))
        await connection.send(offsets + with_buffers + b"\x00\xff")
        await connection.wait_closed()

    async with host.running(talk) as runtime, Listener.on(runtime, "k") as heard:
        runtime.send("shell", "execute_request", "r1", {"code": "ü"})
        await heard.until(lambda: len(heard.messages) == 2)
    assert [(message.id, message.content) for message in heard.messages] == [("m1", {"a": 1}), ("m2", {"a": 1})]
    assert [(message.channel, message.id, message.content) for message in host.received] == [
        ("shell", "r1", {"code": "ü"})
    ]


@pytest.mark.anyio
async def test_a_message_that_is_too_large_ends_the_connection_and_not_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collab.jupyter_runtime._MAX_MESSAGE_BYTES", 10_000)
    host = Host()

    async def talk(connection: ServerConnection) -> None:
        await connection.send(said("m1") if len(host.asked) > 1 else said("huge", "x" * 20_000))
        await connection.wait_closed()

    async with host.running(talk) as runtime, Listener.on(runtime, "k") as heard:
        await heard.until(lambda: bool(heard.messages))
        assert [message.id for message in heard.messages] == ["m1"]


@pytest.mark.anyio
async def test_what_is_sent_while_the_connection_is_down_goes_out_in_order() -> None:
    host, done = Host(), anyio.Event()

    async def talk(connection: ServerConnection) -> None:
        for _ in range(3):
            await host.read(connection)
        done.set()
        await connection.wait_closed()

    async with host.running(talk) as runtime:
        for number in range(3):
            runtime.send("shell", "execute_request", f"r{number}", {"code": ""}, "sub" if number else "")
        async with Listener.on(runtime, "k"):
            with anyio.fail_after(10):
                await done.wait()
    assert [message.id for message in host.received] == ["r0", "r1", "r2"]
    assert [message.header.get("subshell_id") for message in host.received] == [None, "sub", "sub"]
    assert {message.header["session"] for message in host.received} == {"session"}


@pytest.mark.anyio
async def test_the_end_of_the_kernel_ends_the_listening() -> None:
    host = Host()

    async def talk(connection: ServerConnection) -> None:
        host.gone = True

    async with host.running(talk) as runtime, Listener.on(runtime, "k") as heard:
        with anyio.fail_after(10):
            await heard.gone.wait()
        assert heard.connections == [True, False]


@pytest.mark.anyio
async def test_a_history_that_is_cut_short_is_none() -> None:
    host = Host()

    async def talk(connection: ServerConnection) -> None:
        await connection.send(said("m1"))

    async with host.running(talk) as runtime:
        assert await runtime.history("k", "r", "m9") is None
        assert await runtime.history("k", "r", "m1") is None  # its beginning is missing
    host.gone = True
    async with host.running(talk) as runtime:
        with pytest.raises(KernelGone):
            await runtime.history("k", "r", "m1")
