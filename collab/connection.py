"""One browser tab in a Room: pycrdt's Channel with bounds. Bytes from a browser enter only through `recv`.

Size, rate, form and role are checked here, message by message. Sending never waits: what a slow reader cannot take
is replaced by one diff, and who stays behind is closed. What the frames mean is the Room's business.
"""

import asyncio
import secrets
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

import anyio
from anyio.lowlevel import checkpoint

from collab.comm_asks import CommAsk, CommSent, parse_comm
from collab.comm_lane import CommLane
from collab.commands import BadCommand, Command, parse_command, request_of, stamped
from collab.events import Event, Refused, RoleChanged
from collab.model import MAX_DOCUMENT_BYTES, MAX_PRESENCE_BYTES, MAX_UPDATE_BYTES, Role, User
from collab.sharing import allows, may_edit, refusal
from collab.wire import (
    CLOSE_BUSY,
    CLOSE_FORBIDDEN,
    CLOSE_MALFORMED,
    CLOSE_TOO_LARGE,
    AwarenessFrame,
    BadFrame,
    CommandFrame,
    CommFrame,
    Presence,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    awareness,
    comm_frame,
    event_frame,
    parse_frame,
)

# More than any frame that is taken: what is too large is to be read, and refused with a code that ends it. To what
# uvicorn refuses by itself, as it has the same limit, a browser would come back with the same.
MAX_FRAME_BYTES: Final = 2 * MAX_DOCUMENT_BYTES
_MAX_COMMAND_BYTES: Final = 2 << 20  # code, or a hash for every cell
_MAX_COMM_BYTES: Final = 15 << 20  # a file that somebody chose for a widget
_MAX_AWARENESS_BYTES: Final = 256 << 10
_MAX_STATE_VECTOR_BYTES: Final = 256 << 10  # some 25,000 clients

_MAX_QUEUE_BYTES: Final = 4 << 20
_MAX_QUEUE_FRAMES: Final = 1024
_MAX_BEHIND_S: Final = 30.0
_LOWERED_GRACE_S: Final = 5.0  # for what was typed before the page heard that it may not

# Above this rate a socket is read more slowly; a frame costs one, and one more for every 16 KiB.
_FRAMES_PER_S: Final = 1000.0
_BURST_FRAMES: Final = 4000.0
# A socket that has more to give gives it without waiting: so many frames, and others have a turn.
_FRAMES_IN_A_ROW: Final = 16


class Socket(Protocol):
    """An accepted WebSocket."""

    async def receive(self) -> bytes | None:
        """None when the other side is gone, by whatever way. Raises BadFrame for what is not binary."""

    async def send(self, data: bytes) -> None:
        """Waits while the other side does not read. Raises OSError when it is gone."""

    def send_now(self, frame: bytes) -> bool:
        """Writes a whole WebSocket frame if that needs no waiting; False when it does. Raises OSError like `send`."""


class Closed(Exception):
    """The Connection is over; nothing more comes from `recv`."""


CheckedFrame = SyncStep1 | SyncStep2 | SyncUpdate | AwarenessFrame | QueryAwareness | Command | CommAsk


class Connection:
    def __init__(self, socket: Socket, user: User, role: Role, path: str = "") -> None:
        self.id = secrets.token_hex(8)
        self.user = user
        self.role = role
        self.path = path
        self.update_frames = 0
        self.access_changed = asyncio.Event()  # a grant was given or taken: whoever admitted us looks again
        self.on_free: Callable[[], None] | None = None  # asks for `caught_up`, once
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._updates: deque[bytes] = deque()
        self._queued_bytes = 0
        self._update_bytes = 0
        self._presence: dict[int, Presence] = {}
        self._comms = CommLane()
        self._work = asyncio.Event()
        self._clear = True  # nothing waits: what comes now may go out at once
        self._state_before_queue = b""
        self._behind_since: float | None = None
        self._lowered_at: float | None = None
        self._catching_up = False
        self._scope = anyio.CancelScope()
        self._ended: tuple[int, str] | None = None
        self._asked: tuple[int | None, str] = (None, "")
        self._frames = 0
        self._credit = _BURST_FRAMES
        self._credit_at = asyncio.get_running_loop().time()

    # -- in -------------------------------------------------------------------------------------------------------

    async def recv(self) -> CheckedFrame:
        """The next frame that its sender may send. Raises Closed."""
        while self._ended is None:
            try:
                data = await self._socket.receive()
                if data is None:
                    raise Closed
                await self._throttle(len(data))
                if not self._fits(data):
                    self.close(CLOSE_TOO_LARGE, "This message is too large.")
                    raise Closed
                checked = self._check(parse_frame(data), len(data))
            except BadFrame as error:
                self.close(CLOSE_MALFORMED, str(error))
                raise Closed from error
            if checked is not None:
                return checked
        raise Closed

    def _fits(self, data: bytes) -> bool:
        """Before it is parsed, as parsing JSON costs more than anything else a frame may hold."""
        match data[:1]:
            case b"\x00":
                return len(data) <= MAX_FRAME_BYTES
            case b"\x64":
                return len(data) <= _MAX_COMMAND_BYTES
            case b"\x66":
                return len(data) <= _MAX_COMM_BYTES
            case _:
                return len(data) <= _MAX_AWARENESS_BYTES

    def _check(self, frame: object, size: int) -> CheckedFrame | None:
        match frame:
            case SyncStep2(update) | SyncUpdate(update):
                self.update_frames += 1
                step2 = isinstance(frame, SyncStep2)
                if not may_edit(self.role):
                    # A stock client answers STEP1 whatever its role is; an UPDATE is one that thinks it may write,
                    # unless it was on its way when the role was lowered.
                    if not step2 and not self._was_just_lowered:
                        self.close(CLOSE_FORBIDDEN, refusal(self.role, "Editing a notebook", Role.EDITOR))
                    return None
                if len(update) > (MAX_DOCUMENT_BYTES if step2 else MAX_UPDATE_BYTES):
                    self.close(CLOSE_TOO_LARGE, "One edit is too large.")
                    return None
                return frame
            case AwarenessFrame(clients):
                # A stock client sends what it heard of others back, so the limit is per state.
                if size > (MAX_PRESENCE_BYTES + 32) * max(1, len(clients)):
                    raise BadFrame("A presence state is too large.")
                return frame
            case CommandFrame(value):
                return self._check_command(value)
            case CommFrame():
                return self._check_comm(parse_comm(frame))
            case SyncStep1(state_vector):
                if len(state_vector) > _MAX_STATE_VECTOR_BYTES:
                    raise BadFrame("The state vector is too large.")
                return frame
            case QueryAwareness():
                return frame
            case _:
                raise BadFrame("This frame is not for the server.")

    def _check_command(self, value: object) -> Command | None:
        request = request_of(value)
        try:
            command = parse_command(value)
        except BadCommand as error:
            self.tell(Refused(str(error), request))
            return None
        if not allows(self.role, command):
            assert isinstance(value, dict)
            self.tell(Refused(refusal(self.role, command), request, str(value.get("type", ""))))
            return None
        self._asked = request, str(value["type"]) if isinstance(value, dict) else ""
        return stamped(command, self.id)

    def _check_comm(self, ask: CommAsk) -> CommAsk | None:
        if not isinstance(ask, CommSent) or self.role >= Role.RUNNER:
            return ask
        reason = refusal(self.role, "Using a widget", Role.RUNNER)
        self.post_comm(comm_frame({"type": "refused", "parent": ask.id, "reason": reason}))
        self.post_comm(comm_frame({"type": "idle", "parent": ask.id}))
        return None

    def answers(self) -> Callable[[Event], None]:
        """Tells what comes of the Command that `recv` gave last, however late: a refusal names its request."""
        request, command = self._asked

        def answer(event: Event) -> None:
            self.tell(replace(event, request=request, command=command) if isinstance(event, Refused) else event)

        return answer

    async def _throttle(self, size: int) -> None:
        now = asyncio.get_running_loop().time()
        self._credit = min(_BURST_FRAMES, self._credit + (now - self._credit_at) * _FRAMES_PER_S)
        self._credit_at = now
        self.charge(size)
        self._frames += 1
        if self._credit < 0:
            await anyio.sleep(-self._credit / _FRAMES_PER_S)
        elif self._frames % _FRAMES_IN_A_ROW == 0:
            await checkpoint()

    def charge(self, size: int) -> None:
        """What was read from it, or encoded for it alone, slows down the reading of what it sends next."""
        self._credit -= 1 + size / 16384

    # -- out ------------------------------------------------------------------------------------------------------

    async def send(self, message: bytes) -> None:
        self.post(message)

    def post(self, payload: bytes, frame: bytes | None = None) -> None:
        """Something that is never dropped: whoever does not take it is closed."""
        if self._ended is not None or self._sent_now(frame or websocket_frame(payload)):
            return
        # Before the payload counts: however large a notebook is, its STEP2 fits an empty queue.
        if len(self._queue) >= _MAX_QUEUE_FRAMES or self._queued_bytes > 4 * _MAX_QUEUE_BYTES:
            self.close(CLOSE_BUSY, "This connection is too slow.")
            return
        self._queue.append(payload)  # goes before queued updates: nothing here depends on their order
        self._queued_bytes += len(payload)
        self._wake()

    def post_update(self, payload: bytes, frame: bytes, state_before: bytes) -> None:
        """An update that one diff from `state_before` would stand for, together with all that came after it."""
        if self._sent_now(frame) or self._ended is not None or self._behind_since is not None:
            return
        if not self._updates:
            self._state_before_queue = state_before
        self._updates.append(payload)
        self._update_bytes += len(payload)
        if len(self._updates) > _MAX_QUEUE_FRAMES or self._update_bytes > _MAX_QUEUE_BYTES:
            self._updates.clear()
            self._update_bytes = 0
            self._behind_since = asyncio.get_running_loop().time()
        self._wake()

    def post_presence(self, clients: Sequence[Presence], payload: bytes, frame: bytes) -> None:
        """Only the latest of each client is kept while the other side does not read."""
        if self._ended is not None or self._sent_now(frame):
            return
        self._presence.update({item.client: item for item in clients})
        self._wake()

    def post_comm(self, payload: bytes, frame: bytes | None = None) -> None:
        """A comm message, in the order of others; a slow reader gets a word in place of all that wait."""
        if self._ended is None and not self._sent_now(frame or websocket_frame(payload)):
            self._comms.add(payload)
            self._wake()

    def post_now(self, frame: bytes) -> None:
        """Something that may be missed: only for whoever takes it at once."""
        if self._ended is None:
            self._sent_now(frame)

    def tell(self, event: Event) -> None:
        self.post(event_frame(event))

    @property
    def behind(self) -> bool:
        return self._behind_since is not None

    @property
    def state_before_gap(self) -> bytes:
        """While behind: the state vector of what the other side surely has."""
        return self._state_before_queue

    def caught_up(self, payload: bytes) -> None:
        """The diff that stands for everything dropped."""
        self._behind_since = None
        self._catching_up = False
        self.post(payload)

    def _sent_now(self, frame: bytes) -> bool:
        """Whether it went out at once, or nowhere any more."""
        if not self._clear:
            return False
        try:
            return self._socket.send_now(frame)
        except OSError:
            self.close(CLOSE_BUSY, "")
            return True

    def _wake(self) -> None:
        self._clear = False
        self._work.set()

    async def write(self) -> None:
        """The one task that writes what could not be written at once."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while payload := self._next():
                    await self._socket.send(payload)
            except OSError:
                self.close(CLOSE_BUSY, "")
                return
            self._clear = self._ended is None and not self.behind
            if self.behind and not self._catching_up and self.on_free is not None:
                self._catching_up = True
                self.on_free()

    def _next(self) -> bytes:
        if self._queue:
            payload = self._queue.popleft()
            self._queued_bytes -= len(payload)
            return payload
        if self._updates:
            payload = self._updates.popleft()
            self._update_bytes -= len(payload)
            return payload
        if self._comms:
            return self._comms.next()
        if self._presence:
            clients, self._presence = self._presence, {}
            return awareness(clients.values())
        return b""

    async def watch(self) -> None:
        """Closes a reader that stays behind."""
        while True:
            await anyio.sleep(_MAX_BEHIND_S / 10)
            since = self._behind_since
            if since is not None and asyncio.get_running_loop().time() - since > _MAX_BEHIND_S:
                self.close(CLOSE_BUSY, "This connection is too slow.")

    # -- life -----------------------------------------------------------------------------------------------------

    def change_role(self, role: Role) -> None:
        if role != self.role:
            if may_edit(self.role) and not may_edit(role):
                self._lowered_at = asyncio.get_running_loop().time()
            self.role = role
            self.tell(RoleChanged(role))

    @property
    def _was_just_lowered(self) -> bool:
        at = self._lowered_at
        return at is not None and asyncio.get_running_loop().time() - at < _LOWERED_GRACE_S

    def close(self, code: int, reason: str) -> None:
        """Ends `run`; the first reason counts."""
        if self._ended is None:
            self._ended = code, reason
            self._clear = False
            self._scope.cancel()

    @property
    def ended(self) -> tuple[int, str] | None:
        """Close code and reason; None while it lives and when the other side left."""
        return self._ended

    async def run(self, read: Callable[[CheckedFrame], None]) -> None:
        """Hands every frame to `read` until this Connection is over. `read` never waits."""
        with self._scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.write)
                tasks.start_soon(self.watch)
                try:
                    while True:
                        read(await self.recv())
                except Closed:
                    tasks.cancel_scope.cancel()


def websocket_frame(payload: bytes) -> bytes:
    """A whole binary frame, as a server writes it (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x82, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x82, 126, size) + payload
    return struct.pack("!BBQ", 0x82, 127, size) + payload
