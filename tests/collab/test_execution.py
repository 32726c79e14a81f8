"""Who runs when: rule by rule, and in every order of events."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collab.execution import (
    Action,
    CancelWaiting,
    ConnectionChanged,
    Execute,
    KernelAbsent,
    KernelLost,
    KernelReady,
    KernelRestarts,
    KernelWaits,
    MarkAgain,
    MarkEnded,
    MarkQueued,
    Operation,
    RequestRestart,
    RequestRun,
    RequestShutDown,
    RequestStart,
    RestartKernel,
    Run,
    RunDropped,
    RunEnded,
    StartKernel,
    State,
    StopKernel,
    apply,
)
from collab.model import CellId, User, UserId

ADA = User(UserId("ada"), "Ada", "#112233", False)
A, B, C, D = (CellId(name) for name in "abcd")
BEHIND = "Not run, as a cell before it failed"


def run(cell: CellId, request: int = 1) -> Run:
    return Run(cell, request, ADA, 1000 + request)


def after(*operations: Operation, state: State | None = None) -> tuple[State, list[Action]]:
    """The state after all of them, and what the last one asked for."""
    state = state or State()
    actions: tuple[Action, ...] = ()
    for operation in operations:
        state, actions = apply(state, operation)
    return state, list(actions)


def requested(request: int, *cells: CellId) -> RequestRun:
    return RequestRun(tuple(run(cell, request) for cell in cells))


READY = State("ready")


def test_the_first_request_starts_the_kernel_and_waits_for_it() -> None:
    state, actions = after(requested(1, A, B))
    assert actions == [MarkQueued(run(A)), MarkQueued(run(B)), StartKernel()]
    assert (state.status, state.running, state.waiting) == ("starting", None, (run(A), run(B)))
    state, actions = after(KernelReady(), state=state)
    assert actions == [Execute(run(A))]
    assert (state.status, state.running, state.waiting) == ("busy", run(A), (run(B),))


def test_first_come_first_served() -> None:
    state, _ = after(requested(1, A), requested(2, C), requested(3, B), state=READY)
    state, actions = after(RunEnded(A, "ok"), state=state)
    assert actions == [MarkEnded(run(A), True, "ok"), Execute(run(C, 2))]
    state, actions = after(RunEnded(C, "ok"), state=state)
    assert actions == [MarkEnded(run(C, 2), True, "ok"), Execute(run(B, 3))]


def test_a_cell_that_waits_keeps_its_place_and_is_not_queued_twice() -> None:
    state, actions = after(requested(1, A, B), requested(2, B, C), state=READY)
    assert actions == [MarkQueued(run(C, 2))]
    assert state.waiting == (run(B), run(C, 2))


def test_a_running_cell_may_wait_again_and_is_marked_so_when_it_has_ended() -> None:
    state, actions = after(requested(1, A), requested(2, B), requested(3, A), state=READY)
    assert (actions, state.running, state.waiting) == ([MarkAgain(A, run(A, 3))], run(A), (run(B, 2), run(A, 3)))
    state, actions = after(RunEnded(A, "ok"), state=state)
    assert actions == [MarkEnded(run(A), True, "ok"), MarkQueued(run(A, 3)), Execute(run(B, 2))]


def test_cancelling_a_running_cell_that_waits_again_leaves_its_mark_alone() -> None:
    state, actions = after(requested(1, A), requested(2, A), CancelWaiting(frozenset({A})), state=READY)
    assert (actions, state.running, state.waiting) == ([MarkAgain(A, None)], run(A), ())


def test_an_error_cancels_what_waits_behind_it_in_the_same_request_only() -> None:
    state, _ = after(requested(1, A, B), requested(2, C), requested(1, D), state=READY)
    state, actions = after(RunEnded(A, "error"), state=state)
    assert actions == [
        MarkEnded(run(A), True, "error"),
        MarkEnded(run(B), False, BEHIND),
        MarkEnded(run(D), False, BEHIND),
        Execute(run(C, 2)),
    ]


def test_a_kernel_that_others_restart_loses_its_run_and_what_was_asked_for_with_it() -> None:
    state, _ = after(requested(1, A, B), requested(2, C), state=READY)
    state, actions = after(KernelRestarts("restarted"), state=state)
    assert actions == [MarkEnded(run(A), True, "restarted"), MarkEnded(run(B), False, BEHIND)]
    assert (state.status, state.waiting) == ("restarting", (run(C, 2),))
    state, actions = after(KernelReady(), state=state)
    assert (state.status, actions) == ("busy", [Execute(run(C, 2))])


def test_a_reset_ends_what_waits_too() -> None:
    state, _ = after(requested(1, A), requested(2, C), state=READY)
    state, actions = after(KernelRestarts("reset by Bo", "Bo", all_end=True), state=state)
    assert actions == [MarkEnded(run(A), True, "reset by Bo"), MarkEnded(run(C, 2), False, "reset by Bo")]
    assert (state.status, state.by, state.live) == ("restarting", "Bo", False)
    assert after(KernelRestarts("again"), state=state) == (state, [])


def test_a_kernel_in_the_line_for_a_gpu_says_so_until_it_is_there() -> None:
    state, _ = after(requested(1, A), KernelWaits("You are 2nd in line.", 2))
    assert (state.status, state.reason, state.place) == ("starting", "You are 2nd in line.", 2)
    assert after(KernelReady(), state=state)[0].place == 0
    for end in (RequestShutDown("Bo"), KernelLost("No.")):
        assert after(end, state=state)[0].place == 0
    assert after(KernelWaits("late", 3), state=READY) == (READY, [])


def test_a_kernel_that_never_ran_anything_is_not_missed() -> None:
    assert after(KernelLost("gone", harmless=True), state=READY)[0].status == "none"
    state, _ = after(requested(1, A), KernelLost("gone", harmless=True), state=READY)
    assert (state.status, state.reason) == ("dead", "gone")


def test_a_run_whose_cell_is_gone_lets_the_others_go_on() -> None:
    state, _ = after(requested(1, A, B), state=READY)
    _, actions = after(RunDropped(A, "gone"), state=state)
    assert actions == [MarkEnded(run(A), False, "gone"), Execute(run(B))]


def test_cancelling_takes_out_of_the_queue_and_leaves_the_running_cell() -> None:
    state, actions = after(requested(1, A, B, C), CancelWaiting(frozenset({A, C}), "Bo"), state=READY)
    assert actions == [MarkEnded(run(C), False, "Cancelled by Bo")]
    assert (state.running, state.waiting) == (run(A), (run(B),))


def test_a_restart_ends_everything_and_what_is_asked_for_then_runs_in_the_fresh_kernel() -> None:
    state, actions = after(requested(1, A, B), RequestRestart("Bo"), state=READY)
    why = "The runtime was restarted by Bo"
    assert actions == [MarkEnded(run(A), True, why), MarkEnded(run(B), False, why), RestartKernel()]
    state, actions = after(requested(2, B), state=state)
    assert actions == [MarkQueued(run(B, 2))]
    state, actions = after(KernelReady(), state=state)
    assert actions == [Execute(run(B, 2))]


def test_a_restart_while_the_kernel_comes_up_changes_nothing() -> None:
    for life in ("finding", "starting", "restarting"):
        state = State(life, None, (run(A),))
        assert apply(state, RequestRestart("Bo")) == (state, ())


def test_the_death_of_the_kernel_ends_all_and_the_next_request_starts_another() -> None:
    state, actions = after(requested(1, A), requested(2, B), KernelLost("Out of memory."), state=READY)
    assert actions == [MarkEnded(run(A), True, "Out of memory."), MarkEnded(run(B, 2), False, "Out of memory.")]
    assert (state.status, state.reason) == ("dead", "Out of memory.")
    state, actions = after(requested(3, C), state=state)
    assert actions == [MarkQueued(run(C, 3)), StartKernel()]
    assert (state.status, state.reason) == ("starting", "")


def test_a_kernel_that_comes_up_after_a_shut_down_is_not_ready() -> None:
    state, actions = after(requested(1, A), RequestShutDown("Bo"))
    assert actions == [MarkEnded(run(A), False, "The runtime was shut down by Bo"), StopKernel()]
    assert apply(state, KernelReady()) == (state, ())
    assert apply(state, KernelLost("late")) == (state, ())


def test_what_another_server_left_goes_on_when_its_kernel_is_found() -> None:
    left = State("finding", run(A), (run(B),))
    assert left.status == "reconnecting"
    state, actions = after(requested(2, C), KernelReady(), state=left)
    assert (actions, state.running, state.waiting) == ([], run(A), (run(B), run(C, 2)))


def test_nothing_found_and_nothing_asked_for_is_no_kernel() -> None:
    assert State("finding").status == "none"
    assert after(KernelAbsent(), state=State("finding")) == (State("none"), [])


def test_nothing_found_starts_what_was_asked_for_meanwhile() -> None:
    state, actions = after(requested(1, A), KernelAbsent(), state=State("finding"))
    assert (state.status, actions) == ("starting", [StartKernel()])
    state, actions = after(RequestStart(), KernelAbsent(), state=State("finding"))
    assert (state.status, actions) == ("starting", [StartKernel()])


def test_what_waited_for_a_kernel_that_never_ran_anything_gets_another() -> None:
    state, actions = after(KernelAbsent(), state=State("finding", None, (run(A), run(B))))
    assert (state.status, state.waiting, actions) == ("starting", (run(A), run(B)), [StartKernel()])


def test_a_lost_connection_shows_only_while_there_is_a_kernel() -> None:
    state, _ = after(ConnectionChanged(False), state=READY)
    assert state.status == "reconnecting"
    assert apply(state, ConnectionChanged(True))[0].status == "idle"
    assert apply(state, KernelLost("gone"))[0].status == "dead"


CELLS = st.sampled_from([A, B, C, D])


class Queue(RuleBasedStateMachine):
    """Everything that people, kernels and connections can do, in every order. A model that knows only what it was told
    by actions follows what each cell's mark says, and what becomes of each run: it begins once or never, and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.requests = 0
        self.begun: list[Run] = []
        self.marks: dict[CellId, str] = {}
        self.fates: dict[Run, str] = {}

    @initialize(life=st.sampled_from(["none", "finding"]), left=st.booleans())
    def begin(self, life: Any, left: bool) -> None:
        if life == "finding" and left:
            self.state = State("finding", run(A, 0), (run(B, 0),))
            self.marks = {A: "running", B: "queued"}
            self.fates = {run(A, 0): "running", run(B, 0): "waiting"}
        else:
            self.state = State(life)

    def do(self, operation: Operation) -> None:
        before = self.state
        self.state, actions = apply(before, operation)
        if isinstance(operation, RequestRun):
            waited = {waiting.cell for waiting in before.waiting}
            for asked in operation.runs:
                if asked.cell not in waited:
                    waited.add(asked.cell)
                    self.fates[asked] = "waiting"
        for action in actions:
            self.follow(action, isinstance(operation, RunDropped))
            match action:
                case MarkQueued(run):
                    assert self.marks.get(run.cell) not in ("queued", "running")
                    self.marks[run.cell] = "queued"
                case Execute(run):
                    assert self.marks[run.cell] == "queued"
                    assert "running" not in self.marks.values()
                    assert self.state.life == "ready"
                    assert not self.begun or (run.request, run.cell) != (self.begun[-1].request, self.begun[-1].cell)
                    self.marks[run.cell] = "running"
                    self.begun.append(run)
                case MarkEnded(run, ran, status):
                    # A run that was dropped had begun in name only.
                    expected = "running" if ran or isinstance(operation, RunDropped) else "queued"
                    assert self.marks[run.cell] == expected
                    assert status
                    self.marks[run.cell] = "ended"
                case StartKernel():
                    assert self.state.life == "starting"
                case RestartKernel():
                    assert (before.life, self.state.life) == ("ready", "restarting")
                case StopKernel():
                    assert self.state.life == "none"

    def follow(self, action: Action, dropped: bool) -> None:
        match action:
            case Execute(run):
                self.move(run, "waiting", "running")
            case MarkEnded(run, ran, _):
                # A run that was dropped had begun in name only.
                self.move(run, "running" if ran or dropped else "waiting", "ended")
            case MarkAgain(cell, None):
                (again,) = [run for run, fate in self.fates.items() if run.cell == cell and fate == "waiting"]
                self.move(again, "waiting", "ended")

    def move(self, run: Run, before: str, after: str) -> None:
        assert self.fates[run] == before
        self.fates[run] = after

    def teardown(self) -> None:
        """A kernel that comes up and lets every run end brings everything to its end."""
        self.do(KernelReady())
        for _ in range(len(self.fates) + 1):
            if self.state.running is not None:
                self.do(RunEnded(self.state.running.cell, "ok"))
        assert (self.state.running, self.state.waiting) == (None, ())
        assert set(self.fates.values()) <= {"ended"}
        assert set(self.marks.values()) <= {"ended"}

    @rule(cells=st.lists(CELLS, min_size=1, max_size=5))
    def ask(self, cells: list[CellId]) -> None:
        self.requests += 1
        self.do(RequestRun(tuple(run(cell, self.requests) for cell in cells)))

    @rule(cells=st.one_of(st.just("all"), st.frozensets(CELLS)))
    def cancel(self, cells: Any) -> None:
        self.do(CancelWaiting(cells, "Bo"))

    @rule(cell=CELLS, status=st.sampled_from(["ok", "error", "interrupted"]))
    def end_any(self, cell: CellId, status: str) -> None:
        self.do(RunEnded(cell, status))

    @precondition(lambda self: self.state.running is not None)
    @rule(status=st.sampled_from(["ok", "ok", "error"]))
    def end(self, status: str) -> None:
        assert self.state.running is not None
        self.do(RunEnded(self.state.running.cell, status))

    @precondition(lambda self: self.state.running is not None and self.state.life == "ready")
    @rule()
    def drop(self) -> None:
        assert self.state.running is not None
        self.do(RunDropped(self.state.running.cell, "gone"))

    @rule(
        operation=st.sampled_from(
            [
                RequestStart(),
                RequestRestart("Bo"),
                RequestShutDown("Bo"),
                KernelReady(),
                KernelLost("gone"),
                KernelLost("never came", harmless=True),
                KernelRestarts("It was restarted", "Bo"),
                KernelRestarts("It was reset", "Bo", all_end=True),
                KernelWaits("All GPUs are held.", 2),
                ConnectionChanged(False),
                ConnectionChanged(True),
            ]
        )
    )
    def happen(self, operation: Operation) -> None:
        self.do(operation)

    @precondition(lambda self: self.state.running is None)
    @rule()
    def find_nothing(self) -> None:
        self.do(KernelAbsent())

    @invariant()
    def marks_and_state_say_the_same(self) -> None:
        running = [cell for cell, mark in self.marks.items() if mark == "running"]
        queued = {cell for cell, mark in self.marks.items() if mark == "queued"}
        assert running == ([self.state.running.cell] if self.state.running is not None else [])
        assert queued == {waiting.cell for waiting in self.state.waiting} - set(running)

    @invariant()
    def no_run_is_lost_or_doubled(self) -> None:
        by_fate = {fate: {run for run, now in self.fates.items() if now == fate} for fate in ("waiting", "running")}
        assert by_fate["waiting"] == set(self.state.waiting)
        assert by_fate["running"] == ({self.state.running} if self.state.running is not None else set())

    @invariant()
    def a_cell_waits_at_most_once(self) -> None:
        cells = [waiting.cell for waiting in self.state.waiting]
        assert len(set(cells)) == len(cells)

    @invariant()
    def whoever_asked_first_is_first(self) -> None:
        requests = [waiting.request for waiting in self.state.waiting]
        assert requests == sorted(requests)
        begun = [each.request for each in self.begun]
        assert begun == sorted(begun)

    @invariant()
    def nothing_waits_for_nothing(self) -> None:
        if self.state.waiting:
            assert self.state.life not in ("none", "dead")
        if self.state.life == "ready" and self.state.running is None:
            assert not self.state.waiting


Queue.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueue = Queue.TestCase
