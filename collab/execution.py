"""Who runs when: one queue per Notebook, first come, first served. Pure: operations in, actions out.

An operation that no longer applies changes nothing. Acting (documents, kernels, the clock) is `executions`' business.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, assert_never

from collab.model import CellId, RuntimeStatus, User

# What the kernel process is doing, apart from running cells. "finding": a server that has just come up does not know
# yet whether the kernel of the last one still runs.
Life: TypeAlias = Literal["finding", "none", "starting", "ready", "restarting", "dead"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one cell. `request` groups the cells that were asked for together; times are ms since 1970."""

    cell: CellId
    request: int
    user: User
    requested: int
    connection: str = ""  # the tab that asked, empty for none


@dataclass(frozen=True, slots=True)
class State:
    life: Life = "none"
    running: Run | None = None
    waiting: tuple[Run, ...] = ()
    reason: str = ""
    by: str = ""
    connected: bool = True
    place: int = 0  # in the line for a GPU

    @property
    def live(self) -> bool:
        return self.running is not None or bool(self.waiting)

    @property
    def status(self) -> RuntimeStatus:
        if self.life == "finding":
            return "reconnecting" if self.live else "none"
        if self.life != "ready":
            return self.life
        if not self.connected:
            return "reconnecting"
        return "idle" if self.running is None else "busy"


# -- operations -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestRun:
    """Cells in the order in which they shall run; one that waits already keeps its place."""

    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class CancelWaiting:
    cells: frozenset[CellId] | Literal["all"]
    by: str = ""


@dataclass(frozen=True, slots=True)
class RequestStart:
    pass


@dataclass(frozen=True, slots=True)
class RequestRestart:
    by: str


@dataclass(frozen=True, slots=True)
class RequestShutDown:
    by: str


@dataclass(frozen=True, slots=True)
class KernelWaits:
    """It cannot start yet: all GPUs are held."""

    reason: str
    place: int


@dataclass(frozen=True, slots=True)
class KernelRestarts:
    """Somebody else restarts it, or it restarts by itself. `all_end` when what waits is not to run in the new process
    either; otherwise only what was asked for together with the run that is lost."""

    why: str
    by: str = ""
    all_end: bool = False


@dataclass(frozen=True, slots=True)
class KernelReady:
    """The process answers; after finding it, it may run something already."""


@dataclass(frozen=True, slots=True)
class KernelAbsent:
    """Nothing was to be found, and nothing was lost with it."""


@dataclass(frozen=True, slots=True)
class KernelLost:
    """The process ended or never came up. `harmless` when nothing ever ran in it."""

    reason: str
    harmless: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    connected: bool


@dataclass(frozen=True, slots=True)
class RunEnded:
    """`status` is what the mark says: `ok`, `error`, `interrupted`, `aborted` or a sentence."""

    cell: CellId
    status: str


@dataclass(frozen=True, slots=True)
class RunDropped:
    """The run did not begin, as its cell is gone; those behind it do."""

    cell: CellId
    why: str


Operation: TypeAlias = (
    RequestRun
    | CancelWaiting
    | RequestStart
    | RequestRestart
    | RequestShutDown
    | KernelWaits
    | KernelRestarts
    | KernelReady
    | KernelAbsent
    | KernelLost
    | ConnectionChanged
    | RunEnded
    | RunDropped
)

# -- actions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartKernel:
    pass


@dataclass(frozen=True, slots=True)
class RestartKernel:
    pass


@dataclass(frozen=True, slots=True)
class StopKernel:
    pass


@dataclass(frozen=True, slots=True)
class MarkQueued:
    """Said of a cell that does not run: one that does is marked when it has ended and waits again."""

    run: Run


@dataclass(frozen=True, slots=True)
class MarkAgain:
    """The cell runs, and is to run again; None: not any more. For who comes after a crash: the mark is the running
    one's."""

    cell: CellId
    run: Run | None


@dataclass(frozen=True, slots=True)
class Execute:
    run: Run


@dataclass(frozen=True, slots=True)
class MarkEnded:
    """The run's last word. `ran` is false for a run that never began."""

    run: Run
    ran: bool
    status: str


Action: TypeAlias = StartKernel | RestartKernel | StopKernel | MarkQueued | MarkAgain | Execute | MarkEnded


@dataclass(slots=True)
class _Step:
    state: State
    actions: list[Action] = field(default_factory=list)

    def set(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]


def apply(state: State, operation: Operation) -> tuple[State, tuple[Action, ...]]:
    step = _Step(state)
    match operation:
        case RequestRun(runs):
            _request(step, runs)
        case CancelWaiting(cells, by):
            _cancel(step, [run for run in state.waiting if cells == "all" or run.cell in cells], _by("Cancelled", by))
        case RequestStart():
            _start(step)
        case RequestRestart(by):
            if state.life in ("none", "dead"):
                _end_all(step, _by("The runtime was restarted", by))
                _start(step)
            elif state.life == "ready":
                _end_all(step, _by("The runtime was restarted", by))
                step.set(life="restarting", reason="", by=by)
                step.actions.append(RestartKernel())
        case RequestShutDown(by):
            _end_all(step, _by("The runtime was shut down", by))
            if state.life != "none":
                step.set(life="none", reason="", by=by, place=0)
                step.actions.append(StopKernel())
        case KernelWaits(reason, place):
            if state.life == "starting":
                step.set(reason=reason, place=place)
        case KernelRestarts(why, by, all_end):
            if state.life == "ready":
                if all_end:
                    _end_all(step, why)
                elif state.running is not None:
                    _ended(step, state.running.cell, why)
                step.set(life="restarting", reason="", by=by)
        case KernelReady():
            if state.life in ("finding", "starting", "restarting"):
                step.set(life="ready", reason="", connected=True, place=0)
        case KernelAbsent():
            if state.life == "finding" and not state.waiting:
                step.set(life="none")
            elif state.life in ("finding", "starting"):  # asked for meanwhile, or before and never begun
                step.set(life="starting")
                step.actions.append(StartKernel())
        case KernelLost(reason, harmless):
            if state.life not in ("none", "dead"):
                is_quiet = harmless and not state.live
                _end_all(step, reason)
                step.set(life="none" if is_quiet else "dead", reason="" if is_quiet else reason, by="", place=0)
        case ConnectionChanged(connected):
            step.set(connected=connected)
        case RunEnded(cell, status):
            _ended(step, cell, status)
        case RunDropped(cell, why):
            if state.running is not None and state.running.cell == cell:
                step.set(running=None)
                step.actions.append(MarkEnded(state.running, False, why))
                _mark_again(step, cell)
        case _:
            assert_never(operation)
    _advance(step)
    return step.state, tuple(step.actions)


def _request(step: _Step, runs: tuple[Run, ...]) -> None:
    queued = {run.cell for run in step.state.waiting}
    fresh: list[Run] = []
    for run in runs:
        if run.cell not in queued:
            queued.add(run.cell)
            fresh.append(run)
    step.set(waiting=(*step.state.waiting, *fresh))
    step.actions += [MarkAgain(run.cell, run) if _runs(step.state, run.cell) else MarkQueued(run) for run in fresh]
    if step.state.waiting:
        _start(step)


def _start(step: _Step) -> None:
    """Nothing where a kernel is or comes. What is being looked for need not be started; `KernelAbsent` decides."""
    life = step.state.life
    if life in ("finding", "none", "dead"):
        step.set(life="starting", reason="", by="", connected=True)
    if life in ("none", "dead"):
        step.actions.append(StartKernel())


def _cancel(step: _Step, runs: list[Run], why: str) -> None:
    gone = set(runs)
    step.set(waiting=tuple(run for run in step.state.waiting if run not in gone))
    step.actions += [
        MarkAgain(run.cell, None) if _runs(step.state, run.cell) else MarkEnded(run, False, why) for run in runs
    ]


def _runs(state: State, cell: CellId) -> bool:
    return state.running is not None and state.running.cell == cell


def _end_all(step: _Step, why: str) -> None:
    running = step.state.running
    again = running.cell if running is not None else None
    if running is not None:
        _cancel(step, [run for run in step.state.waiting if run.cell == again], why)  # its mark is the running one's
        step.set(running=None)
        step.actions.append(MarkEnded(running, True, why))
    _cancel(step, list(step.state.waiting), why)


def _ended(step: _Step, cell: CellId, status: str) -> None:
    running = step.state.running
    if running is None or running.cell != cell:
        return
    step.set(running=None)
    step.actions.append(MarkEnded(running, True, status))
    _mark_again(step, cell)
    if status != "ok":
        behind = [run for run in step.state.waiting if run.request == running.request]
        _cancel(step, behind, "Not run, as a cell before it failed")


def _mark_again(step: _Step, cell: CellId) -> None:
    step.actions += [MarkQueued(run) for run in step.state.waiting if run.cell == cell]


def _advance(step: _Step) -> None:
    state = step.state
    if state.life == "ready" and state.running is None and state.waiting:
        first, *rest = state.waiting
        step.set(running=first, waiting=tuple(rest))
        step.actions.append(Execute(first))


def _by(what: str, name: str) -> str:
    return f"{what} by {name}" if name else what
