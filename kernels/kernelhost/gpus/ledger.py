"""Who was promised what of which device (kernels.md G1). Pure: it measures nothing, and it never promises too much."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from kernelhost.gpus.grant import Grant, Part
from kernelhost.gpus.nvml import Device
from kernelhost.gpus.wish import Share, Whole, Wish


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a device."""

    device: Device
    fraction: Fraction
    memory_bytes: int

    @property
    def is_empty(self) -> bool:
        return self.fraction == 1 and self.memory_bytes == self.device.memory_bytes


class Ledger:
    def __init__(self, devices: Iterable[Device], grants: Mapping[str, Grant] | None = None) -> None:
        self.devices: tuple[Device, ...] = tuple(devices)
        self.grants: dict[str, Grant] = dict(grants or {})

    def copy(self) -> "Ledger":
        return Ledger(self.devices, self.grants)

    def place(self, wish: Wish, most: Fraction | None = None) -> Grant | None:
        """What would fulfil a wish now: of the devices that fit, those with the least room. None: there is none.
        A share of more than `most` of a device is not given. Nothing is held yet."""
        rooms = self.rooms()
        match wish:
            case Whole():
                fit = [room for room in rooms if room.is_empty and room.device.memory_bytes >= wish.memory_bytes]
                if wish.count > 1:  # CUDA opens one slice at a time
                    fit = [room for room in fit if not room.device.is_slice]
                fit.sort(key=lambda room: room.device.memory_bytes)
                if len(fit) < wish.count:
                    return None
                return Grant(tuple(_part(room.device, Fraction(1), None) for room in fit[: wish.count]))
            case Share():
                parts = [(room, _part(room.device, wish.fraction, wish.memory_bytes)) for room in rooms]
                fitting = [
                    (room.fraction, room.device.memory_bytes, at, part)
                    for at, (room, part) in enumerate(parts)
                    if part.fraction <= min(room.fraction, most or 1) and part.memory_bytes <= room.memory_bytes
                ]
                return Grant((min(fitting, key=lambda item: item[:3])[3],)) if fitting else None
        assert_never(wish)

    def has_room(self, grant: Grant) -> bool:
        """For just these parts; devices that are not ours have room for anything."""
        rooms = {room.device.uuid: room for room in self.rooms()}
        return all(
            part.fraction <= room.fraction and part.memory_bytes <= room.memory_bytes
            for part in grant.parts
            if (room := rooms.get(part.uuid)) is not None
        )

    def hold(self, kernel: str, grant: Grant) -> None:
        self.grants[kernel] = grant

    def free(self, kernel: str) -> None:
        self.grants.pop(kernel, None)

    def rooms(self) -> list[Room]:
        return [self._room(device) for device in self.devices]

    def held(self, uuid: str) -> Iterator[tuple[str, Part]]:
        """Each kernel that has a part of this device, in the order in which they got it."""
        for kernel, grant in self.grants.items():
            for part in grant.parts:
                if part.uuid == uuid:
                    yield kernel, part

    def _room(self, device: Device) -> Room:
        """Never below nothing: what was promised by another configuration stands, and no more is."""
        parts = [part for _, part in self.held(device.uuid)]
        fraction = 1 - sum((part.fraction for part in parts), Fraction(0))
        memory = device.memory_bytes - sum(part.memory_bytes for part in parts)
        return Room(device, max(fraction, Fraction(0)), max(memory, 0))


def _part(device: Device, fraction: Fraction | None, memory_bytes: int | None) -> Part:
    """What is left open follows from the other: a quarter of the device is a quarter of its memory."""
    if fraction is None:
        fraction = Fraction(memory_bytes or 0, device.memory_bytes)
    if memory_bytes is None:
        memory_bytes = int(fraction * device.memory_bytes)
    return Part(device.uuid, device.name, fraction, memory_bytes, device.memory_bytes, device.nodes)
