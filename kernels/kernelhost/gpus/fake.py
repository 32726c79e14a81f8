"""GPUs that are not there, for tests and for trying things out: `--gpus fake:2x24GiB`.

`fake:1x24GiB,1x80GiB/7x10GiB` are one whole GPU and one that is cut into seven slices. `@FILE` at the end names a file
that says which processes use them, read at each call: lines of device number, pid and bytes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kernelhost.gpus.nvml import Device, GpuProcess, Memory, NvmlFailed
from kernelhost.gpus.wish import BadWish, memory_bytes

_CONTROL_NODES: Final = ("/dev/nvidiactl", "/dev/nvidia-uvm")
_MAX_DEVICES: Final = 64


@dataclass
class FakeNvml:
    """`lost`: devices that fell off the bus. `limits`: what the driver's own call was told, None if it has no such."""

    found: list[Device]
    uses: Path | None = None
    lost: set[str] = field(default_factory=set)
    limits: dict[tuple[str, str], int] | None = None
    started: list[tuple[str, GpuProcess]] = field(default_factory=list)

    def use(self, uuid: str, pid: int, size: int | None, utilisation: int | None = None) -> None:
        """As if a process had so much, of which it is the only word: an earlier one of the same process is void."""
        self.started = [item for item in self.started if (item[0], item[1].pid) != (uuid, pid)]
        self.started.append((uuid, GpuProcess(pid, size, utilisation)))

    def devices(self) -> list[Device]:
        return [device for device in self.found if device.uuid not in self.lost]

    def memory(self, uuid: str) -> Memory:
        total = self._device(uuid).memory_bytes
        return Memory(min(total, sum(item.memory_bytes or 0 for item in self.processes(uuid))), total)

    def utilisation(self, uuid: str) -> int | None:
        if self._device(uuid).is_slice:
            return None
        return min(100, sum(item.utilisation or 0 for item in self.processes(uuid)))

    def processes(self, uuid: str) -> list[GpuProcess]:
        self._device(uuid)
        return [process for device, process in (*self.started, *self._read()) if device == uuid]

    def limit(self, uuid: str, cgroup: str, memory_bytes: int) -> bool:
        if self._device(uuid).is_slice or self.limits is None:
            return False
        self.limits[uuid, cgroup] = memory_bytes
        return True

    def _device(self, uuid: str) -> Device:
        for device in self.devices():
            if device.uuid == uuid:
                return device
        raise NvmlFailed("there is no such device")

    def _read(self) -> Iterator[tuple[str, GpuProcess]]:
        try:
            text = self.uses.read_text() if self.uses else ""
        except OSError:
            return
        for number, pid, size in re.findall(r"^(\d+) (\d+) (\d+)$", text, re.MULTILINE):
            yield self.found[int(number)].uuid, GpuProcess(int(pid), int(size), None)


def fake(text: str) -> FakeNvml:
    """Of what follows `fake:`. Raises BadWish."""
    text, _, uses = text.partition("@")
    devices: list[Device] = []
    for index, part in enumerate(text.split(",")):
        match = re.fullmatch(r"(\d{1,2})x([\w.]+)(?:/(\d{1,2})x([\w.]+))?", part)
        if match is None:
            raise BadWish(
                f"'{part:.30}' are no GPUs to pretend: write them as 2x24GiB, or 1x80GiB/7x10GiB with slices."
            )
        count, size = int(match[1]), memory_bytes(match[2])
        for number in range(count):
            name = f"{index:04d}-{number:012d}"
            nodes = (f"/dev/nvidia{len(devices)}", *_CONTROL_NODES)
            if match[3]:
                each = memory_bytes(match[4])
                devices += [
                    Device(f"MIG-fa4e0000-0000-{slice:04d}-{name}", f"Fake GPU slice {match[4]}", each, True, nodes)
                    for slice in range(int(match[3]))
                ]
            else:
                devices.append(Device(f"GPU-fa4e0000-0000-0000-{name}", f"Fake GPU {match[2]}", size, False, nodes))
    if len(devices) > _MAX_DEVICES:
        raise BadWish(f"{len(devices)} GPUs are too many to pretend: at most {_MAX_DEVICES}.")
    return FakeNvml(devices, Path(uses) if uses else None)
