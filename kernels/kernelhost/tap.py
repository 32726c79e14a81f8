"""One client's place at a kernel, on the gateway's side: a connection of its own to the kernel's host process.

Nothing is kept here beyond what one connection holds. A client that does not read is not read for, and its host notices
(kernels.md H14); what it has been given is told to the host, which remembers it as its session's place (J5).
"""

import asyncio
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from kernelhost import messages
from kernelhost.frames import Frames, Kind
from kernelhost.reader import Overtaken
from kernelhost.requests import Request
from kernelhost.states import States, decode_states
from kernelhost.wire import Encoded, Message, encode_v1

log = logging.getLogger(__name__)

CLOSE_COME_BACK: Final = 1012
_MAX_ASKED: Final = 10_000
_TELL_EVERY: Final = 64
# Less than this is told with what comes after it: each word of ours wakes the host.
_TELL_WITHIN_S: Final = 0.02


class Client(Protocol):
    """Somebody connected to the kernel's channels. No call waits."""

    @property
    def session(self) -> str: ...

    def wake(self) -> None:
        """There may be something to read."""

    def end(self, reason: str) -> None:
        """The kernel is gone: no more comes after what can be read by now."""

    def close(self, code: int, reason: str) -> None:
        """It did something that ends its connection."""


class Tap:
    """`after`: the iopub message after which to begin; None for where this session was last. `states` is told what came
    with a message of the kernel's state, before the message is given out."""

    def __init__(self, client: Client, after: str | None, states: Callable[[States], None]) -> None:
        self.session = client.session
        self.is_left = False
        self._client = client
        self._after = after
        self._states = states
        self._frames: Frames | None = None
        self._rest: deque[tuple[int, bytes] | Message] = deque()
        self._given = self._done = self._told = 0
        # What it asked over this connection and no host has answered, should the host die.
        self._asked: OrderedDict[str, Request] = OrderedDict()
        self._telling: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._why_dead: str | None = None

    # -- the client's calls -------------------------------------------------------------------------------------------

    def next(self) -> Message | Encoded | None:
        """None when there is nothing more for now; asking for the next one says that the last one was dealt with.
        Raises Overtaken."""
        self._done = self._given
        while True:
            frame: tuple[int, bytes] | Message | None = None
            if self._rest:
                frame = self._rest.popleft()
            elif self._frames is not None:
                frame = self._frames.take()
            if self._done - self._told >= _TELL_EVERY:
                self._tell_written()
            elif frame is None and self._done > self._told and self._telling is None:
                self._telling = asyncio.get_running_loop().call_later(_TELL_WITHIN_S, self._tell_written)
            if frame is None or isinstance(frame, Message):
                return frame
            kind, payload = frame
            if kind == Kind.MESSAGE:
                self._given += 1
                item = Encoded(payload)
                if item.channel in ("shell", "control"):
                    self._asked.pop(item.decode().parent_id, None)
                return item
            if kind == Kind.STATE:
                self._states(decode_states(payload))
            if kind == Kind.OVERTAKEN:
                raise Overtaken
            if kind == Kind.END:
                self._client.end(payload.decode())
            elif kind == Kind.CLOSE:
                why = json.loads(payload)
                self._client.close(why["code"], why["reason"])

    async def send(self, item: Message) -> None:
        """Waits for a host that is just being started, and for one that is slow."""
        while self._frames is None and self._why_dead is None and not self.is_left:
            self._changed.clear()
            await self._changed.wait()
        if self._why_dead is not None:
            self._abort(Request(self.session, item.channel, item.id, item.type, item.header), self._why_dead)
            self._client.wake()
        elif self._frames is not None:
            if item.type.endswith("_request"):
                self._asked[item.id] = Request(self.session, item.channel, item.id, item.type, item.header)
                while len(self._asked) > _MAX_ASKED:
                    self._asked.popitem(last=False)
            self._frames.send(Kind.MESSAGE, encode_v1(item))
            await self._frames.drain()

    # -- the link's calls ---------------------------------------------------------------------------------------------

    async def serve(self, socket: Path) -> None:
        """Until the client has left or the connection is lost."""
        lost = asyncio.Event()
        frames = Frames()

        def woken() -> None:
            if frames.ended:
                lost.set()
            self._client.wake()

        frames.woken = woken
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: frames, str(socket))
        except OSError as error:
            log.info("A kernel's host cannot be reached", extra={"why": str(error)})
            return
        if self.is_left:
            frames.close()
            return
        who = {"session": self.session} | ({} if self._after is None else {"after": self._after})
        frames.send(Kind.CLIENT, json.dumps(who).encode())
        self._given = self._done = self._told = 0
        self._why_dead = None
        self._frames = frames
        self._changed.set()
        try:
            await lost.wait()
        finally:
            self._lose()
            frames.close()

    async def until_left(self) -> None:
        while not self.is_left:
            self._changed.clear()
            await self._changed.wait()

    def end(self, reason: str) -> None:
        self._client.end(reason)

    def come_back(self) -> None:
        self._client.close(CLOSE_COME_BACK, "The connection to the kernel was lost; connect again.")

    def leave(self) -> None:
        self.is_left = True
        self._changed.set()
        self._tell_no_more()
        if self._frames is not None:
            self._tell(Kind.LEAVE)
            self._frames.close()

    def dies(self, why: str) -> None:
        """The host is gone, and nothing will answer what was asked."""
        self._lose()
        self._why_dead = why
        for request in self._asked.values():
            self._abort(request, why)
        self._asked.clear()
        self._after = None
        self._changed.set()
        self._client.wake()

    def say(self, item: Message) -> None:
        """A word of the gateway's own, while there is no host."""
        self._rest.append(item)
        self._client.wake()

    # -- within -------------------------------------------------------------------------------------------------------

    def _lose(self) -> None:
        """What came over the last connection can still be read."""
        while self._frames is not None and (frame := self._frames.take()) is not None:
            if frame[0] != Kind.STATE:  # of a host that may be gone
                self._rest.append(frame)
        self._frames = None
        self._tell_no_more()

    def _tell_no_more(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def _tell_written(self) -> None:
        self._tell_no_more()
        self._told = self._done
        self._tell(Kind.WRITTEN)

    def _tell(self, kind: Kind) -> None:
        if self._frames is not None:
            self._frames.send(kind, self._done.to_bytes(8, "little"))

    def _abort(self, request: Request, why: str) -> None:
        if request.type.endswith("_request"):
            self._rest.append(messages.aborted(request, why))
            self._rest.append(messages.status("idle", request.header))
