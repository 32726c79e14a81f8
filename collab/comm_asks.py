"""What browsers send in COMM frames: a closed union, parsed here at the edge. Sending to the kernel takes the role of a
runner, reading models anybody's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from collab.model import CellId
from collab.wire import BadFrame, CommFrame

MAX_IDS: Final = 1_000
_ID: Final = re.compile(r"[!-~]{1,128}")
_TARGET: Final = re.compile(r"[^\x00-\x1f]{1,200}")


@dataclass(frozen=True, slots=True)
class ModelsWanted:
    """The state of these models and of all that they name; answered with the same `request`."""

    request: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommSent:
    """A comm message for the kernel. `id` is its msg_id, of the sender's choice (outputs.md W4); what comes of it is
    shown in `cell`."""

    kind: Literal["comm_open", "comm_msg", "comm_close"]
    comm: str
    id: str
    cell: CellId
    data: Mapping[str, Any]
    buffers: tuple[bytes, ...]
    target: str = ""


CommAsk = ModelsWanted | CommSent


def parse_comm(frame: CommFrame) -> CommAsk:
    """Raises BadFrame."""
    header = frame.header
    if not isinstance(header, dict):
        raise BadFrame("The header of a comm message is an object.")
    kind = header.get("type")
    if kind == "models":
        ids = header.get("models")
        request = header.get("request")
        if not isinstance(ids, list) or len(ids) > MAX_IDS or not isinstance(request, int) or frame.buffers:
            raise BadFrame(f"Models are asked for by a number and at most {MAX_IDS:,} ids.")
        return ModelsWanted(request, tuple(_id(item, "model") for item in ids))
    if kind not in ("comm_open", "comm_msg", "comm_close"):
        raise BadFrame(f"There is no comm message '{kind!s:.40}'.")
    data = header.get("data")
    target = header.get("target", "")
    if not isinstance(data, dict):
        raise BadFrame("The data of a comm message is an object.")
    if not isinstance(target, str) or (kind == "comm_open" and _TARGET.fullmatch(target) is None):
        raise BadFrame("A comm is opened for a target.")
    comm, id, cell = (_id(header.get(key), key) for key in ("comm", "id", "cell"))
    return CommSent(kind, comm, id, CellId(cell), data, frame.buffers, target)


def _id(value: object, what: str) -> str:
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise BadFrame(f"The {what} of a comm message is no id.")
    return value
