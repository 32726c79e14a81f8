"""Who waits for a GPU, in the order in which they came (kernels.md G2). Pure: `now` is passed in, in seconds.

A place belongs to the `kernel_id` that asks again within a minute; who does not come back has left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kernelhost.gpus.wish import Wish

KEPT_S: Final = 60.0
MAX_WAITING: Final = 200


class LineFull(Exception):
    """As many wait as may."""


@dataclass(frozen=True, slots=True)
class Place:
    wish: Wish
    asked_at: float


class Line:
    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    def ask(self, kernel: str, wish: Wish, now: float) -> int:
        """Takes a place, or keeps that which this kernel has; counted from 1. Raises LineFull."""
        self.forget(now)
        if kernel not in self._places and len(self._places) >= MAX_WAITING:
            raise LineFull
        self._places[kernel] = Place(wish, now)
        return list(self._places).index(kernel) + 1

    def ahead(self, kernel: str, now: float) -> Iterator[tuple[str, Wish]]:
        """Everyone who came before: all who wait, for a kernel that does not."""
        self.forget(now)
        for other, place in self._places.items():
            if other == kernel:
                return
            yield other, place.wish

    def leave(self, kernel: str) -> bool:
        return self._places.pop(kernel, None) is not None

    def forget(self, now: float) -> None:
        self._places = {kernel: place for kernel, place in self._places.items() if now - place.asked_at < KEPT_S}

    def waiting(self, now: float) -> list[tuple[str, Wish]]:
        self.forget(now)
        return [(kernel, place.wish) for kernel, place in self._places.items()]
