"""Wishes, the ledger, the line, and what is done about a kernel that takes too much: pure, and on devices pretended."""

import asyncio
import os
import string
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernelhost.gpus.fake import FakeNvml, fake
from kernelhost.gpus.gpus import Gpus, NoneFree, TooMuch
from kernelhost.gpus.grant import NAMES, NOTHING, Grant, Part, from_json, variables
from kernelhost.gpus.groups import Groups
from kernelhost.gpus.ledger import Ledger
from kernelhost.gpus.line import KEPT_S, MAX_WAITING, Line, LineFull
from kernelhost.gpus.mps import running_mps
from kernelhost.gpus.nvml import Device
from kernelhost.gpus.overuse import Interrupt, Overuse, Step, Stop
from kernelhost.gpus.policy import Policy, allowed, read_policy
from kernelhost.gpus.wish import BadWish, Share, Whole, Wish, parse_wish, read_wish
from kernelhost.machine import Device as DeviceUsage
from kernelhost.usage import GpuUsage

GIB = 1 << 30
ONE = Whole(1)
QUARTER = Share(Fraction(1, 4), None)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def gpus_of(text: str, policy: Policy | None = None, clock: Clock | None = None) -> Gpus:
    return Gpus(fake(text), policy or Policy(), clock or Clock())


# -- wishes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "memory", "wish"),
    [
        ("", "", None),
        ("0", "", None),
        ("none", "4GiB", None),
        ("any", "", ONE),
        ("Any", "4GiB", Whole(1, 4 * GIB)),
        ("1", "", ONE),
        ("1.0", "", ONE),
        ("2", "40GiB", Whole(2, 40 * GIB)),
        ("0.25", "", QUARTER),
        (" 1/3 ", "", Share(Fraction(1, 3), None)),
        ("0.5", "4G", Share(Fraction(1, 2), 4 * GIB)),
        ("", "512 MiB", Share(None, 512 << 20)),
        ("", "1.5gib", Share(None, 3 * GIB // 2)),
        ("", "1073741824", Share(None, GIB)),
    ],
)
def test_a_wish_is_read(gpus: str, memory: str, wish: Wish | None) -> None:
    assert parse_wish(gpus, memory, ONE) == wish


@pytest.mark.parametrize(
    ("gpus", "memory", "remedy"),
    [
        *[
            (gpus, "", "ask for 0, any")
            for gpus in ("-1", "1.5", "0.001", "two", "1/0", "nan", "1e3", "65", "٣", "0.0")
        ],
        *[("", memory, "4GiB") for memory in ("lots", "-4GiB", "4PiB", "4 4", "0x4")],
        ("", "1MiB", "at least 64MiB"),
    ],
)
def test_a_wish_that_is_none_is_told_what_may_be_asked_for(gpus: str, memory: str, remedy: str) -> None:
    with pytest.raises(BadWish, match=remedy):
        parse_wish(gpus, memory, ONE)


@given(st.text(alphabet=string.printable, max_size=12), st.text(alphabet=string.printable, max_size=12))
def test_any_text_is_a_wish_or_is_refused(gpus: str, memory: str) -> None:
    with suppress(BadWish):
        assert isinstance(parse_wish(gpus, memory, ONE), Whole | Share | None)


def test_a_request_goes_before_its_kernelspec() -> None:
    metadata = {"gpus": 0.5, "gpu_memory": "2GiB"}
    assert read_wish({}, metadata, ONE) == Share(Fraction(1, 2), 2 * GIB)
    assert read_wish({"KERNEL_GPUS": "0"}, metadata, ONE) is None
    assert read_wish({"KERNEL_GPU_MEMORY": "4GiB"}, metadata, ONE) == Share(None, 4 * GIB)
    assert read_wish({"KERNEL_GPUS": "any"}, {}, QUARTER) == QUARTER


# -- the ledger (G1) --------------------------------------------------------------------------------------------------

devices = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=4).map(
    lambda sizes: [
        Device(f"{'MIG' if cut else 'GPU'}-{at}", "a GPU", size * 8 * GIB, cut) for at, (size, cut) in enumerate(sizes)
    ]
)
wishes: st.SearchStrategy[Wish] = st.one_of(
    st.builds(Whole, st.integers(1, 3), st.sampled_from([0, 12 * GIB])),
    st.builds(
        Share,
        st.one_of(st.none(), st.fractions(Fraction(1, 10), Fraction(9, 10), max_denominator=10)),
        st.integers(GIB // 2, 20 * GIB),
    ),
    st.builds(Share, st.fractions(Fraction(1, 10), Fraction(9, 10), max_denominator=10), st.none()),
)
kernels = st.sampled_from("abcdef")


def check_nothing_is_promised_twice(ledger: Ledger) -> None:
    for device in ledger.devices:
        parts = [part for _, part in ledger.held(device.uuid)]
        assert sum(part.fraction for part in parts) <= 1
        assert sum(part.memory_bytes for part in parts) <= device.memory_bytes
        assert len(parts) == 1 or all(part.fraction < 1 for part in parts)


@given(devices, st.lists(st.tuples(kernels, st.one_of(st.none(), wishes)), max_size=40))
def test_g1_nothing_is_ever_promised_twice(found: list[Device], steps: list[tuple[str, Wish | None]]) -> None:
    """A wish that is None stands for the end of the kernel."""
    ledger = Ledger(found)
    for kernel, wish in steps:
        if wish is None or kernel in ledger.grants:
            ledger.free(kernel)
        elif (grant := ledger.place(wish)) is not None:
            check_grant_is_what_was_wished_for(grant, wish)
            ledger.hold(kernel, grant)
        check_nothing_is_promised_twice(ledger)
    for kernel in tuple(ledger.grants):
        ledger.free(kernel)
    assert all(room.is_empty for room in ledger.rooms())


def check_grant_is_what_was_wished_for(grant: Grant, wish: Wish) -> None:
    match wish:
        case Whole():
            assert len({part.uuid for part in grant.parts}) == wish.count
            assert all(
                part.fraction == 1 and part.memory_bytes == part.total_bytes >= wish.memory_bytes
                for part in grant.parts
            )
            assert wish.count == 1 or all(part.uuid.startswith("GPU") for part in grant.parts)
        case Share():
            (part,) = grant.parts
            assert wish.fraction in (None, part.fraction)
            assert wish.memory_bytes in (None, part.memory_bytes)


@given(devices, st.lists(wishes, max_size=12), wishes)
def test_g1_what_does_not_fit_is_held_by_somebody(found: list[Device], held: list[Wish], wish: Wish) -> None:
    ledger = Ledger(found)
    for number, other in enumerate(held):
        if (grant := ledger.place(other)) is not None:
            ledger.hold(f"{number}", grant)
    if ledger.place(wish) is None and Ledger(found).place(wish) is not None:
        assert any(not room.is_empty for room in ledger.rooms())


def test_g1_shares_are_packed_onto_the_fullest_device_that_fits() -> None:
    ledger = Ledger(fake("3x24GiB").devices())
    first, second, third = (device.uuid for device in ledger.devices)
    placed = []
    for kernel, wish in {
        "a": Share(Fraction(1, 2), None),
        "b": Share(Fraction(3, 4), None),
        "c": QUARTER,
        "d": QUARTER,
    }.items():
        grant = ledger.place(wish)
        assert grant is not None
        ledger.hold(kernel, grant)
        placed.append(grant.parts[0].uuid)
    assert placed == [first, second, second, first]
    whole = ledger.place(ONE)
    assert whole is not None
    assert [part.uuid for part in whole.parts] == [third]


def test_g1_memory_alone_makes_the_share_of_the_device() -> None:
    ledger = Ledger(fake("1x24GiB").devices())
    for kernel in "abc":
        grant = ledger.place(Share(None, 8 * GIB))
        assert grant is not None
        assert grant.parts[0].fraction == Fraction(1, 3)
        ledger.hold(kernel, grant)
    assert ledger.place(Share(None, 64 << 20)) is None


def test_g1_a_whole_gpu_is_the_smallest_that_will_do() -> None:
    ledger = Ledger(fake("1x80GiB,1x24GiB,1x80GiB/2x10GiB").devices())
    sizes = []
    for kernel, wish in {"a": ONE, "b": Whole(1, 20 * GIB), "c": Whole(1, 20 * GIB), "d": ONE}.items():
        grant = ledger.place(wish)
        assert grant is not None
        ledger.hold(kernel, grant)
        sizes.append(grant.parts[0].total_bytes // GIB)
    assert sizes == [10, 24, 80, 10]


def test_cuda_opens_one_slice_at_a_time_so_two_are_never_given() -> None:
    assert Ledger(fake("1x80GiB/7x10GiB").devices()).place(Whole(2)) is None


def test_what_was_promised_under_another_configuration_stands_and_no_more_is() -> None:
    device = fake("1x24GiB").devices()[0]
    part = Part(device.uuid, "old", Fraction(1), 48 * GIB, 48 * GIB)
    ledger = Ledger([device], {"old": Grant((part,)), "older": Grant((part,))})
    assert [(room.fraction, room.memory_bytes) for room in ledger.rooms()] == [(Fraction(0), 0)]
    assert ledger.place(Share(None, 64 << 20)) is None


# -- the line (G2) ----------------------------------------------------------------------------------------------------


def test_g2_a_place_is_kept_for_who_asks_again_within_a_minute() -> None:
    line = Line()
    assert [line.ask(kernel, ONE, now=0) for kernel in "abc"] == [1, 2, 3]
    assert line.ask("b", QUARTER, now=KEPT_S - 1) == 2
    assert line.waiting(KEPT_S + 1) == [("b", QUARTER)]
    assert line.ask("a", ONE, now=KEPT_S + 2) == 2  # it was away for too long
    assert (line.leave("b"), line.leave("b")) == (True, False)
    assert list(line.ahead("a", KEPT_S + 3)) == []


def test_g2_the_line_has_an_end() -> None:
    line = Line()
    for number in range(MAX_WAITING):
        line.ask(f"{number}", ONE, now=0)
    with pytest.raises(LineFull):
        line.ask("one more", ONE, now=1)
    assert line.ask("7", ONE, now=1) == 8
    assert line.ask("one more", ONE, now=KEPT_S) == 2


def end(gpus: Gpus, kernel: str) -> None:
    gpus.settle({other: gpus.grant(other) for other in "abcdef" if other != kernel})


def refused(gpus: Gpus, kernel: str, wish: Wish, keeps_place: bool = True) -> NoneFree:
    with pytest.raises(NoneFree) as refusal:
        gpus.take(kernel, wish, keeps_place)
    return refusal.value


def test_g2_who_waits_longest_is_served_first() -> None:
    gpus = gpus_of("2x24GiB")
    held = [gpus.take(kernel, ONE) for kernel in "ab"]
    assert str(refused(gpus, "c", Whole(2))) == "No GPU is free: 2 of 2 in use. You are 1st in line."
    assert str(refused(gpus, "d", QUARTER)) == "No GPU is free: 2 of 2 in use. You are 2nd in line."
    end(gpus, "a")
    assert refused(gpus, "d", QUARTER).position == 2  # it would fit, but then "c" would never get two
    assert refused(gpus, "e", QUARTER, keeps_place=False).position is None
    end(gpus, "b")
    assert refused(gpus, "d", QUARTER).position == 2  # both are kept for "c"
    assert gpus.take("c", Whole(2)) == Grant((*held[0].parts, *held[1].parts))
    end(gpus, "c")
    (whole,) = held[0].parts
    assert gpus.take("d", QUARTER) == Grant((replace(whole, fraction=Fraction(1, 4), memory_bytes=6 * GIB),))
    assert gpus.listing()["queue"] == []


def test_g2_who_does_not_come_back_holds_nobody_up() -> None:
    clock = Clock()
    gpus = gpus_of("1x24GiB", clock=clock)
    gpus.take("a", ONE)
    refused(gpus, "b", ONE)
    end(gpus, "a")
    assert refused(gpus, "c", ONE).position == 2  # "b" may come back
    clock.now = KEPT_S - 1
    assert refused(gpus, "c", ONE).position == 2
    clock.now = KEPT_S
    assert gpus.take("c", ONE).parts


def test_g2_several_who_fit_at_once_need_not_come_in_order() -> None:
    gpus = gpus_of("1x24GiB")
    gpus.take("a", ONE)
    for kernel in "bcdef":
        refused(gpus, kernel, QUARTER)
    end(gpus, "a")
    assert gpus.take("e", QUARTER).parts
    assert refused(gpus, "f", QUARTER).position == 4
    assert gpus.take("b", QUARTER).parts


def test_a_kernel_that_holds_some_keeps_it_and_frees_it_once() -> None:
    gpus = gpus_of("1x24GiB")
    held = gpus.take("a", ONE)
    assert gpus.take("a", ONE) == held == gpus.grant("a")
    gpus.settle({})
    gpus.settle({})
    assert gpus.grant("a") == NOTHING
    assert gpus.take("b", ONE) == held


def test_what_outlived_the_gateway_is_held_again_unless_somebody_took_it() -> None:
    before, after = gpus_of("2x24GiB"), gpus_of("2x24GiB")
    held = {"a": before.take("a", Whole(2)), "b": NOTHING}
    after.settle(held)
    assert after.grant("a") == held["a"]
    after.settle({"b": NOTHING})  # it died
    taken = after.take("c", QUARTER)
    after.settle(held | {"c": taken})  # it lives again, too late
    assert (after.grant("a"), after.grant("c")) == (NOTHING, taken)


def test_g3_everyone_may_see_who_holds_what_and_who_waits() -> None:
    gpus = gpus_of("1x24GiB")
    gpus.take("a", Share(Fraction(1, 4), 4 * GIB))
    refused(gpus, "b", ONE)
    (device,) = gpus.devices
    assert gpus.listing() == {
        "devices": [
            {
                "uuid": device.uuid,
                "name": "Fake GPU 24GiB",
                "memory_total_bytes": 24 * GIB,
                "free_fraction": 0.75,
                "held": [{"kernel": "a", "fraction": 0.25, "memory_bytes": 4 * GIB}],
            }
        ],
        "queue": [{"kernel": "b", "position": 1, "wish": "1 GPU"}],
    }


# -- what the operator allows -----------------------------------------------------------------------------------------


def test_what_nobody_may_have_is_refused_at_once() -> None:
    gpus = gpus_of("2x24GiB", read_policy("auto", "0.25", "1", "0"))
    for env, sentence in {
        "2": "A kernel may have 1 GPU here, and this one asks for 2 GPUs.",
        "1": None,
        "any": None,
    }.items():
        if sentence is None:
            assert gpus.wish({"KERNEL_GPUS": env}, {}) is not None
        else:
            with pytest.raises(TooMuch, match=f"^{sentence}$"):
                gpus.wish({"KERNEL_GPUS": env}, {})
    with pytest.raises(TooMuch, match=r"25\.0 GiB of GPU memory here: there are 2 GPUs of 24\.0 GiB, 24\.0 GiB"):
        gpus.wish({"KERNEL_GPU_MEMORY": "25GiB"}, {})
    with pytest.raises(BadWish, match="no GPU on this machine"):
        gpus_of("0x24GiB").wish({"KERNEL_GPUS": "any"}, {})


def test_a_share_by_memory_has_the_same_bound() -> None:
    gpus = gpus_of("1x24GiB,1x80GiB", read_policy("auto", "0.25", "0.25", "0"))
    with pytest.raises(TooMuch):
        gpus.wish({"KERNEL_GPU_MEMORY": "21GiB"}, {})
    wish = gpus.wish({"KERNEL_GPU_MEMORY": "10GiB"}, {})
    assert gpus.take("a", wish).parts[0].total_bytes == 80 * GIB


def test_who_does_not_say_gets_what_the_operator_set() -> None:
    asks: dict[str, object] = {"KERNEL_GPUS": "0"}
    shared = read_policy("auto", "0.25", "", "any")
    assert gpus_of("1x24GiB").wish({}, {}) is None
    assert gpus_of("1x24GiB", shared).wish({}, {}) == QUARTER
    assert gpus_of("1x24GiB", shared).wish(asks, {}) is None
    assert gpus_of("1x24GiB", shared).wish({}, {"gpus": 1}) == ONE
    assert gpus_of("0x24GiB", shared).wish({}, {}) is None


def test_the_operator_names_the_devices() -> None:
    found = fake("3x24GiB").devices()
    assert allowed(read_policy("0,2", "1", "", "0"), found) == [found[0], found[2]]
    assert allowed(read_policy(found[1].uuid, "1", "", "0"), found) == [found[1]]
    assert allowed(read_policy("auto", "1", "", "0"), found) == found


@pytest.mark.parametrize(
    ("flags", "remedy"),
    [
        (("some", "1", "", "0"), "--gpus auto, off"),
        (("fake:many", "1", "", "0"), "2x24GiB"),
        (("auto", "0", "", "0"), "--gpu-share"),
        (("auto", "1", "0.5", "0"), "lower the one"),
        (("auto", "1", "lots", "0"), "no number of GPUs"),
        (("auto", "1", "", "all"), "no number of GPUs"),
    ],
)
def test_flags_that_are_no_good_are_refused_with_the_remedy(flags: tuple[str, str, str, str], remedy: str) -> None:
    with pytest.raises(BadWish, match=remedy):
        read_policy(*flags)


# -- what a kernel is told --------------------------------------------------------------------------------------------


def test_a_whole_gpu_goes_by_its_uuid_and_has_no_bound() -> None:
    gpus = gpus_of("2x24GiB")
    uuids = ",".join(device.uuid for device in gpus.devices)
    told = {"CUDA_VISIBLE_DEVICES": uuids, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert gpus.variables(gpus.take("a", Whole(2))) == told
    assert gpus.variables(NOTHING) == told | {"CUDA_VISIBLE_DEVICES": ""}
    assert gpus_of("0x24GiB").variables(NOTHING) == {}


def test_a_share_is_told_to_frameworks_less_what_cuda_itself_takes() -> None:
    gpus = gpus_of("1x24GiB")
    grant = gpus.take("a", QUARTER)
    share = f"{5.5 / 24:.4f}"
    assert variables(grant, None) == {
        "CUDA_VISIBLE_DEVICES": gpus.devices[0].uuid,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "KERNELHOST_GPU_SHARE": share,
        "XLA_CLIENT_MEM_FRACTION": share,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": share,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "CUPY_GPU_MEMORY_LIMIT": str(11 * GIB // 2),
    }
    small = Part("GPU-1", "a GPU", Fraction(1, 24), GIB // 2, 12 * GIB)
    assert small.usable == 1 / 48  # never less than half


def test_a_share_has_the_bounds_of_mps_where_it_runs() -> None:
    grant = gpus_of("1x24GiB").take("a", Share(Fraction(1, 3), 4 * GIB))
    told = variables(grant, Path("/run/mps"))
    assert {name: told[name] for name in told if "MPS" in name} == {
        "CUDA_MPS_PIPE_DIRECTORY": "/run/mps",
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": "0=4096M",
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "33",
    }


def test_mps_runs_when_its_daemon_does(tmp_path: Path) -> None:
    environ = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    assert running_mps(environ, tmp_path) is None
    (tmp_path / "nvidia-cuda-mps-control.pid").write_text("42\n")
    (tmp_path / "control").touch()
    assert running_mps(environ, tmp_path) is None  # it was killed
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "comm").write_text("nvidia-cuda-mps\n")
    assert running_mps(environ, tmp_path) == tmp_path
    (tmp_path / "42" / "comm").write_text("bash\n")
    assert running_mps(environ, tmp_path) is None  # somebody else has its number


@given(devices, st.lists(wishes, max_size=5))
def test_a_grant_is_the_same_when_it_was_written_and_read(found: list[Device], wished: list[Wish]) -> None:
    ledger = Ledger(found)
    for number, wish in enumerate(wished):
        if (grant := ledger.place(wish)) is not None:
            ledger.hold(f"{number}", grant)
            assert from_json(grant.to_json()) == grant
            assert grant.wish is not None
            assert Ledger(found).place(grant.wish) is not None
            assert (variables(grant, Path("/mps")).keys() | {"CUDA_VISIBLE_DEVICES"}) <= set(NAMES)


# -- a kernel that takes too much -------------------------------------------------------------------------------------


def samples(sizes: list[int], grant: Grant) -> Iterator[list[Step]]:
    overuse = Overuse()
    for size in sizes:
        yield overuse.note({"a": {"GPU-1": size * GIB}}, {"a": grant})


def test_a_kernel_over_its_share_is_told_and_interrupted_then_stopped() -> None:
    grant = Grant((Part("GPU-1", "a GPU", Fraction(1, 6), 4 * GIB, 24 * GIB),))
    steps = list(samples([6] * 8, grant))
    words = "6.0 GiB of GPU memory, over its share of 4.0 GiB"
    within = "its code was interrupted, and it is stopped unless it frees some within 5 s."
    stop = Stop("a", f"The kernel was stopped because it used {words}.")
    assert steps == [[], [Interrupt("a", f"This kernel uses {words}: {within}")], *[[]] * 4, [stop], [stop]]


def test_a_kernel_that_is_over_it_for_a_moment_is_left_alone() -> None:
    grant = Grant((Part("GPU-1", "a GPU", Fraction(1, 6), 4 * GIB, 24 * GIB),))
    assert list(samples([4, 6, 4, 6, 3, 6, 4] * 3, grant)) == [[]] * 21
    assert [len(step) for step in samples([6, 6, 4, 6, 6], grant)] == [0, 1, 0, 0, 1]


def test_a_kernel_that_was_given_no_gpu_may_use_none() -> None:
    steps = list(samples([1, 1], NOTHING))
    assert "1.0 GiB of GPU memory, of which it was given none" in str(steps[1])


@pytest.mark.parametrize("has_call", [True, False])
def test_x22_a_kernels_control_group_is_held_to_its_share_where_the_driver_does_that(
    tmp_path: Path, has_call: bool
) -> None:
    groups = {1: "0::/ours", 2: "0::/kernels/a", 3: "0::/kernels/a", 4: "0::/kernels/b", 5: "0::/ours", 6: "1:cpu:/v1"}
    for pid, group in groups.items():
        (tmp_path / f"{pid}").mkdir()
        (tmp_path / f"{pid}" / "cgroup").write_text(f"12:memory:/other\n{group}\n")
    nvml = fake("1x24GiB")
    nvml.limits = {} if has_call else None
    gpus = Gpus(nvml)
    grants = {"a": gpus.take("a", QUARTER), "c": gpus.take("c", QUARTER), "d": gpus.take("d", QUARTER)}
    held = Groups(nvml, 1, tmp_path)
    members = {2: "a", 3: "a", 4: "b", 5: "c", 6: "d", 7: "d"}
    held.hold(members, grants)
    assert nvml.limits == ({(gpus.devices[0].uuid, "/kernels/a"): 6 * GIB} if has_call else None)
    nvml.limits = {} if has_call else None
    held.hold(members, grants)
    assert not nvml.limits  # once is enough


class Told:
    def __init__(self, roots: dict[int, str]) -> None:
        self._roots = roots
        self.steps: list[tuple[str, str]] = []

    def roots(self) -> dict[int, str]:
        return self._roots

    def members(self) -> dict[int, str]:
        return self._roots

    async def gpu_overused(self, kernel: str, sentence: str) -> None:
        self.steps.append(("interrupt", kernel))

    async def gpu_stopped(self, kernel: str, sentence: str) -> None:
        self.steps.append(("stop", kernel))


def test_x22_the_watch_counts_all_processes_below_a_kernels_first() -> None:
    nvml: FakeNvml = fake("2x24GiB")
    gpus = Gpus(nvml, now=Clock())
    (part,) = gpus.take("a", QUARTER).parts
    told = Told({os.getppid(): "a"})
    nvml.use(part.uuid, os.getpid(), 4 * GIB, 60)
    nvml.use(part.uuid, os.getppid(), 3 * GIB, 60)
    nvml.use(part.uuid, 1, 20 * GIB, 60)  # not a kernel's
    for _ in range(2):
        asyncio.run(gpus.look(told))
    assert told.steps == [("interrupt", "a")]
    assert gpus.used("a") == (GpuUsage(part.uuid, 7 * GIB, 100),)
    assert gpus.machine()[0] == DeviceUsage(part.uuid, "Fake GPU 24GiB", 24 * GIB, 24 * GIB, 100)
    nvml.lost.add(part.uuid)
    asyncio.run(gpus.look(told))
    assert (gpus.used("a"), len(gpus.machine())) == ((), 1)
