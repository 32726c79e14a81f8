"""The GPUs of this machine, as NVIDIA's driver tells of them: a Protocol of a few calls, and the real one behind it.

A machine without the driver has no devices; that is no error. MIG slices are devices like any other: the administrator
made them, and we make none.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

log = logging.getLogger(__name__)

_CONTROL_NODES: Final = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
_CAPABILITIES: Final = Path("/proc/driver/nvidia/capabilities")
_MAX_PERCENT: Final = 100


class NvmlFailed(Exception):
    """The driver gave no answer about a device: it is lost, or was never there. The message is a clause."""


@dataclass(frozen=True, slots=True)
class Device:
    """`nodes` are the files of `/dev` that a sandbox needs for it. `is_slice`: a MIG slice, of which CUDA opens one."""

    uuid: str
    name: str
    memory_bytes: int
    is_slice: bool = False
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    used_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """`pid` is of our own pid namespace. None for what this driver does not tell."""

    pid: int
    memory_bytes: int | None
    utilisation: int | None


class Nvml(Protocol):
    """`uuid` is that of one of `devices()`; every call about one may raise NvmlFailed. None waits for long."""

    def devices(self) -> list[Device]:
        """In the driver's order; in place of a GPU that is cut up, its slices."""

    def memory(self, uuid: str) -> Memory: ...

    def utilisation(self, uuid: str) -> int | None:
        """Percent of the last moment; None where it is not told, as for slices."""

    def processes(self, uuid: str) -> list[GpuProcess]: ...

    def limit(self, uuid: str, cgroup: str, memory_bytes: int) -> bool:
        """Lets the operating system hold a control group to so much of the device; False where it cannot."""


class NoNvml:
    """A machine without GPUs."""

    def devices(self) -> list[Device]:
        return []

    def memory(self, uuid: str) -> Memory:
        raise NvmlFailed("there is no GPU")

    def utilisation(self, uuid: str) -> int | None:
        raise NvmlFailed("there is no GPU")

    def processes(self, uuid: str) -> list[GpuProcess]:
        raise NvmlFailed("there is no GPU")

    def limit(self, uuid: str, cgroup: str, memory_bytes: int) -> bool:
        raise NvmlFailed("there is no GPU")


def driver() -> Nvml:
    """The driver of this machine."""
    try:
        library = import_module("pynvml")
        library.nvmlInit()
    except ImportError:
        return NoNvml()
    except Exception as error:  # noqa: BLE001 - a driver can be broken in many ways, and then there is no GPU
        # Without a driver there is nothing to tell; with one that does not work, there is.
        if type(error).__name__ not in ("NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded"):
            log.warning("The NVIDIA driver does not answer, so no GPU is used", extra={"error": str(error)})
        return NoNvml()
    return Driver(library)


class Driver:
    """`library` is the module `pynvml`, initialised: it is untyped, and the tests bring one of their own."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._seen_at: dict[str, int] = {}  # device -> the time stamp of the last sample of its processes

    def devices(self) -> list[Device]:
        found: list[Device] = []
        with self._answers():
            for index in range(self._library.nvmlDeviceGetCount()):
                gpu = self._library.nvmlDeviceGetHandleByIndex(index)
                found += self._slices(gpu) if self._is_cut(gpu) else [self._device(gpu)]
        return found

    def memory(self, uuid: str) -> Memory:
        with self._answers():
            info = self._library.nvmlDeviceGetMemoryInfo(self._handle(uuid))
            return Memory(int(info.used), int(info.total))

    def utilisation(self, uuid: str) -> int | None:
        with self._answers():
            handle = self._handle(uuid)
            try:
                return int(self._library.nvmlDeviceGetUtilizationRates(handle).gpu)
            except self._library.NVMLError_NotSupported:
                return None

    def processes(self, uuid: str) -> list[GpuProcess]:
        with self._answers():
            handle = self._handle(uuid)
            utilisation = self._process_utilisation(uuid, handle)
            found: dict[int, int | None] = {}
            for process in self._running(handle):
                told = found.get(process.pid)
                used = None if process.usedGpuMemory is None else int(process.usedGpuMemory)
                # A process that computes and draws is in both lists, each time with all that it has.
                found[process.pid] = used if told is None or used is None else max(told, used)
            return [GpuProcess(pid, used, utilisation.get(pid)) for pid, used in found.items()]

    def limit(self, uuid: str, cgroup: str, memory_bytes: int) -> bool:
        library = self._library
        with self._answers():
            handle = self._handle(uuid)
            try:
                limits = library.c_nvmlSetMemoryLimits_v1_t()
                limits.nameSpace = cgroup.encode()
                limits.softLimit = limits.hardLimit = memory_bytes
                library.nvmlDeviceSetMemoryLimits_v1(handle, limits)
            except AttributeError:  # an older nvidia-ml-py
                return False
            except (
                library.NVMLError_FunctionNotFound,
                library.NVMLError_NotSupported,
                library.NVMLError_NoPermission,
                library.NVMLError_InvalidArgument,
            ):
                return False
        return True

    def _handle(self, uuid: str) -> Any:
        return self._library.nvmlDeviceGetHandleByUUID(uuid)

    def _is_cut(self, gpu: Any) -> bool:
        try:
            return bool(self._library.nvmlDeviceGetMigMode(gpu)[0])
        except (self._library.NVMLError_NotSupported, self._library.NVMLError_FunctionNotFound):
            return False

    def _device(self, gpu: Any) -> Device:
        library = self._library
        return Device(
            uuid=_text(library.nvmlDeviceGetUUID(gpu)),
            name=_text(library.nvmlDeviceGetName(gpu)),
            memory_bytes=int(library.nvmlDeviceGetMemoryInfo(gpu).total),
            nodes=(f"/dev/nvidia{library.nvmlDeviceGetMinorNumber(gpu)}", *_CONTROL_NODES),
        )

    def _slices(self, gpu: Any) -> list[Device]:
        library = self._library
        whole = self._device(gpu)
        minor = library.nvmlDeviceGetMinorNumber(gpu)
        found = []
        for index in range(library.nvmlDeviceGetMaxMigDeviceCount(gpu)):
            try:
                slice = library.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index)
            except (library.NVMLError_NotFound, library.NVMLError_InvalidArgument):
                continue
            of_gpu = library.nvmlDeviceGetGpuInstanceId(slice)
            of_slice = library.nvmlDeviceGetComputeInstanceId(slice)
            found.append(
                Device(
                    uuid=_text(library.nvmlDeviceGetUUID(slice)),
                    name=_text(library.nvmlDeviceGetName(slice)),
                    memory_bytes=int(library.nvmlDeviceGetMemoryInfo(slice).total),
                    is_slice=True,
                    nodes=(*whole.nodes, *capability_nodes(_CAPABILITIES, minor, of_gpu, of_slice)),
                )
            )
        return found

    def _running(self, handle: Any) -> Iterator[Any]:
        library = self._library
        yield from library.nvmlDeviceGetComputeRunningProcesses(handle)
        try:
            yield from library.nvmlDeviceGetGraphicsRunningProcesses(handle)
        except library.NVMLError_NotSupported:
            pass

    def _process_utilisation(self, uuid: str, handle: Any) -> dict[int, int]:
        """Of the samples since we last asked, the latest of each process; none where it is not told."""
        library = self._library
        since = self._seen_at.get(uuid, 0)
        try:
            samples = sorted(library.nvmlDeviceGetProcessUtilization(handle, since), key=lambda item: item.timeStamp)
        except (library.NVMLError_NotSupported, library.NVMLError_NotFound, library.NVMLError_NoPermission):
            return {}
        if samples:
            self._seen_at[uuid] = int(samples[-1].timeStamp)
        # A buffer that is not full holds samples of nobody, and some drivers tell numbers that are none.
        return {int(item.pid): int(item.smUtil) for item in samples if item.pid and item.smUtil <= _MAX_PERCENT}

    @contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except self._library.NVMLError as error:
            raise NvmlFailed(str(error)) from error


def capability_nodes(capabilities: Path, minor: int, gpu_instance: int, compute_instance: int) -> tuple[str, ...]:
    """The files of `/dev` that stand for the right to use a MIG slice: one for its part of the GPU, one for itself."""
    of_gpu = capabilities / f"gpu{minor}" / "mig" / f"gi{gpu_instance}"
    found = []
    for file in (of_gpu / "access", of_gpu / f"ci{compute_instance}" / "access"):
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        numbers = [line.partition(":")[2].strip() for line in lines if line.startswith("DeviceFileMinor:")]
        found += [f"/dev/nvidia-caps/nvidia-cap{number}" for number in numbers]
    return tuple(found)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
