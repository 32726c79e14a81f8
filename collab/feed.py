"""The gateway's feed: what kernels and their machine use, once a second, and what the gateway has to say to people.

Only our own gateways have one; where there is none, nobody hears anything and nothing is an error. One connection
serves all Rooms of a gateway, and only while somebody looks at one of them.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import anyio
from anyio.abc import TaskGroup
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from collab.jupyter_server import Address, Elsewhere, JupyterServer, NoServer

log = logging.getLogger(__name__)

_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 15.0)
_NO_FEED_FOR_S: Final = 300.0  # a stock server may be replaced by one of ours
_MAX_FRAME_BYTES: Final = 4 << 20
_UNWATCHED_FRAMES: Final = 5


class Follower(Protocol):
    """Somebody who wants to hear of one kernel. No call waits."""

    @property
    def kernel(self) -> str: ...

    @property
    def is_watched(self) -> bool:
        """Whether somebody would see it."""

    def used(self, usage: object, machine: object) -> None: ...

    def noticed(self, notice: Mapping[str, Any]) -> None: ...


class Feed:
    def __init__(self, server: JupyterServer) -> None:
        self._server = server
        self._followers: set[Follower] = set()
        self._wanted = anyio.Event()

    @contextmanager
    def followed_by(self, follower: Follower) -> Iterator[None]:
        self._followers.add(follower)
        self.look()
        try:
            yield
        finally:
            self._followers.discard(follower)

    def look(self) -> None:
        """Somebody may be there who was not before."""
        if any(follower.is_watched for follower in self._followers):
            self._wanted.set()

    async def run(self) -> None:
        failures = 0
        while True:
            await self._wanted.wait()
            pause_s = _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
            failures += 1
            try:
                if await self._read():
                    failures = 0
            except InvalidStatus as error:
                if 400 <= error.response.status_code < 500:
                    pause_s = _NO_FEED_FOR_S
            except (OSError, WebSocketException, NoServer) as error:
                log.info("The gateway's feed was lost", extra={"reason": str(error)})
            if self._wanted.is_set():
                await anyio.sleep(pause_s)

    async def _read(self) -> bool:
        """Until nobody has looked for a while, or the connection ends; whether anything came."""
        at = await self._server.address()
        address = f"{at.url.replace('http', 'ws', 1)}/api/feed"
        came, unwatched = False, 0
        try:
            async with connect(
                address,
                additional_headers=at.headers,
                max_size=_MAX_FRAME_BYTES,
                compression=None,
                proxy=None,
                close_timeout=1,
            ) as socket:
                async for frame in socket:
                    came = True
                    unwatched = 0 if self._hand_out(frame) else unwatched + 1
                    if unwatched > _UNWATCHED_FRAMES:
                        self._wanted = anyio.Event()
                        return True
        except (InvalidURI, TimeoutError) as error:
            raise OSError(str(error)) from error
        return came

    def _hand_out(self, frame: str | bytes) -> bool:
        """False when nobody looks."""
        try:
            value = json.loads(frame)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            log.warning("A frame of the gateway's feed cannot be read")
            value = {}
        kernels = value.get("kernels")
        for follower in tuple(self._followers):
            if value.get("type") == "usage" and follower.is_watched:
                usage = kernels.get(follower.kernel) if isinstance(kernels, dict) else None
                follower.used(usage, value.get("machine"))
            elif value.get("type") == "notice" and value.get("kernel") == follower.kernel:
                follower.noticed(value)
        return any(follower.is_watched for follower in self._followers)


class Feeds:
    """One Feed for each gateway. Use it inside a task group, which the feeds live in."""

    def __init__(self, gateway: JupyterServer, tasks: TaskGroup) -> None:
        self._ours = Feed(gateway)
        self._tasks = tasks
        self._elsewhere: dict[Address, Feed] = {}
        tasks.start_soon(self._ours.run)

    def of(self, server: Address | None) -> Feed:
        """None: our own gateway's."""
        if server is None:
            return self._ours
        if server not in self._elsewhere:
            feed = self._elsewhere[server] = Feed(Elsewhere(server))
            self._tasks.start_soon(feed.run)
        return self._elsewhere[server]
