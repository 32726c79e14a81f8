"""The run in the kernel: what has been heard of it, and how it ended. Who hears and waits is `flights`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from collab.execution import Run
from collab.messages import Reply
from collab.takeover import LeftRun


@dataclass(slots=True)
class Flight:
    """It is over when both the reply and the idle have come (kernels.md E3)."""

    run: Run
    id: str
    source: str
    session: str
    started: int
    sent: bool = False
    is_taken_over: bool = False  # a server before us sent it
    asked_by: str = ""  # Jupyter session of the tab that asked
    count: int | None = None
    heard: int = 0  # messages about it
    replied: str = ""
    idle: bool = False
    gone: str = ""  # why the gateway says that there will be no reply
    interrupted_by: str = ""
    began: anyio.Event = field(default_factory=anyio.Event)
    over: anyio.Event = field(default_factory=anyio.Event)

    @property
    def request(self) -> Mapping[str, object]:
        """Content of its execute_request."""
        return {
            "code": self.source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": False,
        }

    def reply(self, reply: Reply) -> None:
        self.replied = "interrupted" if reply.ename == "KeyboardInterrupt" else reply.status

    @property
    def is_complete(self) -> bool:
        return self.replied != "" and self.idle

    @property
    def status(self) -> str:
        """How it ended, as the mark says it."""
        if self.replied == "interrupted" and self.interrupted_by:
            return f"interrupted by {self.interrupted_by}"
        return self.replied


def resumed(left: LeftRun, source: str) -> Flight:
    """What a server before us sent; its mark holds what that one had heard."""
    flight = Flight(
        left.run, left.id, source, left.session, left.started, sent=True, is_taken_over=True, replied=left.replied
    )
    if left.began:
        flight.began.set()
    return flight
