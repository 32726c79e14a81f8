"""A Runtime on any Jupyter server: REST, and one WebSocket that comes back by itself.

What only our own gateway knows (GPUs, limits, resets, an exact replay) is asked for and done without where it is not
known. `after=` asks ours for exactly what was missed; what came twice is dropped by its msg_id.
"""

import logging
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import quote

import anyio
import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from collab.jupyter_server import Address, Elsewhere, JupyterServer, NoServer
from collab.kernel_frames import V1, decode, encode, encode_older
from collab.process_names import MADE_UP, ProcessNames
from collab.runtime import (
    Device,
    Gpus,
    Kernel,
    KernelGone,
    KernelMessage,
    KernelSpec,
    NoGpu,
    NotNow,
    RuntimeFailed,
)
from collab.seen import SeenMessages
from collab.usage import read_held, read_limits

log = logging.getLogger(__name__)

_START_WITHIN_S: Final = 60.0
_CHECK_WITHIN_S: Final = 10.0
_MAX_MESSAGE_BYTES: Final = 128 << 20
_HISTORY_WITHIN_S: Final = 20.0
_NAME_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 5.0
_AGAIN_AFTER_S: Final = 5.0
_MAX_UNSENT: Final = 1_000
_PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0, 5.0)
_GONE: Final = "The kernel is gone: the gateway was restarted, or somebody shut it down."


# Channel, header, content, buffers.
_Unsent = tuple[str, Mapping[str, object], Mapping[str, object], Sequence[bytes]]


class JupyterRuntime:
    def __init__(self, http: httpx.AsyncClient, gateway: JupyterServer, session: str) -> None:
        """`session` is our Jupyter session id: the same after a restart of ours, so that replies find us again."""
        self._http = http
        self._gateway = self._server = gateway
        self._session = session
        self._unsent: deque[_Unsent] = deque(maxlen=_MAX_UNSENT)
        self._work = anyio.Event()
        self._seen = SeenMessages()
        self._titles: dict[str, str] = {}
        self._names = ProcessNames()

    def use(self, server: Address | None) -> None:
        self._server = self._gateway if server is None else Elsewhere(server)
        self._unsent.clear()
        self._seen.clear()
        self._titles.clear()
        self._names.clear()

    # -- REST -----------------------------------------------------------------------------------------------------

    async def check(self, server: Address) -> None:
        there = Elsewhere(server)
        try:
            found = await self._call("GET", "/api/kernelspecs", there=there, within_s=_CHECK_WITHIN_S)
        except KernelGone:
            found = {}
        if not isinstance(found.get("kernelspecs"), dict):
            raise RuntimeFailed(f"{there.name} has no kernels to offer; check its address.")

    async def specs(self) -> list[KernelSpec]:
        answer = await self._call("GET", "/api/kernelspecs")
        default, found = answer.get("default"), []
        for name, entry in _mapping(answer.get("kernelspecs")).items():
            spec = _mapping(_mapping(entry).get("spec"))
            found.append(KernelSpec(name, str(spec.get("language", "")), str(spec.get("display_name", name))))
        return sorted(found, key=lambda spec: spec.name != default)

    async def gpus(self) -> Gpus | None:
        try:
            answer = await self._call("GET", "/api/gpus")
        except KernelGone:
            return None
        devices = [
            Device(
                held.uuid,
                held.name,
                total if isinstance(total := _mapping(item).get("memory_total_bytes"), int) else None,
                free if isinstance(free := _mapping(item).get("free_fraction"), (int, float)) else None,
                tuple(
                    (str(_mapping(holder).get("kernel", "")), share)
                    for holder in _list(_mapping(item).get("held"))
                    for share in read_held([holder])
                ),
            )
            for item in _list(answer.get("devices"))
            for held in read_held([item])
        ]
        return Gpus(tuple(devices), len(_list(answer.get("queue"))))

    async def usage(self, id: str) -> Sequence[object]:
        try:
            return _list((await self._call("GET", f"/api/kernels/{quote(id)}/usage")).get("samples"))
        except KernelGone:
            return ()

    async def start(self, spec: str, folder: str, id: str, wishes: Mapping[str, str]) -> Kernel:
        body = {"name": spec, "path": folder, "kernel_id": id} | ({"env": dict(wishes)} if wishes else {})
        try:
            kernel = await self._kernel(await self._call("POST", "/api/kernels", body))
        except NoGpu:
            raise
        except RuntimeFailed:
            names = [known.name for known in await self.specs()]  # a stock server only says that it did not work
            if spec not in names:
                raise RuntimeFailed(f"There is no kernel '{spec}'; there are {', '.join(names) or 'none'}.") from None
            raise
        # A stock server answers before its kernel does; by now it was asked for its name.
        return kernel if kernel.keeps else await self.find(kernel.id)

    async def find(self, id: str, known: str = "") -> Kernel:
        return await self._kernel(await self._call("GET", f"/api/kernels/{quote(id)}"), known)

    async def interrupt(self, id: str) -> None:
        await self._call("POST", f"/api/kernels/{quote(id)}/interrupt")

    async def restart(self, id: str) -> Kernel:
        try:
            answer = await self._call("POST", f"/api/kernels/{quote(id)}/restart")
        except RuntimeFailed:
            await self.find(id)  # a stock server says 500 also of a kernel that it does not have
            raise
        self._names.retire(id)
        kernel = await self._kernel(answer)
        return kernel if kernel.keeps else await self.find(id)

    async def reset(self, id: str, folder: bool) -> Kernel:
        try:
            answer = await self._call("POST", f"/api/kernels/{quote(id)}/reset", {"folder": folder})
        except KernelGone:
            await self.find(id)  # raises when it was the kernel that is not there
            if folder:
                raise NotNow(f"{self._server.name} cannot empty a working folder; restart the runtime.") from None
            return await self.restart(id)
        self._names.retire(id)
        return await self._kernel(answer)

    async def reset_all(self, folder: bool) -> None:
        try:
            await self._call("POST", "/api/reset", {"folder": folder})
        except KernelGone:
            raise NotNow(f"{self._server.name} cannot reset all runtimes; restart them one by one.") from None

    async def extend(self, id: str) -> None:
        await self._call("POST", f"/api/kernels/{quote(id)}/extend")

    async def widget_module(self, name: str) -> str | None:
        try:
            at = await self._server.address()
            url = f"{at.url}/nbextensions/{quote(name)}/index.js"
            answer = await self._http.get(url, headers=at.headers, timeout=_CHECK_WITHIN_S)
        except (NoServer, httpx.HTTPError, httpx.InvalidURL):
            return None
        return answer.text if answer.status_code == 200 else None

    async def shut_down(self, id: str) -> None:
        with suppress(KernelGone):
            await self._call("DELETE", f"/api/kernels/{quote(id)}")

    async def _kernel(self, model: Mapping[str, Any], known: str = "") -> Kernel:
        id, name = str(model.get("id", "")), str(model.get("name", ""))
        generation = model.get("generation")
        if isinstance(generation, int):
            session = f"{id}:{generation}"
        else:
            session = f"{id}:{await self._process_of(id, known.removeprefix(f'{id}:'))}"
        stops_at, why = model.get("stops_at"), model.get("stops_why")
        return Kernel(
            id,
            session,
            await self._title(name),
            str(model.get("execution_state", "")),
            str(model.get("reason", "")),
            isinstance(generation, int),
            stops_at if isinstance(stops_at, str) else "",
            why if why in ("idle", "lifetime") else "",
            read_limits(model.get("limits")),
            read_held(model.get("gpus")),
        )

    async def _title(self, name: str) -> str:
        if name not in self._titles:
            try:
                spec = _mapping((await self._call("GET", f"/api/kernelspecs/{quote(name)}")).get("spec"))
            except RuntimeFailed:
                return name
            self._titles[name] = str(spec.get("display_name", name))
        return self._titles[name]

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        there: JupyterServer | None = None,
        within_s: float = _START_WITHIN_S,
    ) -> dict[str, Any]:
        """KernelGone also for an address that the server does not know."""
        server = there or self._server
        try:
            at = await server.address()
            answer = await self._http.request(method, at.url + path, json=body, headers=at.headers, timeout=within_s)
        except NoServer as error:
            raise RuntimeFailed(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RuntimeFailed(
                f"{server.name} does not answer; see that it runs and can be reached from here."
            ) from error
        match answer.status_code:
            case 404:
                raise KernelGone(_GONE)
            case 401 | 403:
                said = _said(answer).get("message")  # ours says 403 of quotas too
                if isinstance(said, str) and said.endswith(".") and "token" not in said:
                    raise NotNow(said)
                raise RuntimeFailed(f"{server.name} does not take this token; find the right one in its own output.")
            case 409 | 429:
                raise NotNow(_sentence(server, answer))
            case 503 if (place := _place(answer)) is not None:
                raise NoGpu(_sentence(server, answer), place, _seconds(answer.headers.get("retry-after")))
            case status if status >= 300:
                raise RuntimeFailed(_sentence(server, answer))
        try:
            value = answer.json() if answer.content else {}
        except ValueError as error:
            raise RuntimeFailed(f"{server.name} answered with something that is no JSON.") from error
        return value if isinstance(value, dict) else {}

    # -- servers that count no generations ------------------------------------------------------------------------

    async def _process_of(self, id: str, known: str) -> str:
        """A name of the kernel's process, new with each. What was known is believed until a message says otherwise:
        asking takes a connection, and a stock server forgets what it keeps for the last one when another comes."""
        return self._names.of(id) or self._names.set(id, known or await self._ask_process(id))

    async def _ask_process(self, kernel: str) -> str:
        asked = f"name-{secrets.token_hex(8)}"
        header = self._header("kernel_info_request", asked)
        with anyio.move_on_after(_NAME_WITHIN_S), suppress(OSError, WebSocketException, NoServer):
            async with self._open(kernel, "", f"{self._session}-{secrets.token_hex(8)}") as socket:
                await _write(socket, "control", header, {})
                async for frame in socket:
                    message = _read(socket, frame)
                    if message is not None and message.parent_id == asked and message.channel == "control":
                        return str(message.header.get("session", ""))
        return f"{MADE_UP}{secrets.token_hex(8)}"  # a name all the same; how the process calls itself is heard later

    # -- channels -------------------------------------------------------------------------------------------------

    def send(
        self,
        channel: str,
        type: str,
        id: str,
        content: Mapping[str, object],
        subshell: str = "",
        session: str = "",
        buffers: Sequence[bytes] = (),
    ) -> None:
        self._unsent.append((channel, self._header(type, id, subshell, session), content, buffers))
        self._work.set()

    def forget_unsent(self) -> None:
        self._unsent.clear()

    def _header(self, type: str, id: str, subshell: str = "", session: str = "") -> dict[str, object]:
        header: dict[str, object] = {"msg_id": id, "msg_type": type, "session": session or self._session}
        header |= {"username": "", "version": "5.4"}
        return header | ({"subshell_id": subshell} if subshell else {})

    async def listen(
        self,
        kernel: str,
        after: str,
        receive: Callable[[KernelMessage], Awaitable[None]],
        connected: Callable[[bool], None],
    ) -> None:
        last = [after]

        async def once(message: KernelMessage) -> None:
            if message.id and not self._seen.add(message.id):
                return
            if message.channel == "iopub" and message.parent and message.id:
                last[0] = message.id
            if _says_restarting(message):  # a stock server's word for a kernel that died and that it starts again
                self._names.retire(kernel)
            if self._names.is_news(kernel, message):
                await receive(_restarting())
            await receive(message)

        failures = 0
        while True:
            try:
                async with self._open(kernel, last[0], self._session) as socket:
                    connected(True)
                    failures = 0
                    await self._exchange(socket, kernel, once)
            except (OSError, WebSocketException, NoServer) as error:
                log.info("The connection to a kernel was lost", extra={"kernel": kernel, "reason": str(error)})
            connected(False)
            await anyio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)] * (0.5 + random.random()))
            failures += 1

    async def history(self, kernel: str, run: str, until: str) -> list[KernelMessage] | None:
        found: list[KernelMessage] = []
        try:
            with anyio.fail_after(_HISTORY_WITHIN_S):
                async with self._open(kernel, "", f"{self._session}-{secrets.token_hex(8)}") as socket:
                    async for frame in socket:
                        message = _read(socket, frame)
                        if message is not None and message.channel == "iopub" and message.parent_id == run:
                            found.append(message)
                        if message is not None and message.id == until:
                            return found if any(each.type == "execute_input" for each in found) else None
        except (OSError, WebSocketException, NoServer) as error:
            log.info("What a kernel said earlier cannot be had", extra={"kernel": kernel, "reason": str(error)})
        return None

    @asynccontextmanager
    async def _open(self, kernel: str, after: str, session: str) -> AsyncIterator[ClientConnection]:
        at = await self._server.address()
        url = f"{at.url.replace('http', 'ws', 1)}/api/kernels/{quote(kernel)}/channels"
        query = f"?session_id={quote(session)}&after={quote(after)}"
        try:
            socket = await connect(
                url + query,
                additional_headers=at.headers,
                subprotocols=[Subprotocol(V1)],
                max_size=_MAX_MESSAGE_BYTES,
                compression=None,
                proxy=None,
                open_timeout=10,
            )
        except InvalidStatus as error:
            if error.response.status_code == 404:
                raise KernelGone(_GONE) from error
            raise
        except (InvalidHandshake, InvalidURI, TimeoutError) as error:
            raise OSError(str(error)) from error
        async with socket:
            yield socket

    async def _exchange(
        self, socket: ClientConnection, kernel: str, receive: Callable[[KernelMessage], Awaitable[None]]
    ) -> None:
        """Until the connection ends. Raises KernelGone."""
        gone: list[KernelGone] = []

        async def look() -> None:
            """A stock server leaves the connection open when somebody shuts the kernel down."""
            while self._names.of(kernel):
                await anyio.sleep(_LOOK_EVERY_S)
                try:
                    await self._call("GET", f"/api/kernels/{quote(kernel)}")
                except KernelGone as error:
                    gone.append(error)
                    tasks.cancel_scope.cancel()
                except RuntimeFailed:
                    pass  # the connection's own end says more

        async def write() -> None:
            while True:
                while self._unsent:
                    channel, header, content, buffers = unsent = self._unsent.popleft()
                    is_out = False
                    try:
                        await _write(socket, channel, header, content, buffers)
                        is_out = True
                    finally:
                        # It may be out all the same. A cell must not run twice; typed input that comes twice is
                        # dropped by the kernel, and without it the cell would wait for ever.
                        if channel == "stdin" and not is_out:
                            self._unsent.appendleft(unsent)
                self._work = anyio.Event()
                await self._work.wait()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_quietly, write)
            tasks.start_soon(look)
            try:
                async for frame in socket:
                    message = _read(socket, frame)
                    if message is not None:
                        await receive(message)
            except WebSocketException as error:
                log.info("The connection to a kernel was lost", extra={"reason": str(error)})
            tasks.cancel_scope.cancel()
        if gone:
            raise gone[0]


async def _quietly(write: Callable[[], Awaitable[None]]) -> None:
    """A connection that ends is the reader's to notice; two errors at once would hide each other."""
    with suppress(OSError, WebSocketException):
        await write()


async def _write(
    socket: ClientConnection,
    channel: str,
    header: Mapping[str, object],
    content: Mapping[str, object],
    buffers: Sequence[bytes] = (),
) -> None:
    await socket.send((encode if socket.subprotocol == V1 else encode_older)(channel, header, content, buffers))


def _read(socket: ClientConnection, frame: bytes | str) -> KernelMessage | None:
    return decode(frame, socket.subprotocol == V1)


def _says_restarting(message: KernelMessage) -> bool:
    return (
        message.type == "status"
        and not message.parent
        and _mapping(message.content).get("execution_state") == "restarting"
    )


def _restarting() -> KernelMessage:
    """What our gateway says by itself."""
    return KernelMessage("iopub", {"msg_type": "status"}, {}, {"execution_state": "restarting"})


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _said(answer: httpx.Response) -> Mapping[str, object]:
    try:
        return _mapping(answer.json())
    except ValueError:
        return {}


def _sentence(server: JupyterServer, answer: httpx.Response) -> str:
    said = _said(answer)
    reason, message = said.get("reason"), said.get("message") or said.get("error")
    if isinstance(message, str) and message.endswith("."):
        return message[:1000]
    best = reason or message
    if not best:
        return f"{server.name} answered {answer.status_code}."
    return f"{server.name} says '{best!s:.500}'; its log may say why."


def _place(answer: httpx.Response) -> int | None:
    said = _said(answer)
    place = said.get("position")
    return place if said.get("reason") == "gpu_queue" and isinstance(place, int) else None


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else _AGAIN_AFTER_S
