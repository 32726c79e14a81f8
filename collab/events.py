"""Events: what the server tells browsers. A closed union; the JSON is the fields plus `type`."""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Final, Literal

from collab.model import CellId, NotebookId, Role, RuntimeStatus, User, UserId
from collab.usage import HeldGpu, KernelUsage, Limits, MachineUsage, NoticeKind


@dataclass(frozen=True, slots=True)
class Joined:
    """First event on every socket: who you are here, and which life of the notebook this is."""

    notebook: NotebookId
    epoch: int
    user: User
    role: Role


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The first `frames` update frames (STEP2 and UPDATE) of this socket are durable."""

    frames: int


@dataclass(frozen=True, slots=True)
class CannotSave:
    """The store refuses to commit; nothing is lost in the browser, and saving is tried again."""

    reason: str


@dataclass(frozen=True, slots=True)
class RoleChanged:
    role: Role


@dataclass(frozen=True, slots=True)
class Renamed:
    """This person's own name as the server now stamps it."""

    user: User


@dataclass(frozen=True, slots=True)
class RuntimeChanged:
    """State of the shared Runtime. `kernel` is its display name, `session` changes with every fresh kernel,
    `reason` says why it is dead, reconnecting or still starting, `by` who asked for an interrupt or restart.

    `stops_at` (ISO 8601) is when it ends unless somebody does something, empty when that is not near; `stops_why` says
    what for, and only the idle end can be put off. `attached` is the address of the Jupyter server that somebody else
    runs. `place` is the place in the line for a GPU, 1 for who is next, 0 for who does not wait."""

    status: RuntimeStatus
    kernel: str = ""
    session: str = ""
    reason: str = ""
    by: str = ""
    stops_at: str = ""
    stops_why: Literal["", "idle", "lifetime"] = ""
    attached: str = ""
    place: int = 0


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """Cells that wait for the Runtime, first in line first; the running cell is not among them. Of a long line the
    first hundred are told; `more` wait behind them."""

    cells: tuple[CellId, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A command was not carried out; `reason` is one sentence for the person who sent it."""

    reason: str
    request: int | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Completions:
    """Offsets count code points of the code that was sent."""

    request: int
    matches: tuple[str, ...]
    start: int
    end: int
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """`text` is plain text with ANSI colours; empty when nothing was found."""

    request: int
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something everyone in the notebook should read once, such as who restarted the runtime."""

    text: str
    user: UserId | None = None


@dataclass(frozen=True, slots=True)
class RuntimeUsage:
    """Once a second while somebody looks: what the Notebook's kernel uses, what it may use, the GPUs it holds, and
    the machine it is on. Only gateways of ours say it; any of it may be absent."""

    kernel: KernelUsage | None = None
    limits: Limits | None = None
    gpus: tuple[HeldGpu, ...] = ()
    machine: MachineUsage | None = None


@dataclass(frozen=True, slots=True)
class RuntimeNotice:
    """The gateway has something to say to everyone: a limit was reached, the end is near, the kernel died or was
    ended. `text` is one sentence."""

    kind: NoticeKind
    text: str
    stops_at: str = ""


@dataclass(frozen=True, slots=True)
class Differs:
    """These cells read otherwise here than where they were compared, under the same state: the server's count."""

    cells: tuple[CellId, ...]


@dataclass(frozen=True, slots=True)
class ColabAsked:
    """To the one tab of who ran the cell: its code asks the page for something, and waits for a `colab_reply` command
    of this number. `text` is a script to evaluate in the cell's frame, the code of a cell to add, or the name of a
    secret that the Notebook may not read yet. The page acts once its document has `clock` updates of `client`, the
    server's own: whatever the cell showed before stands there by then."""

    number: int
    cell: CellId
    kind: Literal["eval", "scratch_cell", "secret"]
    text: str
    client: str
    clock: int


@dataclass(frozen=True, slots=True)
class Invoked:
    """What a function of the kernel's gave: a mime bundle and its metadata as JSON texts, or why it failed."""

    request: int
    status: Literal["ok", "error"]
    data: str
    metadata: str
    error: str


Event = (
    Joined
    | Acknowledged
    | CannotSave
    | RoleChanged
    | Renamed
    | RuntimeChanged
    | QueueChanged
    | Refused
    | Completions
    | Inspection
    | Notice
    | RuntimeUsage
    | RuntimeNotice
    | Differs
    | ColabAsked
    | Invoked
)

EVENT_TYPES: Final[dict[type[Event], str]] = {
    Joined: "joined",
    Acknowledged: "acknowledged",
    CannotSave: "cannot_save",
    RoleChanged: "role_changed",
    Renamed: "renamed",
    RuntimeChanged: "runtime_changed",
    QueueChanged: "queue_changed",
    Refused: "refused",
    Completions: "completions",
    Inspection: "inspection",
    Notice: "notice",
    RuntimeUsage: "runtime_usage",
    RuntimeNotice: "runtime_notice",
    Differs: "differs",
    ColabAsked: "colab_asked",
    Invoked: "invoked",
}


def event_json(event: Event) -> str:
    """ASCII JSON, e.g. `{"type": "acknowledged", "frames": 3}`."""
    body: dict[str, object] = {"type": EVENT_TYPES[type(event)]}
    body |= {item.name: _plain(getattr(event, item.name)) for item in fields(event)}
    return json.dumps(body)


def _plain(value: object) -> object:
    match value:
        case Role():
            return value.word
        case User():
            return user_json(value)
        case tuple():
            return [_plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        case _:
            return value


def user_json(user: User) -> dict[str, object]:
    """What browsers see of a User; presence states carry the same object plus `role`."""
    return {"id": user.id, "name": user.name, "color": user.color, "guest": user.guest}
