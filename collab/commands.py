"""Commands: what a browser asks the server to do. A closed union, parsed here at the edge.

Every Command may carry a `request` number of the client's choice; a `refused` event repeats it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from collab.model import MAX_CELLS, CellId, Role


class BadCommand(ValueError):
    """The JSON is no Command; the message is one sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class RunCells:
    """Run these cells in this order, or all code cells in display order.

    `sources` maps a cell to the SHA-256 (hex) of the UTF-8 source the sender saw; a cell whose source
    differs on the server is not run and the command is refused with the reason.
    """

    cells: tuple[CellId, ...] | Literal["all"]
    sources: Mapping[CellId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelRuns:
    """Take these cells out of the queue; the running one is left alone (that is Interrupt)."""

    cells: tuple[CellId, ...] | Literal["all"]


@dataclass(frozen=True, slots=True)
class Interrupt:
    pass


@dataclass(frozen=True, slots=True)
class Restart:
    """A fresh kernel process. `run_all` then runs every code cell in display order."""

    run_all: bool = False
    clear_outputs: bool = False


@dataclass(frozen=True, slots=True)
class StartRuntime:
    """Connect: start the kernel if there is none; nothing if there is one."""


@dataclass(frozen=True, slots=True)
class ShutDownRuntime:
    pass


@dataclass(frozen=True, slots=True)
class ClearOutputs:
    cells: tuple[CellId, ...] | Literal["all"]


@dataclass(frozen=True, slots=True)
class AnswerInput:
    """The answer to the prompt in `runs[cell]["prompt"]`; the first answer wins."""

    cell: CellId
    value: str


@dataclass(frozen=True, slots=True)
class Complete:
    """Ask the kernel for completions; answered by a `completions` event with the same `request`.

    `cursor` counts code points (Jupyter's `cursor_pos`).
    """

    request: int
    code: str
    cursor: int


@dataclass(frozen=True, slots=True)
class Inspect:
    """Ask the kernel for documentation; answered by an `inspection` event with the same `request`."""

    request: int
    code: str
    cursor: int
    detail: Literal[0, 1] = 0


Command = (
    RunCells
    | CancelRuns
    | Interrupt
    | Restart
    | StartRuntime
    | ShutDownRuntime
    | ClearOutputs
    | AnswerInput
    | Complete
    | Inspect
)

# The least role that may send each Command.
ROLE_FOR: Final[dict[type[Command], Role]] = {
    RunCells: Role.RUNNER,
    CancelRuns: Role.RUNNER,
    Interrupt: Role.RUNNER,
    Restart: Role.RUNNER,
    StartRuntime: Role.RUNNER,
    ShutDownRuntime: Role.RUNNER,
    ClearOutputs: Role.EDITOR,
    AnswerInput: Role.RUNNER,
    Complete: Role.RUNNER,
    Inspect: Role.RUNNER,
}

MAX_CODE_CHARS: Final = 1 << 20


def parse_command(value: object) -> Command:
    """A decoded JSON value as a Command; unknown keys are ignored. Raises BadCommand."""
    if not isinstance(value, Mapping):
        raise BadCommand("A command is a JSON object with a 'type'.")
    kind = value.get("type")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise BadCommand(f"There is no command {kind!r:.60}; the commands are {', '.join(_PARSERS)}.")
    return parser(value)


def request_of(value: object) -> int | None:
    """The client's own number for a command, for the refusal that names it."""
    number = value.get("request") if isinstance(value, Mapping) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _cells(value: Mapping[object, object]) -> tuple[CellId, ...] | Literal["all"]:
    cells = value.get("cells")
    if cells == "all":
        return "all"
    if not isinstance(cells, list) or not all(isinstance(cell, str) for cell in cells):
        raise BadCommand("'cells' is a list of cell ids, or \"all\".")
    if len(cells) > MAX_CELLS:
        raise BadCommand(f"'cells' names {len(cells)} cells; at most {MAX_CELLS} are allowed.")
    return tuple(CellId(cell) for cell in cells)


def _sources(value: Mapping[object, object]) -> dict[CellId, str]:
    sources = value.get("sources", {})
    if not isinstance(sources, Mapping) or not all(
        isinstance(key, str) and isinstance(digest, str) for key, digest in sources.items()
    ):
        raise BadCommand("'sources' maps cell ids to the SHA-256 of their source.")
    return {CellId(key): digest for key, digest in sources.items()}


def _text(value: Mapping[object, object], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise BadCommand(f"'{key}' is a string.")
    if len(text) > MAX_CODE_CHARS:
        raise BadCommand(f"'{key}' is longer than {MAX_CODE_CHARS} characters.")
    return text


def _number(value: Mapping[object, object], key: str) -> int:
    number = value.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**53:
        raise BadCommand(f"'{key}' is a whole number of at least 0.")
    return number


def _flag(value: Mapping[object, object], key: str) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise BadCommand(f"'{key}' is true or false.")
    return flag


_PARSERS: Final[dict[str, Callable[[Mapping[object, object]], Command]]] = {
    "run_cells": lambda v: RunCells(_cells(v), _sources(v)),
    "cancel_runs": lambda v: CancelRuns(_cells(v)),
    "interrupt": lambda v: Interrupt(),
    "restart": lambda v: Restart(_flag(v, "run_all"), _flag(v, "clear_outputs")),
    "start_runtime": lambda v: StartRuntime(),
    "shut_down_runtime": lambda v: ShutDownRuntime(),
    "clear_outputs": lambda v: ClearOutputs(_cells(v)),
    "answer_input": lambda v: AnswerInput(CellId(_text(v, "cell")), _text(v, "value")),
    "complete": lambda v: Complete(_number(v, "request"), _text(v, "code"), _number(v, "cursor")),
    "inspect": lambda v: Inspect(
        _number(v, "request"), _text(v, "code"), _number(v, "cursor"), 1 if v.get("detail") == 1 else 0
    ),
}
