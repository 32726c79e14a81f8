"""Acts on `execution.apply` for one Room: kernel, queue, run marks, and outputs into the document.

Everything that changes the state is synchronous and goes through `_do`; tasks only wait for the kernel and the disk and
come back with an operation. Starting, restarting and stopping take turns, and what comes too late is undone.
"""

import json
import logging
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, assert_never

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from collab import execution as rules
from collab import messages, notebook
from collab.commands import (
    AnswerInput,
    AttachRuntime,
    CancelRuns,
    ChooseRuntime,
    ClearOutputs,
    Command,
    Complete,
    DetachRuntime,
    ExtendRuntime,
    Inspect,
    Interrupt,
    ResetAllRuntimes,
    ResetRuntime,
    Restart,
    RunCells,
    ShutDownRuntime,
    StartRuntime,
)
from collab.events import Event, Notice, QueueChanged, RuntimeChanged
from collab.flight import Flight, resumed
from collab.liveness import Liveness
from collab.model import CellId, User
from collab.outputs import OutputEvent
from collab.questions import Questions, read
from collab.recorder import Recorder
from collab.room import CommandRefused, Room
from collab.room_kernel import RoomKernel
from collab.runtime import Kernel, KernelGone, KernelMessage, Runtime, RuntimeFailed
from collab.store.blobs import Blobs
from collab.store.store import Store, StoreError
from collab.takeover import LeftRun, read_heard, read_left, run_id

log = logging.getLogger(__name__)

_STALE_AFTER_S: Final = 0.3
_OTHER_HALF_S: Final = 2.0
_LOST_REQUEST_S: Final = 2.0
_BEGINS_WITHIN_S: Final = 2.0
_INTERRUPTED_WITHIN_S: Final = 10.0
_END_WITHIN_S: Final = 20.0
_MAX_QUEUE: Final = 10_000
_MAX_RUNS_HEARD: Final = 10_000
_MAX_PROMPT_CHARS: Final = 2000
_ANSWER_LOST: Final = "The kernel's last word on this run was lost; its output may be incomplete."


class Executions:
    def __init__(self, room: Room, runtime: Runtime, store: Store, blobs: Blobs) -> None:
        self._room = room
        self._runtime = runtime
        self._recorder = Recorder(room, store, blobs)
        self._questions = Questions(runtime)
        self._kernel = RoomKernel(room, runtime, store)
        self._liveness = Liveness(room.id, store)
        self._left = read_left(room.doc, _now())
        running = self._left.running.run if self._left.running is not None else None
        self._state = rules.State("finding", running, self._left.waiting)
        self._operations: deque[rules.Operation] = deque()
        self._doing = False
        self._flight: Flight | None = None
        # msg_id -> cell, also of runs that are over: threads go on printing (kernels.md E4).
        self._cells: OrderedDict[str, CellId] = OrderedDict()
        self._requests = max(1, self._left.requests)
        self._last_started = 0
        self._receiving = False
        self._connections = 0
        self._tasks: TaskGroup | None = None
        self._told: tuple[RuntimeChanged, QueueChanged] | None = None

    # -- what a Room needs (`room.Runs`) ---------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        return self._state.live or self._state.life in ("finding", "starting", "restarting")

    def snapshot(self) -> Iterable[Event]:
        return self._events()

    async def serve(self) -> None:
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._recorder.write_forever)
                self._tasks.start_soon(self._liveness.note_forever)
                await self._adopt()
                await anyio.sleep_forever()
        finally:
            await self._liveness.close(self._state.live)

    def request(self, command: Command, user: User, answer: Callable[[Event], None]) -> None:
        match command:
            case RunCells(cells, sources):
                self._run(self._resolve(cells, sources), user)
            case CancelRuns(cells):
                self._do(rules.CancelWaiting("all" if cells == "all" else frozenset(cells), user.name))
            case Interrupt():
                self._interrupt(user)
            case Restart(run_all, clear_outputs):
                self._restart(user, run_all, clear_outputs)
            case StartRuntime():
                self._do(rules.RequestStart())
            case ShutDownRuntime():
                self._do(rules.RequestShutDown(user.name))
            case ClearOutputs(cells):
                self._clear(notebook.code_cells(self._room.doc) if cells == "all" else cells)
            case AnswerInput(cell, value):
                self._answer(cell, value, user)
            case Complete() | Inspect():
                if self._state.status in ("idle", "busy"):
                    self._spawn(self._questions.ask, command, answer, self._flight is not None)
                else:
                    answer(read(command, {}))
                return
            case (
                ExtendRuntime()
                | ResetRuntime()
                | ResetAllRuntimes()
                | ChooseRuntime()
                | AttachRuntime()
                | DetachRuntime()
            ):
                raise CommandRefused("This server cannot do that yet.")
            case _:
                assert_never(command)
        # What was accepted is in the document by now, and is durable with the Room's next commit.
        self._recorder.flush()

    async def end(self, user: User) -> None:
        self._do(rules.RequestShutDown(user.name))
        self._recorder.flush()
        with anyio.move_on_after(_END_WITHIN_S):
            await checkpoint()  # so that it has its turn before us
            async with self._kernel.turn:
                pass

    # -- commands --------------------------------------------------------------------------------------------------

    def _resolve(self, cells: tuple[CellId, ...] | str, sources: Mapping[CellId, str]) -> list[CellId]:
        """Raises CommandRefused. One cell runs only as it was seen; several run as they stand by now: with others
        typing, something always differs somewhere."""
        doc = self._room.doc
        code = notebook.code_cells(doc)
        known = set(code)
        chosen = code if isinstance(cells, str) else [cell for cell in cells if cell in known]
        if not chosen:
            raise CommandRefused("There is no code cell to run; it may have been deleted meanwhile.")
        seen = sources.get(chosen[0])
        if len(chosen) == 1 and seen not in (None, notebook.source_sha256(notebook.cell_source(doc, chosen[0]))):
            raise CommandRefused("Somebody changed this cell just now; look at it and run it again.")
        return chosen

    def _run(self, cells: Iterable[CellId], user: User) -> None:
        self._requests += 1
        now = _now()
        runs = tuple(rules.Run(cell, self._requests, user, now) for cell in cells)
        if len(self._state.waiting) + len(runs) > _MAX_QUEUE:
            raise CommandRefused(f"At most {_MAX_QUEUE} cells can wait; cancel some first.")
        self._do(rules.RequestRun(runs))

    def _interrupt(self, user: User) -> None:
        flight, kernel = self._flight, self._kernel.current
        if flight is None or kernel is None:
            if self._state.running is not None:
                raise CommandRefused("The server has just come back and looks for the runtime; try again in a moment.")
            self._do(rules.CancelWaiting("all", user.name))
        elif not flight.sent:
            self._do(rules.RunEnded(flight.run.cell, f"interrupted by {user.name}"))
        else:
            flight.interrupted_by = user.name
            self._spawn(self._interrupt_kernel, flight, kernel)

    def _restart(self, user: User, run_all: bool, clear_outputs: bool) -> None:
        if self._state.life in ("finding", "starting", "restarting"):
            raise CommandRefused("The runtime is being started already.")
        self._do(rules.RequestRestart(user.name))
        cells = notebook.code_cells(self._room.doc)
        if clear_outputs:
            self._clear(cells)
        if run_all and cells:
            self._run(cells, user)
        self._room.tell(Notice(f"{user.name} restarted the runtime.", user.id))

    def _clear(self, cells: Iterable[CellId]) -> None:
        live = [run.cell for run in self._state.waiting]
        if self._state.running is not None:
            live.append(self._state.running.cell)
        self._recorder.clear(cells, frozenset(live))

    def _answer(self, cell: CellId, value: str, user: User) -> None:
        """The first answer wins (crdt.md O11). What was typed goes to the kernel; a password goes nowhere else."""
        flight = self._flight
        prompt = self._recorder.marked(cell, "prompt")
        if flight is None or flight.run.cell != cell or not isinstance(prompt, str):
            raise CommandRefused("Nothing waits for this answer any more; somebody else may have given it.")
        asked = json.loads(prompt)
        shown = "········" if asked.get("password") else value
        text = f"{asked.get('text', '')}{notebook.clean(shown)}\n"
        self._recorder.receive(cell, messages.Stream("stdout", text))
        self._recorder.mark(cell, prompt=None)
        self._runtime.send("stdin", "input_reply", f"answer-{secrets.token_hex(8)}", {"value": value})

    # -- the state machine -----------------------------------------------------------------------------------------

    def _do(self, operation: rules.Operation) -> None:
        """Also called by what it does: such operations come next."""
        self._operations.append(operation)
        if self._doing:
            return
        self._doing = True
        try:
            while self._operations:
                self._state, actions = rules.apply(self._state, self._operations.popleft())
                for action in actions:
                    self._act(action)
        finally:
            self._doing = False
        self._liveness.set(self._state.live)
        self._room.touch()
        self._tell()

    def _act(self, action: rules.Action) -> None:
        match action:
            case rules.StartKernel():
                self._spawn(self._start)
            case rules.RestartKernel():
                self._forget_runs()
                self._spawn(self._restart_kernel, self._kernel.current)
            case rules.StopKernel():
                self._forget_runs()
                self._spawn(self._stop, self._kernel.disconnect())
            case rules.MarkQueued(run):
                self._recorder.mark(
                    run.cell,
                    state="queued",
                    user=run.user.name,
                    user_id=run.user.id,
                    requested=run.requested,
                    started=None,
                    finished=None,
                    status=None,
                    prompt=None,
                )
            case rules.Execute(run):
                self._execute(run)
            case rules.MarkEnded(run, ran, status):
                self._ended(run, ran, status)
            case _:
                assert_never(action)

    def _execute(self, run: rules.Run) -> None:
        kernel = self._kernel.current
        if kernel is None or notebook.cell_type(self._room.doc, run.cell) != "code":
            self._do(rules.RunDropped(run.cell, "The cell was deleted, or is no code any more."))
            return
        source = notebook.cell_source(self._room.doc, run.cell)
        started = self._last_started = max(_now(), self._last_started + 1)
        flight = self._flight = Flight(run, run_id(run.cell, started), source, kernel.session)
        self._hear(flight.id, run.cell)
        self._recorder.begin(
            run.cell,
            state="running",
            user=run.user.name,
            user_id=run.user.id,
            requested=run.requested,
            started=started,
            finished=None,
            count=None,
            status=None,
            prompt=None,
            asked=None,
            source_sha256=notebook.source_sha256(source),
        )
        self._spawn(self._send, flight)
        self._spawn(self._clear_stale, flight)

    def _ended(self, run: rules.Run, ran: bool, status: str) -> None:
        if not ran:
            self._recorder.mark(run.cell, state="cancelled", status=status, prompt=None)
            return
        self._drop_flight()
        self._recorder.end(run.cell)
        state = "finished" if status == "ok" else "failed"
        self._recorder.mark(run.cell, state=state, status=status, finished=_now(), prompt=None)

    def _drop_flight(self) -> None:
        if self._flight is not None:
            self._flight.over.set()
            self._flight = None

    def _hear(self, id: str, cell: CellId) -> None:
        self._cells[id] = cell
        while len(self._cells) > _MAX_RUNS_HEARD:
            self._cells.popitem(last=False)

    def _forget_runs(self) -> None:
        """The process is to end, or has ended: nothing that it still says counts, and nothing is to reach the next."""
        self._drop_flight()
        self._cells.clear()
        self._runtime.forget_unsent()
        self._questions.forget()

    def _tell(self) -> None:
        told, before = self._events(), self._told
        self._told = told
        if before is None or told[0] != before[0]:
            self._room.tell(told[0])
        if before is None or told[1] != before[1]:
            self._room.tell(told[1])

    def _events(self) -> tuple[RuntimeChanged, QueueChanged]:
        state, kernel = self._state, self._kernel.current
        session = kernel.session if kernel is not None and state.life in ("ready", "restarting") else ""
        name = kernel.name if kernel is not None else ""
        return (
            RuntimeChanged(state.status, name, session, state.reason, state.by),
            QueueChanged(tuple(run.cell for run in state.waiting)),
        )

    # -- the kernel's life: one at a time ----------------------------------------------------------------------------

    def _spawn(self, task: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(task, *arguments)

    async def _start(self) -> None:
        async with self._kernel.turn:
            if self._state.life != "starting":
                return
            try:
                kernel = await self._kernel.start()
            except RuntimeFailed as error:
                if self._state.life == "starting":
                    self._do(rules.KernelLost(str(error)))
                return
            if self._state.life == "starting":
                self._connect(kernel, "")
                self._do(rules.KernelReady())
            else:  # shut down meanwhile
                await self._kernel.end(kernel)

    async def _restart_kernel(self, kernel: Kernel) -> None:
        async with self._kernel.turn:
            if self._kernel.current is not kernel:
                return
            try:
                fresh = await self._runtime.restart(kernel.id)
            except RuntimeFailed as error:
                if self._kernel.current is kernel:
                    self._lost(str(error))
                return
            if self._kernel.current is kernel and self._state.life == "restarting":
                self._use(fresh)
                self._do(rules.KernelReady())

    async def _stop(self, kernel: Kernel | None) -> None:
        async with self._kernel.turn:
            if kernel is not None:
                await self._kernel.end(kernel)

    def _use(self, kernel: Kernel) -> None:
        self._kernel.current = kernel
        self._recorder.use(kernel.session)

    def _connect(self, kernel: Kernel, after: str) -> None:
        scope = self._kernel.connect(kernel)
        self._recorder.use(kernel.session)
        self._recorder.adopt()
        self._spawn(self._listen, kernel.id, after, scope)

    async def _listen(self, kernel: str, after: str, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                await self._runtime.listen(kernel, after, self._receive, self._connected)
            except KernelGone as error:
                self._lost(str(error))

    def _connected(self, connected: bool) -> None:
        if connected != self._state.connected:
            self._do(rules.ConnectionChanged(connected))
        if connected:
            self._connections += 1
            self._spawn(self._catch_up, self._connections)

    def _lost(self, reason: str) -> None:
        kernel = self._kernel.disconnect()
        self._forget_runs()
        self._do(rules.KernelLost(reason))
        self._spawn(self._stop, kernel)  # a dead one takes a place in the gateway

    async def _check(self) -> None:
        """What a lost connection may have hidden: the kernel's death, or that somebody else restarted it."""
        kernel = self._kernel.current
        if kernel is None or self._state.life != "ready":
            return
        now: Kernel | None = None
        reason = "The kernel died."
        try:
            now = await self._runtime.find(kernel.id)
        except KernelGone as error:
            reason = str(error)
        except RuntimeFailed:
            return
        if self._kernel.current is not kernel or self._state.life != "ready":
            return
        if now is None or now.state == "dead":
            self._lost(now.reason if now is not None and now.reason else reason)
            return
        if now.session != kernel.session:
            self._use(now)
            self._tell()
        flight = self._flight
        if flight is not None and now.state in ("idle", "busy") and (flight.gone or flight.session != now.session):
            self._do(rules.RunEnded(flight.run.cell, flight.gone or "The kernel was restarted meanwhile."))

    # -- a run in the kernel -----------------------------------------------------------------------------------------

    async def _send(self, flight: Flight) -> None:
        """The mark is durable before the kernel hears of the run: after a crash there is no run that nobody knows."""
        await self._liveness.note_live()
        await self._recorder.written()
        try:
            await self._room.commit()
        except StoreError:
            return  # the Room is over; the next one finds the mark
        if self._flight is flight:
            self._send_execute(flight)

    def _send_execute(self, flight: Flight) -> None:
        flight.sent = True
        self._runtime.send("shell", "execute_request", flight.id, flight.request)

    async def _catch_up(self, connection: int) -> None:
        """A connection that broke may have taken the request or the reply with it. The request is sent again, under
        the same msg_id, only if the kernel has nothing to do and has never said a word about it."""
        await self._check()
        flight = self._flight
        if flight is None or not flight.sent:
            return
        heard = flight.heard
        await anyio.sleep(_LOST_REQUEST_S)
        if not self._is_silent(flight, heard) or not await self._kernel.is_idle() or not self._is_silent(flight, heard):
            return
        if connection != self._connections:
            return  # the next one sees to it
        if heard or flight.began.is_set():
            self._finish_without_answer(flight)
        else:
            self._send_execute(flight)

    async def _await_other_half(self, flight: Flight) -> None:
        """Of reply and idle, which may come in any order and with output between them (kernels.md E3)."""
        heard = -1
        while self._flight is flight:
            if self._is_silent(flight, heard) and (flight.replied or await self._kernel.is_idle()):
                if self._is_silent(flight, heard):
                    self._finish_without_answer(flight)
                return
            heard = flight.heard
            await anyio.sleep(_OTHER_HALF_S)

    def _is_silent(self, flight: Flight, heard: int) -> bool:
        """Nothing came of it since, although it could have."""
        return self._flight is flight and flight.heard == heard and not self._receiving and self._state.connected

    def _finish_without_answer(self, flight: Flight) -> None:
        log.warning("A kernel never said how a run ended", extra={"notebook": self._room.id})
        flight.idle = True
        flight.replied = flight.replied or _ANSWER_LOST
        self._finish(flight)

    async def _interrupt_kernel(self, flight: Flight, kernel: Kernel) -> None:
        """Between requests a kernel takes no interrupt: this one waits until the run is under way (kernels.md I2)."""
        with anyio.move_on_after(_BEGINS_WITHIN_S):
            await flight.began.wait()
        if self._flight is not flight:
            return
        try:
            await self._runtime.interrupt(kernel.id)
        except RuntimeFailed as error:
            self._room.tell(Notice(str(error)))
        with anyio.move_on_after(_INTERRUPTED_WITHIN_S):
            await flight.over.wait()
        if self._flight is flight:
            self._room.tell(Notice("The cell does not heed the interrupt; restart the runtime to end it."))

    async def _clear_stale(self, flight: Flight) -> None:
        """Old outputs stay until the first new one, or for 300 ms: no flicker (crdt.md O8)."""
        with anyio.move_on_after(_STALE_AFTER_S):
            await flight.over.wait()
        if self._flight is flight:
            self._recorder.clear_stale(flight.run.cell)

    # -- messages --------------------------------------------------------------------------------------------------

    async def _receive(self, message: KernelMessage) -> None:
        self._handle(message)
        if self._recorder.is_full:
            self._receiving = True
            try:
                await self._recorder.written()  # the kernel's flood waits for the disk here, and nowhere else
            finally:
                self._receiving = False

    def _handle(self, message: KernelMessage) -> None:
        content = message.content if isinstance(message.content, Mapping) else {}
        if self._questions.receive(message.channel, message.parent_id, content):
            return
        event = messages.to_event({"header": message.header, "content": message.content})
        if message.channel == "iopub" and not message.parent_id:
            self._kernel_said(event, content)
            return
        cell = self._cells.get(message.parent_id)
        if cell is None:
            return
        flight = self._flight if self._flight is not None and self._flight.id == message.parent_id else None
        if flight is not None:
            flight.heard += 1
        if message.channel == "iopub":
            self._recorder.passed(message.id)
            self._output(cell, flight, event)
        elif flight is not None:
            self._asked_or_replied(flight, event, message)

    def _output(self, cell: CellId, flight: Flight | None, event: messages.KernelEvent) -> None:
        match event:
            case messages.Stream() | messages.Display() | messages.Result() | messages.Failure() | messages.Clear():
                self._recorder.receive(cell, event)
            case messages.Started(number):
                self._recorder.mark(cell, count=number)
                if flight is not None:
                    flight.began.set()
            case messages.Status("idle") if flight is not None:
                flight.idle = True
                self._finish(flight)
            case _:
                pass

    def _asked_or_replied(self, flight: Flight, event: messages.KernelEvent, message: KernelMessage) -> None:
        cell = flight.run.cell
        match message.channel, event:
            case "stdin", messages.Prompt(text, password):
                # A replay brings a question again that was answered before a crash.
                if self._recorder.marked(cell, "asked") != message.id:
                    prompt = json.dumps({"text": text[:_MAX_PROMPT_CHARS], "password": password})
                    self._recorder.mark(cell, prompt=prompt, asked=message.id)
            case "shell", messages.Reply("aborted"):
                flight.gone = event.evalue or "aborted"
                self._spawn(self._check)
            case "shell", messages.Reply():
                flight.reply(event)
                self._recorder.mark(cell, status=flight.replied)  # its message does not come twice
                self._finish(flight)
            case _:
                pass

    def _finish(self, flight: Flight) -> None:
        if self._flight is not flight:
            return
        if flight.is_complete:
            self._do(rules.RunEnded(flight.run.cell, flight.status))
        else:
            self._spawn(self._await_other_half, flight)

    def _kernel_said(self, event: messages.KernelEvent, content: Mapping[str, object]) -> None:
        """Statuses of the gateway's own, which have no parent."""
        if not isinstance(event, messages.Status) or self._state.life != "ready":
            return
        if event.state == "dead":
            reason = content.get("reason")
            self._lost(reason if isinstance(reason, str) and reason else "The kernel died.")
        else:
            self._spawn(self._check)

    # -- after a restart of ours -----------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Finds the kernel again and goes on listening; runs that cannot be found are ended with the reason (O9)."""
        left = self._left
        async with self._kernel.turn:
            for cell in left.broken:
                self._recorder.mark(cell, state="failed", status=_ANSWER_LOST, finished=_now(), prompt=None)
            if self._state.live:
                self._recorder.adopt()
            if left.running is not None and left.running.is_stale:
                self._recorder.expect(left.running.run.cell)
            kernel, reason = await self._kernel.find(was_running=left.running is not None)
            if kernel is not None and left.running is not None:
                await self._restore(kernel, left.running)
            if self._state.life not in ("finding", "starting"):  # shut down meanwhile
                if kernel is not None:
                    await self._kernel.end(kernel)
            elif kernel is not None:
                self._resume(kernel)
            elif left.running is not None or (left.waiting and reason):
                self._do(rules.KernelLost(reason))
            else:
                self._do(rules.KernelAbsent())

    async def _restore(self, kernel: Kernel, left: LeftRun) -> None:
        """The whole of a stream that is shown shortened is only in memory until its run is over; the kernel's host has
        it for a while."""
        cell = left.run.cell
        if left.session != kernel.session or not self._recorder.has_lost(cell):
            return
        try:
            said = await self._runtime.history(kernel.id, left.id, read_heard(self._room.doc, kernel.session).cursor)
        except KernelGone:
            return
        events = [messages.to_event({"header": message.header, "content": message.content}) for message in said or ()]
        if said is not None:
            self._recorder.restore(cell, [event for event in events if isinstance(event, OutputEvent)])

    def _resume(self, kernel: Kernel) -> None:
        left = self._left.running
        if left is not None and (left.session != kernel.session or self._state.running is not left.run):
            self._do(rules.RunEnded(left.run.cell, "The kernel was restarted meanwhile."))
            left = None
        heard = read_heard(self._room.doc, kernel.session)
        for id, cell in heard.cells.items():
            self._hear(id, cell)
        if left is not None:
            self._flight = resumed(left, notebook.cell_source(self._room.doc, left.run.cell))
            if left.is_stale:
                self._spawn(self._clear_stale, self._flight)
        self._connect(kernel, heard.cursor)
        self._recorder.use(kernel.session, heard.newest, heard.cursor)
        self._do(rules.KernelReady())


def _now() -> int:
    return time.time_ns() // 1_000_000
