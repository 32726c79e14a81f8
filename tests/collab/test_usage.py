"""Usage as gateways report it: read as it is, and as absent where it is something else."""

from hypothesis import given
from hypothesis import strategies as st

from collab.model import CellId
from collab.usage import (
    GpuUsage,
    HeldGpu,
    KernelUsage,
    Limits,
    MachineGpu,
    MachineUsage,
    notice_kind,
    read_held,
    read_limits,
    read_machine,
    read_usage,
)


def nobodys(request: str) -> CellId | None:
    return None


def test_a_whole_report_is_read() -> None:
    usage = {"at": "2026-01-01T00:00:00Z", "cpu_percent": 12.5, "memory_bytes": 7, "processes": 2, "disk_bytes": 9}
    gpu = {"uuid": "GPU-1", "name": "H100", "memory_bytes": 1, "memory_total_bytes": 2, "utilisation": 99}
    assert read_usage(usage | {"gpus": [gpu], "request": "m"}, {"m": CellId("a")}.get) == KernelUsage(
        "2026-01-01T00:00:00Z", 12.5, 7, 2, 9, (GpuUsage("GPU-1", 1, 99),), CellId("a")
    )
    machine = {"cpu_percent": 1, "cpu_count": 8, "memory_bytes": 1, "memory_total_bytes": 2, "disk_bytes": 3}
    assert read_machine(machine | {"disk_total_bytes": 4, "gpus": [gpu]}) == MachineUsage(
        1, 8, 1, 2, 3, 4, (MachineGpu("GPU-1", "H100", 1, 2, 99),)
    )
    assert read_limits({"memory_bytes": 5, "cpus": 0.5, "processes": None}) == Limits(5, 0.5, None, None)
    assert read_held([{"uuid": "GPU-1", "name": "H100", "fraction": 0.5}]) == (HeldGpu("GPU-1", "H100", 0.5, None),)


def test_what_is_missing_or_no_number_is_not_known_rather_than_zero() -> None:
    odd = {"at": "now", "cpu_percent": float("nan"), "memory_bytes": True, "processes": "3", "gpus": [1, None]}
    assert read_usage(odd, nobodys) == KernelUsage("now")
    assert read_usage({"cpu_percent": 1}, nobodys) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["at", "gpus", "uuid", "cpus"]) | st.text(), inner),
)


@given(_json)
def test_nothing_that_a_gateway_says_raises(value: object) -> None:
    read_usage(value, nobodys), read_machine(value), read_limits(value), read_held(value)
    assert notice_kind(value) == "other" or value == notice_kind(value)
