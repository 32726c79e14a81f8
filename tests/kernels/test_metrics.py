"""What Prometheus, jupyter-resource-usage and Colab read; as their own parsers see it."""

from datetime import UTC, datetime

import pytest
from kernelhost.machine import Device, Machine
from kernelhost.metrics import Metrics, Scene, cause_of
from kernelhost.resources import all_kernels, colab, one_kernel
from kernelhost.usage import GpuUsage, Report, Usage
from prometheus_client.parser import text_string_to_metric_families

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GPU = Device("GPU-1", "NVIDIA X", 6, 24, 50.0)
MACHINE = Machine(12.5, 4, 90, 100, 30, 200, (GPU,))
USAGE = Usage(NOW, 150.0, 60, 3, 9, (GpuUsage("GPU-1", 5, 40.0),), "id")
EMPTY = Scene({}, 0, {}, {}, None, {}, 0)


def samples(metrics: Metrics) -> dict[str, float]:
    """`name{label=value}` -> number, of all that is not a histogram."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            if "_created" not in sample.name and "le=" not in labels:
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_gauges_are_of_the_kernels_there_are_at_the_scrape() -> None:
    scene = EMPTY
    metrics = Metrics(lambda: scene)
    assert not [name for name in samples(metrics) if "kernel=" in name]
    scene = Scene(
        {"a": "idle", "b": "busy", "c": "busy"},
        4,
        {"a": Report(USAGE, (1,), 7, 8, 9)},
        {"a": USAGE},
        MACHINE,
        {"GPU-1": 11},
        2,
    )
    found = samples(metrics)
    expected = {
        "kernelhost_kernels{state=idle}": 1,
        "kernelhost_kernels{state=busy}": 2,
        "kernelhost_kernels{state=dead}": 0,
        "kernelhost_connections": 4,
        "kernelhost_kernel_held_requests{kernel=a}": 9,
        "kernelhost_kernel_journal_bytes{kernel=a}": 7,
        "kernelhost_kernel_dropped_bytes_total{kernel=a}": 8,
        "kernelhost_kernel_cpu_percent{kernel=a}": 150,
        "kernelhost_kernel_memory_bytes{kernel=a}": 60,
        "kernelhost_kernel_processes{kernel=a}": 3,
        "kernelhost_kernel_disk_bytes{kernel=a}": 9,
        "kernelhost_kernel_gpu_memory_bytes{gpu=GPU-1,kernel=a}": 5,
        "kernelhost_gpu_promised_bytes{gpu=GPU-1}": 11,
        "kernelhost_gpu_queue": 2,
        "kernelhost_gpu_memory_bytes{gpu=GPU-1}": 6,
        "kernelhost_gpu_utilisation_percent{gpu=GPU-1}": 50,
        "kernelhost_machine_memory_total_bytes": 100,
    }
    assert {name: found[name] for name in expected} == expected
    scene = EMPTY
    assert not [name for name in samples(metrics) if "kernel=" in name]


def test_starts_and_deaths_are_counted_by_few_labels() -> None:
    metrics = Metrics(lambda: EMPTY)
    before = samples(metrics)
    metrics.count_start(0.3)
    metrics.count_start(2.0)
    metrics.count_start(None)
    for number in range(100):
        metrics.count_death(f"The kernel was ended by its own code (exit {number}).")
        metrics.count_death(f"A new kind of end, {number}.")
    found = samples(metrics)
    assert set(found) == set(before)
    assert found["kernelhost_starts_total{outcome=started}"] == 2
    assert found["kernelhost_starts_total{outcome=failed}"] == 1
    assert (found["kernelhost_start_seconds_count"], found["kernelhost_start_seconds_sum"]) == (2, 2.3)
    assert found["kernelhost_deaths_total{cause=exited}"] == 100
    assert found["kernelhost_deaths_total{cause=other}"] == 100


def test_two_gateways_in_one_program_count_apart() -> None:
    one, other = Metrics(lambda: EMPTY), Metrics(lambda: EMPTY)
    one.count_start(None)
    assert samples(other)["kernelhost_starts_total{outcome=failed}"] == 0


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Idle for 90 min.", "idle"),
        ("Its lifetime of 12 h is over.", "lifetime"),
        ("Out of memory: used 4.0 of 4.0 GiB. Variables are lost; outputs are kept.", "memory"),
        ("The kernel was stopped because it used 5.0 GiB of GPU memory, over its share of 4.0 GiB.", "gpu"),
        ("The kernel was shut down.", "stopped"),
        ("The kernel was killed from outside (signal 9), perhaps because the machine ran out of memory.", "killed"),
        ("The kernel crashed in native code (segmentation fault).", "crashed"),
        ("The kernel was ended by signal 15 (SIGTERM).", "signal"),
        ("The kernel was ended by its own code (exit 3).", "exited"),
        ("The kernel 'python3' could not be started: no.", "not started"),
        ("The process that hosts the kernel ended unexpectedly; variables are lost.", "host"),
        ("", "other"),
    ],
)
def test_each_reason_of_a_death_has_a_cause(reason: str, cause: str) -> None:
    assert cause_of(reason) == cause


def test_the_shape_of_jupyter_resource_usage() -> None:
    assert all_kernels(MACHINE, {"a": USAGE, "b": USAGE}) == {
        "rss": 120,
        "limits": {
            "memory": {"rss": 100, "pss": 100, "warn": True},
            "cpu": {"cpu": 4, "warn": False},
            "disk": {"disk": 200, "warn": False},
        },
        "cpu_percent": 300.0,
        "cpu_count": 4,
        "disk_used": 30,
        "disk_total": 200,
    }
    one = one_kernel("a", 17, USAGE, MACHINE)
    content = one["content"]
    assert isinstance(content, dict)
    assert {"active", "available", "percent", "total", "used"} <= set(content.pop("host_virtual_memory"))
    assert content.pop("hostname")
    assert one == {
        "kernel_id": "a",
        "content": {
            "pid": 17,
            "kernel_cpu": 150.0,
            "kernel_memory": 60,
            "cpu_count": 4,
            "host_cpu_percent": 12.5,
            "host_usage_flag": True,
        },
    }
    assert one_kernel("a", None, None, MACHINE)["content"] == {"reason": "timeout", "timeout_ms": 0}


def test_the_shape_of_colab() -> None:
    gpu = {"name": "NVIDIA X", "memoryUsedBytes": 6, "memoryTotalBytes": 24, "gpuUtilization": 0.5}
    assert colab(MACHINE, frozenset({"GPU-1"})) == {
        "memory": {"totalBytes": 100, "freeBytes": 10},
        "disks": [{"filesystem": {"label": "kernels", "totalBytes": 200, "usedBytes": 30}}],
        "gpus": [gpu | {"memoryUtilization": 0.25, "everUsed": True}],
    }
