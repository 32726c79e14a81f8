"""Which kernels have more of a GPU's memory than they were promised, and what is to be done about it. Pure.

Over it in 2 samples: the people are told and the code is interrupted. Still over it 5 samples later: the kernel is
stopped. A kernel may be over it for a moment, as a framework is while it moves things.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from kernelhost.gpus.grant import NOTHING, Grant
from kernelhost.gpus.wish import gib

_TOLD_AFTER: Final = 2
_STOPPED_AFTER: Final = 7


@dataclass(frozen=True, slots=True)
class Interrupt:
    kernel: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Stop:
    kernel: str
    sentence: str


Step: TypeAlias = Interrupt | Stop


class Overuse:
    """One sample a second."""

    def __init__(self) -> None:
        self._samples: dict[str, int] = {}  # kernel -> how many in a row it was over its share

    def note(self, used: Mapping[str, Mapping[str, int]], grants: Mapping[str, Grant]) -> list[Step]:
        """`used`: kernel -> device -> bytes."""
        steps: list[Step] = []
        over = {kernel: worst for kernel in used if (worst := _worst(used[kernel], grants.get(kernel, NOTHING)))}
        self._samples = {kernel: self._samples.get(kernel, 0) + 1 for kernel in over}
        for kernel, (has, may) in over.items():
            share = f"over its share of {gib(may)}" if may else "of which it was given none"
            what = f"{gib(has)} of GPU memory, {share}"
            if self._samples[kernel] == _TOLD_AFTER:
                within = _STOPPED_AFTER - _TOLD_AFTER
                told = f"This kernel uses {what}: its code was interrupted, and it is stopped unless it frees some"
                steps.append(Interrupt(kernel, f"{told} within {within} s."))
            elif self._samples[kernel] >= _STOPPED_AFTER:
                steps.append(Stop(kernel, f"The kernel was stopped because it used {what}."))
        return steps


def _worst(used: Mapping[str, int], grant: Grant) -> tuple[int, int] | None:
    """What a kernel has and may have of the device that it is most over its share of."""
    over = [(size, grant.promised(uuid)) for uuid, size in used.items() if size > grant.promised(uuid)]
    return max(over, key=lambda item: item[0] - item[1], default=None)
