"""Which client session asked what, what of it is in the kernel, and what waits for its turn. Pure; it has no clock.

One execute request is in the kernel at a time, the others are held, first come, first served; a session's own shell
messages keep their order (kernels.md section 6). Replies are routed by msg_id and never by the header's `session` (R3):
an id that is in use already gets another one on its way to the kernel, and its own again on the way back (R4).
"""

import json
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from kernelhost.wire import Message

MAX_OUTSTANDING: Final = 10_000
MAX_HELD: Final = 1_000
MAX_HELD_BYTES: Final = 64 << 20
_MAX_RENAMED: Final = 1_000
_MAX_SESSIONS: Final = 1_000
# Between busy and idle of these a kernel counts as busy; completions and the like change nothing (A12).
WORK: Final = ("execute_request", "comm_msg", "comm_open", "comm_close")


class TooMany(Exception):
    """So much waits already that this cannot wait too; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Request:
    """What answering it takes: no content, which may be large or a secret. `id` is the kernel's name for it, `header`
    as it was sent. After an error of one that `stops`, what its session has waiting is aborted."""

    session: str
    channel: str
    id: str
    type: str
    header: bytes
    stops: bool = False

    @property
    def sent_id(self) -> str:
        """As its sender has it."""
        return str(json.loads(self.header)["msg_id"])


class Step(NamedTuple):
    """What follows from the end of an execution: requests that are aborted, messages that go to the kernel."""

    aborted: list[Request]
    ready: list[Message]


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    session: str
    item: Message
    request: Request | None

    @property
    def is_execution(self) -> bool:
        return _is_execution(self.item)


@dataclass(slots=True)
class Running:
    """The execution in the kernel. It is over with its reply and its idle, in either order (E3); `heard` counts what
    came about it on iopub, and `begun` says that its code runs, so that a signal meets it (I2). `doomed` are the
    executions that waited behind it when it failed: who sends another one then knows of the error."""

    request: Request
    heard: int = 0
    begun: bool = False
    replied: bool = False
    idle: bool = False
    doomed: frozenset[str] = frozenset()


class Requests:
    """Of one kernel process. Closed at first: until `open` all of shell and control waits (H7)."""

    def __init__(
        self,
        max_outstanding: int = MAX_OUTSTANDING,
        max_held: int = MAX_HELD,
        max_held_bytes: int = MAX_HELD_BYTES,
    ) -> None:
        self._max = max_outstanding
        self._max_held = max_held
        self._max_held_bytes = max_held_bytes
        self._open = False
        self._asked: OrderedDict[str, Request] = OrderedDict()
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._held_of: Counter[str] = Counter()
        self._names: set[str] = set()  # of what is held
        self._working: set[tuple[str, str]] = set()
        self._renamed: OrderedDict[str, Request] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._count = 0
        self.running: Running | None = None
        self.latest: Request | None = None  # of those that ran or run

    @property
    def busy(self) -> bool:
        """Some execute or comm request is on its way to the kernel or in it."""
        return self.running is not None or bool(self._working)

    @property
    def held(self) -> int:
        return len(self._held)

    # -- from clients ---------------------------------------------------------------------------------------------

    def ask(self, session: str, item: Message) -> list[Message]:
        """What goes to the kernel now. Raises TooMany."""
        waits = self._waits(session, item)
        if waits and (len(self._held) >= self._max_held or self._held_bytes + item.size > self._max_held_bytes):
            raise TooMany(
                f"{len(self._held)} messages of {self._held_bytes >> 20} MB wait for this kernel already; "
                "send this again when some are done."
            )
        entry = self._entry(session, item)
        if waits:
            self._hold(entry)
            return []
        return [self._let_in(entry)]

    def open(self) -> list[Message]:
        """The kernel is ready: what waited for that, as far as it does not wait for its turn."""
        self._open = True
        waiting = self._held
        self._held, self._held_bytes, self._held_of = deque(), 0, Counter()
        self._names.clear()
        ready = []
        for entry in waiting:
            if self._waits(entry.session, entry.item):
                self._hold(entry)
            else:
                ready.append(self._let_in(entry))
        return ready

    def _waits(self, session: str, item: Message) -> bool:
        if not self._open:
            return True
        if item.channel != "shell" or _has_subshell(item):
            return False
        if self._held_of[session]:
            return True  # a comm message may depend on the execution before it
        return item.type == "execute_request" and (self.running is not None or bool(self._held))

    def _entry(self, session: str, item: Message) -> _Held:
        if not item.type.endswith("_request"):
            return _Held(session, item, None)
        header, stops = item.header, False
        if item.type == "execute_request":
            content = item.part("content")
            stops = content.get("stop_on_error", True) is not False and not content.get("silent", False)
            # The next request could reach a kernel that is still aborting; whoever holds them aborts them (Q2, Q3).
            if content and content.get("stop_on_error") is not False:
                item = replace(item, content=json.dumps(content | {"stop_on_error": False}).encode())
        taken = item.id in self._asked or item.id in self._names
        if taken or (self.running is not None and self.running.request.id == item.id):
            item = self._rename(item)
        request = Request(session, item.channel, item.id, item.type, header, stops)
        if item.header is not header:
            self._renamed[item.id] = request
            if len(self._renamed) > _MAX_RENAMED:
                self._renamed.popitem(last=False)
        return _Held(session, item, request)

    def _rename(self, item: Message) -> Message:
        self._count += 1
        id = f"{item.id}~{self._count}"
        return replace(item, id=id, header=json.dumps(item.part("header") | {"msg_id": id}).encode())

    def _hold(self, entry: _Held) -> None:
        self._held.append(entry)
        self._held_bytes += entry.item.size
        self._held_of[entry.session] += 1
        self._names.add(entry.item.id)

    def _release(self, entry: _Held) -> None:
        self._held.remove(entry)
        self._held_bytes -= entry.item.size
        self._held_of[entry.session] -= 1
        if not self._held_of[entry.session]:
            del self._held_of[entry.session]
        self._names.discard(entry.item.id)

    def _let_in(self, entry: _Held) -> Message:
        if entry.item.type != "execute_request":  # kernels may answer what is no request, or more than once (Colab's)
            self._sessions[entry.item.id] = entry.session
            if len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)
        request = entry.request
        if request is None:
            return entry.item
        self._asked[request.id] = request
        if entry.is_execution:
            self.running, self.latest = Running(request), request
        while len(self._asked) > self._max:  # the oldest is forgotten: its reply goes nowhere
            id, oldest = self._asked.popitem(last=False)
            if self.running is not None and oldest is self.running.request:
                self._asked[id] = oldest
        return entry.item

    # -- from the kernel ------------------------------------------------------------------------------------------

    def asker(self, id: str) -> str | None:
        """Whose question `id` is, for an input request; None when nobody's."""
        request = self._asked.get(id)
        return request.session if request else None

    def original(self, item: Message) -> Message:
        """As the client is to see it: with the msg_id that it gave."""
        request = self._renamed.get(item.parent_id)
        if request is None:
            return item
        return replace(item, parent=request.header, parent_id=request.sent_id)

    def take(self, item: Message) -> str | None:
        """Whom this reply is for; None when for nobody. What it answers is over with it."""
        request = self._asked.get(item.parent_id)
        if request is None:
            return self._sessions.get(item.parent_id)
        failed = request.type == "execute_request" and item.part("content").get("status") == "error"
        self.answered(request.id, failed)
        return request.session

    def answered(self, id: str, failed: bool) -> Request | None:
        """It gets its reply, from the kernel or from us; None when it had one."""
        request, running = self._asked.pop(id, None), self.running
        if running is not None and running.request is request:
            running.replied = True
            if failed and request.stops:
                held = self._held_by(request.session)
                running.doomed = frozenset(entry.item.id for entry in held if entry.is_execution)
        return request

    def note(self, item: Message) -> bool:
        """Takes notice of an iopub message; whether it began or ended work."""
        running = self.running
        ours = running if running is not None and running.request.id == item.parent_id else None
        if ours is not None:
            ours.heard += 1
            if item.type == "execute_input":
                ours.begun = True
                return True
        if item.type != "status" or item.parent_type not in WORK:
            return False
        state = item.part("content").get("execution_state")
        work = item.parent_id, item.parent_type
        if state == "busy" and len(self._working) < self._max:
            self._working.add(work)
        elif state == "idle":
            self._working.discard(work)
            if ours is not None and item.parent_type == "execute_request":
                ours.idle = True
        return True

    def next(self) -> Step:
        """Once the execution in the kernel is over, what comes after it; nothing otherwise."""
        over = self.running
        if over is None or not (over.replied and over.idle):
            return Step([], [])
        self.running = None
        aborted: list[Request] = []
        ready: list[Message] = []
        if over.doomed:
            for entry in self._held_by(over.request.session):
                if entry.is_execution and entry.item.id not in over.doomed:
                    break
                self._release(entry)
                if entry.is_execution and entry.request is not None:
                    aborted.append(entry.request)
                else:
                    ready.append(self._let_in(entry))
        if self._held:  # the first is an execution: other messages wait only behind one of their session
            first = self._held[0]
            for entry in self._held_by(first.session):
                if entry.is_execution and entry is not first:
                    break
                self._release(entry)
                ready.append(self._let_in(entry))
        return Step(aborted, ready)

    def _held_by(self, session: str) -> list[_Held]:
        return [entry for entry in self._held if entry.session == session]

    @property
    def outstanding(self) -> list[Request]:
        return [*self._asked.values(), *(entry.request for entry in self._held if entry.request is not None)]


def _is_execution(item: Message) -> bool:
    return item.type == "execute_request" and item.channel == "shell" and not _has_subshell(item)


def _has_subshell(item: Message) -> bool:
    return b'"subshell_id"' in item.header and bool(item.part("header").get("subshell_id"))
