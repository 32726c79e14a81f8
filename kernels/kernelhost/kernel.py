"""One Jupyter kernel: which process it is now, in what state, and whom each message is for.

Replies go to the client session that asked; iopub goes to everyone (kernels.md R3). Nothing here waits for a client.
A restart and a first start are the same, under one lock, with a new process, sockets and key each time (I4).
"""

import asyncio
import logging
import secrets
import signal
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

import anyio
import zmq
from anyio.abc import TaskGroup

from kernelhost import messages
from kernelhost.activity import ACTIVITY
from kernelhost.emptying import NotEmptied, empty_folder
from kernelhost.process import CannotStart, Process
from kernelhost.replay import Reader, Replay
from kernelhost.requests import Requests
from kernelhost.sockets import Sockets
from kernelhost.spec import Spec
from kernelhost.usage import Report, Sampler
from kernelhost.wire import BadMessage, Message

log = logging.getLogger(__name__)

State: TypeAlias = Literal["starting", "idle", "busy", "restarting", "dead"]

START_WITHIN_S: Final = 40.0
_STDIN_WITHIN_S: Final = 5.0
_ASK_EVERY_S: Final = 0.1
_QUIET_S: Final = 0.05
_LAST_WORDS_WITHIN_S: Final = 5.0
_SIGNAL_MEETS_CODE_S: Final = 1.0
_MAX_HELD: Final = 1_000
_MAX_HELD_BYTES: Final = 64 << 20
_MAX_SESSIONS: Final = 1_000


class KernelFailed(Exception):
    """The kernel did not come up; the message is one sentence."""


class Overflow(Exception):
    """More was sent to a kernel that is not ready than can be held for it."""


class Client(Protocol):
    """Somebody connected to the kernel's channels. Neither call waits."""

    @property
    def session(self) -> str: ...

    def wake(self) -> None:
        """There may be something to read."""

    def end(self, reason: str) -> None:
        """The kernel is gone: no more comes after what can be read by now."""


class Kernel:
    """`gone` is called when a client asked for its end (`shutdown_request`), `told` when the model may have changed."""

    def __init__(
        self,
        id: str,
        spec: Spec,
        environment: Mapping[str, str],
        cwd: Path,
        home: Path,
        replay: Replay,
        tasks: TaskGroup,
        gone: Callable[[], None] = lambda: None,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self.id = id
        self.home = home
        self.generation = 0
        self.state: State = "starting"
        self.reason = ""
        self.created = self.last_activity = datetime.now(UTC)
        self.clients: set[Client] = set()
        self._spec = spec
        self._environment = spec.environment(environment)
        self._cwd = cwd
        self._tasks = tasks
        self._gone = gone
        self._told = told
        self._lock = asyncio.Lock()
        self._stopped = False
        self._process: Process | None = None
        self._sampler: Sampler | None = None
        self._sockets: Sockets | None = None
        self._replay = replay
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._requests = Requests()
        self._held: deque[Message] = deque()
        self._held_bytes = 0
        self._info = b""
        self._changed = asyncio.Event()
        # msg_ids of our own questions begin with this; answers to them go nowhere.
        self._own = f"{secrets.token_hex(8)}-"
        self._answered = self._heard = False
        self._interrupted = False
        # msg_id of a question of ours -> that of a request which the kernel may have forgotten.
        self._doubtful: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """Of its process; 0 while it has none."""
        return self._process.pid if self._process is not None else 0

    def model(self) -> dict[str, object]:
        """As Jupyter has it; `last_activity` always has microseconds and a Z (A11)."""
        model: dict[str, object] = {
            "id": self.id,
            "name": self._spec.name,
            "last_activity": self.last_activity.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "execution_state": self.state,
            "connections": len(self.clients),
            "generation": self.generation,
        }
        return model | ({"reason": self.reason} if self.reason else {})

    async def report(self) -> Report | None:
        """What its processes use now; None while it has none."""
        sampler, now_s = self._sampler, anyio.current_time()
        if sampler is None or self._process is None:
            return None
        if sampler.disk_is_due(now_s):
            self._tasks.start_soon(sampler.measure_disk)
        report = sampler.sample(now_s, datetime.now(UTC), self._requests.running)
        return replace(report, held=len(self._held))

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when the kernel answers. Raises KernelFailed, after which it is no use."""
        async with self._lock:
            try:
                await self._start()
            except BaseException:
                self._stopped = True
                raise

    async def restart(self, empty_below: Path | None = None) -> None:
        """A fresh process under the same id; its folder, which must be below `empty_below`, is emptied if that is
        given. Raises KernelFailed, and NotEmptied when it runs again but the folder is not empty."""
        not_emptied: NotEmptied | None = None
        async with self._lock:
            self._check_not_stopped()
            self._set_state("restarting")
            self._abandon("The kernel was restarted." if empty_below is None else "The kernel was reset.")
            self._publish_status()
            await self._end_process()
            if empty_below is not None:
                try:
                    await anyio.to_thread.run_sync(empty_folder, empty_below, self._cwd)
                except NotEmptied as error:
                    not_emptied = error
            await self._start()
        if not_emptied is not None:
            raise not_emptied

    async def stop(self, reason: str = "The kernel was shut down.") -> None:
        """For good. Takes at most a few seconds, also while the kernel is starting."""
        self._stopped = True
        self._changed.set()
        async with self._lock:
            if self.state != "dead" or not self.reason:
                self.reason = reason
            self._set_state("dead")
            self._abandon(self.reason)
            self._publish_status()
            for client in tuple(self.clients):
                client.end(self.reason)
            await self._end_process()

    async def interrupt(self) -> None:
        process = self._process
        if process is None or self.state not in ("idle", "busy"):
            return
        self._interrupted = True
        if self._spec.interrupt_mode == "message":
            await self._ask("control", "interrupt_request", {})
            return
        # Between requests ipykernel ignores the signal: it waits for the code that it is meant for (I2).
        with anyio.move_on_after(_SIGNAL_MEETS_CODE_S):
            while self._requests.executing and not self._requests.begun:
                await self._next_change()
        process.signal(signal.SIGINT)

    async def _start(self) -> None:
        self._check_not_stopped()
        self.generation += 1
        self.reason = ""
        self._answered = self._heard = False
        if self.state != "restarting":
            self._set_state("starting")
        try:
            self._launch()
            with anyio.fail_after(START_WITHIN_S):
                await self._until_ready()
            await self._send_held()
        except BaseException as error:
            why = f"It did not answer within {START_WITHIN_S:.0f} s."
            if isinstance(error, (CannotStart, KernelFailed)):
                why = f"{error}".rstrip(".") + "."
            if self._process is not None:
                why += self._process.last_words()
            self.reason = f"The kernel '{self._spec.name}' could not be started: {why}"
            self._set_state("dead")
            self._abandon(self.reason)
            with anyio.CancelScope(shield=True):
                await self._end_process(now=True)
            if not isinstance(error, (CannotStart, KernelFailed, TimeoutError)):
                raise
            log.warning("A kernel could not be started", extra={"kernel": self.id, "reason": self.reason})
            self._publish_status()
            raise KernelFailed(self.reason) from error
        self._set_state("busy" if self._requests.busy else "idle")
        # Who was connected all along hears that it is over, and in which state things are.
        self._publish_status()

    def _launch(self) -> None:
        """Raises CannotStart."""
        process = Process(self._spec, self._environment, self._cwd, self.home / f"{self.generation}")
        try:
            sockets = Sockets(process.address, process.key, process.read)
        except (OSError, zmq.ZMQError) as error:
            process.close()
            raise CannotStart(f"it cannot be connected to ({error})") from error
        self._process, self._sockets = process, sockets
        self._sampler = Sampler(process.pid, self._cwd, anyio.current_time())
        self._tasks.start_soon(self._run, process, sockets)

    def _check_not_stopped(self) -> None:
        """Raises KernelFailed."""
        if self._stopped:
            raise KernelFailed("The kernel was shut down.")

    async def _until_ready(self) -> None:
        """A kernel_info reply and a sign on iopub; asked again and again, as a status sent before the subscription
        is live is lost (R6)."""
        while not (self._answered and self._heard):
            await self._ask("shell", "kernel_info_request", {})
            with anyio.move_on_after(_ASK_EVERY_S):
                while not (self._answered and self._heard):
                    await self._next_change()
                    self._check_not_stopped()
                    if self._process is None:
                        raise KernelFailed(self.reason)
        with anyio.move_on_after(_STDIN_WITHIN_S):  # not every kernel has one
            while self._sockets is not None and not self._sockets.has_stdin:
                await self._next_change()
                self._check_not_stopped()
        if self._spec.language == "python":
            # IPython loads much at its first execution; a silent one now makes the first cell quick.
            content = {"code": "", "silent": True, "store_history": False, "allow_stdin": False}
            await self._ask("shell", "execute_request", content)

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _run(self, process: Process, sockets: Sockets) -> None:
        reason = "The gateway lost its connection to the kernel; its log says why."
        try:
            code = await self._listen(process, sockets)
            reason = process.reason(code)
            log.info("A kernel ended", extra={"kernel": self.id, "exit": code})
        except Exception:  # ours, but the other kernels have no part in it
            log.exception("The messages of a kernel cannot be dealt with", extra={"kernel": self.id})
        finally:
            sockets.close()
            words = process.last_words()
            process.close()
        if self._process is process:
            self._died(reason, words)

    async def _listen(self, process: Process, sockets: Sockets) -> int:
        """Passes messages on until the process has ended and is quiet; its exit code."""
        heard = True

        def receive(item: Message) -> None:
            nonlocal heard
            heard = True
            if self._process is process:
                self._receive(item)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sockets.read, receive, self._changed.set)
            code = await process.wait()
            # What it said last is still on its way.
            with anyio.move_on_after(_LAST_WORDS_WITHIN_S):
                while heard and self._process is process:
                    heard = False
                    await anyio.sleep(_QUIET_S)
            tasks.cancel_scope.cancel()
        return code

    def _died(self, reason: str, words: str) -> None:
        self._process = self._sockets = None
        self.reason = reason
        if self.state in ("starting", "restarting"):
            self.reason += words if words not in reason else ""
            self._changed.set()
            return  # whoever starts it tells
        self._set_state("dead")
        self._abandon(reason)
        self._publish_status()

    async def _end_process(self, now: bool = False) -> None:
        """Asks, terminates, kills (I7). What it still says is not passed on."""
        process, sockets = self._process, self._sockets
        self._process = self._sockets = None
        if process is None or sockets is None:
            return
        request = self._question("control", "shutdown_request", {"restart": self.state == "restarting"})
        with anyio.CancelScope(shield=True):
            if not now:
                await sockets.send(request)
                if self._spec.interrupt_mode == "signal":
                    process.signal(signal.SIGINT)  # running code would keep it from ending
            await process.end(now)

    # -- clients --------------------------------------------------------------------------------------------------

    def join(self, client: Client, after: str | None) -> Reader:
        """From what the client missed on: after the iopub message `after`, else since its session was last here."""
        session, replay = client.session, self._replay
        first: list[Message] = []
        at = replay.seq
        if after is not None:
            place = replay.place_of(after) if after else None
            at = replay.dropped if place is None else place
            if place is not None:
                first = replay.unfinished_replies(place, session)
            elif after and replay.dropped:
                first = [messages.lost_notice(replay.first_parent(at))]
        elif session in self._seen:
            at = self._seen[session]
            if at < replay.dropped:
                at = replay.dropped
                first = [messages.lost_notice(replay.first_parent(at))]
        reader = Reader(replay, session, at, first)
        self.clients.add(client)
        replay.add(self._status(), session, passing=True)
        client.wake()
        return reader

    def leave(self, client: Client, reader: Reader) -> None:
        if client not in self.clients:
            return
        self.clients.discard(client)
        self._seen[reader.session] = reader.at
        self._seen.move_to_end(reader.session)
        while len(self._seen) > _MAX_SESSIONS:
            self._seen.popitem(last=False)

    async def send(self, client: Client, item: Message) -> None:
        """A client's message to the kernel. Raises BadMessage for a channel that does not lead there, and Overflow."""
        if item.channel in ("iopub", "hb"):
            return
        if item.channel not in ("shell", "control", "stdin"):
            raise BadMessage(f"There is no channel '{item.channel:.20}'.")
        if item.channel == "control" and item.type == "shutdown_request":
            self._asked_to_end(client, item)
            return
        if self.state == "busy" and item.type == "kernel_info_request" and item.channel == "shell" and self._info:
            self._answer_info(client, item)
            return
        if item.type == "interrupt_request":
            self._interrupted = True
        if item.channel == "stdin":
            self._replay.retire_question(client.session)
        else:
            self._requests.ask(client.session, item)
        if item.type in ACTIVITY:
            self.last_activity = datetime.now(UTC)
        if self.state == "dead":
            self._abandon(self.reason)
        elif self.state in ("starting", "restarting"):
            self._hold(item)
        else:
            await self._send(item)
            self._settle()

    def _hold(self, item: Message) -> None:
        if len(self._held) >= _MAX_HELD or self._held_bytes + item.size > _MAX_HELD_BYTES:
            raise Overflow
        if item.channel != "stdin":
            self._held.append(item)
            self._held_bytes += item.size

    async def _send_held(self) -> None:
        while self._held:
            item = self._held.popleft()
            self._held_bytes -= item.size
            await self._send(item)

    def _asked_to_end(self, client: Client, item: Message) -> None:
        """`restart: false` removes the kernel, `true` restarts it; the reply is ours, as the kernel may not live to
        give it (kernels.md section 5)."""
        restart = item.part("content").get("restart") is True
        content = {"status": "ok", "restart": restart}
        self._add(messages.make("control", "shutdown_reply", content, item.header), client.session)
        if restart:
            self._tasks.start_soon(self._restart_quietly)
        else:
            self._gone()

    async def _restart_quietly(self) -> None:
        with suppress(KernelFailed):  # the state says so
            await self.restart()

    def _answer_info(self, client: Client, item: Message) -> None:
        """A stock server makes clients that reconnect wait for the end of the running cell (H7)."""
        reply = messages.make("shell", "kernel_info_reply", self._info, item.header)
        for answer in (messages.status("busy", item.header), reply, messages.status("idle", item.header)):
            self._add(answer, client.session)
        self._add(self._status(), client.session, passing=True)

    # -- messages -------------------------------------------------------------------------------------------------

    def _question(self, channel: str, kind: str, content: Mapping[str, object]) -> Message:
        """One of our own: the answer is not passed on."""
        return messages.make(channel, kind, content, id=f"{self._own}{secrets.token_hex(8)}", session=self.id)

    async def _ask(self, channel: str, kind: str, content: Mapping[str, object]) -> None:
        await self._send(self._question(channel, kind, content))

    async def _send(self, item: Message) -> None:
        if self._sockets is not None:
            await self._sockets.send(item)

    def _receive(self, item: Message) -> None:
        if item.parent_id.startswith(self._own) or item.type == "iopub_welcome":
            self._heard = self._heard or item.channel == "iopub"
            if item.type == "kernel_info_reply":
                self._answered = True
                self._info = item.content
                self._end_doubt(item.parent_id)
            self._changed.set()
        elif item.channel == "iopub":
            if self._requests.note(item):
                self.last_activity = datetime.now(UTC)
                self._settle()
            self._add(item)
            if self._interrupted and messages.is_idle(item) and self._requests.asker(item.parent_id) is not None:
                self._tasks.start_soon(self._doubt, item.parent_id)
        elif item.channel == "stdin":
            session = self._requests.asker(item.parent_id)
            if session is not None:
                self._add(item, session)
        else:
            request = self._requests.take(item.parent_id)
            self._settle()
            if request is not None:
                self._add(item, request.session)

    async def _doubt(self, id: str) -> None:
        """ipykernel gives no reply when the signal meets it between taking a request and running its code. It answers
        in order: once a later question is answered, there will be none."""
        question = self._question("shell", "kernel_info_request", {})
        self._doubtful[question.id] = id
        await self._send(question)

    def _end_doubt(self, question: str) -> None:
        request = self._requests.take(self._doubtful.pop(question, ""))
        if request is not None:
            self._add(messages.interrupted(request), request.session)
            self._settle()

    def _settle(self) -> None:
        if self.state in ("idle", "busy"):
            self.state = "busy" if self._requests.busy else "idle"
        self._told()
        self._changed.set()

    def _set_state(self, state: State) -> None:
        self.state = state
        self.last_activity = datetime.now(UTC)
        self._told()

    def _add(self, item: Message, session: str | None = None, passing: bool = False) -> None:
        self._replay.add(item, session, passing)
        for client in self.clients:
            if session in (None, client.session):
                client.wake()

    def _publish_status(self) -> None:
        self._add(self._status(), passing=True)

    def _status(self) -> Message:
        """The present state, with no parent (H8). To JupyterLab `restarting` is a kernel that died by itself and came
        back: it says so in a dialog, and connects anew (H9)."""
        state = "starting" if self.state == "restarting" else self.state
        return messages.status(state, reason=self.reason, generation=self.generation)

    def _abandon(self, why: str) -> None:
        """Answers everything outstanding, so that no client waits for ever (Q5)."""
        self._held.clear()
        self._held_bytes = 0
        self._doubtful.clear()
        self._interrupted = False
        for request in self._requests.take_all():
            self._add(messages.aborted(request, why), request.session)
            self._add(messages.status("idle", request.header))
        self._changed.set()
