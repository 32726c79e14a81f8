from pathlib import Path

import pytest
from kernelhost.confinement import Confinement
from kernelhost.limits import GIB, MIB, BadLimit, Limits, default_limits, machine_memory, read_size, share


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 4 * GIB), ("512M", 512 * MIB), ("1.5g", 3 * GIB // 2), ("200 MiB", 200 * MIB), ("1000", 1000)],
)
def test_a_size_is_written_as_people_write_it(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1G", "4 giraffes", "GiB", "1e9", "9" * 20, "4G\n4G", "nan", "\u0664G"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadLimit, match=r"is no size; write one like 4GiB\.$"):
        read_size(text)


def test_a_request_lowers_limits_and_never_raises_them() -> None:
    ours = Limits(memory_bytes=4 * GIB, cpus=2.0, processes=100, files=1000, output_bytes_per_s=MIB)
    asked = {"KERNEL_MEMORY": "1GiB", "KERNEL_CPUS": "8", "KERNEL_PROCESSES": "50", "KERNEL_DISK": "2GiB"}
    assert ours.asked(asked) == Limits(GIB, 2.0, 50, 1000, 2 * GIB, MIB)
    assert ours.asked({"KERNEL_MEMORY": "400GiB", "KERNEL_DISK": "", "PATH": "/x"}) == ours


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KERNEL_MEMORY", "much"),
        ("KERNEL_MEMORY", "1M"),
        ("KERNEL_CPUS", "0"),
        ("KERNEL_CPUS", "-1"),
        ("KERNEL_PROCESSES", "1.5"),
        ("KERNEL_DISK", {}),
    ],
)
def test_a_wish_that_makes_no_sense_names_the_variable(name: str, value: object) -> None:
    with pytest.raises(BadLimit, match=rf"{name}.*\.$"):
        Limits().asked({name: value})


def test_m4_a_person_alone_keeps_nearly_all_memory() -> None:
    memory = default_limits().memory_bytes
    assert memory is not None
    assert machine_memory() // 2 <= memory < machine_memory()


def test_what_was_used_is_told_in_the_unit_of_the_limit() -> None:
    assert share(4 * GIB, 4 * GIB) == "4.0 of 4.0 GiB"
    assert share(150 * MIB, 200 * MIB) == "150 of 200 MiB"


def test_a_confinement_travels_as_json() -> None:
    value = Confinement(
        Limits(memory_bytes=GIB), "bwrap", "none", (Path("/a"),), (Path("/b"),), ("/dev/nvidia0",), True
    )
    assert Confinement.from_json(value.as_json()) == value
    assert Confinement.from_json({}) == Confinement()
