"""One open Notebook: its Doc, Connections, presence and the way of every edit from a browser or the server to all.

An edit is judged by the Gate, applied, committed, and only then sent on; it is acknowledged when it outlives a power
cut. Commits under way gather the next batch by themselves. Built on YRoom without what it does wrong (crdt.md section
4); Executions belong to it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio
from anyio.lowlevel import checkpoint
from pycrdt import Doc, TransactionEvent
from pycrdt.websocket import YRoom

from collab import notebook
from collab.comm_asks import CommAsk, CommSent, ModelsWanted
from collab.commands import Command, Compare
from collab.compaction import Growth
from collab.connection import CheckedFrame, Connection, websocket_frame
from collab.events import Acknowledged, CannotSave, Differs, Event, Joined, Refused, Renamed
from collab.gate import Admitted, Gap, Gate, Nothing, TooLarge, Verdict
from collab.gate import Refused as GateRefused
from collab.journal import MAX_MERGED, Batch, Journal, RoomClosed
from collab.model import MAX_CONNECTIONS, NotebookId, Role, User
from collab.notebook import SERVER_ORIGIN, NotebookDoc
from collab.presence import PresenceTable
from collab.store.store import NoNotebook, StoreError, UpdateLog
from collab.wire import (
    CLOSE_BUSY,
    CLOSE_FAILED,
    CLOSE_MALFORMED,
    CLOSE_NO_NOTEBOOK,
    CLOSE_REFUSED,
    CLOSE_RESTARTING,
    CLOSE_TOO_LARGE,
    AwarenessFrame,
    BadFrame,
    Presence,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    awareness,
    event_frame,
    sync_step1,
    sync_step2,
    sync_update,
)

log = logging.getLogger(__name__)

_PRESENCE_WINDOW_S: Final = 0.05
_PRESENCE_REPEAT_S: Final = 10.0  # y-websocket gives up after 30 s without a frame, our page after 15
_MAX_PENDING_BYTES: Final = 64 << 20
_MAX_UNFOLLOWED_BYTES: Final = 1 << 20
_MAX_LOADED_BYTES: Final = 256 << 10  # in one portion
_MAX_GAPS_A_MINUTE: Final = 3
_FLUSH_AT_CLOSE_S: Final = 10.0
_COMPARE_EVERY_S: Final = 5.0


class CommandRefused(Exception):
    """Why a Command is not carried out: one sentence for the person who sent it."""


class RoomFailed(Exception):
    """The Doc cannot be trusted or saved any more; the log can."""


class Runs(Protocol):
    """What a Room needs of Executions."""

    @property
    def live(self) -> bool:
        """Whether something runs or waits, so that the Room has to stay open."""

    async def serve(self) -> None:
        """Runs until cancelled."""

    def request(self, command: Command, user: User, answer: Callable[[Event], None]) -> anyio.Event | None:
        """Raises CommandRefused. `answer` reaches only who asked. What takes a while is over when the Event is set; a
        Refused was answered if it failed."""

    def comm(self, ask: CommAsk, connection: Connection) -> None:
        """Of widgets and other comms; what comes of it goes to `connection` and everyone else by itself."""

    async def widget_module(self, name: str) -> str | None:
        """JavaScript of widgets from the kernel's environment."""

    def large(self, sha256: str) -> bytes | None:
        """A part of the state of widgets that is too large for a message."""

    def snapshot(self) -> Iterable[Event]:
        """What somebody who joins has to know."""

    async def settle(self) -> None:
        """Writes into the document what is kept beside it: before a file is made of it."""

    async def end(self, user: User) -> None:
        """Shuts the runtime down, and returns when that is done or takes too long."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Content for one Connection that waits for the commit that covers it (crdt.md X2)."""

    number: int
    payload: bytes
    frame: bytes | None = None


@dataclass(slots=True)
class _Member:
    """A Connection as the Room sees it."""

    synced: bool = False
    answer: _Held | None = None
    catch_up: _Held | None = None
    acknowledged: int = 0
    # Update frames up to the first number are durable once the entry of the second number is.
    marks: deque[tuple[int, int]] = field(default_factory=deque)
    compared: float = -_COMPARE_EVERY_S
    gap: bool = False
    gaps: deque[float] = field(default_factory=deque)


class Room(YRoom):
    def __init__(
        self,
        notebook_id: NotebookId,
        epoch: int,
        doc: NotebookDoc,
        store: UpdateLog,
        growth: Growth | None = None,
        place: str = "",
    ) -> None:
        super().__init__(ydoc=doc, ystore=None)
        self.awareness.set_local_state(None)  # the library makes a state for the server itself
        self.id = notebook_id
        self.epoch = epoch
        self.runs: Runs | None = None
        self._begun = asyncio.Event()
        self._over = False
        self._failure = asyncio.Event()
        self._journal = Journal(notebook_id, epoch, store, doc.get_state(), growth, place)
        self._members: dict[Connection, _Member] = {}
        self._held: set[Connection] = set()  # those of them whose answer or diff waits for a commit
        self._marked: set[Connection] = set()  # and those who wrote what is not acknowledged yet
        self._presence = PresenceTable()
        self._news: dict[int, Presence] = {}
        self._news_arrived = asyncio.Event()
        self._gate: Gate | None = None
        self._unfollowed: list[bytes] = []
        self._unfollowed_bytes = 0
        self._origin: Connection | None = None  # reading a transaction's own origin in an observer fails (P9)
        self._full_answer: tuple[bytes, bytes] | None = None
        self._watchers: list[Callable[[], None]] = []

    @property
    def place(self) -> str:
        """How far a kernel's messages have been dealt with, in whatever form who deals with them writes it."""
        return self._journal.place

    def move(self, place: str) -> None:
        """It is committed together with what was written to the Doc since the last await."""
        self._journal.move(place)

    @property
    def doc(self) -> NotebookDoc:
        return self.ydoc

    # -- what YRoom runs ------------------------------------------------------------------------------------------

    async def _watch_ready(self) -> None:
        # Not `super()`: it subscribes put_updates, which drops updates without a word (W1).
        self._subscription = self.ydoc.observe(self._changed)
        self.ydoc_observed.set()

    async def _broadcast_updates(self) -> None:
        # put_updates would fill them; ours go into a batch.
        self._update_send_stream.close()
        self._update_receive_stream.close()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._fail_when_told)
            tasks.start_soon(self._journal.run, self.ydoc.get_state, self._cannot_save, self._committed, self._durable)
            tasks.start_soon(self._send_news)
            tasks.start_soon(self._repeat_presence)

    async def _run_provider(self) -> None:
        # The last of what YRoom starts: a Room that is closed before would break in the middle of its start.
        self._begun.set()

    def send_server_awareness(self, type: str, changes: tuple[dict[str, Any], Any]) -> None:
        """Nothing: presence is ours, and the server has none."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Room"]:
        """Runs the Room; at the end everything that was accepted is committed, within a deadline."""
        try:
            async with self:
                await self._begun.wait()  # before that an edit would be in the Doc and nowhere else
                try:
                    if self.runs is None:
                        yield self
                    else:
                        async with anyio.create_task_group() as tasks:
                            tasks.start_soon(self.runs.serve)
                            yield self
                            tasks.cancel_scope.cancel()
                finally:
                    self._over = True
                    with anyio.move_on_after(_FLUSH_AT_CLOSE_S, shield=True), suppress(RoomClosed):
                        await self._journal.wait()
        finally:
            self._over = True
            self.close_all(CLOSE_RESTARTING, "The notebook is being closed.")
            self._drop_gate()

    @property
    def over(self) -> bool:
        """Nothing that is written into the Doc from now on is kept."""
        return self._over

    @property
    def edits(self) -> int:
        """How many updates there were since the Room was opened, whoever made them."""
        return self._journal.applied

    @property
    def growth(self) -> Growth:
        """Of the log, since its last snapshot."""
        return self._journal.growth

    def fail(self, error: BaseException) -> None:
        """Ends the Room without keeping what the log does not have; the next join loads it again (R6)."""
        if not self._failure.is_set():
            log.error("A room cannot go on", extra={"notebook": self.id}, exc_info=error)
            self._over = True
            self._failure.set()
            self.close_all(CLOSE_RESTARTING, "The notebook is being loaded again.")

    async def _fail_when_told(self) -> None:
        await self._failure.wait()
        raise RoomFailed("A room cannot go on.")

    # -- people ---------------------------------------------------------------------------------------------------

    @property
    def connections(self) -> tuple[Connection, ...]:
        return tuple(self._members)

    @property
    def people(self) -> list[User]:
        return list({connection.user.id: connection.user for connection in self._members}.values())

    async def serve(self, connection: Connection) -> None:  # type: ignore[override]
        """Until the Connection is over. The Room has been loaded by then (R5)."""
        if self._over:
            connection.close(CLOSE_RESTARTING, "The notebook is being closed.")
            return
        if len(self._members) >= MAX_CONNECTIONS:
            connection.close(
                CLOSE_BUSY, f"This notebook is open in {MAX_CONNECTIONS} tabs; it opens when one is closed."
            )
            return
        self._members[connection] = _Member()
        self.clients.add(connection)  # type: ignore[arg-type]
        connection.on_free = lambda: self._catch_up(connection)
        try:
            connection.tell(Joined(self.id, self.epoch, connection.user, connection.role))
            connection.post(sync_step1(self.ydoc.get_state()))
            connection.post(awareness(self._presence.everyone))
            for event in self.runs.snapshot() if self.runs is not None else ():
                connection.tell(event)
            await connection.run(lambda frame: self._read(connection, frame))
        finally:
            connection.on_free = None
            del self._members[connection]
            self._held.discard(connection)
            self._marked.discard(connection)
            self.clients.discard(connection)
            self._tell_presence(self._presence.leave(connection))
            if not self._members:
                self._drop_gate()
            self.touch()

    def close_all(self, code: int, reason: str) -> None:
        for connection in self.connections:
            connection.close(code, reason)

    def tell(self, event: Event) -> None:
        """To everyone."""
        payload = event_frame(event)
        frame = websocket_frame(payload)
        for connection in self.connections:
            connection.post(payload, frame)

    def restamp(self, user: User) -> None:
        """A person has a new name."""
        for connection in self.connections:
            if connection.user.id == user.id:
                connection.user = user
                connection.tell(Renamed(user))
                self._tell_presence(self._presence.restamp(connection))

    def change_role(self, connection: Connection, role: Role) -> None:
        if role != connection.role:
            connection.change_role(role)
            self._tell_presence(self._presence.restamp(connection))

    def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` after every commit and whenever somebody leaves."""
        self._watchers.append(changed)

    def touch(self) -> None:
        """Something changed that decides whether the Room stays open."""
        for changed in self._watchers:
            changed()

    # -- in -------------------------------------------------------------------------------------------------------

    def _read(self, connection: Connection, frame: CheckedFrame) -> None:
        if self._over:
            connection.close(CLOSE_RESTARTING, "The notebook is being closed.")
            return
        try:
            self._take(connection, frame)
        except BaseException as error:
            if not isinstance(error, Exception) and not notebook.is_panic(error):
                raise
            log.exception("A frame cannot be handled", extra={"notebook": self.id})
            connection.close(CLOSE_FAILED, "This went wrong on the server; its log says why.")

    def _take(self, connection: Connection, frame: CheckedFrame) -> None:
        match frame:
            case SyncUpdate(update) | SyncStep2(update):
                self._admit(connection, update, isinstance(frame, SyncStep2))
            case SyncStep1(state_vector):
                self._answer(connection, state_vector)
            case AwarenessFrame(clients):
                try:
                    self._tell_presence(self._presence.update(connection, clients))
                except BadFrame as error:
                    connection.close(CLOSE_MALFORMED, str(error))
            case QueryAwareness():
                payload = awareness(self._presence.everyone)
                connection.charge(len(payload))
                connection.post(payload)
            case Compare():
                self._compare(connection, frame)
            case ModelsWanted() | CommSent():
                if self.runs is not None:
                    self.runs.comm(frame, connection)
            case _:
                self._request(connection, frame)

    def _admit(self, connection: Connection, update: bytes, step2: bool) -> None:
        member = self._members[connection]
        if self._journal.pending_bytes > _MAX_PENDING_BYTES:
            connection.close(CLOSE_BUSY, "Too much waits to be saved.")
            return
        if member.gap and not step2:
            return  # the answer to our STEP1 has it again
        match self._judge(update):
            case GateRefused(reason):
                connection.close(CLOSE_REFUSED, reason)
            case TooLarge():
                connection.close(CLOSE_TOO_LARGE, "The notebook would become too large.")
            case Gap():
                self._ask_for_missing(connection, member)
            case Admitted(update, needs_repair):
                if self._apply(connection, update, needs_repair):
                    self._mark(connection, member)
            case Nothing():
                self._mark(connection, member)

    def _judge(self, update: bytes) -> Verdict:
        try:
            return self._gate_in_step().admit(update)
        except BaseException as error:
            self._drop_gate()
            if not isinstance(error, Exception) and not notebook.is_panic(error):
                raise
            log.exception("An update cannot be judged", extra={"notebook": self.id})
            return GateRefused("The update cannot be judged.")

    def _gate_in_step(self) -> Gate:
        if self._gate is None:
            self._gate = Gate(self.ydoc.get_update(), self.ydoc.client_id)
        else:
            for update in self._unfollowed:
                self._gate.follow(update)
        self._unfollowed, self._unfollowed_bytes = [], 0
        return self._gate

    def _drop_gate(self) -> None:
        """The next edit makes a new one."""
        if self._gate is not None:
            self._gate.close()
        self._gate = None
        self._unfollowed, self._unfollowed_bytes = [], 0

    def _apply(self, connection: Connection, update: bytes, needs_repair: bool) -> bool:
        """False when the Doc did not take it, although the gate's did: then the Room is over (P4)."""
        self._origin = connection
        try:
            with self.ydoc.transaction(origin=connection):
                self.ydoc.apply_update(update)
            self._origin = None
            if needs_repair:
                notebook.repair(self.ydoc)
        except BaseException as error:
            if not isinstance(error, Exception) and not notebook.is_panic(error):
                raise
            self.fail(error)
            return False
        finally:
            self._origin = None
        return True

    def _changed(self, event: TransactionEvent) -> None:
        """Every change of the Doc, whoever made it; only copies bytes into queues (P8)."""
        update = bytes(event.update)
        author = self._origin
        if author is None and self._gate is not None:
            self._unfollowed.append(update)
            self._unfollowed_bytes += len(update)
            if self._unfollowed_bytes > _MAX_UNFOLLOWED_BYTES:
                self._drop_gate()
        self._full_answer = None
        self._journal.add(update, author)

    def _ask_for_missing(self, connection: Connection, member: _Member) -> None:
        now = asyncio.get_running_loop().time()
        member.gap = True
        member.gaps.append(now)
        while member.gaps[0] < now - 60:
            member.gaps.popleft()
        if len(member.gaps) > _MAX_GAPS_A_MINUTE:
            connection.close(CLOSE_BUSY, "Edits arrive with parts missing.")
        connection.post(sync_step1(self.ydoc.get_state()))

    def _mark(self, connection: Connection, member: _Member) -> None:
        member.gap = False
        if self._journal.all_durable:
            self._acknowledge(connection, member, connection.update_frames)
            return
        if member.marks and member.marks[-1][1] == self._journal.applied:
            member.marks.pop()
        member.marks.append((connection.update_frames, self._journal.applied))
        self._marked.add(connection)

    def _compare(self, connection: Connection, shown: Compare) -> None:
        """Under one state there is one text. Where a browser shows another, ours is what is in the log (U3)."""
        now = asyncio.get_running_loop().time()
        member = self._members[connection]
        if now - member.compared < _COMPARE_EVERY_S:
            return
        member.compared = now
        try:
            if notebook.clocks(shown.state) != notebook.clocks(self.ydoc.get_state()):
                return  # edits are on their way
        except ValueError:
            connection.close(CLOSE_MALFORMED, "The state vector cannot be decoded.")
            return
        differing = [
            cell
            for cell, sha256 in shown.sources.items()
            if notebook.has_cell(self.ydoc, cell)
            and notebook.source_sha256(notebook.cell_source(self.ydoc, cell)) != sha256
        ]
        if differing:
            log.error("A browser shows another text", extra={"notebook": self.id, "cells": differing})
            connection.tell(Differs(tuple(differing)))
            connection.close(CLOSE_REFUSED, "This page showed another text than what is saved.")

    def _request(self, connection: Connection, command: Command) -> None:
        answer = connection.answers()
        if self.runs is None:
            answer(Refused("This server has no runtime."))
            return
        try:
            self.runs.request(command, connection.user, answer)
        except CommandRefused as refused:
            answer(Refused(str(refused)))
        except Exception:
            log.exception("A command failed", extra={"notebook": self.id})
            answer(Refused("This went wrong on the server; its log says why."))

    # -- out ------------------------------------------------------------------------------------------------------

    async def commit(self) -> None:
        """Returns when everything that is in the Doc by now is durable. Raises RoomClosed."""
        if self._over:
            raise RoomClosed
        await self._journal.wait()

    def _cannot_save(self, error: StoreError, hopeless: bool) -> None:
        if isinstance(error, NoNotebook):
            self.close_all(CLOSE_NO_NOTEBOOK, "The notebook was deleted.")
        else:
            self.tell(CannotSave(str(error)))
        if hopeless:
            self._over = True
            self.close_all(CLOSE_BUSY, "The notebook cannot be saved at the moment.")

    def _committed(self, batch: Batch) -> None:
        for connection in tuple(self._held):
            self._release(connection)
        self._send_batch(batch)
        self.touch()

    def _durable(self) -> None:
        for connection in tuple(self._marked):
            member, covered = self._members[connection], 0
            while member.marks and member.marks[0][1] <= self._journal.durable:
                covered = member.marks.popleft()[0]
            if not member.marks:
                self._marked.discard(connection)
            if covered:
                self._acknowledge(connection, member, covered)

    def _send_batch(self, batch: Batch) -> None:
        only = batch.only_author
        for update in batch.updates():
            payload = sync_update(update)
            frame = websocket_frame(payload)
            for connection, member in self._members.items():
                if member.synced and (only is None or connection is not only):
                    connection.post_update(payload, frame, batch.state_before)

    def _acknowledge(self, connection: Connection, member: _Member, frames: int) -> None:
        if frames > member.acknowledged:
            member.acknowledged = frames
            connection.tell(Acknowledged(frames))

    def _answer(self, connection: Connection, state_vector: bytes) -> None:
        """STEP2, once all it holds is committed. From then on the Connection gets every batch (R4).

        One answer waits at most: a later question knows of everything that an earlier one did.
        """
        if state_vector == b"\x00":
            if self._full_answer is None:
                payload = sync_step2(self.ydoc.get_update())
                self._full_answer = payload, websocket_frame(payload)
            answer = _Held(self._journal.applied, *self._full_answer)
        else:
            try:
                answer = _Held(self._journal.applied, sync_step2(self.ydoc.get_update(state_vector)))
            except ValueError:
                connection.close(CLOSE_MALFORMED, "The state vector cannot be decoded.")
                return
        connection.charge(len(answer.payload))
        self._members[connection].answer = answer
        self._release(connection)

    def _catch_up(self, connection: Connection) -> None:
        payload = sync_update(self.ydoc.get_update(connection.state_before_gap))
        self._members[connection].catch_up = _Held(self._journal.applied, payload)
        self._release(connection)

    def _release(self, connection: Connection) -> None:
        member = self._members[connection]
        self._held.add(connection)
        if member.answer is not None and member.answer.number <= self._journal.committed:
            answer, member.answer = member.answer, None
            member.synced = True
            connection.post(answer.payload, answer.frame)
        if member.catch_up is not None and member.catch_up.number <= self._journal.committed:
            diff, member.catch_up = member.catch_up, None
            connection.caught_up(diff.payload)
        if member.answer is None and member.catch_up is None:
            self._held.discard(connection)

    # -- presence -------------------------------------------------------------------------------------------------

    def _tell_presence(self, told: Presence | None) -> None:
        if told is not None:
            self._news[told.client] = told
            self._news_arrived.set()

    async def _send_news(self) -> None:
        """At once after quiet, then the latest of each client 20 times a second."""
        while True:
            await self._news_arrived.wait()
            self._news_arrived.clear()
            news, self._news = tuple(self._news.values()), {}
            self._send_presence(news)
            await anyio.sleep(_PRESENCE_WINDOW_S)

    async def _repeat_presence(self) -> None:
        while True:
            await anyio.sleep(_PRESENCE_REPEAT_S)
            self._send_presence(self._presence.everyone)

    def _send_presence(self, clients: tuple[Presence, ...]) -> None:
        payload = awareness(clients)
        frame = websocket_frame(payload)
        for connection in self.connections:
            connection.post_presence(clients, payload, frame)


async def load_doc(updates: Sequence[bytes]) -> NotebookDoc:
    """A live Doc from its log. A long log is applied in portions: other Rooms go on meanwhile."""
    doc: NotebookDoc = Doc()
    notebook.roots(doc)
    at = 0
    while at < len(updates):
        stop, size = at, 0
        while stop < len(updates) and stop - at < MAX_MERGED and size < _MAX_LOADED_BYTES:
            size += len(updates[stop])
            stop += 1
        # Nobody else has this Doc yet, so the awaits lie between transactions and never in one (P7).
        with doc.transaction(origin=SERVER_ORIGIN):
            for update in updates[at:stop]:
                doc.apply_update(update)
        at = stop
        await checkpoint()
    return doc
