"""Runtime: where a Notebook's code runs. `JupyterRuntime` is a client of Jupyter's kernel contract: REST, and one
WebSocket that comes back by itself.

Nothing here knows the gateway's kind: any Jupyter server serves. `after=` asks ours for exactly what was missed; what
came twice is dropped by its msg_id.
"""

import json
import logging
import random
import secrets
import struct
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Protocol
from urllib.parse import quote

import anyio
import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from collab.gateway import Gateway, NoGateway

log = logging.getLogger(__name__)

V1: Final = "v1.kernel.websocket.jupyter.org"
_START_WITHIN_S: Final = 60.0
_MAX_MESSAGE_BYTES: Final = 128 << 20
_HISTORY_WITHIN_S: Final = 20.0
_MAX_SEEN: Final = 20_000
_MAX_UNSENT: Final = 1_000
_PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0, 5.0)


class RuntimeFailed(Exception):
    """What was asked of the kernel did not work; the message is one sentence."""


class KernelGone(RuntimeFailed):
    """The kernel is not there any more, or is dead."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """`session` names the process: it changes with every restart."""

    id: str
    session: str
    name: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kind of kernel that can be started; `title` is what people see."""

    name: str
    language: str
    title: str


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """A message as it came, decoded; buffers are left out. `content` is whatever the kernel made of it."""

    channel: str
    header: Mapping[str, object]
    parent: Mapping[str, object]
    content: object

    @property
    def id(self) -> str:
        return str(self.header.get("msg_id", ""))

    @property
    def type(self) -> str:
        return str(self.header.get("msg_type", ""))

    @property
    def parent_id(self) -> str:
        return str(self.parent.get("msg_id", ""))


class Runtime(Protocol):
    """The fake of tests/support passes the same suite, `tests/contracts/test_runtime.py`."""

    async def specs(self) -> list[KernelSpec]:
        """What can be started, the default first. Raises RuntimeFailed."""

    async def start(self, spec: str, folder: str, id: str) -> Kernel:
        """A new kernel that answers. `id` is a UUID and a wish: it can be found under it before this returns, where
        wishes are heard. Raises RuntimeFailed."""

    async def find(self, id: str) -> Kernel:
        """Raises KernelGone and RuntimeFailed."""

    async def interrupt(self, id: str) -> None:
        """Raises KernelGone and RuntimeFailed."""

    async def restart(self, id: str) -> Kernel:
        """A fresh process under the same id. Raises KernelGone and RuntimeFailed."""

    async def shut_down(self, id: str) -> None:
        """Nothing when it is gone. Raises RuntimeFailed."""

    def send(self, channel: str, type: str, id: str, content: Mapping[str, object], subshell: str = "") -> None:
        """Goes out in order, at once or when the connection is back; at most once, but for input that was typed."""

    def forget_unsent(self) -> None:
        """For a fresh kernel: what was meant for the last one is not for it."""

    async def listen(
        self,
        kernel: str,
        after: str,
        receive: Callable[[KernelMessage], Awaitable[None]],
        connected: Callable[[bool], None],
    ) -> None:
        """Until cancelled, or KernelGone is raised. `after` is the last iopub msg_id that has been dealt with. When
        `receive` waits, the kernel's messages wait with it."""

    async def history(self, kernel: str, run: str, until: str) -> list[KernelMessage] | None:
        """What was said about a run on iopub, up to and including the iopub message `until`; None when not all of it
        can be had any more. Raises KernelGone."""


class JupyterRuntime:
    def __init__(self, http: httpx.AsyncClient, gateway: Gateway, session: str) -> None:
        """`session` is our Jupyter session id: the same after a restart of ours, so that replies find us again."""
        self._http = http
        self._gateway = gateway
        self._session = session
        self._unsent: deque[tuple[str, bytes]] = deque(maxlen=_MAX_UNSENT)
        self._work = anyio.Event()
        self._seen: OrderedDict[str, None] = OrderedDict()

    # -- REST -----------------------------------------------------------------------------------------------------

    async def specs(self) -> list[KernelSpec]:
        answer = await self._call("GET", "/api/kernelspecs")
        default, found = answer.get("default"), []
        for name, entry in _mapping(answer.get("kernelspecs")).items():
            spec = _mapping(_mapping(entry).get("spec"))
            found.append(KernelSpec(name, str(spec.get("language", "")), str(spec.get("display_name", name))))
        return sorted(found, key=lambda spec: spec.name != default)

    async def start(self, spec: str, folder: str, id: str) -> Kernel:
        answer = await self._call("POST", "/api/kernels", {"name": spec, "path": folder, "kernel_id": id})
        return await self._kernel(answer)

    async def find(self, id: str) -> Kernel:
        return await self._kernel(await self._call("GET", f"/api/kernels/{quote(id)}"))

    async def interrupt(self, id: str) -> None:
        await self._call("POST", f"/api/kernels/{quote(id)}/interrupt")

    async def restart(self, id: str) -> Kernel:
        return await self._kernel(await self._call("POST", f"/api/kernels/{quote(id)}/restart"))

    async def shut_down(self, id: str) -> None:
        with suppress(KernelGone):
            await self._call("DELETE", f"/api/kernels/{quote(id)}")

    async def _kernel(self, model: Mapping[str, Any]) -> Kernel:
        id, state = str(model.get("id", "")), str(model.get("execution_state", ""))
        name = str(model.get("name", ""))
        with suppress(RuntimeFailed):
            spec = _mapping((await self._call("GET", f"/api/kernelspecs/{quote(name)}")).get("spec"))
            name = str(spec.get("display_name", name))
        return Kernel(id, f"{id}:{model.get('generation', 1)}", name, state, str(model.get("reason", "")))

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            at = await self._gateway.address()
            headers = {"Authorization": f"token {at.token}"}
            answer = await self._http.request(
                method, at.url + path, json=body if body is not None else None, headers=headers, timeout=_START_WITHIN_S
            )
        except NoGateway as error:
            raise RuntimeFailed(str(error)) from error
        except httpx.HTTPError as error:
            raise RuntimeFailed(f"The kernel gateway does not answer ({type(error).__name__}).") from error
        if answer.status_code == 404:
            raise KernelGone("The kernel is gone: the gateway was restarted, or somebody shut it down.")
        if answer.status_code >= 400:
            raise RuntimeFailed(_sentence(answer))
        try:
            value = answer.json() if answer.content else {}
        except ValueError as error:
            raise RuntimeFailed("The kernel gateway answered with something that is no JSON.") from error
        return value if isinstance(value, dict) else {}

    # -- channels -------------------------------------------------------------------------------------------------

    def send(self, channel: str, type: str, id: str, content: Mapping[str, object], subshell: str = "") -> None:
        header = {"msg_id": id, "msg_type": type, "username": "", "session": self._session, "version": "5.4"}
        if subshell:
            header["subshell_id"] = subshell
        self._unsent.append((channel, encode(channel, header, content)))
        self._work.set()

    def forget_unsent(self) -> None:
        self._unsent.clear()

    async def listen(
        self,
        kernel: str,
        after: str,
        receive: Callable[[KernelMessage], Awaitable[None]],
        connected: Callable[[bool], None],
    ) -> None:
        last = [after]

        async def once(message: KernelMessage) -> None:
            if message.id in self._seen:
                return
            if message.id:
                self._seen[message.id] = None
            if len(self._seen) > _MAX_SEEN:
                self._seen.popitem(last=False)
            if message.channel == "iopub" and message.parent and message.id:
                last[0] = message.id
            await receive(message)

        failures = 0
        while True:
            try:
                async with await self._open(kernel, last[0], self._session) as socket:
                    connected(True)
                    failures = 0
                    await self._exchange(socket, once)
            except (OSError, WebSocketException, NoGateway) as error:
                log.info("The connection to a kernel was lost", extra={"kernel": kernel, "reason": str(error)})
            connected(False)
            await anyio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)] * (0.5 + random.random()))
            failures += 1

    async def history(self, kernel: str, run: str, until: str) -> list[KernelMessage] | None:
        found: list[KernelMessage] = []
        try:
            with anyio.fail_after(_HISTORY_WITHIN_S):
                async with await self._open(kernel, "", f"{self._session}-{secrets.token_hex(8)}") as socket:
                    async for frame in socket:
                        message = decode(frame)
                        if message is not None and message.channel == "iopub" and message.parent_id == run:
                            found.append(message)
                        if message is not None and message.id == until:
                            return found if any(each.type == "execute_input" for each in found) else None
        except (OSError, WebSocketException, NoGateway) as error:
            log.info("What a kernel said earlier cannot be had", extra={"kernel": kernel, "reason": str(error)})
        return None

    async def _open(self, kernel: str, after: str, session: str) -> ClientConnection:
        at = await self._gateway.address()
        url = f"{at.url.replace('http', 'ws', 1)}/api/kernels/{quote(kernel)}/channels"
        query = f"?session_id={quote(session)}&after={quote(after)}"
        try:
            return await connect(
                url + query,
                additional_headers={"Authorization": f"token {at.token}"},
                subprotocols=[Subprotocol(V1)],
                max_size=_MAX_MESSAGE_BYTES,
                compression=None,
                proxy=None,
                open_timeout=10,
            )
        except InvalidStatus as error:
            if error.response.status_code == 404:
                raise KernelGone("The kernel is gone: the gateway was restarted, or somebody shut it down.") from error
            raise
        except (InvalidHandshake, TimeoutError) as error:
            raise OSError(str(error)) from error

    async def _exchange(self, socket: ClientConnection, receive: Callable[[KernelMessage], Awaitable[None]]) -> None:
        async def write() -> None:
            while True:
                while self._unsent:
                    channel, frame = self._unsent.popleft()
                    is_out = False
                    try:
                        await socket.send(frame)
                        is_out = True
                    finally:
                        # It may be out all the same. A cell must not run twice; typed input that comes twice is
                        # dropped by the kernel, and without it the cell would wait for ever.
                        if channel == "stdin" and not is_out:
                            self._unsent.appendleft((channel, frame))
                self._work = anyio.Event()
                await self._work.wait()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_quietly, write)
            try:
                async for frame in socket:
                    message = decode(frame)
                    if message is not None:
                        await receive(message)
            except WebSocketException as error:
                log.info("The connection to a kernel was lost", extra={"reason": str(error)})
            tasks.cancel_scope.cancel()


async def _quietly(write: Callable[[], Awaitable[None]]) -> None:
    """A connection that ends is the reader's to notice; two errors at once would hide each other."""
    with suppress(OSError, WebSocketException):
        await write()


def encode(channel: str, header: Mapping[str, object], content: Mapping[str, object]) -> bytes:
    """A v1 frame (see kernelhost.wire for the layout; the contract is Jupyter's)."""
    parts = (channel.encode(), *(json.dumps(part).encode() for part in (header, {}, {}, content)))
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def decode(frame: bytes | str) -> KernelMessage | None:
    """A v1 frame, or the older JSON text of servers that do not know v1. None for what is no message."""
    try:
        if isinstance(frame, str):
            value = json.loads(frame)
            return _message(value.get("channel"), value.get("header"), value.get("parent_header"), value.get("content"))
        (count,) = struct.unpack_from("<Q", frame)
        if not 6 <= count <= 10_000:
            return None
        offsets = struct.unpack_from(f"<{count}Q", frame, 8)
        parts = [frame[start:stop] for start, stop in pairwise(offsets)]
        header, parent, content = json.loads(parts[1]), json.loads(parts[2]), _content(parts[4])
        return _message(parts[0].decode(), header, parent, content)
    except (ValueError, struct.error, AttributeError, RecursionError) as error:
        log.warning("A message of the gateway cannot be read", extra={"reason": str(error)})
        return None


def _content(text: bytes) -> object:
    """None where it is no JSON that Python takes: who reads the message says what was left out."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    except RecursionError:
        return None
    try:  # Python refuses numbers of thousands of digits
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 1000 else digits)
    except (ValueError, RecursionError):
        return None


def _message(channel: object, header: object, parent: object, content: object) -> KernelMessage:
    return KernelMessage(channel if isinstance(channel, str) else "shell", _mapping(header), _mapping(parent), content)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _sentence(answer: httpx.Response) -> str:
    try:
        value = answer.json()
        said = value.get("reason") or value.get("message") or value.get("error")
        return str(said)[:1000] if said else f"The kernel gateway answered {answer.status_code}."
    except (ValueError, AttributeError):
        return f"The kernel gateway answered {answer.status_code}."
