"""Which messages of a kernel came already, so that one that comes again is known for what it is.

Kernels number what they send, so a row of messages is one range however long it is; other ids are kept one by one.
"""

from bisect import bisect_right
from collections import OrderedDict
from typing import Final

_MAX_OTHERS: Final = 20_000
_MAX_RANGES: Final = 2_000  # of one process
_MAX_PROCESSES: Final = 50
_MAX_DIGITS: Final = 15


class SeenMessages:
    """Of the oldest it forgets; for those it takes what comes again for new."""

    def __init__(self) -> None:
        self._ranges: OrderedDict[str, list[tuple[int, int]]] = OrderedDict()
        self._others: OrderedDict[str, None] = OrderedDict()

    def add(self, id: str) -> bool:
        """Whether it is new."""
        process, _, digits = id.rpartition("_")
        if process and digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS:
            number = int(digits)
            if str(number) == digits:
                return self._add_number(process, number)
        if id in self._others:
            return False
        self._others[id] = None
        if len(self._others) > _MAX_OTHERS:
            self._others.popitem(last=False)
        return True

    def clear(self) -> None:
        self._ranges.clear()
        self._others.clear()

    def _add_number(self, process: str, number: int) -> bool:
        ranges = self._ranges.setdefault(process, [])
        if len(self._ranges) > _MAX_PROCESSES:
            self._ranges.popitem(last=False)
        at = bisect_right(ranges, number, key=_first)
        before = ranges[at - 1] if at else (number, -2)
        after = ranges[at] if at < len(ranges) else (-2, number)
        if number <= before[1]:
            return False
        first = before[0] if before[1] == number - 1 else number
        last = after[1] if after[0] == number + 1 else number
        ranges[at - (first != number) : at + (last != number)] = [(first, last)]
        if len(ranges) > _MAX_RANGES:
            del ranges[0]
        return True


def _first(range: tuple[int, int]) -> int:
    return range[0]
