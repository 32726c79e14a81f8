"""A stand-in for the module `pynvml`: a scripted driver behind the functions that we call, with its own exceptions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pynvml  # type: ignore[import-untyped]


@dataclass
class Struct:
    """Of the driver's: whatever fields it has."""

    total: int = 0
    used: int = 0
    gpu: int = 0
    pid: int = 0
    usedGpuMemory: int | None = None
    timeStamp: int = 0
    smUtil: int = 0


@dataclass
class Card:
    """`slices` not None: it is cut up, and these are what it was cut into. `refuses`: functions it does not support."""

    uuid: str
    name: str = "NVIDIA Test"
    total: int = 24 << 30
    used: int = 0
    utilisation: int = 0
    minor: int = 0
    slices: "list[Card | None] | None" = None
    computing: list[tuple[int, int | None]] = field(default_factory=list)
    drawing: list[tuple[int, int | None]] = field(default_factory=list)
    samples: list[tuple[int, int, int]] = field(default_factory=list)  # time stamp, pid, percent
    refuses: dict[str, int] = field(default_factory=dict)


class Library:
    """Errors are those of the real module, by their number."""

    NVMLError = pynvml.NVMLError

    def __init__(self, cards: Sequence[Card]) -> None:
        self.cards = list(cards)
        self.limited: list[tuple[str, str, int]] = []
        for name in dir(pynvml):
            if name.startswith("NVMLError_"):
                setattr(self, name, getattr(pynvml, name))
        self.c_nvmlSetMemoryLimits_v1_t: Any = pynvml.c_nvmlSetMemoryLimits_v1_t

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self.cards[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Card:
        known: list[Card | None] = [one for card in self.cards for one in (card, *(card.slices or ()))]
        for card in known:
            if card is not None and card.uuid == uuid:
                return card
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetUUID(self, card: Card) -> str:
        return card.uuid

    def nvmlDeviceGetName(self, card: Card) -> str:
        return card.name

    def nvmlDeviceGetMinorNumber(self, card: Card) -> int:
        return card.minor

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> Struct:
        self._check(card, "memory")
        return Struct(total=card.total, used=card.used)

    def nvmlDeviceGetUtilizationRates(self, card: Card) -> Struct:
        self._check(card, "utilisation")
        return Struct(gpu=card.utilisation)

    def nvmlDeviceGetMigMode(self, card: Card) -> list[int]:
        self._check(card, "mig")
        return [int(card.slices is not None)] * 2

    def nvmlDeviceGetMaxMigDeviceCount(self, card: Card) -> int:
        return len(card.slices or ())

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: Card, index: int) -> Card:
        slice: Card | None = (card.slices or [])[index]
        if slice is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return slice

    def nvmlDeviceGetGpuInstanceId(self, slice: Card) -> int:
        return 7

    def nvmlDeviceGetComputeInstanceId(self, slice: Card) -> int:
        return 0

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[Struct]:
        self._check(card, "processes")
        return [Struct(pid=pid, usedGpuMemory=used) for pid, used in card.computing]

    def nvmlDeviceGetGraphicsRunningProcesses(self, card: Card) -> list[Struct]:
        self._check(card, "drawing")
        return [Struct(pid=pid, usedGpuMemory=used) for pid, used in card.drawing]

    def nvmlDeviceGetProcessUtilization(self, card: Card, since: int) -> list[Struct]:
        found = [Struct(timeStamp=at, pid=pid, smUtil=percent) for at, pid, percent in card.samples if at > since]
        if not found:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return found

    def nvmlDeviceSetMemoryLimits_v1(self, card: Card, limits: Any) -> None:
        self._check(card, "limits")
        self.limited.append((card.uuid, limits.nameSpace, limits.hardLimit))

    def _check(self, card: Card, what: str) -> None:
        if what in card.refuses:
            raise pynvml.NVMLError(card.refuses[what])
