"""Idle time and lifetime on a clock that the tests move (kernels.md T1, T2, X23)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from kernelhost.culling import Culler, NotExtended, Policy, duration
from kernelhost.meters import Notice

START_S = 1_800_000_000.0
MIN_S = 60.0
POLICY = Policy(idle_after_s=90 * MIN_S, lifetime_s=12 * 60 * MIN_S)


@dataclass(eq=False)
class Kernel:
    id: str
    created: datetime
    last_activity: datetime
    state: str = "idle"


@dataclass(eq=False)
class House:
    """One kernel under a policy. `works` is what its processor does; `ended` is why it was ended."""

    policy: Policy
    extendable: bool = False
    now_s: float = START_S
    works: bool = False
    notices: list[Notice] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        now = datetime.fromtimestamp(self.now_s, UTC)
        self.kernel = Kernel("k", now, now)
        self.kernels = [self.kernel]
        self.culler = self.start_culler()

    def start_culler(self) -> Culler:
        """As after a start of the gateway."""
        return Culler(
            self.policy,
            lambda: self.kernels,
            lambda kernel: self.works,
            self.notices.append,
            lambda kernel, reason: self.end(kernel, reason),
            self.extendable,
            lambda: self.now_s,
        )

    def end(self, kernel: str, reason: str) -> None:
        self.ended.append((kernel, reason))
        self.kernels = []

    def ask(self) -> None:
        self.kernel.last_activity = datetime.fromtimestamp(self.now_s, UTC)

    def pass_(self, minutes: float) -> None:
        """Looked at once a minute, as the gateway does more often."""
        until_s = self.now_s + minutes * MIN_S
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + MIN_S)
            self.culler.check()

    def minutes(self) -> float:
        return (self.now_s - START_S) / MIN_S


def at(minutes: float) -> datetime:
    return datetime.fromtimestamp(START_S + minutes * MIN_S, UTC)


def test_t1_an_idle_kernel_is_warned_and_ends_with_its_reason() -> None:
    house = House(POLICY)
    house.pass_(84)
    assert (house.notices, house.culler.model("k")) == ([], {})
    house.pass_(1)
    text = "This runtime ends in 5 min, because nobody has used it; anything that is run keeps it."
    assert house.notices == [Notice("k", "idle", text, at(90))]
    assert house.culler.model("k") == {"stops_at": at(90).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "stops_why": "idle"}
    house.pass_(4)
    assert house.ended == []
    house.pass_(1)
    assert house.ended == [("k", "Idle for 90 min.")]
    assert house.notices[1:] == [Notice("k", "culled", "Idle for 90 min.")]
    house.pass_(1)
    assert (len(house.ended), house.culler.model("k")) == (1, {})


@pytest.mark.parametrize("busy", ["busy", "starting", "restarting"])
def test_t1_a_running_request_is_never_idle_and_the_clock_starts_at_its_end(busy: str) -> None:
    house = House(Policy(idle_after_s=90 * MIN_S))
    house.kernel.state = busy
    house.pass_(1_000)
    assert house.notices == []
    house.kernel.state = "idle"
    house.pass_(89)
    assert house.ended == []
    house.pass_(1)
    assert (house.ended, house.minutes()) == ([("k", "Idle for 90 min.")], 1_090)


def test_t1_cull_busy_counts_from_the_request() -> None:
    house = House(Policy(idle_after_s=90 * MIN_S, cull_busy=True))
    house.kernel.state = "busy"
    house.pass_(89)
    assert house.ended == []
    house.pass_(1)
    assert house.ended == [("k", "Idle for 90 min.")]


def test_t1_silent_work_counts() -> None:
    house = House(Policy(idle_after_s=90 * MIN_S))
    house.works = True
    house.pass_(500)
    assert house.notices == []
    house.works = False
    house.pass_(90)
    assert house.ended == [("k", "Idle for 90 min.")]


@pytest.mark.parametrize("how", ["ask", "extend", "work"])
def test_t2_anything_that_is_activity_withdraws_the_warning(how: str) -> None:
    house = House(POLICY)
    house.pass_(88)
    assert house.culler.model("k") != {}
    if how == "ask":
        house.ask()
    elif how == "work":
        house.works = True
    else:
        house.culler.extend("k")
    house.culler.check()
    assert house.culler.model("k") == {}
    assert house.notices[1:] == [Notice("k", "idle", "This runtime stays.")]
    house.works = False
    house.pass_(89)
    assert house.ended == []
    house.pass_(1)
    assert house.ended == [("k", "Idle for 90 min.")]


def test_t2_a_lifetime_ends_also_what_is_busy_and_is_told_15_min_before() -> None:
    house = House(POLICY)
    house.kernel.state = "busy"
    house.pass_(12 * 60 - 16)
    assert house.notices == []
    house.pass_(1)
    text = "This runtime ends in 15 min: its lifetime is 12 h. Save what you need from its memory."
    assert house.notices == [Notice("k", "lifetime", text, at(720))]
    assert house.culler.model("k")["stops_why"] == "lifetime"
    house.pass_(14)
    assert house.ended == []
    house.pass_(1)
    assert house.ended == [("k", "Its lifetime of 12 h is over.")]


def test_t2_only_the_administrator_puts_off_the_end_of_a_lifetime() -> None:
    house = House(Policy(lifetime_s=60 * MIN_S))
    house.pass_(50)
    with pytest.raises(NotExtended, match="lifetime of 60 min ends; only the administrator"):
        house.culler.extend("k")
    house.pass_(10)
    assert house.ended == [("k", "Its lifetime of 60 min is over.")]

    house = House(Policy(lifetime_s=60 * MIN_S), extendable=True)
    house.pass_(50)
    house.culler.extend("k")
    assert house.culler.model("k") == {}
    house.pass_(59)
    assert house.ended == []
    house.pass_(1)
    assert house.ended == [("k", "Its lifetime of 60 min is over.")]


def test_the_nearest_of_two_ends_is_in_the_model_and_both_are_told() -> None:
    house = House(Policy(idle_after_s=60 * MIN_S, lifetime_s=62 * MIN_S))
    house.pass_(57)
    assert [(notice.kind, notice.stops_at) for notice in house.notices] == [("lifetime", at(62)), ("idle", at(60))]
    assert house.culler.model("k")["stops_why"] == "idle"
    house.ask()
    house.culler.check()
    assert house.culler.model("k")["stops_why"] == "lifetime"


def test_nobody_is_ended_unwarned_after_the_machine_slept() -> None:
    house = House(POLICY)
    house.now_s += 24 * 3_600
    house.culler.check()
    assert house.ended == []
    stops = [(notice.kind, notice.stops_at) for notice in house.notices]
    assert stops == [("idle", at(24 * 60 + 5)), ("lifetime", at(24 * 60 + 15))]
    house.pass_(4)
    assert house.ended == []
    house.pass_(1)
    assert house.ended == [("k", "Idle for 90 min.")]


def test_a_gateway_that_starts_again_counts_idle_time_anew_and_lifetime_on() -> None:
    house = House(POLICY)
    house.pass_(89)
    house.culler = house.start_culler()
    house.pass_(30)
    assert house.ended == []
    assert [notice.kind for notice in house.notices] == ["idle"]
    house.works = True
    house.pass_(12 * 60)
    assert house.ended == [("k", "Its lifetime of 12 h is over.")]


def test_a_clock_that_was_put_back_keeps_no_kernel_for_ever() -> None:
    house = House(POLICY)
    house.kernel.last_activity = at(100_000)
    house.pass_(91)
    assert house.ended == [("k", "Idle for 90 min.")]


def test_a_short_time_has_a_warning_of_half_of_it() -> None:
    house = House(Policy(idle_after_s=4.0))
    house.now_s += 1.9
    house.culler.check()
    assert house.notices == []
    house.now_s += 0.1
    house.culler.check()
    assert house.notices[0].stops_at == datetime.fromtimestamp(START_S + 4, UTC)
    house.now_s += 2
    house.culler.check()
    assert house.ended == [("k", "Idle for 4 s.")]


def test_without_a_policy_nobody_ends() -> None:
    house = House(Policy())
    house.pass_(10_000)
    assert (house.ended, house.notices) == ([], [])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 s"), (45, "45 s"), (60, "60 s"), (300, "5 min"), (3_600, "60 min"), (5_400, "90 min"), (43_200, "12 h")],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
