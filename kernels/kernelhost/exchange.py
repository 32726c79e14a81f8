"""What clients and one kernel say to each other: whom each message is for, and when an execution is over.

Replies go to the client session that asked; iopub goes to everyone (kernels.md R3). Nothing here waits for a client.
The kernel's processes come and go; this stays.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, Protocol, TypeAlias

from kernelhost import messages
from kernelhost.activity import ACTIVITY
from kernelhost.journal import Journal
from kernelhost.reader import Reader
from kernelhost.requests import Request, Requests, TooMany
from kernelhost.sockets import Sockets
from kernelhost.unread import Unread
from kernelhost.wire import BadMessage, Message, completed

State: TypeAlias = Literal["starting", "idle", "busy", "restarting", "dead"]

# How long the other half of an execution's end may take after the last that was heard of it (E3).
GRACE_S: Final = 2.0
# So often it begins anew because of output that is not this execution's, with which its end may still be on its way.
MAX_GRACES: Final = 15
# So long a kernel may say nothing at all of an execution before it is asked whether it got it.
SILENCE_S: Final = 5.0
_MAX_SESSIONS: Final = 1_000


class Overflow(Exception):
    """More was sent to a kernel than can be held for it."""


class Client(Protocol):
    """Somebody connected to the kernel's channels. Neither call waits."""

    @property
    def session(self) -> str: ...

    def wake(self) -> None:
        """There may be something to read."""

    def end(self, reason: str) -> None:
        """The kernel is gone: no more comes after what can be read by now."""


class Exchange:
    """`asked_to_end` is called when a client sends `shutdown_request`, with its `restart`; `told` when the state may
    have changed."""

    def __init__(
        self, id: str, journal: Journal, asked_to_end: Callable[[bool], None], told: Callable[[], None] = lambda: None
    ) -> None:
        self.state: State = "starting"
        self.reason = ""
        self.generation = 0
        self.last_activity = datetime.now(UTC)
        self.clients: set[Client] = set()
        # The kernel has answered a question of ours; something has come on iopub.
        self.answered = self.heard = False
        # The last reply to a question of ours.
        self.reply: Message | None = None
        self._id = id
        self._journal = journal
        self._asked_to_end = asked_to_end
        self._told = told
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._sockets: Sockets | None = None
        self._requests = Requests()
        self._unread = Unread()
        self._info = b""
        self._changed = asyncio.Event()
        # msg_ids of our own questions begin with this; answers to them go nowhere.
        self._own = f"{secrets.token_hex(8)}-"
        self._interrupted = False
        # msg_id of a question of ours -> that of an execution which the kernel may have forgotten.
        self._doubtful: dict[str, str] = {}
        self._grace: asyncio.TimerHandle | None = None
        self._said = 0  # on iopub, of anything
        self._silence: asyncio.TimerHandle | None = None

    # -- state ----------------------------------------------------------------------------------------------------

    def set_state(self, state: State) -> None:
        self.state = state
        self.last_activity = datetime.now(UTC)
        self._told()

    def publish_status(self) -> None:
        self._add(self._status(), passing=True)

    def publish_revival(self) -> None:
        """Of a kernel that died by itself and is started again. To JupyterLab `restarting` is just that: it says so in
        a dialog, and connects anew (H9)."""
        self._add(messages.status("restarting", reason=self.reason, generation=self.generation), passing=True)

    def _status(self) -> Message:
        """The present state, with no parent (H8). Never `restarting`, which makes clients loop (H9)."""
        state = "starting" if self.state == "restarting" else self.state
        return messages.status(state, reason=self.reason, generation=self.generation)

    def notice(self, text: str) -> None:
        """A word of ours under the code that runs, or ran last: stock clients have no other place for it."""
        if self._requests.latest is not None:
            self._add(messages.notice(text, self._requests.latest.header))

    async def next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def change(self) -> None:
        self._changed.set()

    @property
    def running(self) -> str | None:
        """The msg_id of the execute request that the kernel has; it may not be able to say that it has begun."""
        running = self._requests.running
        return running.request.sent_id if running is not None else None

    @property
    def kept_bytes(self) -> int:
        """Of output, for clients that are away or slow."""
        return self._journal.size

    @property
    def dropped_bytes(self) -> int:
        """Of output, at the bound of what is kept, so far."""
        return self._journal.dropped_bytes

    @property
    def held(self) -> int:
        return self._requests.held

    @property
    def code_is_due(self) -> bool:
        """An execution is in the kernel, or about to be, whose code a signal would not meet yet (I2)."""
        running = self._requests.running
        if running is None:
            return False
        return not running.begun or (running.replied and self._requests.held > 0)

    # -- a kernel process -----------------------------------------------------------------------------------------

    def use(self, sockets: Sockets | None) -> None:
        """From now on messages go to this process; to none."""
        self._sockets = sockets
        self.answered = self.heard = False

    def open(self) -> None:
        """The kernel is ready: what waited for that goes to it."""
        for item in self._requests.open():
            self._send(item)
        self.set_state("busy" if self._requests.busy else "idle")
        # Who was connected all along hears that it is over, and in which state things are.
        self.publish_status()

    def question(self, channel: str, kind: str, content: Mapping[str, object]) -> Message:
        """One of our own: the answer is not passed on."""
        return messages.make(channel, kind, content, id=f"{self._own}{secrets.token_hex(8)}", session=self._id)

    def ask(self, channel: str, kind: str, content: Mapping[str, object]) -> str:
        question = self.question(channel, kind, content)
        self._send(question)
        return question.id

    def interrupting(self) -> None:
        self._interrupted = True

    def _send(self, item: Message) -> None:
        if self._sockets is not None:
            self._unread.add(item)
            self._sockets.send(item)
        running = self._requests.running
        if running is not None and running.request.id == item.id:
            self._start_silence(running.request)

    def abandon(self, why: str) -> None:
        """Answers everything outstanding, so that no client waits for ever (Q5)."""
        outstanding = self._requests.outstanding
        self._requests, self._unread = Requests(), Unread()
        self._doubtful.clear()
        self._interrupted = False
        self._stop_grace()
        for request in outstanding:
            self._add(messages.aborted(request, why), request.session)
            self._add(messages.status("idle", request.header))
        self._changed.set()

    # -- clients --------------------------------------------------------------------------------------------------

    def join(self, client: Client, after: str | None) -> Reader:
        """From what the client missed on: after the iopub message `after`, else since its session was last here."""
        session, journal = client.session, self._journal
        first: list[Message] = []
        at, knows_of_loss = self._seen.get(session, journal.seq), False
        if after:
            place = journal.place_of(after)
            if place is None:  # it came earlier than what is known, and what its session was given not before it
                at = min(self._seen.get(session, journal.dropped), journal.known_from)
            else:
                at = place
                first = journal.unfinished_replies(place, session)
        elif after is not None:
            at, knows_of_loss = journal.lossy, True  # whoever wants all there is, without a gap
        reader = Reader(journal, session, at, first, knows_of_loss)
        self.clients.add(client)
        journal.add(self._status(), session, passing=True)
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

    def send(self, client: Client, item: Message) -> None:
        """A client's message to the kernel. Raises BadMessage for what cannot be sent there, and Overflow."""
        if item.channel in ("iopub", "hb"):
            return
        if item.channel not in ("shell", "control", "stdin"):
            raise BadMessage(f"There is no channel '{item.channel:.20}'.")
        item = completed(item)
        if item.channel == "control" and item.type == "shutdown_request":
            self._answer_shutdown(client, item)
        elif self.state == "busy" and item.type == "kernel_info_request" and item.channel == "shell" and self._info:
            self._answer_info(client, item)
        elif item.channel == "stdin":
            self._journal.retire_question(client.session)
            self._pass(client, item)
        else:
            self._interrupted = self._interrupted or item.type == "interrupt_request"
            self._pass(client, item)

    def _pass(self, client: Client, item: Message) -> None:
        """Raises Overflow."""
        ready = self.state in ("idle", "busy")
        try:
            if ready and not self._unread.has_room(item):
                raise TooMany("The kernel does not read what is sent to it; send this again when its cell is done.")
            if item.channel != "stdin":
                due = self._requests.ask(client.session, item)
            elif ready:
                due = [item]
            else:
                return  # nothing was asked of anybody yet
        except TooMany as error:
            if not ready or not item.type.endswith("_request"):
                raise Overflow from error
            self._answer(item.header, client.session, messages.failed(item, "TooManyRequests", str(error)))
            return
        if item.type in ACTIVITY:
            self.last_activity = datetime.now(UTC)
        for each in due:
            self._send(each)
        if self.state == "dead":
            self.abandon(self.reason)
        self._settle()

    def _answer_shutdown(self, client: Client, item: Message) -> None:
        """`restart: false` removes the kernel, `true` restarts it; the reply is ours, as the kernel may not live to
        give it (kernels.md section 5)."""
        restart = item.part("content").get("restart") is True
        content = {"status": "ok", "restart": restart}
        self._add(messages.make("control", "shutdown_reply", content, item.header), client.session)
        self._asked_to_end(restart)

    def _answer_info(self, client: Client, item: Message) -> None:
        """A stock server makes clients that reconnect wait for the end of the running cell (H7)."""
        reply = messages.make("shell", "kernel_info_reply", self._info, item.header)
        for answer in (messages.status("busy", item.header), reply, messages.status("idle", item.header)):
            self._add(answer, client.session)
        self._add(self._status(), client.session, passing=True)

    def _answer(self, header: bytes, session: str, reply: Message) -> None:
        """As a kernel does it."""
        self._add(messages.status("busy", header))
        self._add(reply, session)
        self._add(messages.status("idle", header))

    # -- from the kernel ------------------------------------------------------------------------------------------

    def receive(self, item: Message) -> None:
        self._unread.note(item)
        if item.parent_id.startswith(self._own) or item.type == "iopub_welcome":
            self._receive_answer(item)
        elif item.channel == "iopub":
            self._said += 1
            if self._requests.note(item):
                self.last_activity = datetime.now(UTC)
            self._add(self._requests.original(item))
            if self._interrupted and messages.is_idle(item):
                self._doubt(item.parent_id)
        elif item.channel == "stdin":
            session = self._requests.asker(item.parent_id)
            if session is not None:
                self._add(self._requests.original(item), session)
        else:
            session = self._requests.take(item)
            if session is not None:
                self._add(self._requests.original(item), session)
        self._go_on()

    def _receive_answer(self, item: Message) -> None:
        self.heard = self.heard or item.channel == "iopub"
        if item.channel == "shell":
            self.reply = item
        if item.type == "kernel_info_reply":
            self.answered = True
            self._info = item.content
            self._end_doubt(item.parent_id)

    def _go_on(self) -> None:
        """The next execution, if one is over."""
        aborted, ready = self._requests.next()
        for request in aborted:
            self._answer(request.header, request.session, messages.skipped(request))
        for item in ready:
            self._send(item)
        running = self._requests.running
        if running is None or running.replied == running.idle:
            self._stop_grace()
        elif self._grace is None:
            self._start_grace(running.request, running.heard, MAX_GRACES)
        self._settle()

    def _settle(self) -> None:
        if self.state in ("idle", "busy"):
            self.state = "busy" if self._requests.busy else "idle"
        self._told()
        self._changed.set()

    def _add(self, item: Message, session: str | None = None, passing: bool = False) -> None:
        self._journal.add(item, session, passing)
        for client in self.clients:
            if session in (None, client.session):
                client.wake()

    # -- the end of an execution ----------------------------------------------------------------------------------

    def _start_grace(self, request: Request, heard: int, left: int) -> None:
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(GRACE_S, self._end_grace, request, heard, self._said, left)

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _end_grace(self, request: Request, heard: int, said: int, left: int) -> None:
        self._grace = None
        running = self._requests.running
        if running is None or running.request is not request or running.replied == running.idle:
            return
        if running.heard != heard:
            self._start_grace(request, running.heard, MAX_GRACES)
        elif self._said != said and left > 1:
            self._start_grace(request, heard, left - 1)
        elif running.idle:
            self._doubt(request.id)
        else:
            running.idle = True
            self._add(messages.incomplete_notice(request.header))
            self._add(messages.status("idle", request.header))
            self._go_on()

    def _start_silence(self, request: Request) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(SILENCE_S, self._end_silence, request)

    def _end_silence(self, request: Request) -> None:
        self._silence = None
        running = self._requests.running
        if running is not None and running.request is request and not running.heard:
            self._doubt(request.id)

    def _doubt(self, id: str) -> None:
        """A kernel may give no reply: ipykernel when the signal meets it between taking a request and running its code,
        or when it cannot read one. It answers in order: once a later question is answered, there will be none."""
        running = self._requests.running
        if running is None or running.replied or running.request.id != id or id in self._doubtful.values():
            return
        self._doubtful[self.ask("shell", "kernel_info_request", {})] = id

    def _end_doubt(self, question: str) -> None:
        request = self._requests.answered(self._doubtful.pop(question, ""), failed=True)
        if request is not None:
            reply = messages.interrupted(request) if self._interrupted else messages.unanswered(request)
            self._add(reply, request.session)
