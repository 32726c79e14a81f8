"""Which client session asked what, and what the kernel is working on. Pure; bounded by count.

Replies are routed by msg_id and never by the header's `session` (kernels.md R3). Several clients may use the same
msg_id at once: a kernel answers in order, so the first reply is the first asker's.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from kernelhost.wire import Message

MAX_OUTSTANDING: Final = 10_000
# Between busy and idle of these a kernel counts as busy; completions and the like change nothing (A12).
WORK: Final = ("execute_request", "comm_msg", "comm_open", "comm_close")


@dataclass(frozen=True, slots=True)
class Request:
    """What answering it takes: no content, which may be large or a secret."""

    session: str
    channel: str
    id: str
    type: str
    header: bytes


class Requests:
    def __init__(self, max_outstanding: int = MAX_OUTSTANDING) -> None:
        self._max = max_outstanding
        self._asked: OrderedDict[str, deque[Request]] = OrderedDict()
        self._count = 0
        self._executing = 0
        self._working: set[str] = set()
        self._begun: set[str] = set()

    @property
    def busy(self) -> bool:
        """Some execute or comm request is on its way to the kernel or in it."""
        return bool(self._working) or self._executing > 0

    @property
    def begun(self) -> bool:
        """Some execute request's code is running, so that a signal meets it (I2)."""
        return bool(self._begun)

    @property
    def running(self) -> str | None:
        """The msg_id of an execute request whose code is running."""
        return next(iter(self._begun), None)

    @property
    def executing(self) -> bool:
        return self._executing > 0

    def ask(self, session: str, item: Message) -> None:
        """At the bound the oldest is forgotten: its reply goes nowhere."""
        if not item.type.endswith("_request"):
            return
        self._asked.setdefault(item.id, deque()).append(Request(session, item.channel, item.id, item.type, item.header))
        self._count += 1
        self._executing += item.type == "execute_request"
        while self._count > self._max:
            self.take(next(iter(self._asked)))

    def asker(self, id: str) -> str | None:
        """Whose question `id` is, for an input request; None when nobody's."""
        waiting = self._asked.get(id)
        return waiting[0].session if waiting else None

    def take(self, id: str) -> Request | None:
        """The request that a reply to `id` answers, which is over with it."""
        waiting = self._asked.get(id)
        if not waiting:
            return None
        request = waiting.popleft()
        if not waiting:
            del self._asked[id]
        self._count -= 1
        self._executing -= request.type == "execute_request"
        return request

    def note(self, item: Message) -> bool:
        """Takes notice of an iopub message; whether it began or ended work."""
        if item.type == "execute_input" and item.parent_id in self._working:
            self._begun.add(item.parent_id)
            return True
        if item.type != "status" or item.parent_type not in WORK:
            return False
        state = item.part("content").get("execution_state")
        if state == "busy" and len(self._working) < self._max:
            self._working.add(item.parent_id)
        elif state == "idle":
            self._working.discard(item.parent_id)
            self._begun.discard(item.parent_id)
        return True

    def take_all(self) -> list[Request]:
        """Everything outstanding, which is forgotten."""
        taken = [request for waiting in self._asked.values() for request in waiting]
        self._asked.clear()
        self._working.clear()
        self._begun.clear()
        self._count = self._executing = 0
        return taken
