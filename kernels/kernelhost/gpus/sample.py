"""What is used of the GPUs at one moment, by which kernel. NVML tells process numbers, and kernels are trees of
processes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from kernelhost.gpus.nvml import Device, GpuProcess, Nvml, NvmlFailed
from kernelhost.machine import Device as DeviceUsage


@dataclass(frozen=True, slots=True)
class Sample:
    """`used`: kernel -> device -> all of its processes as one."""

    used: Mapping[str, Mapping[str, GpuProcess]]
    devices: tuple[DeviceUsage, ...]


def sample(nvml: Nvml, devices: Iterable[Device], roots: Mapping[int, str]) -> Sample:
    """`roots`: the kernel of each process that is the first of one. A device that does not answer is left out."""
    used: dict[str, dict[str, GpuProcess]] = {}
    usage: list[DeviceUsage] = []
    for device in devices:
        try:
            processes = nvml.processes(device.uuid)
            memory, utilisation = nvml.memory(device.uuid), nvml.utilisation(device.uuid)
        except NvmlFailed:
            continue
        usage.append(DeviceUsage(device.uuid, device.name, memory.used_bytes, memory.total_bytes, utilisation))
        for process in processes:
            kernel = owner_of(process.pid, roots)
            if kernel is not None:
                of_kernel = used.setdefault(kernel, {})
                of_kernel[device.uuid] = _together(of_kernel.get(device.uuid), process)
    return Sample(used, tuple(usage))


def owner_of(pid: int, roots: Mapping[int, str]) -> str | None:
    """The kernel below whose first process this one is; None for those of nobody."""
    if pid in roots:
        return roots[pid]
    try:
        parents = psutil.Process(pid).parents()
    except psutil.Error:
        return None
    return next((roots[parent.pid] for parent in parents if parent.pid in roots), None)


def _together(one: GpuProcess | None, other: GpuProcess) -> GpuProcess:
    if one is None:
        return other
    utilisation = None
    if one.utilisation is not None or other.utilisation is not None:
        utilisation = min(100, (one.utilisation or 0) + (other.utilisation or 0))
    return GpuProcess(one.pid, (one.memory_bytes or 0) + (other.memory_bytes or 0), utilisation)
