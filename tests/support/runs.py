"""Executions that never run anything: they note what they are asked, and are live when the test says so."""

from collections.abc import Callable, Iterable

import anyio

from collab.comm_asks import CommAsk
from collab.commands import Command
from collab.connection import Connection
from collab.events import Event, QueueChanged, RuntimeChanged
from collab.model import User
from collab.room import CommandRefused


class FakeRuns:
    def __init__(self, live: bool = False) -> None:
        self.live = live
        self.requests: list[tuple[Command, User]] = []
        self.comms: list[tuple[CommAsk, Connection]] = []
        self.refusal = ""
        self.error: BaseException | None = None
        self.serving = False
        self._break = anyio.Event()

    def break_down(self, error: BaseException) -> None:
        self.error = error
        self._break.set()

    async def serve(self) -> None:
        self.serving = True
        try:
            await self._break.wait()
            assert self.error is not None
            raise self.error
        finally:
            self.serving = False

    def request(self, command: Command, user: User, answer: Callable[[Event], None]) -> None:
        if self.error is not None:
            raise self.error
        if self.refusal:
            raise CommandRefused(self.refusal)
        self.requests.append((command, user))

    def comm(self, ask: CommAsk, connection: Connection) -> None:
        self.comms.append((ask, connection))

    async def widget_module(self, name: str) -> str | None:
        return None

    def large(self, sha256: str) -> bytes | None:
        return None

    async def settle(self) -> None:
        pass

    def snapshot(self) -> Iterable[Event]:
        return RuntimeChanged("idle", "Python 3"), QueueChanged(())

    async def end(self, user: User) -> None:
        self.live = False
