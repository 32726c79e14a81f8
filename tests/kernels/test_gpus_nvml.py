"""The contract of `Nvml`: for the fake, for our reading of a scripted driver, and for a real one where there is one."""

import os
from collections.abc import Callable
from pathlib import Path

import pynvml  # type: ignore[import-untyped]
import pytest
from kernelhost.gpus.fake import fake
from kernelhost.gpus.nvml import (
    Device,
    Driver,
    GpuProcess,
    Memory,
    NoNvml,
    Nvml,
    NvmlFailed,
    capability_nodes,
    driver,
)
from kernelhost.gpus.wish import BadWish

from tests.support.nvml_library import Card, Library

GIB = 1 << 30


def scripted() -> Nvml:
    mine = (os.getpid(), GIB)
    slices: list[Card | None] = [
        Card("MIG-1", total=10 * GIB, refuses={"utilisation": pynvml.NVML_ERROR_NOT_SUPPORTED})
    ]
    return Driver(Library([Card("GPU-1", used=GIB, computing=[mine]), Card("GPU-2", minor=1, slices=slices)]))


def pretended() -> Nvml:
    nvml = fake("1x24GiB,1x80GiB/2x10GiB")
    nvml.use(nvml.devices()[0].uuid, os.getpid(), GIB, 50)
    return nvml


def real() -> Nvml:
    found = driver()
    if not found.devices():
        pytest.skip("this machine has no GPU")
    return found


@pytest.mark.parametrize(
    "make", [pretended, scripted, pytest.param(real, marks=pytest.mark.gpu)], ids=["fake", "scripted", "real"]
)
def test_x22_the_contract(make: Callable[[], Nvml]) -> None:
    nvml = make()
    devices = nvml.devices()
    assert devices == nvml.devices()
    assert len({device.uuid for device in devices}) == len(devices) >= 1
    for device in devices:
        assert device.uuid.startswith("MIG-" if device.is_slice else "GPU-")
        assert device.name
        assert all(node.startswith("/dev/nvidia") for node in device.nodes)
        assert "/dev/nvidiactl" in device.nodes
        memory = nvml.memory(device.uuid)
        assert memory.total_bytes == device.memory_bytes > 0
        assert 0 <= memory.used_bytes <= memory.total_bytes
        utilisation = nvml.utilisation(device.uuid)
        assert utilisation is None or 0 <= utilisation <= 100
        processes = nvml.processes(device.uuid)
        assert len({process.pid for process in processes}) == len(processes)
        for process in processes:
            assert process.memory_bytes is None or 0 <= process.memory_bytes <= memory.total_bytes
            assert process.utilisation is None or 0 <= process.utilisation <= 100
        assert nvml.limit(device.uuid, "/no/such/group", GIB) in (True, False)
    for ask in (nvml.memory, nvml.utilisation, nvml.processes):
        with pytest.raises(NvmlFailed):
            ask("GPU-no-such")
    with pytest.raises(NvmlFailed):
        nvml.limit("GPU-no-such", "/", GIB)


def test_a_machine_without_a_driver_has_no_devices(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    found = driver()
    assert (type(found), found.devices(), caplog.text) == (NoNvml, [], "")


def test_a_driver_that_does_not_work_is_told_of_and_has_no_devices(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)

    monkeypatch.setattr(pynvml, "nvmlInit", broken)
    assert driver().devices() == []
    assert "The NVIDIA driver does not answer" in caplog.text


def test_a_gpu_that_is_cut_up_is_its_slices(tmp_path: Path) -> None:
    slices = [Card("MIG-1", "slice", 10 * GIB), None, Card("MIG-2", "slice", 20 * GIB)]
    whole = Card("GPU-0", "whole", refuses={"mig": pynvml.NVML_ERROR_NOT_SUPPORTED})
    found = Driver(Library([whole, Card("GPU-1", minor=3, slices=slices)])).devices()
    control = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
    assert found == [
        Device("GPU-0", "whole", 24 * GIB, False, ("/dev/nvidia0", *control)),
        Device("MIG-1", "slice", 10 * GIB, True, ("/dev/nvidia3", *control)),
        Device("MIG-2", "slice", 20 * GIB, True, ("/dev/nvidia3", *control)),
    ]


def test_a_slice_needs_its_capabilities(tmp_path: Path) -> None:
    for folder, number in (("gi7", 66), ("gi7/ci0", 67)):
        place = tmp_path / "gpu3" / "mig" / folder
        place.mkdir(parents=True)
        (place / "access").write_text(f"DeviceFileMinor: {number}\nDeviceFileMode: 292\nDeviceFileModify: 1\n")
    nodes = ("/dev/nvidia-caps/nvidia-cap66", "/dev/nvidia-caps/nvidia-cap67")
    assert capability_nodes(tmp_path, 3, 7, 0) == nodes
    assert capability_nodes(tmp_path, 4, 7, 0) == ()


def test_processes_are_told_once_with_their_last_utilisation() -> None:
    card = Card("GPU-1", computing=[(10, 3 * GIB), (11, None)], drawing=[(10, 3 * GIB), (12, GIB)])
    card.samples = [(5, 10, 20), (9, 10, 70), (7, 12, 4_000), (8, 0, 50)]
    nvml = Driver(Library([card]))
    told = [GpuProcess(10, 3 * GIB, 70), GpuProcess(11, None, None), GpuProcess(12, GIB, None)]
    assert nvml.processes("GPU-1") == told
    assert nvml.processes("GPU-1")[0] == GpuProcess(10, 3 * GIB, None)  # no sample since
    card.refuses["drawing"] = pynvml.NVML_ERROR_NOT_SUPPORTED
    card.samples.append((12, 10, 30))
    assert nvml.processes("GPU-1") == [GpuProcess(10, 3 * GIB, 30), GpuProcess(11, None, None)]


def test_a_lost_device_fails_alone() -> None:
    lost = Card("GPU-1", refuses={"memory": pynvml.NVML_ERROR_GPU_IS_LOST, "processes": pynvml.NVML_ERROR_GPU_IS_LOST})
    nvml = Driver(Library([lost, Card("GPU-2", used=GIB)]))
    for ask in (nvml.memory, nvml.processes):
        with pytest.raises(NvmlFailed, match="GPU is lost"):
            ask("GPU-1")
    assert nvml.memory("GPU-2") == Memory(GIB, 24 * GIB)


@pytest.mark.parametrize(
    "error",
    [None, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION],
)
def test_x22_a_driver_may_lack_the_limits_call(error: int | None) -> None:
    library = Library([Card("GPU-1", refuses={} if error is None else {"limits": error})])
    assert Driver(library).limit("GPU-1", "/kernels/1", GIB) is (error is None)
    assert library.limited == ([("GPU-1", "/kernels/1", GIB)] if error is None else [])
    del library.c_nvmlSetMemoryLimits_v1_t
    assert Driver(library).limit("GPU-1", "/kernels/1", GIB) is False


def test_what_is_pretended(tmp_path: Path) -> None:
    file = tmp_path / "uses"
    nvml = fake(f"2x24GiB,1x80GiB/7x10GiB@{file}")
    first = nvml.devices()[0].uuid
    assert [device.memory_bytes // GIB for device in nvml.devices()] == [24, 24, *[10] * 7]
    assert (nvml.processes(first), nvml.memory(first)) == ([], Memory(0, 24 * GIB))
    file.write_text(f"0 10 {GIB}\n8 11 {GIB}\n0 1")  # the last line is being written
    assert nvml.processes(first) == [GpuProcess(10, GIB, None)]
    assert nvml.memory(nvml.devices()[8].uuid) == Memory(GIB, 10 * GIB)
    nvml.lost.add(first)
    assert len(nvml.devices()) == 8
    with pytest.raises(NvmlFailed):
        nvml.memory(first)


@pytest.mark.parametrize("text", ["", "2", "2x", "ax24GiB", "2x24apples", "99x24GiB", "1x24GiB/", "1x1KiB"])
def test_what_cannot_be_pretended(text: str) -> None:
    with pytest.raises(BadWish, match=r"."):
        fake(text)
