"""A browser tab without the browser: an honest client of the protocol, on a FakeSocket, with a Doc of its own."""

import asyncio
import json
from collections.abc import Callable
from itertools import count
from typing import Any

import anyio
from pycrdt import Doc, Text, TransactionEvent

from collab.connection import Connection
from collab.model import CellId, Role, User, UserId
from collab.notebook import NotebookDoc, cell_source, roots
from collab.wire import (
    AWARENESS,
    COMM,
    COMMAND,
    EVENT,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    AwarenessFrame,
    Presence,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    awareness,
    parse_frame,
    sync_step1,
    sync_step2,
    sync_update,
    varbytes,
)
from tests.support.sockets import FakeSocket

_numbers = count(1)


class Tab:
    """`answers` False: it says nothing by itself, the test speaks for it with `socket.push`. `follows` False: it takes
    no edits of others over, as one who asks for them with a forged state might break its own Doc by that."""

    def __init__(
        self,
        name: str = "",
        role: Role = Role.EDITOR,
        *,
        user: User | None = None,
        answers: bool = True,
        follows: bool = True,
    ) -> None:
        number = next(_numbers)
        name = name or f"user {number}"
        self.user = user or User(UserId(f"id of {name}"), name, "#123456", True)
        self.socket = FakeSocket(self._hear)
        self.connection = Connection(self.socket, self.user, role)
        self.doc: NotebookDoc = Doc()
        roots(self.doc)
        self.client = 1000 + number
        self.clock = 0
        self.heard: list[bytes] = []
        self.events: list[dict[str, Any]] = []
        self.presence: dict[int, Presence] = {}  # as y-protocols keeps it
        self.clocks: dict[int, int] = {}
        self.updates: list[bytes] = []
        self.synced = False
        self.sent = 0
        self._answers = answers
        self._follows = follows
        self._live = False
        self._remote = False
        self._news = asyncio.Event()
        self.doc.observe(self._changed)

    # -- what a person does ------------------------------------------------------------------------------------------

    def type(self, text: str, cell: str = "a") -> None:
        """At the end of a cell."""
        source: Text = roots(self.doc).cells[cell]["source"]
        with self.doc.transaction(origin="typing"):
            source.insert(len(source), text)

    def source(self, cell: str = "a") -> str:
        return cell_source(self.doc, CellId(cell))

    def announce(self, state: dict[str, Any] | None = None, client: int | None = None) -> None:
        self.clock += 1
        told = Presence(client or self.client, self.clock, {"cell": "a"} if state is None else state)
        self.socket.push(awareness([told]))

    def command(self, value: object) -> None:
        self.socket.push(bytes((COMMAND,)) + varbytes(json.dumps(value).encode()))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for what is heard to make it true. Raises TimeoutError after five minutes of the loop's clock."""
        with anyio.fail_after(300):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_synced(self) -> None:
        await self.until(lambda: self.synced)

    async def until_saved(self) -> None:
        await self.until(lambda: self.acknowledged == self.sent)

    @property
    def acknowledged(self) -> int:
        return max((event["frames"] for event in self.events if event["type"] == "acknowledged"), default=0)

    def told(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]

    # -- the protocol ------------------------------------------------------------------------------------------------

    def _changed(self, event: TransactionEvent) -> None:
        if self._live and not self._remote:
            self.sent += 1
            self.socket.push(sync_update(bytes(event.update)))

    def _hear(self, payload: bytes) -> None:
        self.heard.append(payload)
        if payload[0] == EVENT:
            self.events.append(json.loads(payload[payload.index(b"{") :]))
        elif payload[0] == AWARENESS:
            self._see(payload)
        elif payload[0] == COMM:
            pass  # in `heard`
        else:
            self._sync(payload)
        self._news.set()

    def _see(self, payload: bytes) -> None:
        frame = parse_frame(payload)
        assert isinstance(frame, AwarenessFrame)
        for told in frame.clients:
            clock = self.clocks.get(told.client, 0)
            gone = told.state is None and told.clock == clock and told.client in self.presence
            if told.clock > clock or gone:
                self.clocks[told.client] = told.clock
                if told.state is None:
                    self.presence.pop(told.client, None)
                else:
                    self.presence[told.client] = told

    def _sync(self, payload: bytes) -> None:
        assert payload[0] == SYNC
        assert payload[1] in (STEP1, STEP2, UPDATE)
        match parse_frame(payload):
            case SyncStep1(state_vector):
                if self._answers:
                    if self.connection.role >= Role.EDITOR:
                        self.sent += 1
                        self.socket.push(sync_step2(self.doc.get_update(state_vector)))
                    if not self._live:
                        self.socket.push(sync_step1(self.doc.get_state()))
                    self._live = True
            case SyncStep2(update) | SyncUpdate(update):
                self.synced = self.synced or payload[1] == STEP2
                if payload[1] == UPDATE:
                    self.updates.append(update)
                if not self._follows:
                    return
                self._remote = True
                try:
                    self.doc.apply_update(update)
                finally:
                    self._remote = False
