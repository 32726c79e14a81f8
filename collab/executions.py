"""Acts on `execution.apply` for one Room: kernel, queue and run marks. The run in the kernel is followed by `flights`.

Everything that changes the state is synchronous and goes through `_do`; tasks only wait for the kernel and the disk and
come back with an operation. Starting, restarting and stopping take turns, and what comes too late is undone.
"""

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, assert_never

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from collab import execution as rules
from collab import messages, notebook
from collab.asker import Asker
from collab.attachment import Attachment
from collab.attempts import Attempts
from collab.colab_requests import ColabRequests
from collab.comm_asks import CommAsk
from collab.commands import (
    AnswerInput,
    AttachRuntime,
    CancelRuns,
    ChooseRuntime,
    ClearOutputs,
    ColabReply,
    Command,
    Compare,
    Complete,
    DetachRuntime,
    ExtendRuntime,
    Inspect,
    Interrupt,
    Invoke,
    ResetAllRuntimes,
    ResetRuntime,
    Restart,
    RunCells,
    ShutDownRuntime,
    StartRuntime,
)
from collab.comms import Comms
from collab.connection import Connection
from collab.events import Event, Notice, QueueChanged, Refused, RuntimeChanged
from collab.feed import Feeds
from collab.flight import resumed
from collab.flights import ANSWER_LOST, Flights
from collab.history import History
from collab.invocations import Invocations
from collab.ipynb import omits_outputs
from collab.liveness import Liveness
from collab.meters import Meters
from collab.model import CellId, User
from collab.outputs import OutputEvent
from collab.questions import Questions, read
from collab.recorder import Recorder
from collab.room import CommandRefused, Room
from collab.room_kernel import RoomKernel
from collab.runtime import Kernel, KernelGone, KernelMessage, NoGpu, Runtime, RuntimeFailed
from collab.secrets import Secrets
from collab.store.blobs import Blobs
from collab.store.store import Store
from collab.takeover import Heard, LeftRun, cell_of_run, read_heard, read_left
from collab.widget_store import WidgetStore

log = logging.getLogger(__name__)

_END_WITHIN_S: Final = 20.0
_MAX_QUEUE: Final = 10_000
_MAX_QUEUE_TOLD: Final = 100
_BACK_WITHIN_S: Final = 90.0
_LOOK_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
_RESET_IS_MEANT_S: Final = 60.0
_RESTARTED: Final = "The kernel was restarted meanwhile."


async def nobody_resets(user: User, folder: bool) -> None:
    raise RuntimeFailed("This server cannot reset all runtimes.")


class Executions:
    """`attachable` are the Jupyter servers that may be attached (`jupyter_server.read_address`); `reset_all` resets
    every kernel of our gateway; without `feeds` nobody learns what the runtime uses."""

    def __init__(
        self,
        room: Room,
        runtime: Runtime,
        store: Store,
        blobs: Blobs,
        feeds: Feeds | None = None,
        attachable: tuple[str, ...] = (),
        reset_all: Callable[[User, bool], Awaitable[None]] = nobody_resets,
        secrets: Secrets | None = None,
        omit_outputs: bool = False,
    ) -> None:
        self.runtime = runtime
        self._room = room
        self._feeds = feeds
        self._omit_outputs = omit_outputs
        self._recorder = Recorder(room, store, blobs)
        self._questions = Questions(runtime)
        self._kernel = RoomKernel(room, runtime, store, self._waits)
        self.attachment = Attachment(room, runtime, store, attachable)
        self._attempts = Attempts(room, runtime, self._kernel, self.attachment, reset_all, self)
        self._liveness = Liveness(room.id, store)
        self._history = History(room, store)
        self._colab = ColabRequests(
            room,
            runtime,
            self._recorder,
            blobs,
            secrets,
            self.spawn,
            self._runs_now,
            lambda user: self.do(rules.RequestShutDown(user.name)),
        )
        self._flights = Flights(
            room,
            runtime,
            self._recorder,
            self._kernel,
            self.spawn,
            self._flight_ended,
            self.check,
            self._colab.input_opened,
        )
        self._comms = Comms(room, runtime, self._recorder, self._flights.cell_of)
        self._widgets = WidgetStore(room, self._comms, store, blobs)
        self._invocations = Invocations(runtime, self._invoked)
        self._meters = Meters(room, cell_of_run, self._model_changed)
        self._left = read_left(room.doc, _now())
        running = self._left.running.run if self._left.running is not None else None
        self._state = rules.State("finding", running, self._left.waiting)
        self._operations: deque[rules.Operation] = deque()
        self._doing = False
        self._requests = max(1, self._left.requests)
        self._last_requested = max((run.requested for run in self._left.waiting), default=0)
        self._restarting = False
        self._reset_by: tuple[str, float] = ("", 0.0)
        self._looking = False
        self._model: Kernel | None = None
        self._tasks: TaskGroup | None = None
        self._told: tuple[RuntimeChanged, QueueChanged] | None = None

    # -- what a Room needs (`room.Runs`) ---------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        return self._state.live or self._state.life in ("finding", "starting", "restarting")

    @property
    def kernel(self) -> Kernel | None:
        """As it was last seen."""
        return self._model

    def snapshot(self) -> Iterable[Event]:
        self._meters.look()
        return self._events()

    async def serve(self) -> None:
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._recorder.write_forever)
                self._tasks.start_soon(self._liveness.note_forever)
                self._tasks.start_soon(self._history.write_forever)
                self._tasks.start_soon(self._comms.show_forever)
                self._tasks.start_soon(self._widgets.save_forever)
                came = _now()
                await self._adopt()
                if not self.live and (self._omit_outputs or omits_outputs(self._room.doc)):
                    self._clear(notebook.code_cells(self._room.doc))
                await self._recorder.written()
                await self._history.settle(came)
                await anyio.sleep_forever()
        finally:
            self._show(None)
            await self._liveness.close(self._state.live)

    def request(self, command: Command, user: User, answer: Callable[[Event], None]) -> anyio.Event | None:
        done: anyio.Event | None = None
        match command:
            case RunCells(cells, sources):
                self._run(self._resolve(cells, sources), user, command.connection)
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
                self._flights.answer(cell, value)
                self._colab.input_closed()
            case Invoke():
                self._invoke(command, user, answer)
                return None
            case ColabReply():
                self._colab.answered(command)
                return None
            case Complete() | Inspect():
                if self._state.status in ("idle", "busy"):
                    self.spawn(self._questions.ask, command, answer, self._flights.current is not None)
                else:
                    answer(read(command, {}))
                return None
            case (
                ExtendRuntime()
                | ResetRuntime()
                | ResetAllRuntimes()
                | ChooseRuntime()
                | AttachRuntime()
                | DetachRuntime()
            ):
                done = self._attempts.begin(command, user, answer)
            case Compare():
                return None  # the Room's business
            case _:
                assert_never(command)
        # What was accepted is in the document by now, and is durable with the Room's next commit.
        self._recorder.flush()
        return done

    def comm(self, ask: CommAsk, connection: Connection) -> None:
        self._comms.ask(ask, connection)

    async def widget_module(self, name: str) -> str | None:
        return await self.runtime.widget_module(name)

    def large(self, sha256: str) -> bytes | None:
        return self._comms.widgets.large.get(sha256)

    async def settle(self) -> None:
        await self._widgets.save()

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

    def _run(self, cells: Iterable[CellId], user: User, connection: str = "") -> None:
        self._requests += 1
        # No two requests carry the same time: who comes after a crash tells them apart by it.
        now = self._last_requested = max(_now(), self._last_requested + 1)
        runs = tuple(rules.Run(cell, self._requests, user, now, connection) for cell in cells)
        if len(self._state.waiting) + len(runs) > _MAX_QUEUE:
            raise CommandRefused(f"At most {_MAX_QUEUE} cells can wait; cancel some first.")
        self._do(rules.RequestRun(runs))

    def _interrupt(self, user: User) -> None:
        flight, kernel = self._flights.current, self._kernel.current
        if flight is None or kernel is None:
            if self._state.running is not None:
                raise CommandRefused("The server has just come back and looks for the runtime; try again in a moment.")
            self._do(rules.CancelWaiting("all", user.name))
        elif not flight.sent:
            self._do(rules.RunEnded(flight.run.cell, f"interrupted by {user.name}"))
        else:
            self._flights.interrupt(flight, kernel, user.name)

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

    # -- what `attempts` needs -------------------------------------------------------------------------------------

    @property
    def state(self) -> rules.State:
        return self._state

    def do(self, operation: rules.Operation) -> None:
        self._do(operation)
        self._recorder.flush()

    def expect_reset(self, by: str) -> None:
        self._reset_by = by, time.monotonic()

    def spawn(self, task: Callable[..., Any], *arguments: object) -> None:
        """A task of this Room's."""
        if self._tasks is not None:
            self._tasks.start_soon(task, *arguments)

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
                self.spawn(self._start)
            case rules.RestartKernel():
                self._forget_runs()
                self._restarting = True
                self.spawn(self._restart_kernel, self._kernel.current)
            case rules.StopKernel():
                self._forget_runs()
                self._kernel.give_up()
                self.spawn(self._stop, self._disconnect())
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
                    again=None,
                )
            case rules.MarkAgain(cell, again):
                self._recorder.mark_again(cell, again)
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
        asked_by = self._colab.session(run.connection)
        self._comms.hurry()
        flight = self._flights.begin(run, source, kernel.session, _now(), self._liveness.note_live, asked_by)
        self._colab.note(flight.id, Asker(run.cell, run.user, run.connection))
        self._history.begun(flight, kernel.name)

    def _ended(self, run: rules.Run, ran: bool, status: str) -> None:
        if not ran:
            self._recorder.mark(run.cell, state="cancelled", status=status, prompt=None)
            return
        state, now = "finished" if status == "ok" else "failed", _now()
        self._history.ended(run.cell, state, status, now)
        if self._flights.current is not None:
            self._colab.run_ended(self._flights.current.id, status == "ok")
        self._flights.drop()
        self._recorder.end(run.cell)
        self._recorder.mark(run.cell, state=state, status=status, finished=now, prompt=None)

    def _flight_ended(self, cell: CellId, status: str) -> None:
        self._do(rules.RunEnded(cell, status))

    def _forget_runs(self) -> None:
        """The process is to end, or has ended: nothing that it still says counts, and nothing is to reach the next."""
        self._flights.forget()
        self._questions.forget()
        self._colab.forget()
        self._comms.lost()
        self._invocations.forget()

    # -- functions that frames call ----------------------------------------------------------------------------------

    def _invoke(self, command: Invoke, user: User, answer: Callable[[Event], None]) -> None:
        if self._state.status not in ("idle", "busy"):
            answer(Refused("The runtime does not run; run the cell again."))
        elif notebook.cell_type(self._room.doc, command.cell) != "code":
            answer(Refused("The cell of this output is gone."))
        else:
            asker = Asker(command.cell, user, command.connection)
            self._invocations.begin(command, asker, self._colab.session(command.connection), answer)

    def _invoked(self, id: str, asker: Asker) -> None:
        self._flights.hear(id, asker.cell)
        self._colab.note(id, asker)

    def _runs_now(self, id: str) -> bool:
        flight = self._flights.current
        return (flight is not None and flight.id == id) or self._invocations.is_open(id)

    def _tell(self) -> None:
        told, before = self._events(), self._told
        self._told = told
        if before is None or told[0] != before[0]:
            self._room.tell(told[0])
        if before is None or told[1] != before[1]:
            self._room.tell(told[1])

    def _events(self) -> tuple[RuntimeChanged, QueueChanged]:
        state, kernel = self._state, self._kernel.current
        ready = kernel if state.life in ("ready", "restarting") else None
        model = self._model if state.life == "ready" else None
        return (
            RuntimeChanged(
                state.status,
                kernel.name if kernel is not None else "",
                ready.session if ready is not None else "",
                state.reason,
                state.by,
                model.stops_at if model is not None else "",
                model.stops_why if model is not None else "",
                self.attachment.server.url if self.attachment.server is not None else "",
                state.place,
            ),
            QueueChanged(
                tuple(run.cell for run in state.waiting[:_MAX_QUEUE_TOLD]), max(0, len(state.waiting) - _MAX_QUEUE_TOLD)
            ),
        )

    # -- the kernel's life: one at a time ----------------------------------------------------------------------------

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

    def _waits(self, why: NoGpu) -> None:
        self._do(rules.KernelWaits(str(why), why.place))

    async def _restart_kernel(self, kernel: Kernel) -> None:
        async with self._kernel.turn:
            if self._kernel.current is not kernel:
                return
            try:
                fresh = await self.runtime.restart(kernel.id)
            except RuntimeFailed as error:
                if self._kernel.current is kernel:
                    self._lost(str(error))
                return
            finally:
                self._restarting = False
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
        self._comms.use(kernel.session)
        self._show(kernel)

    def _connect(self, kernel: Kernel, after: str) -> None:
        scope = self._kernel.connect(kernel)
        self._recorder.use(kernel.session)
        self._comms.use(kernel.session)
        self._recorder.adopt()
        self._show(kernel)
        self.spawn(self._listen, kernel.id, after, scope)

    def _disconnect(self) -> Kernel | None:
        self._show(None)
        return self._kernel.disconnect()

    def _show(self, model: Kernel | None) -> None:
        """What people see of it. Not `current`, which names the process that tasks wait for."""
        self._model = model
        self._meters.follow(None if self._feeds is None else self._feeds.of(self.attachment.server), model)

    async def _listen(self, kernel: str, after: str, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                await self.runtime.listen(kernel, after, self._receive, self._connected)
            except KernelGone as error:
                self._lost(str(error), is_gone=True)

    def _connected(self, connected: bool) -> None:
        if connected != self._state.connected:
            self._do(rules.ConnectionChanged(connected))
        self._flights.connection_changed(connected)
        self._comms.connected(connected)

    def _lost(self, reason: str, is_gone: bool = False) -> None:
        """`is_gone`: nothing is left of it, not even a reason. Nobody misses one that never ran a cell."""
        kernel = self._disconnect()
        self._forget_runs()
        harmless = is_gone and kernel is not None and not self._kernel.has_run(kernel.id)
        self._do(rules.KernelLost(reason, harmless))
        self.spawn(self._stop, kernel)  # a dead one takes a place in the gateway

    async def check(self) -> None:
        """What a lost connection may have hidden: the kernel's death, or that somebody else restarted it."""
        kernel = self._kernel.current
        if kernel is None or not self._may_check:
            return
        now: Kernel | None = None
        reason = ""
        try:
            now = await self.runtime.find(kernel.id)
        except KernelGone as error:
            reason = str(error)
        except RuntimeFailed:
            return
        if self._kernel.current is not kernel or not self._may_check:
            return
        if now is None or now.state == "dead":
            self._lost(now.reason or "The kernel died." if now is not None else reason, is_gone=now is None)
            return
        if now.session != kernel.session:
            self._restarted_by_others()
            self._use(now)
            self._tell()
        flight = self._flights.current
        if flight is not None and flight.gone and now.state in ("idle", "busy"):
            self._do(rules.RunEnded(flight.run.cell, flight.gone))
        if self._state.life == "restarting" and now.state in ("idle", "busy"):
            self._do(rules.KernelReady())

    @property
    def _may_check(self) -> bool:
        """A restart of ours is looked after by itself."""
        return self._state.life == "ready" or (self._state.life == "restarting" and not self._restarting)

    def _restarted_by_others(self) -> None:
        if self._state.life != "ready":
            return
        by, at = self._reset_by
        if by and time.monotonic() - at < _RESET_IS_MEANT_S:
            operation = rules.KernelRestarts(f"The runtime was reset by {by}", by, all_end=True)
        else:
            flight = self._flights.current
            operation = rules.KernelRestarts(flight.gone if flight is not None and flight.gone else _RESTARTED)
        self.expect_reset("")
        self._do(operation)
        self._forget_runs()
        self.spawn(self._await_kernel)

    async def _await_kernel(self) -> None:
        """Until it answers again, or is dead."""
        deadline = anyio.current_time() + _BACK_WITHIN_S
        for attempt in range(10_000):
            if self._state.life != "restarting":
                return
            if anyio.current_time() > deadline:
                self._lost("The kernel was restarted and does not answer; restart the runtime.")
                return
            await self.check()
            await anyio.sleep(_LOOK_AGAIN_S[min(attempt, len(_LOOK_AGAIN_S) - 1)])

    def _model_changed(self) -> None:
        if not self._looking:
            self._looking = True
            self.spawn(self.look)

    async def look(self) -> None:
        """When the kernel is to end by itself may have changed."""
        kernel = self._kernel.current
        try:
            now = await self.runtime.find(kernel.id) if kernel is not None else None
        except RuntimeFailed:
            return
        finally:
            self._looking = False
        if now is not None and kernel is not None and self._kernel.current is kernel and now.session == kernel.session:
            self._show(now)
            self._tell()

    # -- messages --------------------------------------------------------------------------------------------------

    async def _receive(self, message: KernelMessage) -> None:
        content = message.content if isinstance(message.content, Mapping) else {}
        if self._questions.receive(message.channel, message.parent_id, content):
            return
        self._colab.receive(message)
        if self._invocations.receive(message) and message.channel == "shell":
            return
        event = messages.to_event({"header": message.header, "content": message.content})
        if self._comms.receive(message, event):
            event = messages.Other("captured")
        if message.channel == "iopub" and not message.parent_id:
            self._kernel_said(event, content)
            return
        self._flights.receive(message, event)
        await self._flights.wait_for_room()

    def _kernel_said(self, event: messages.KernelEvent, content: Mapping[str, object]) -> None:
        """Statuses of the gateway's own, which have no parent. A kernel says by itself that it is starting, too."""
        if not isinstance(event, messages.Status) or self._state.life != "ready":
            return
        if event.state == "dead":
            reason = content.get("reason")
            self._lost(reason if isinstance(reason, str) and reason else "The kernel died.")
        elif event.state in ("starting", "restarting") and self._kernel.begins_anew(event.state, content):
            self._restarted_by_others()
        else:
            self.spawn(self.check)

    # -- after a restart of ours -----------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Finds the kernel again and goes on listening; runs that cannot be found are ended with the reason (O9)."""
        left = self._left
        async with self._kernel.turn:
            await self._widgets.load()
            for cell in left.broken:
                self._recorder.mark(cell, state="failed", status=ANSWER_LOST, finished=_now(), prompt=None)
            if self._state.live:
                self._recorder.adopt()
            if left.running is not None and left.running.is_stale:
                self._recorder.expect(left.running.run.cell)
            await self.attachment.restore()
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
        if not kernel.keeps or left.session != kernel.session or not self._recorder.has_lost(cell):
            return
        try:
            said = await self.runtime.history(kernel.id, left.id, self._heard(kernel).cursor)
        except KernelGone:
            return
        events = [messages.to_event({"header": message.header, "content": message.content}) for message in said or ()]
        if said is not None:
            self._recorder.restore(cell, [event for event in events if isinstance(event, OutputEvent)])

    def _heard(self, kernel: Kernel) -> Heard:
        return read_heard(self._room.doc, kernel.session, self._room.place)

    def _resume(self, kernel: Kernel) -> None:
        left = self._left.running
        if left is not None and (left.session != kernel.session or self._state.running is not left.run):
            self._do(rules.RunEnded(left.run.cell, _RESTARTED))
            left = None
        heard = self._heard(kernel)
        for id, cell in heard.cells.items():
            self._flights.hear(id, cell)
        if left is not None:
            flight = resumed(left, notebook.cell_source(self._room.doc, left.run.cell))
            self._flights.resume(flight, left.is_stale)
            self._colab.note(flight.id, Asker(left.run.cell, left.run.user, ""))
            self.spawn(self._colab.resume, kernel.id, left.id, heard.cursor)
            self._history.begun(flight, kernel.name)
        self._connect(kernel, heard.cursor)
        self._recorder.use(kernel.session, heard.cursor)
        self._comms.take_up(kernel.session)
        self._do(rules.KernelReady())


def _now() -> int:
    return time.time_ns() // 1_000_000
