"""What people in a Room see of their runtime's use, limits and end: the gateway's feed, made into events of the Room.

Samples go only to connections that read at once; a notice goes to everyone.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from collab.connection import websocket_frame
from collab.events import RuntimeNotice, RuntimeUsage
from collab.feed import Feed
from collab.model import CellId
from collab.room import Room
from collab.runtime import Kernel
from collab.usage import notice_kind, read_machine, read_usage
from collab.wire import event_frame

_MAX_NOTICE_CHARS: Final = 1000


class Meters:
    """`model_changed` is called when the kernel's model should be looked at again: its end is near, or no longer."""

    def __init__(self, room: Room, cell_of: Callable[[str], CellId | None], model_changed: Callable[[], None]) -> None:
        self._room = room
        self._cell_of = cell_of
        self._model_changed = model_changed
        self._feed: Feed | None = None
        self._current: Kernel | None = None
        self._following = ExitStack()

    def follow(self, feed: Feed | None, kernel: Kernel | None) -> None:
        """From now on this kernel's; None: nobody's."""
        self._current = kernel
        if kernel is None or feed is not self._feed:
            self._following.close()
            self._feed = None
        if kernel is not None and feed is not None and self._feed is None:
            self._feed = feed
            self._following.enter_context(feed.followed_by(self))

    def look(self) -> None:
        """Somebody has joined."""
        if self._feed is not None:
            self._feed.look()

    # -- what a Feed needs (`feed.Follower`) -----------------------------------------------------------------------

    @property
    def kernel(self) -> str:
        return self._current.id if self._current is not None else ""

    @property
    def is_watched(self) -> bool:
        return bool(self._room.connections)

    def used(self, usage: object, machine: object) -> None:
        kernel = self._current
        if kernel is None:
            return
        event = RuntimeUsage(read_usage(usage, self._cell_of), kernel.limits, kernel.gpus, read_machine(machine))
        frame = websocket_frame(event_frame(event))
        for connection in self._room.connections:
            connection.post_now(frame)
        if kernel.stops_at:
            self._model_changed()

    def noticed(self, notice: Mapping[str, Any]) -> None:
        text, stops_at = notice.get("text"), notice.get("stops_at")
        if not isinstance(text, str) or not text:
            return
        when = stops_at if isinstance(stops_at, str) else ""
        self._room.tell(RuntimeNotice(notice_kind(notice.get("kind")), text[:_MAX_NOTICE_CHARS], when))
        if when:
            self._model_changed()
