"""Commands: what a browser asks the server to do. A closed union, parsed here at the edge.

Every Command may carry a `request` number of the client's choice; a `refused` event repeats it.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
    connection: str = field(default="", compare=False)  # whose; stamped where it comes in, as in those below


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


@dataclass(frozen=True, slots=True)
class ExtendRuntime:
    """Somebody is still here: the runtime is not to end for being idle. Nothing where it is not about to."""


@dataclass(frozen=True, slots=True)
class ResetRuntime:
    """The state of a new runtime: a fresh process, and with `folder` an empty working folder."""

    folder: bool = False


@dataclass(frozen=True, slots=True)
class ResetAllRuntimes:
    """The same for every kernel of the gateway, whoever's Notebook it belongs to."""

    folder: bool = False


@dataclass(frozen=True, slots=True)
class ChooseRuntime:
    """What the Notebook's runtime is to be from its next start on; with `restart` it starts anew now, if there is one.

    `kernel` is a kernelspec's name. The other wishes are as `kernels.md` has them ("0.25", "any", "4GiB"); empty: the
    gateway's own default. `venv`: a virtual environment of the Notebook's own.
    """

    kernel: str
    gpus: str = ""
    gpu_memory: str = ""
    memory: str = ""
    cpus: str = ""
    venv: bool = False
    restart: bool = False


@dataclass(frozen=True, slots=True)
class AttachRuntime:
    """Run this Notebook's code on another Jupyter server. Its token is a secret: it is in no log, event or export."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DetachRuntime:
    """Back to the runtime of this server; the kernel on the other one is shut down."""


@dataclass(frozen=True, slots=True)
class Compare:
    """What the sender shows: the state vector of its document and the SHA-256 of some sources (crdt.md D11). Answered
    only when the server has something else under the same state: by `differs`, and the end of the connection."""

    state: bytes
    sources: Mapping[CellId, str]


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call a function that code in the kernel has registered under this name; what it prints goes to the cell.
    `args` and `kwargs` are JSON texts. Answered by an `invoked` event with the same `request`."""

    request: int
    cell: CellId
    name: str
    args: str
    kwargs: str
    connection: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ColabReply:
    """What became of the `colab_request` of this number: a value as JSON text, or why there is none."""

    reply: int
    value: str | None
    error: str = ""
    connection: str = field(default="", compare=False)


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
    | ExtendRuntime
    | ResetRuntime
    | ResetAllRuntimes
    | ChooseRuntime
    | AttachRuntime
    | DetachRuntime
    | Compare
    | Invoke
    | ColabReply
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
    ExtendRuntime: Role.RUNNER,
    # Everyone's files, other people's runtimes, and what our server connects to, are for who owns it; no link makes
    # an owner.
    ResetRuntime: Role.OWNER,
    ResetAllRuntimes: Role.OWNER,
    ChooseRuntime: Role.EDITOR,
    AttachRuntime: Role.OWNER,
    DetachRuntime: Role.OWNER,
    Compare: Role.VIEWER,
    Invoke: Role.RUNNER,
    ColabReply: Role.RUNNER,
}

MAX_CODE_CHARS: Final = 1 << 20
MAX_COMPARED: Final = 100
_MAX_FUNCTION_NAME: Final = 1000
_MAX_STATE_BYTES: Final = 64 << 10
_MAX_WORD_CHARS: Final = 2000
_SPEC_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_GPUS: Final = re.compile(r"|any|\d{1,2}|0?\.\d{1,3}")
_SIZE: Final = re.compile(r"|\d{1,6}(\.\d{1,3})? ?([KMGT]i?B?)?")
_CPUS: Final = re.compile(r"|\d{1,3}(\.\d{1,2})?")


def parse_command(value: object) -> Command:
    """A decoded JSON value as a Command; unknown keys are ignored. Raises BadCommand."""
    if not isinstance(value, Mapping):
        raise BadCommand("A command is a JSON object with a 'type'.")
    kind = value.get("type")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise BadCommand(f"There is no command {kind!r:.60}; the commands are {', '.join(_PARSERS)}.")
    return parser(value)


def stamped(command: Command, connection: str) -> Command:
    """With the Connection it came by, where that matters."""
    if isinstance(command, (RunCells, Invoke, ColabReply)):
        return replace(command, connection=connection)
    return command


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


def _compare(value: Mapping[object, object]) -> Compare:
    text = value.get("state")
    try:
        state = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        state = b""
    if not 0 < len(state) <= _MAX_STATE_BYTES:
        raise BadCommand("'state' is a state vector in base64.")
    sources = _sources(value)
    if len(sources) > MAX_COMPARED:
        raise BadCommand(f"'sources' names {len(sources)} cells; at most {MAX_COMPARED} are compared at once.")
    return Compare(state, sources)


def _text(value: Mapping[object, object], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise BadCommand(f"'{key}' is a string.")
    if len(text) > MAX_CODE_CHARS:
        raise BadCommand(f"'{key}' is longer than {MAX_CODE_CHARS} characters.")
    return text


def _parse_json(text: str) -> object:
    """Raises ValueError, also for what is nested too deeply and for numbers that JSON does not know."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _json_text(value: Mapping[object, object], key: str, kind: type) -> str:
    text = _text(value, key)
    try:
        found = _parse_json(text)
    except ValueError:
        found = None
    if not isinstance(found, kind):
        raise BadCommand(f"'{key}' is the JSON text of {'a list' if kind is list else 'an object'}.")
    return text


def _invoke(value: Mapping[object, object]) -> Invoke:
    name = _text(value, "name")
    if len(name) > _MAX_FUNCTION_NAME:
        raise BadCommand(f"'name' is longer than {_MAX_FUNCTION_NAME} characters.")
    args, kwargs = _json_text(value, "args", list), _json_text(value, "kwargs", dict)
    return Invoke(_number(value, "request"), CellId(_text(value, "cell")), name, args, kwargs)


def _colab_reply(value: Mapping[object, object]) -> ColabReply:
    if "error" in value:
        return ColabReply(_number(value, "reply"), None, _text(value, "error")[:_MAX_WORD_CHARS])
    text = _text(value, "value")
    try:
        _parse_json(text)
    except ValueError as error:
        raise BadCommand("'value' is a JSON text.") from error
    return ColabReply(_number(value, "reply"), text)


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


def _wish(value: Mapping[object, object], key: str, form: re.Pattern[str], words: str) -> str:
    wish = value.get(key, "")
    if not isinstance(wish, str) or not form.fullmatch(wish):
        raise BadCommand(f"'{key}' is {words}.")
    return wish


def _word(value: Mapping[object, object], key: str) -> str:
    """The message does not repeat it: it may be a secret."""
    word = value.get(key, "")
    if not isinstance(word, str) or len(word) > _MAX_WORD_CHARS or not word.isprintable():
        raise BadCommand(f"'{key}' is a line of at most {_MAX_WORD_CHARS} characters.")
    return word.strip()


_PARSERS: Final[dict[str, Callable[[Mapping[object, object]], Command]]] = {
    "run_cells": lambda v: RunCells(_cells(v), _sources(v)),
    "cancel_runs": lambda v: CancelRuns(_cells(v)),
    "interrupt": lambda v: Interrupt(),
    "restart": lambda v: Restart(_flag(v, "run_all"), _flag(v, "clear_outputs")),
    "start_runtime": lambda v: StartRuntime(),
    "shut_down_runtime": lambda v: ShutDownRuntime(),
    "clear_outputs": lambda v: ClearOutputs(_cells(v)),
    "answer_input": lambda v: AnswerInput(CellId(_text(v, "cell")), _text(v, "value")),
    "extend_runtime": lambda v: ExtendRuntime(),
    "reset_runtime": lambda v: ResetRuntime(_flag(v, "folder")),
    "reset_all_runtimes": lambda v: ResetAllRuntimes(_flag(v, "folder")),
    "choose_runtime": lambda v: ChooseRuntime(
        _wish(v, "kernel", _SPEC_NAME, "the name of a kernelspec"),
        _wish(v, "gpus", _GPUS, "a number of GPUs, a share such as 0.25, or any"),
        _wish(v, "gpu_memory", _SIZE, "a size such as 4GiB"),
        _wish(v, "memory", _SIZE, "a size such as 4GiB"),
        _wish(v, "cpus", _CPUS, "a number such as 2 or 0.5"),
        _flag(v, "venv"),
        _flag(v, "restart"),
    ),
    "attach_runtime": lambda v: AttachRuntime(_word(v, "url"), _word(v, "token")),
    "detach_runtime": lambda v: DetachRuntime(),
    "compare": _compare,
    "invoke": _invoke,
    "colab_reply": _colab_reply,
    "complete": lambda v: Complete(_number(v, "request"), _text(v, "code"), _number(v, "cursor")),
    "inspect": lambda v: Inspect(
        _number(v, "request"), _text(v, "code"), _number(v, "cursor"), 1 if v.get("detail") == 1 else 0
    ),
}
