"""A Runtime without processes: kernels that know a handful of Python statements, and faults to order.

It passes `tests/contracts/test_runtime.py`, as the real one does. A statement stands on a line of its own:
`print('text')`, `print(input('text'))`, `getpass('text')`, `raise ValueError('text')`, `time.sleep(60)`, `os._exit(3)`,
and `wait('name')`, which lasts until the test calls `release('name')`.
"""

import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal

import anyio
from anyio.abc import TaskGroup

from collab.jupyter_server import Address
from collab.runtime import Gpus, Kernel, KernelGone, KernelMessage, KernelSpec, NoGpu, NotNow, RuntimeFailed

_STATEMENT: Final = re.compile(
    r"(print\(input|print|getpass|raise ValueError|time\.sleep|os\._exit|wait)\('?([^')]*)'?\)+"
)
_GONE: Final = "The kernel is gone."


class Interrupted(Exception):
    """KeyboardInterrupt, in a kernel of ours."""


class Died(Exception):
    """The process has ended."""


class FakeGateway:
    """Kernels, and what is to go wrong with them. Use `running()`; several FakeRuntimes may share one, as the servers
    before and after a crash do."""

    def __init__(self) -> None:
        self.kernels: dict[str, FakeKernel] = {}
        self.calls: list[str] = []
        self.refuses = ""  # why no kernel can be started
        self.places: deque[int] = deque()  # in the line for a GPU, told to who asks next, one each
        self.resets_at_once = True
        self.keeps = True  # what kernels say while nobody listens; stock servers do not
        self.token = ""
        self.samples: list[object] = []
        self.wishes: list[Mapping[str, str]] = []  # of each start
        self.lost: set[str] = set()  # types of messages that never arrive
        self.silent_for = 0  # how many of the next questions get no answer
        self._holds: dict[str, anyio.Event] = {}
        self._released: dict[str, anyio.Event] = {}
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeGateway"]:
        async with anyio.create_task_group() as self._tasks:
            yield self
            self._tasks.cancel_scope.cancel()

    def release(self, name: str) -> None:
        """Lets `wait('name')` end."""
        self._released.setdefault(name, anyio.Event()).set()

    def hold(self, call: str) -> None:
        """The next `start`, `restart`, ... does not return before `let_go`."""
        self._holds[call] = anyio.Event()

    def let_go(self, call: str) -> None:
        self._holds.pop(call).set()

    def die(self) -> None:
        """All kernels go with it."""
        for kernel in self.kernels.values():
            kernel.vanish()
        self.kernels.clear()

    @property
    def only(self) -> "FakeKernel":
        (kernel,) = self.kernels.values()
        return kernel

    async def called(self, call: str) -> None:
        self.calls.append(call)
        if hold := self._holds.get(call):
            await hold.wait()
        if self.silent_for:
            self.silent_for -= 1
            raise RuntimeFailed("The kernel gateway does not answer.")

    def start(self, spec: str, id: str, wishes: Mapping[str, str]) -> "FakeKernel":
        assert self._tasks is not None
        self.wishes.append(wishes)
        if self.places:
            place = self.places.popleft()
            raise NoGpu(f"No GPU is free; your place in the line is {place}.", place, 0.001)
        if self.refuses or spec != "python3":
            raise RuntimeFailed(self.refuses or f"There is no kernel '{spec}'.")
        kernel = FakeKernel(id, self, keeps=self.keeps)
        self.kernels[kernel.id] = kernel
        self._tasks.start_soon(kernel.run)
        return kernel

    def find(self, id: str) -> "FakeKernel":
        if id not in self.kernels:
            raise KernelGone(_GONE)
        return self.kernels[id]

    async def released(self, name: str) -> None:
        await self._released.setdefault(name, anyio.Event()).wait()


@dataclass(eq=False)
class FakeKernel:
    """`log` is what it said about requests, oldest first; statuses without a parent reach only who listens."""

    id: str
    gateway: FakeGateway
    generation: int = 1
    state: str = "idle"
    reason: str = ""
    log: list[KernelMessage] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    clients: list["Client"] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    requested: int = 0  # runs that have arrived
    subshells: bool = True
    heedless: bool = False  # of interrupts
    keeps: bool = True
    stops_at: str = ""
    resets: list[bool] = field(default_factory=list)
    slow: anyio.Event | None = None  # no run begins before it is set
    _requests: deque[tuple[str, str | None]] = field(default_factory=deque)
    _asked: dict[str, str] = field(default_factory=dict)
    _news: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _interrupted: bool = False
    _answers: deque[str] = field(default_factory=deque)
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def model(self) -> Kernel:
        why: Literal["", "idle"] = "idle" if self.stops_at else ""
        session = f"{self.id}:{self.generation}"
        return Kernel(self.id, session, "Fake Python", self.state, self.reason, self.keeps, self.stops_at, why)

    # -- what is done to it ---------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Between requests a kernel ignores it."""
        if self.state == "busy" and not self.heedless:
            self._interrupted = True
            self._scope.cancel()

    def restart(self) -> None:
        """Whoever asked for it: everyone hears of it."""
        self._begin_again("starting", "The kernel was restarted.")

    def revive(self, reason: str) -> None:
        """It died by itself, and its gateway starts it again."""
        self._begin_again("restarting", reason)

    def _begin_again(self, announced: str, why: str) -> None:
        self.reason = why if announced == "restarting" else ""
        self.abandon(why)
        self.state = announced
        self.announce(announced)
        self.generation += 1
        self.state, self.reason = "idle", ""
        self._requests.clear()
        self._scope.cancel()
        self.announce("idle")

    def die(self, reason: str) -> None:
        self.state, self.reason = "dead", reason
        self.abandon(reason)
        self.announce("dead")

    def vanish(self) -> None:
        self.state = "gone"
        self._scope.cancel()
        for client in self.clients:
            client.gone.set()

    def take(self, channel: str, type: str, id: str, content: Mapping[str, object], subshell: str) -> None:
        if channel == "stdin":
            self._answers.append(str(content["value"]))
            self.answered.append(str(content["value"]))
            self._wake()
        elif type == "execute_request":
            self._asked[id] = type
            self.requested += 1
            if self.state == "dead":
                self.abandon(self.reason)
            self._requests.append((id, str(content["code"])))
            self._wake()
        elif type == "kernel_info_request":
            self._requests.append((id, None))
            self._wake()
        elif type == "create_subshell_request" and self.subshells:
            self.say("control", "create_subshell_reply", id, {"status": "ok", "subshell_id": "beside"})
        elif type == "complete_request" and (subshell or self.state == "idle"):
            found = {"status": "ok", "matches": [f"{content['code']}!"], "cursor_start": 0, "cursor_end": 1}
            self.say("shell", "complete_reply", id, found)

    # -- what it says ---------------------------------------------------------------------------------------------

    def say(self, channel: str, type: str, parent: str, content: object) -> None:
        if type in self.gateway.lost:
            return
        message = self._message(channel, type, {"msg_id": parent}, content)
        if self.keeps:
            self.log.append(message)
        for client in self.clients:
            client.deliver(message)

    def announce(self, state: str) -> None:
        content = {"execution_state": state, "reason": self.reason, "generation": self.generation}
        for client in self.clients:
            client.deliver(self._message("iopub", "status", {}, content))

    def abandon(self, why: str) -> None:
        asked, self._asked = self._asked, {}
        for id in asked:
            content = {"status": "aborted", "ename": "KernelGone", "evalue": why, "traceback": []}
            self.say("shell", "execute_reply", id, content)
            self.say("iopub", "status", id, {"execution_state": "idle"})

    def _message(self, channel: str, type: str, parent: Mapping[str, object], content: object) -> KernelMessage:
        return KernelMessage(channel, {"msg_id": f"{self.id}-{next(self._ids)}", "msg_type": type}, parent, content)

    # -- what it does ---------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def run(self) -> None:
        counts = count(1)
        while self.state not in ("dead", "gone"):
            if not self._requests:
                await self._news.wait()
                continue
            if self.slow is not None:
                await self.slow.wait()
            id, code = self._requests.popleft()
            if code is None:
                self.say("shell", "kernel_info_reply", id, {"status": "ok"})
                continue
            self.state = "busy"
            self.executed.append(code)
            generation, number = self.generation, next(counts)
            self._answers.clear()
            self.say("iopub", "status", id, {"execution_state": "busy"})
            self.say("iopub", "execute_input", id, {"code": code, "execution_count": number})
            reply = await self._reply_to(id, code)
            if reply is None or generation != self.generation:
                continue
            self._asked.pop(id, None)
            self.state = "idle"
            self.say("shell", "execute_reply", id, {**reply, "execution_count": number})
            self.say("iopub", "status", id, {"execution_state": "idle"})

    async def _reply_to(self, id: str, code: str) -> Mapping[str, object] | None:
        self._interrupted = False
        try:
            with anyio.CancelScope() as self._scope:
                for statement, text in _STATEMENT.findall(code):
                    await self._do(id, statement, text)
            if self._scope.cancelled_caught:
                if not self._interrupted:
                    return None
                raise Interrupted
        except Died as died:
            self.die(str(died))
            return None
        except (Interrupted, ValueError) as error:
            name = "KeyboardInterrupt" if isinstance(error, Interrupted) else "ValueError"
            failure = {"ename": name, "evalue": str(error), "traceback": [f"{name}: {error}"]}
            self.say("iopub", "error", id, failure)
            return {"status": "error", **failure}
        return {"status": "ok"}

    async def _do(self, id: str, statement: str, text: str) -> None:
        match statement:
            case "print":
                self.say("iopub", "stream", id, {"name": "stdout", "text": f"{text}\n"})
            case "print(input" | "getpass":
                self.say("stdin", "input_request", id, {"prompt": text, "password": statement == "getpass"})
                while not self._answers:
                    await self._news.wait()
                answer = self._answers.popleft()
                if statement != "getpass":
                    self.say("iopub", "stream", id, {"name": "stdout", "text": f"{answer}\n"})
            case "raise ValueError":
                raise ValueError(text)
            case "wait":
                await self.gateway.released(text)
            case "os._exit":
                raise Died(f"The kernel was ended by its own code (exit {text}).")
            case _:
                await anyio.sleep(float(text))


class Client:
    """One connection to a kernel."""

    def __init__(self) -> None:
        self.dropped = anyio.Event()
        self.gone = anyio.Event()
        self._queue: deque[KernelMessage] = deque()
        self._news = anyio.Event()

    def deliver(self, message: KernelMessage) -> None:
        if not self.dropped.is_set():
            self._queue.append(message)
            self._news.set()

    async def messages(self) -> AsyncIterator[KernelMessage]:
        while True:
            while self._queue and not self.dropped.is_set():
                yield self._queue.popleft()
            self._news = anyio.Event()
            await self._news.wait()


class FakeRuntime:
    """`heard` is called after each message; `swallows` is how many of the next things sent get lost on their way."""

    def __init__(self, gateway: FakeGateway, heard: Callable[[], None] = lambda: None) -> None:
        self.gateway = self._ours = gateway
        self.elsewhere: dict[str, FakeGateway] = {}  # by address
        self.swallows = 0
        self._heard = heard
        self._unsent: deque[tuple[str, str, str, Mapping[str, object], str]] = deque()
        self._kernel: FakeKernel | None = None
        self._client: Client | None = None
        self._seen: set[str] = set()
        self._reachable = anyio.Event()
        self._reachable.set()

    @property
    def is_connected(self) -> bool:
        return self._client is not None

    def cut_off(self) -> None:
        """The connection is lost, until `reconnect`."""
        self._reachable = anyio.Event()
        if self._client is not None:
            self._client.dropped.set()

    def reconnect(self) -> None:
        self._reachable.set()

    async def check(self, server: Address) -> None:
        if server.url not in self.elsewhere:
            raise RuntimeFailed(f"The Jupyter server at {server.url} does not answer.")
        if server.token != self.elsewhere[server.url].token:
            raise RuntimeFailed(f"The Jupyter server at {server.url} does not take this token.")

    def use(self, server: Address | None) -> None:
        self.gateway = self._ours if server is None else self.elsewhere[server.url]
        self._unsent.clear()
        self._seen.clear()

    async def gpus(self) -> Gpus | None:
        return None

    async def usage(self, id: str) -> Sequence[object]:
        return self.gateway.samples

    async def specs(self) -> list[KernelSpec]:
        return [KernelSpec("python3", "python", "Python 3 (ipykernel)")]

    async def start(self, spec: str, folder: str, id: str, wishes: Mapping[str, str]) -> Kernel:
        await self.gateway.called("ask for a start")
        kernel = self.gateway.start(spec, id, wishes)
        await self.gateway.called("start")
        return kernel.model

    async def find(self, id: str, known: str = "") -> Kernel:
        await self.gateway.called("find")
        return self.gateway.find(id).model

    async def interrupt(self, id: str) -> None:
        await self.gateway.called("interrupt")
        self.gateway.find(id).interrupt()

    async def restart(self, id: str) -> Kernel:
        await self.gateway.called("restart")
        kernel = self.gateway.find(id)
        kernel.restart()
        return kernel.model

    async def reset(self, id: str, folder: bool) -> Kernel:
        await self.gateway.called("reset")
        kernel = self.gateway.find(id)
        if not self.gateway.resets_at_once:
            raise NotNow("The runtime was reset just now; wait a minute.")
        kernel.resets.append(folder)
        kernel.restart()
        return kernel.model

    async def reset_all(self, folder: bool) -> None:
        await self.gateway.called("reset_all")
        if not self.gateway.resets_at_once:
            raise NotNow("All runtimes were reset just now; wait a minute.")
        for kernel in list(self.gateway.kernels.values()):
            kernel.resets.append(folder)
            kernel.restart()

    async def extend(self, id: str) -> None:
        await self.gateway.called("extend")
        self.gateway.find(id).stops_at = ""

    async def widget_module(self, name: str) -> str | None:
        return None

    async def shut_down(self, id: str) -> None:
        await self.gateway.called("shut_down")
        if kernel := self.gateway.kernels.pop(id, None):
            kernel.vanish()

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
        self._unsent.append((channel, type, id, content, subshell))
        self._flush()

    def forget_unsent(self) -> None:
        self._unsent.clear()

    def _flush(self) -> None:
        while self._unsent and self._kernel is not None:
            request = self._unsent.popleft()
            if self.swallows:
                self.swallows -= 1
            else:
                self._kernel.take(*request)

    async def listen(
        self,
        kernel: str,
        after: str,
        receive: Callable[[KernelMessage], Awaitable[None]],
        connected: Callable[[bool], None],
    ) -> None:
        while True:
            await self._reachable.wait()
            found = self.gateway.find(kernel)
            client = self._client = Client()
            at = next((at for at, item in enumerate(found.log) if item.id == after and item.channel == "iopub"), -1)
            for message in found.log[at + 1 :]:
                client.deliver(message)
            found.clients.append(client)
            try:
                connected(True)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._until, client.dropped, tasks.cancel_scope)
                    tasks.start_soon(self._until, client.gone, tasks.cancel_scope)
                    self._kernel = found
                    self._flush()
                    async for message in client.messages():
                        if message.id not in self._seen:
                            self._seen.add(message.id)
                            if message.channel == "iopub" and message.parent:
                                after = message.id
                            await receive(message)
                            self._heard()
            finally:
                self._kernel = self._client = None
                found.clients.remove(client)
            connected(False)

    async def history(self, kernel: str, run: str, until: str) -> list[KernelMessage] | None:
        found: list[KernelMessage] = []
        for message in self.gateway.find(kernel).log:
            if message.channel == "iopub" and message.parent_id == run:
                found.append(message)
            if message.id == until:
                return found if any(each.type == "execute_input" for each in found) else None
        return None

    async def _until(self, event: anyio.Event, scope: anyio.CancelScope) -> None:
        await event.wait()
        scope.cancel()
