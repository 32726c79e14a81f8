"""The run in the kernel, followed from its request to its end, however connections break meanwhile. What a message says
goes into the document here; when a run is over, `executions` is told, which decides what comes next.
"""

import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import anyio

from collab import messages, notebook
from collab.colab import typed_line
from collab.events import Notice
from collab.execution import Run
from collab.flight import Flight
from collab.model import CellId
from collab.recorder import Recorder
from collab.room import CommandRefused, Room
from collab.room_kernel import RoomKernel
from collab.runtime import Kernel, KernelMessage, Runtime, RuntimeFailed
from collab.store.store import StoreError
from collab.takeover import run_id

log = logging.getLogger(__name__)

_STALE_AFTER_S: Final = 0.3
_OTHER_HALF_S: Final = 2.0
_LOST_REQUEST_S: Final = 2.0
_BEGINS_WITHIN_S: Final = 2.0
_INTERRUPTED_WITHIN_S: Final = 10.0
_MAX_RUNS_HEARD: Final = 10_000
_MAX_PROMPT_CHARS: Final = 2000
ANSWER_LOST: Final = "The kernel's last word on this run was lost; its output may be incomplete."


class Flights:
    """`ended(cell, status)` is called when a run is over; `check` looks what has become of the kernel; `spawn` gives a
    task to the Room."""

    def __init__(
        self,
        room: Room,
        runtime: Runtime,
        recorder: Recorder,
        kernel: RoomKernel,
        spawn: Callable[..., None],
        ended: Callable[[CellId, str], None],
        check: Callable[[], Coroutine[Any, Any, None]],
        input_opened: Callable[[CellId], None] = lambda cell: None,
    ) -> None:
        self.current: Flight | None = None
        self.connected = False
        self._room = room
        self._runtime = runtime
        self._recorder = recorder
        self._kernel = kernel
        self._spawn = spawn
        self._ended = ended
        self._check = check
        self._input_opened = input_opened
        # msg_id -> cell, also of runs that are over: threads go on printing (kernels.md E4).
        self._cells: OrderedDict[str, CellId] = OrderedDict()
        self._settling: dict[str, Flight] = {}
        self._last_started = 0
        self._receiving = False
        self._connections = 0

    def cell_of(self, id: str) -> CellId | None:
        return self._cells.get(id)

    # -- there and back --------------------------------------------------------------------------------------------

    def begin(
        self,
        run: Run,
        source: str,
        session: str,
        now: int,
        durable: Callable[[], Awaitable[None]],
        asked_by: str = "",
    ) -> Flight:
        """`durable` returns when a server that comes next knows that this Notebook is live; `asked_by` is the Jupyter
        session of the tab that asked."""
        started = self._last_started = max(now, self._last_started + 1)
        flight = self.current = Flight(run, run_id(run.cell, started), source, session, started, asked_by=asked_by)
        self.hear(flight.id, run.cell)
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
            again=None,
            source_sha256=notebook.source_sha256(source),
        )
        self._spawn(self._send, flight, durable)
        self._spawn(self._clear_stale, flight)
        return flight

    def resume(self, flight: Flight, is_stale: bool) -> None:
        """One that a server before us sent."""
        self.current = flight
        if is_stale:
            self._spawn(self._clear_stale, flight)

    def drop(self) -> None:
        """It is over, whatever the kernel says."""
        if self.current is not None:
            self.current.over.set()
            self.current = None

    def forget(self) -> None:
        """The process is to end, or has ended: nothing that it still says counts, and nothing is to reach the next."""
        self.drop()
        self._cells.clear()
        self._settling.clear()
        self._runtime.forget_unsent()

    def hear(self, id: str, cell: CellId) -> None:
        self._cells[id] = cell
        while len(self._cells) > _MAX_RUNS_HEARD:
            self._cells.popitem(last=False)

    def interrupt(self, flight: Flight, kernel: Kernel, by: str) -> None:
        flight.interrupted_by = by
        self._spawn(self._interrupt, flight, kernel)

    def answer(self, cell: CellId, value: str) -> None:
        """The first answer wins (crdt.md O11). What was typed goes to the kernel; a password goes nowhere else.
        Raises CommandRefused."""
        flight = self.current
        prompt = self._recorder.marked(cell, "prompt")
        if flight is None or flight.run.cell != cell or not isinstance(prompt, str):
            raise CommandRefused("Nothing waits for this answer any more; somebody else may have given it.")
        asked = json.loads(prompt)
        if asked.get("line"):  # a running command echoes by itself, and reads on
            self._runtime.send("stdin", "input_reply", f"answer-{secrets.token_hex(8)}", typed_line(value))
            return
        shown = "········" if asked.get("password") else value
        text = f"{asked.get('text', '')}{notebook.clean(shown)}\n"
        self._recorder.receive(cell, messages.Stream("stdout", text))
        self._recorder.mark(cell, prompt=None)
        self._runtime.send("stdin", "input_reply", f"answer-{secrets.token_hex(8)}", {"value": value})

    async def _send(self, flight: Flight, durable: Callable[[], Awaitable[None]]) -> None:
        """The mark is durable before the kernel hears of the run: after a crash there is no run that nobody knows."""
        await durable()
        await self._recorder.written()
        try:
            await self._room.commit()
        except StoreError:
            return  # the Room is over; the next one finds the mark
        if self.current is flight:
            self._send_execute(flight)

    def _send_execute(self, flight: Flight) -> None:
        flight.sent = True
        self._runtime.send("shell", "execute_request", flight.id, flight.request, session=flight.asked_by)

    async def _interrupt(self, flight: Flight, kernel: Kernel) -> None:
        """Between requests a kernel takes no interrupt: this one waits until the run is under way (kernels.md I2)."""
        with anyio.move_on_after(_BEGINS_WITHIN_S):
            await flight.began.wait()
        if self.current is not flight:
            return
        try:
            await self._runtime.interrupt(kernel.id)
        except RuntimeFailed as error:
            self._room.tell(Notice(str(error)))
        with anyio.move_on_after(_INTERRUPTED_WITHIN_S):
            await flight.over.wait()
        if self.current is flight:
            self._room.tell(Notice("The cell does not heed the interrupt; restart the runtime to end it."))

    async def _clear_stale(self, flight: Flight) -> None:
        """Old outputs stay until the first new one, or for 300 ms: no flicker (crdt.md O8)."""
        with anyio.move_on_after(_STALE_AFTER_S):
            await flight.over.wait()
        if self.current is flight:
            self._recorder.clear_stale(flight.run.cell)

    # -- broken connections ----------------------------------------------------------------------------------------

    def connection_changed(self, connected: bool) -> None:
        self.connected = connected
        if connected:
            self._connections += 1
            self._spawn(self._catch_up, self._connections)

    async def _catch_up(self, connection: int) -> None:
        """A connection that broke may have taken the request or the reply with it. The request is sent again, under
        the same msg_id, only if the kernel has nothing to do and has never said a word about it."""
        await self._check()
        flight, kernel = self.current, self._kernel.current
        if flight is None or kernel is None or not flight.sent:
            return
        if not kernel.keeps:
            if connection > 1 or flight.is_taken_over:
                self._settle(flight)
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

    def _settle(self, flight: Flight) -> None:
        """A stock server may have lost the reply for good. Once it answers a question that stands behind the run, the
        run is over (kernels.md K2)."""
        id = f"settle-{secrets.token_hex(8)}"
        self._settling = {id: flight}
        self._runtime.send("shell", "kernel_info_request", id, {})

    async def _settled(self, flight: Flight) -> None:
        heard = -1
        while self.current is flight:
            if self._is_silent(flight, heard):
                self._finish_without_answer(flight)
                return
            heard = flight.heard
            await anyio.sleep(_OTHER_HALF_S)

    async def _await_other_half(self, flight: Flight) -> None:
        """Of reply and idle, which may come in any order and with output between them (kernels.md E3)."""
        heard = -1
        while self.current is flight:
            if self._is_silent(flight, heard) and (flight.replied or await self._kernel.is_idle()):
                if self._is_silent(flight, heard):
                    self._finish_without_answer(flight)
                return
            heard = flight.heard
            await anyio.sleep(_OTHER_HALF_S)

    def _is_silent(self, flight: Flight, heard: int) -> bool:
        """Nothing came of it since, although it could have."""
        return self.current is flight and flight.heard == heard and not self._receiving and self.connected

    def _finish_without_answer(self, flight: Flight) -> None:
        log.warning("A kernel never said how a run ended", extra={"notebook": self._room.id})
        flight.idle = True
        flight.replied = flight.replied or ANSWER_LOST
        self._finish(flight)

    # -- messages --------------------------------------------------------------------------------------------------

    async def wait_for_room(self) -> None:
        """The kernel's flood waits for the disk here, and nowhere else."""
        if self._recorder.is_full:
            self._receiving = True
            try:
                await self._recorder.written()
            finally:
                self._receiving = False

    def receive(self, message: KernelMessage, event: messages.KernelEvent) -> None:
        """What has a parent."""
        if message.channel == "shell" and message.parent_id in self._settling:
            self._spawn(self._settled, self._settling.pop(message.parent_id))
            return
        cell = self._cells.get(message.parent_id)
        if cell is None:
            return
        flight = self.current if self.current is not None and self.current.id == message.parent_id else None
        if flight is not None:
            flight.heard += 1
        if message.channel == "iopub":
            self._recorder.passed(message.id)
            self._output(cell, flight, event)
        elif flight is not None:
            self._asked_or_replied(flight, event, message)

    def _output(self, cell: CellId, flight: Flight | None, event: messages.KernelEvent) -> None:
        match event:
            case (
                messages.Stream()
                | messages.Display()
                | messages.Result()
                | messages.Failure()
                | messages.Clear()
                | messages.Tags()
            ):
                self._recorder.receive(cell, event)
            case messages.Started(number):
                self._recorder.mark(cell, count=number)
                if flight is not None:
                    flight.count = number
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
                self._input_opened(cell)
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
        if self.current is not flight:
            return
        if flight.is_complete:
            self._ended(flight.run.cell, flight.status)
        else:
            self._spawn(self._await_other_half, flight)
