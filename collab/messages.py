"""Messages of Jupyter kernels as typed values. Never raises on any: bad input becomes something visible.

Foreign JSON passes `sanitise` before it comes near the document (crdt.md section 11).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from collab.model import MAX_JSON_DEPTH
from collab.notebook import clean

_MAX_SAFE: Final = 2**53
_TOO_DEEP: Final = "[nested too deeply]"
_BASE64: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "application/pdf")


@dataclass(frozen=True, slots=True)
class Stream:
    name: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class Display:
    """`display_data`, or with `update` an `update_display_data`. Values of `data` as the schema has them."""

    data: Mapping[str, str]
    metadata: str = "{}"
    display_id: str = ""
    update: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    data: Mapping[str, str]
    metadata: str = "{}"
    display_id: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clear:
    wait: bool


@dataclass(frozen=True, slots=True)
class Started:
    count: int | None


@dataclass(frozen=True, slots=True)
class Status:
    state: str


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    password: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Of an execute_request."""

    status: str
    count: int | None = None
    ename: str = ""
    evalue: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    type: str


KernelEvent: TypeAlias = Stream | Display | Result | Failure | Clear | Started | Status | Prompt | Reply | Other


def to_event(message: Mapping[str, object]) -> KernelEvent:
    """`message` has `header` and `content`, decoded."""
    kind = _text(_mapping(message.get("header")).get("msg_type"))
    content = _mapping(message.get("content"))
    match kind:
        case "stream":
            return Stream("stderr" if content.get("name") == "stderr" else "stdout", _text(content.get("text")))
        case "display_data" | "update_display_data":
            display_id = _text(_mapping(content.get("transient")).get("display_id"))
            update = kind == "update_display_data"
            return Display(bundle(content.get("data")), to_json(content.get("metadata")), display_id, update)
        case "execute_result":
            display_id = _text(_mapping(content.get("transient")).get("display_id"))
            count = _count(content.get("execution_count"))
            return Result(bundle(content.get("data")), to_json(content.get("metadata")), display_id, count)
        case "error":
            lines = content.get("traceback")
            traceback = tuple(_text(line) for line in lines) if isinstance(lines, list) else ()
            return Failure(_text(content.get("ename")), _text(content.get("evalue")), traceback)
        case "clear_output":
            return Clear(content.get("wait") is True)
        case "execute_input":
            return Started(_count(content.get("execution_count")))
        case "status":
            return Status(_text(content.get("execution_state")))
        case "input_request":
            return Prompt(_text(content.get("prompt")), content.get("password") is True)
        case "execute_reply":
            count = _count(content.get("execution_count"))
            ename, evalue = _text(content.get("ename")), _text(content.get("evalue"))
            return Reply(_text(content.get("status")) or "error", count, ename, evalue)
        case _:
            return Other(kind)


def parent_id(message: Mapping[str, object]) -> str:
    return _text(_mapping(message.get("parent_header")).get("msg_id"))


def message_id(message: Mapping[str, object]) -> str:
    return _text(_mapping(message.get("header")).get("msg_id"))


def bundle(value: object) -> dict[str, str]:
    """A mime bundle with values as the schema has them: text, base64 in one line, JSON text."""
    if not isinstance(value, Mapping):
        return {"text/plain": f"[A display whose data is {type(value).__name__}, not a mime bundle]"}
    data: dict[str, str] = {}
    for key, item in value.items():
        mime = clean(str(key))
        if is_json(mime):
            data[mime] = to_json(item, exact=True)
        elif isinstance(item, (str, list, tuple)):
            text = _text(item)
            data[mime] = "".join(text.split()) if is_base64(mime) else text
        else:
            data[mime] = to_json(item)
    return data


def is_json(mime: str) -> bool:
    return mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))


def is_base64(mime: str) -> bool:
    """Types that nbformat keeps as base64."""
    return mime in _BASE64 or (mime.startswith(("image/", "audio/", "video/")) and mime != "image/svg+xml")


def to_json(value: object, exact: bool = False) -> str:
    """JSON text; `exact` keeps whole numbers of any size, as they are stored as text anyway."""
    return json.dumps(sanitise({} if value is None and not exact else value, exact), ensure_ascii=False)


def sanitise(value: object, exact: bool = False, depth: int = 0) -> object:
    """JSON that pycrdt and browsers can take; what cannot be kept is replaced by a note or by null."""
    match value:
        case None | bool():
            return value
        case str():
            return clean(value)
        case int():
            return value if exact or abs(value) <= _MAX_SAFE else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping() | list() | tuple() if depth >= MAX_JSON_DEPTH:
            return _TOO_DEEP
        case Mapping():
            return {clean(str(key)): sanitise(item, exact, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [sanitise(item, exact, depth + 1) for item in value]
        case _:
            return f"[{type(value).__name__} left out]"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    """Old kernels send lists of lines."""
    if isinstance(value, (list, tuple)):
        return "".join(_text(part) for part in value)
    return clean(value) if isinstance(value, str) else ("" if value is None else clean(str(value)[:10_000]))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_SAFE else None
