"""What a kernel asks for: some GPUs for itself, a share of one, or none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE: Final = r"([0-9]{1,16})(?:\.([0-9]{1,6}))?\s*(?:([KMGT])(?:i?B)?|B)?"
_MAX_GPUS: Final = 64
_LEAST_SHARE: Final = Fraction(1, 100)
_LEAST_BYTES: Final = 64 << 20


class BadWish(ValueError):
    """The message is one sentence that says what may be asked for."""


@dataclass(frozen=True, slots=True)
class Whole:
    """So many devices that nobody else is on, each with at least so much memory."""

    count: int
    memory_bytes: int = 0

    def __str__(self) -> str:
        least = f" with {gib(self.memory_bytes)}" if self.memory_bytes else ""
        return (f"{self.count} GPUs" if self.count > 1 else "1 GPU") + least


@dataclass(frozen=True, slots=True)
class Share:
    """A part of one device. One of the two may be left open: it follows from the other and from the device."""

    fraction: Fraction | None
    memory_bytes: int | None

    def __str__(self) -> str:
        memory = f"{gib(self.memory_bytes)} of GPU memory" if self.memory_bytes is not None else ""
        share = f"{float(self.fraction):g} GPU" if self.fraction is not None else ""
        return " with ".join(part for part in (share, memory) if part)


Wish: TypeAlias = Whole | Share


def read_wish(env: Mapping[str, object], metadata: Mapping[str, object], any_is: Wish) -> Wish | None:
    """Of a request's KERNEL_GPUS and KERNEL_GPU_MEMORY, else of a kernelspec's metadata: `gpus` and `gpu_memory`.

    `any_is` is what "any" stands for. None: no GPU. Raises BadWish.
    """
    named = [env.get("KERNEL_GPUS"), env.get("KERNEL_GPU_MEMORY")]
    if named == [None, None]:
        named = [metadata.get("gpus"), metadata.get("gpu_memory")]
    gpus, memory = ("" if value is None else str(value) for value in named)
    return parse_wish(gpus, memory, any_is)


def parse_wish(gpus: str, memory: str, any_is: Wish) -> Wish | None:
    """Raises BadWish."""
    gpus, memory = gpus.strip(), memory.strip()
    least = memory_bytes(memory) if memory else None
    if not gpus:
        return None if least is None else Share(None, least)
    if gpus.lower() == "none" or gpus == "0":
        return None
    if gpus.lower() == "any":
        if least is None:
            return any_is
        return Whole(any_is.count, least) if isinstance(any_is, Whole) else Share(any_is.fraction, least)
    number = _fraction(gpus)
    if number is None or number < _LEAST_SHARE or number > _MAX_GPUS or (number > 1 and number.denominator > 1):
        raise BadWish(f"'{gpus:.20}' is no number of GPUs: ask for 0, any, a share such as 0.25, or a count such as 2.")
    if number.denominator > 1:
        return Share(number, least)
    return Whole(int(number), least or 0)


def memory_bytes(text: str) -> int:
    """Of "4GiB", "4G", "512M" or a number of bytes; a unit is a power of 1024. Raises BadWish."""
    found = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if found is None:
        raise BadWish(f"'{text:.20}' is no amount of memory: write it as 4GiB or 512MiB.")
    number = Fraction(f"{found[1]}.{found[2] or 0}")
    size = int(number * (1 << _UNITS[(found[3] or "").upper()]))
    if size < _LEAST_BYTES:
        raise BadWish(f"'{text:.20}' is too little GPU memory: ask for at least {_LEAST_BYTES >> 20}MiB.")
    return size


def gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"


def _fraction(text: str) -> Fraction | None:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?|[0-9]{1,4}/[0-9]{1,4}", text):
        return None
    try:
        return Fraction(text)
    except ZeroDivisionError:
        return None
