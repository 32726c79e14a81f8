"""How fast browsers may drive a kernel: while it has not taken the last updates, later ones wait and become one for
each model, so that a kernel that was busy does not go through every place a slider has been at. Pure."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from collab.widget_values import size_of

MAX_OUTSTANDING: Final = 1_000
MAX_WAITING_BYTES: Final = 64 << 20


@dataclass(slots=True)
class Waiting:
    """Updates of one model that became one, under the msg_id of the last."""

    model: str
    id: str
    state: dict[str, Any]


class Throttle:
    def __init__(self) -> None:
        self._outstanding: set[str] = set()
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()
        self._waiting_bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self._outstanding) >= MAX_OUTSTANDING or self._waiting_bytes > MAX_WAITING_BYTES

    def sent(self, id: str) -> None:
        """A message that does not wait."""
        self._outstanding.add(id)

    def update(self, model: str, id: str, state: Mapping[str, Any]) -> str | None:
        """The update waits, or is to be sent now if the kernel has nothing to do: see `take`. Gives the msg_id of an
        earlier one that it takes the place of."""
        waiting = self._waiting.get(model)
        self._waiting_bytes += size_of(dict(state))
        if waiting is None:
            self._waiting[model] = Waiting(model, id, dict(state))
            return None
        before, waiting.id = waiting.id, id
        waiting.state |= state
        return before

    def take(self, at_once: bool = False) -> list[Waiting]:
        """What is to be sent now, in order; `at_once` before something that must not overtake it."""
        if self._outstanding and not at_once:
            return []
        ready = list(self._waiting.values())
        self._waiting.clear()
        self._waiting_bytes = 0
        self._outstanding.update(each.id for each in ready)
        return ready

    def idle(self, id: str) -> None:
        """The kernel is done with it."""
        self._outstanding.discard(id)

    def forget(self) -> None:
        """The process is gone, and what was meant for it goes with it."""
        self.lost()
        self._waiting.clear()
        self._waiting_bytes = 0

    def lost(self) -> None:
        """The connection to the kernel may have taken the answers with it: they are not waited for."""
        self._outstanding.clear()
