"""Acts on `execution.apply` for one Room: kernel, queue, run marks, and outputs into the document.

Everything that changes the state is synchronous and goes through `_do`; tasks only wait for the kernel and the disk and
come back with an operation. A run's mark and the outputs it made are written in one transaction, so that after a crash
`cursor` says exactly which message was the last to take effect.
"""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, assert_never

import anyio
from anyio.abc import TaskGroup
from pycrdt import Map

from collab import execution as rules
from collab import messages, notebook
from collab.commands import (
    AnswerInput,
    CancelRuns,
    ClearOutputs,
    Command,
    Complete,
    Inspect,
    Interrupt,
    Restart,
    RunCells,
    ShutDownRuntime,
    StartRuntime,
)
from collab.events import CannotSave, Completions, Event, Inspection, Notice, QueueChanged, RuntimeChanged
from collab.model import CellId, User, UserId
from collab.notebook import SERVER_ORIGIN
from collab.outputs import OutputWriter
from collab.room import CommandRefused, Room
from collab.runtime import Kernel, KernelGone, KernelMessage, Runtime, RuntimeFailed
from collab.store.blobs import Blobs
from collab.store.store import Store, StoreError

log = logging.getLogger(__name__)

_WINDOW_S: Final = 0.05
_FIRST_WINDOW_BYTES: Final = 16 << 10
_MAX_PENDING_BYTES: Final = 8 << 20
_STALE_AFTER_S: Final = 0.3
_IDLE_GRACE_S: Final = 2.0
_LOST_REQUEST_S: Final = 2.0
_MAX_QUEUE: Final = 10_000


@dataclass(slots=True)
class _Flight:
    """The run in the kernel. It is over when both the reply and the idle have come (kernels.md E3)."""

    run: rules.Run
    id: str
    source: str
    heard: bool = False
    replied: str = ""
    idle: bool = False
    interrupted_by: str = ""
    over: anyio.Event = field(default_factory=anyio.Event)


class Executions:
    def __init__(self, room: Room, runtime: Runtime, store: Store, blobs: Blobs) -> None:
        self._room = room
        self._runtime = runtime
        self._store = store
        self._blobs = blobs
        self._writer = OutputWriter(room.doc)
        self._state = rules.State()
        self._kernel: Kernel | None = None
        self._flight: _Flight | None = None
        self._cells: dict[str, CellId] = {}  # msg_id -> cell, also of runs that are over: threads go on printing (E4)
        self._questions: dict[str, Callable[[Mapping[str, object]], Event]] = {}
        self._answers: dict[str, Callable[[Event], None]] = {}
        self._asked = 0
        self._requests = 0
        self._cursors: dict[CellId, str] = {}
        self._marks: dict[CellId, dict[str, object]] = {}
        self._work = anyio.Event()
        self._flushed = anyio.Event()
        self._listening = anyio.CancelScope()
        self._tasks: TaskGroup | None = None
        self._adopting = True
        self._told: tuple[RuntimeChanged, QueueChanged] | None = None

    # -- what a Room needs (`room.Runs`) ---------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        return self._adopting or self._state.live

    def snapshot(self) -> Iterable[Event]:
        return self._events()

    async def serve(self) -> None:
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._write_forever)
            try:
                await self._adopt()
            finally:
                self._adopting = False
            await anyio.sleep_forever()

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
            case Complete(request, code, cursor):
                question = {"code": code, "cursor_pos": cursor}
                self._ask(request, "complete_request", question, answer, _completions(request, cursor))
            case Inspect(request, code, cursor, detail):
                question = {"code": code, "cursor_pos": cursor, "detail_level": detail}
                self._ask(request, "inspect_request", question, answer, _inspection(request))
            case _:
                assert_never(command)

    # -- commands --------------------------------------------------------------------------------------------------

    def _resolve(self, cells: tuple[CellId, ...] | str, sources: Mapping[CellId, str]) -> list[CellId]:
        """Raises CommandRefused. One cell runs only as it was seen; several run as they stand by now: with others
        typing, something always differs somewhere."""
        doc = self._room.doc
        code = notebook.code_cells(doc)
        chosen = code if isinstance(cells, str) else [cell for cell in cells if cell in set(code)]
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
        flight, kernel = self._flight, self._kernel
        if flight is None or kernel is None:
            self._do(rules.CancelWaiting("all", user.name))
            return
        flight.interrupted_by = user.name
        self._spawn(self._attempt, lambda: self._runtime.interrupt(kernel.id))

    def _restart(self, user: User, run_all: bool, clear_outputs: bool) -> None:
        if self._state.life in ("starting", "restarting"):
            raise CommandRefused("The runtime is being started already.")
        self._do(rules.RequestRestart(user.name))
        cells = notebook.code_cells(self._room.doc)
        if clear_outputs:
            self._clear(cells)
        if run_all and cells:
            self._run(cells, user)
        self._room.tell(Notice(f"{user.name} restarted the runtime.", user.id))

    def _clear(self, cells: Iterable[CellId]) -> None:
        live = {run.cell for run in self._state.waiting} | ({self._flight.run.cell} if self._flight else set())
        cells = list(cells)
        self._writer.clear(cells)
        for cell in cells:
            if cell not in live:
                self._marks[cell] = {"state": None}
        self._wake()

    def _answer(self, cell: CellId, value: str, user: User) -> None:
        """The first answer wins (crdt.md O11). What was typed goes to the kernel; a password goes nowhere else."""
        flight = self._flight
        mark = notebook.run_mark(self._room.doc, cell)
        prompt = self._marks.get(cell, {}).get("prompt", mark.prompt if mark else "")
        if flight is None or flight.run.cell != cell or not isinstance(prompt, str) or not prompt:
            raise CommandRefused("Nothing waits for this answer any more; somebody else may have given it.")
        asked = json.loads(prompt)
        shown = "········" if asked.get("password") else value
        self._writer.receive(cell, messages.Stream("stdout", f"{asked.get('text', '')}{notebook.clean(shown)}\n"))
        self._mark(cell, prompt=None)
        self._runtime.send("stdin", "input_reply", f"{flight.id}-{_now()}", {"value": value})

    def _ask(
        self,
        request: int,
        type: str,
        content: Mapping[str, object],
        answer: Callable[[Event], None],
        read: Callable[[Mapping[str, object]], Event],
    ) -> None:
        if self._state.status not in ("idle", "busy") or self._flight is not None or len(self._questions) > 100:
            answer(read({}))  # the kernel would answer only when the cell is done
            return
        self._asked += 1
        id = f"ask-{_now()}-{self._asked}"
        self._questions[id] = read
        self._answers[id] = answer
        self._runtime.send("shell", type, id, content)

    # -- the state machine -----------------------------------------------------------------------------------------

    def _do(self, operation: rules.Operation) -> None:
        self._state, actions = rules.apply(self._state, operation)
        for action in actions:
            self._act(action)
        self._tell()

    def _act(self, action: rules.Action) -> None:
        match action:
            case rules.StartKernel():
                self._spawn(self._start)
            case rules.RestartKernel():
                self._drop_flight()
                self._spawn(self._restart_kernel)
            case rules.StopKernel():
                self._drop_flight()
                self._spawn(self._stop)
            case rules.MarkQueued(run):
                self._mark(
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
        if self._kernel is None:
            return
        source = notebook.cell_source(self._room.doc, run.cell)
        started = _now()
        flight = self._flight = _Flight(run, run_id(run.cell, started), source)
        self._cells[flight.id] = run.cell
        self._writer.begin(run.cell)
        self._mark(
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
            cursor=None,
            session=self._kernel.session,
            source_sha256=notebook.source_sha256(source),
        )
        self._spawn(self._send, flight)
        self._spawn(self._clear_stale, flight)

    def _ended(self, run: rules.Run, ran: bool, status: str) -> None:
        if not ran:
            self._mark(run.cell, state="cancelled", status=status, prompt=None)
            return
        self._drop_flight()
        self._writer.clear_stale(run.cell)
        self._writer.end(run.cell)
        state = "finished" if status == "ok" else "failed"
        self._mark(run.cell, state=state, status=status, finished=_now(), prompt=None)

    def _drop_flight(self) -> None:
        if self._flight is not None:
            self._flight.over.set()
            self._flight = None

    def _tell(self) -> None:
        told, before = self._events(), self._told
        self._told = told
        if before is None or told[0] != before[0]:
            self._room.tell(told[0])
        if before is None or told[1] != before[1]:
            self._room.tell(told[1])

    def _events(self) -> tuple[RuntimeChanged, QueueChanged]:
        state, kernel = self._state, self._kernel
        session = kernel.session if kernel is not None and state.life in ("ready", "restarting") else ""
        name = kernel.name if kernel is not None else ""
        return (
            RuntimeChanged(state.status, name, session, state.reason, state.by),
            QueueChanged(tuple(run.cell for run in state.waiting)),
        )

    # -- tasks -----------------------------------------------------------------------------------------------------

    def _spawn(self, task: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(task, *arguments)

    async def _attempt(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except RuntimeFailed as error:
            self._room.tell(Notice(str(error)))

    async def _start(self) -> None:
        doc = self._room.doc
        try:
            kernel = await self._runtime.start(notebook.kernelspec(doc), self._room.id)
            await self._store.remember(self._room.id, "kernel", kernel.id)
        except (RuntimeFailed, StoreError) as error:
            self._do(rules.KernelLost(str(error)))
            return
        if self._state.life != "starting":  # shut down meanwhile
            await self._attempt(lambda: self._runtime.shut_down(kernel.id))
            return
        self._connect(kernel, "")
        self._do(rules.KernelReady())

    async def _restart_kernel(self) -> None:
        kernel = self._kernel
        assert kernel is not None
        self._runtime.forget_unsent()
        try:
            self._kernel = await self._runtime.restart(kernel.id)
        except RuntimeFailed as error:
            self._lost(str(error))
            return
        self._do(rules.KernelReady())

    async def _stop(self) -> None:
        self._listening.cancel()
        kernel, self._kernel = self._kernel, None
        self._runtime.forget_unsent()
        self._tell()
        if kernel is not None:
            await self._attempt(lambda: self._runtime.shut_down(kernel.id))
        await self._remember("")

    async def _remember(self, kernel: str) -> None:
        try:
            await self._store.remember(self._room.id, "kernel", kernel)
        except StoreError as error:
            log.warning("A kernel could not be noted", extra={"notebook": self._room.id, "reason": str(error)})

    def _connect(self, kernel: Kernel, after: str) -> None:
        self._listening.cancel()
        self._listening = anyio.CancelScope()
        self._kernel = kernel
        self._writer.adopt()
        self._spawn(self._listen, kernel.id, after, self._listening)

    async def _listen(self, kernel: str, after: str, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                await self._runtime.listen(kernel, after, self._receive, self._connected)
            except KernelGone as error:
                self._lost(str(error))

    def _connected(self, connected: bool) -> None:
        if connected != self._state.connected:
            self._do(rules.ConnectionChanged(connected))
        if connected and self._flight is not None:
            self._spawn(self._find_lost_request, self._flight)

    def _lost(self, reason: str) -> None:
        self._drop_flight()
        self._listening.cancel()
        self._kernel = None
        self._do(rules.KernelLost(reason))
        self._spawn(self._remember, "")

    async def _send(self, flight: _Flight) -> None:
        """The mark is durable before the kernel hears of the run: after a crash there is no run that nobody knows."""
        try:
            await self._store.set_live(self._room.id, True)
        except StoreError as error:
            log.warning("A live notebook could not be noted", extra={"notebook": self._room.id, "reason": str(error)})
        await self._written()
        await self._room.commit()
        if self._flight is flight:
            self._send_execute(flight)

    def _send_execute(self, flight: _Flight) -> None:
        content = {
            "code": flight.source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": False,
        }
        self._runtime.send("shell", "execute_request", flight.id, content)

    async def _find_lost_request(self, flight: _Flight) -> None:
        """A connection that broke may have taken the request with it. It is sent again, under the same msg_id, only
        if the kernel has nothing to do and has never said a word about it."""
        await anyio.sleep(_LOST_REQUEST_S)
        kernel = self._kernel
        if self._flight is not flight or flight.heard or kernel is None:
            return
        try:
            now = await self._runtime.find(kernel.id)
        except RuntimeFailed:
            return
        if self._flight is flight and not flight.heard and now.state == "idle":
            self._send_execute(flight)

    async def _clear_stale(self, flight: _Flight) -> None:
        """Old outputs stay until the first new one, or for 300 ms: no flicker (crdt.md O8)."""
        with anyio.move_on_after(_STALE_AFTER_S):
            await flight.over.wait()
        if self._flight is flight:
            self._writer.clear_stale(flight.run.cell)
            self._wake()

    async def _end_without_idle(self, flight: _Flight) -> None:
        await anyio.sleep(_IDLE_GRACE_S)
        if self._flight is flight and not flight.idle:
            log.warning("A kernel never said that a run was over", extra={"notebook": self._room.id})
            flight.idle = True
            self._finish(flight)

    # -- messages --------------------------------------------------------------------------------------------------

    async def _receive(self, message: KernelMessage) -> None:
        self._handle(message)
        if self._writer.pending_bytes > _MAX_PENDING_BYTES:
            await self._written()  # the kernel's flood waits for the disk here, and nowhere else

    def _handle(self, message: KernelMessage) -> None:
        event = messages.to_event({"header": message.header, "content": message.content})
        if message.channel == "shell" and message.parent_id in self._questions:
            self._tell_answer(message.parent_id, message.content)
            return
        if message.channel == "iopub" and not message.parent_id:
            self._kernel_said(event, message.content)
            return
        cell = self._cells.get(message.parent_id)
        if cell is None:
            return
        flight = self._flight if self._flight is not None and self._flight.id == message.parent_id else None
        if flight is not None:
            flight.heard = True
        if message.channel == "iopub":
            self._cursors[cell] = message.id
        match event:
            case messages.Stream() | messages.Display() | messages.Result() | messages.Failure() | messages.Clear():
                self._writer.receive(cell, event)
                self._wake()
            case messages.Started(number):
                self._mark(cell, count=number)
            case messages.Prompt(text, password) if flight is not None:
                self._mark(cell, prompt=json.dumps({"text": text, "password": password}))
            case messages.Reply(status) if flight is not None:
                flight.replied = "interrupted" if event.ename == "KeyboardInterrupt" else status
                self._finish(flight)
                if not flight.idle:
                    self._spawn(self._end_without_idle, flight)
            case messages.Status("idle") if flight is not None:
                flight.idle = True
                self._finish(flight)
            case _:
                pass

    def _finish(self, flight: _Flight) -> None:
        if flight.replied and flight.idle and self._flight is flight:
            status = flight.replied
            if status == "interrupted" and flight.interrupted_by:
                status = f"interrupted by {flight.interrupted_by}"
            self._do(rules.RunEnded(flight.run.cell, status))

    def _kernel_said(self, event: messages.KernelEvent, content: Mapping[str, object]) -> None:
        """Statuses of the gateway's own, which have no parent."""
        if event == messages.Status("dead") and self._state.life == "ready":
            reason = content.get("reason")
            self._lost(reason if isinstance(reason, str) and reason else "The kernel died.")

    def _tell_answer(self, id: str, content: Mapping[str, object]) -> None:
        read = self._questions.pop(id)
        self._answers.pop(id)(read(content))

    # -- into the document -----------------------------------------------------------------------------------------

    def _mark(self, cell: CellId, **changes: object) -> None:
        """None takes a key away; `state=None` the whole mark."""
        self._marks.setdefault(cell, {}).update(changes)
        self._wake()

    def _wake(self) -> None:
        self._work.set()

    async def _written(self) -> None:
        """Until what is pending by now is in the document."""
        self._wake()
        await self._flushed.wait()

    async def _write_forever(self) -> None:
        """At once after quiet, then in windows; marks and the outputs that belong to them in one transaction."""
        try:
            while True:
                await self._work.wait()
                self._work = anyio.Event()
                await self._write()
                with anyio.move_on_after(_WINDOW_S):
                    while self._writer.pending_bytes < _FIRST_WINDOW_BYTES:
                        await self._work.wait()
                        if self._urgent():
                            break
                        await anyio.sleep(_WINDOW_S / 5)
        finally:
            with anyio.CancelScope(shield=True):
                await self._write()

    def _urgent(self) -> bool:
        """A change of state is not kept waiting: the next cell starts, somebody is asked."""
        return any("state" in changes or "prompt" in changes for changes in self._marks.values())

    async def _write(self) -> None:
        flushed, self._flushed = self._flushed, anyio.Event()
        while blobs := self._writer.blobs():
            for blob in blobs:
                await self._keep_blob(blob)
        marks, self._marks = self._marks, {}
        cursors, self._cursors = self._cursors, {}
        doc = self._room.doc
        with doc.transaction(origin=SERVER_ORIGIN):
            self._writer.write()
            for cell, changes in marks.items():
                self._write_mark(cell, changes)
            runs = notebook.roots(doc).runs
            for cell, cursor in cursors.items():
                entry = runs.get(cell)
                if isinstance(entry, Map):
                    entry["cursor"] = cursor
        flushed.set()
        if self._writer.pending:
            self._wake()

    def _write_mark(self, cell: CellId, changes: Mapping[str, object]) -> None:
        runs = notebook.roots(self._room.doc).runs
        if "state" in changes and changes["state"] is None:
            if cell in runs:
                del runs[cell]
            return
        entry = runs.get(cell)
        if not isinstance(entry, Map):
            if "state" not in changes:
                return
            runs[cell] = entry = Map({})
        for key, value in changes.items():
            if value is None:
                if key in entry:
                    del entry[key]
            elif entry.get(key) != value:
                entry[key] = value

    async def _keep_blob(self, data: bytes) -> None:
        """Until it is stored: outputs wait, nothing is lost (crdt.md D7)."""
        for attempt in count():
            try:
                sha256 = await anyio.to_thread.run_sync(self._blobs.put, data)
                await self._store.add_blob(self._room.id, sha256)
                return
            except (OSError, StoreError) as error:
                log.error("An output cannot be stored", extra={"notebook": self._room.id, "reason": str(error)})
                self._room.tell(CannotSave(f"An output cannot be stored: {error}"))
                await anyio.sleep(min(0.5 * 2**attempt, 5.0))

    # -- after a restart of ours -----------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Finds the kernel again and goes on listening; runs that cannot be found are ended with the reason (O9)."""
        doc = self._room.doc
        marks = notebook.run_marks(doc)
        running = [(cell, mark) for cell, mark in marks.items() if mark.state == "running"]
        queued = [(cell, mark) for cell, mark in marks.items() if mark.state == "queued"]
        try:
            known = await self._store.remembered(self._room.id, "kernel")
            if not known:
                raise KernelGone("The kernel was gone when the server came back.")
            kernel = await self._find(known)
        except (RuntimeFailed, StoreError) as error:
            for cell, _ in running:
                self._mark(cell, state="failed", status=str(error), finished=_now(), prompt=None)
            for cell, _ in queued:
                self._mark(cell, state="cancelled", status=str(error))
            return
        for cell, mark in running[:]:
            if mark.session != kernel.session or (len(running) > 1 and mark.started is None):
                self._mark(
                    cell, state="failed", status="The kernel was restarted meanwhile.", finished=_now(), prompt=None
                )
                running.remove((cell, mark))
        for cell, mark in marks.items():
            if mark.session == kernel.session and mark.started is not None:
                self._cells[run_id(cell, mark.started)] = cell
        last = max(
            (mark for mark in marks.values() if mark.session == kernel.session and mark.cursor),
            key=lambda mark: mark.started or 0,
            default=None,
        )
        run = None
        if running:
            cell, mark = running[0]
            run = rules.Run(cell, 0, User(UserId(mark.user_id), mark.user, "#777777", True), mark.requested or _now())
            id = run_id(cell, mark.started or 0)
            self._flight = _Flight(run, id, notebook.cell_source(doc, cell))
            # Nothing came of it yet: everything that the kernel says about it is new.
            last = mark if mark.cursor else last
        self._connect(kernel, last.cursor if last is not None else "")
        self._do(rules.KernelReady(run))
        self._requeue(queued)

    async def _find(self, id: str) -> Kernel:
        """Raises KernelGone, also when it is dead."""
        kernel = await self._runtime.find(id)
        if kernel.state == "dead":
            raise KernelGone(kernel.reason or "The kernel died while the server was away.")
        return kernel

    def _requeue(self, queued: list[tuple[CellId, notebook.RunMark]]) -> None:
        places = {cell: at for at, cell in enumerate(notebook.order(self._room.doc))}
        queued.sort(key=lambda item: (item[1].requested or 0, places.get(item[0], 0)))
        requests: dict[tuple[int | None, str], int] = {}
        runs = []
        for cell, mark in queued:
            request = requests.setdefault((mark.requested, mark.user_id), len(requests) + 1)
            user = User(UserId(mark.user_id), mark.user, "#777777", True)
            runs.append(rules.Run(cell, request, user, mark.requested or _now()))
        self._requests = len(requests)
        if runs:
            self._do(rules.RequestRun(tuple(runs)))


def run_id(cell: CellId, started: int) -> str:
    """msg_id of a run: made of what its mark holds, so that the next server knows it too."""
    return f"{cell}.{started}"


def _completions(request: int, cursor: int) -> Callable[[Mapping[str, object]], Event]:
    def read(content: Mapping[str, object]) -> Event:
        matches = content.get("matches")
        if content.get("status") != "ok" or not isinstance(matches, list):
            return Completions(request, (), cursor, cursor)
        texts = tuple(match for match in matches if isinstance(match, str))[:500]
        start, end = content.get("cursor_start"), content.get("cursor_end")
        metadata = content.get("metadata")
        rich = metadata.get("_jupyter_types_experimental") if isinstance(metadata, Mapping) else None
        kinds = (
            [str(item.get("type", "")) for item in rich if isinstance(item, Mapping)] if isinstance(rich, list) else []
        )
        types = tuple(kinds[: len(texts)]) if len(kinds) >= len(texts) else ()
        return Completions(
            request,
            texts,
            start if isinstance(start, int) else cursor,
            end if isinstance(end, int) else cursor,
            types,
        )

    return read


def _inspection(request: int) -> Callable[[Mapping[str, object]], Event]:
    def read(content: Mapping[str, object]) -> Event:
        data = content.get("data")
        text = data.get("text/plain", "") if isinstance(data, Mapping) else ""
        return Inspection(request, notebook.clean(text)[:100_000] if isinstance(text, str) else "")

    return read


def _now() -> int:
    return time.time_ns() // 1_000_000
