"""What was sent to a kernel and has not been read by it, as far as can be told. Pure.

Sockets to kernels have no high-water mark, so this is their bound: a kernel whose code keeps it from reading does not
fill us with what its clients send.
"""

from typing import Final

from kernelhost.wire import Message

MAX_MESSAGES: Final = 10_000
MAX_BYTES: Final = 64 << 20


class Unread:
    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        # By channel, in order: whoever has read a message has read what was sent on that channel before it.
        self._sent: dict[str, dict[str, int]] = {"shell": {}, "control": {}, "stdin": {}}
        self._count = 0
        self._bytes = 0

    def has_room(self, item: Message) -> bool:
        """One message goes out always, however large."""
        fits = self._count < self._max_messages and self._bytes + item.size <= self._max_bytes
        return fits or not self._count

    def add(self, item: Message) -> None:
        sent = self._sent[item.channel]
        self._forget(sent.pop(item.id, None))
        sent[item.id] = item.size
        self._count += 1
        self._bytes += item.size

    def note(self, item: Message) -> None:
        """Of what the kernel says: its parent was read. It reads answers when it asks."""
        if item.channel == "stdin" or item.type == "execute_reply":
            self._clear("stdin")
        for sent in self._sent.values():
            if item.parent_id in sent:
                for id in tuple(sent):
                    self._forget(sent.pop(id))
                    if id == item.parent_id:
                        break

    def clear(self) -> None:
        for channel in self._sent:
            self._clear(channel)

    def _clear(self, channel: str) -> None:
        for size in self._sent[channel].values():
            self._forget(size)
        self._sent[channel].clear()

    def _forget(self, size: int | None) -> None:
        if size is not None:
            self._count -= 1
            self._bytes -= size
