"""Messages of Jupyter kernels as typed values. Nothing a kernel sends raises: bad input becomes something visible.

Foreign JSON passes `sanitise` before it comes near the document (crdt.md section 11).
"""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from collab.model import MAX_JSON_DEPTH
from collab.notebook import clean

_MAX_SAFE: Final = 2**53
_MAX_TAGS: Final = 100
_MAX_TAG_CHARS: Final = 200
_TOO_DEEP: Final = "[nested too deeply]"
# Python refuses to write longer numbers out (sys.set_int_max_str_digits).
_MAX_NUMBER_BITS: Final = 8192
_OUTPUTS: Final = ("stream", "display_data", "update_display_data", "execute_result", "error")
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
    """With `tags` only the outputs that carry each of them."""

    wait: bool
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tags:
    """Those that outputs carry from now on change (outputs.md section 10)."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


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
class Comm:
    """What is in it is read by `comms`, buffers and all."""

    kind: Literal["comm_open", "comm_msg", "comm_close"]


@dataclass(frozen=True, slots=True)
class CommInfo:
    """Reply of the kernel: which comms there are."""

    comms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other:
    type: str


KernelEvent: TypeAlias = (
    Stream | Display | Result | Failure | Clear | Tags | Started | Status | Prompt | Reply | Comm | CommInfo | Other
)


def to_event(message: Mapping[str, object]) -> KernelEvent:
    """`message` has `header` and `content`, decoded."""
    kind = _text(_mapping(message.get("header")).get("msg_type"))
    content = _mapping(message.get("content"))
    if kind in _OUTPUTS:
        given = message.get("content")
        if not isinstance(given, Mapping):
            return Failure("BadMessage", f"The kernel sent a {kind} whose content is {_name(given)}; it was left out.")
        return _output(kind, content)
    match kind:
        case "clear_output":
            return Clear(content.get("wait") is True, _tags(content.get("output_tags")))
        case "execute_input":
            return Started(_count(content.get("execution_count")))
        case "status":
            return Status(_text(content.get("execution_state")))
        case "input_request":
            return Prompt(_text(content.get("prompt")), content.get("password") is True)
        case "execute_reply":
            ename, evalue = _text(content.get("ename")), _text(content.get("evalue"))
            return Reply(_text(content.get("status")) or "error", _count(content.get("execution_count")), ename, evalue)
        case "comm_open" | "comm_msg" | "comm_close":
            return Comm(kind)
        case "comm_info_reply":
            return CommInfo(tuple(_key(comm) for comm in _mapping(content.get("comms"))))
        case _:
            return Other(kind)


def _output(kind: str, content: Mapping[str, object]) -> KernelEvent:
    match kind:
        case "stream":
            text = content.get("text")
            return Stream("stderr" if content.get("name") == "stderr" else "stdout", _left_out(text) or _text(text))
        case "error":
            return Failure(
                _text(content.get("ename")), _text(content.get("evalue")), _traceback(content.get("traceback"))
            )
        case _:
            area = _mapping(_mapping(content.get("metadata")).get("outputarea"))
            if area.get("nodisplay") is True:
                return Tags(_tags(area.get("add_tags")), _tags(area.get("remove_tags")))
            data, metadata = bundle(content.get("data")), metadata_json(content.get("metadata"))
            display_id = _text(_mapping(content.get("transient")).get("display_id"))
            if kind == "execute_result":
                return Result(data, metadata, display_id, _count(content.get("execution_count")))
            return Display(data, metadata, display_id, kind == "update_display_data")


def parent_id(message: Mapping[str, object]) -> str:
    return _text(_mapping(message.get("parent_header")).get("msg_id"))


def message_id(message: Mapping[str, object]) -> str:
    return _text(_mapping(message.get("header")).get("msg_id"))


def bundle(value: object) -> dict[str, str]:
    """A mime bundle with values as the schema has them: text, base64 in one line, JSON text."""
    if not isinstance(value, Mapping):
        return {"text/plain": f"[A display whose data is {_name(value)}, not a mime bundle]"}
    return {mime: _value(mime, item) for mime, item in ((_key(key), item) for key, item in value.items())}


def _value(mime: str, item: object) -> str:
    if is_json(mime):
        return to_json(item, exact=True)
    if is_base64(mime):
        return base64.b64encode(item).decode() if isinstance(item, bytes) else "".join(_text(item).split())
    if isinstance(item, Mapping):
        return to_json(item)
    return _left_out(item) or _text(item)


def is_json(mime: str) -> bool:
    return mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))


def is_base64(mime: str) -> bool:
    """Types that nbformat keeps as base64."""
    return mime in _BASE64 or (mime.startswith(("image/", "audio/", "video/")) and mime != "image/svg+xml")


def metadata_json(value: object) -> str:
    """An output's metadata as JSON text, always of an object."""
    if value is None or isinstance(value, Mapping):
        return to_json(value or {})
    return to_json({"note": f"[metadata that is {_name(value)} left out]"})


def to_json(value: object, exact: bool = False) -> str:
    """JSON text; `exact` keeps whole numbers of any size, as they are stored as text anyway."""
    return json.dumps(sanitise(value, exact), ensure_ascii=False, allow_nan=False)


def sanitise(value: object, exact: bool = False, depth: int = 0) -> object:
    """JSON that pycrdt and browsers can take; what cannot be kept is replaced by a note or by null."""
    match value:
        case None | bool():
            return value
        case str():
            return clean(value)
        case int():
            return value if abs(value) <= _MAX_SAFE or (exact and _is_writable(value)) else _digits(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping() | list() | tuple() if depth >= MAX_JSON_DEPTH:
            return _TOO_DEEP
        case Mapping():
            return {_key(key): sanitise(item, exact, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [sanitise(item, exact, depth + 1) for item in value]
        case _:
            return f"[{_name(value)} left out]"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    """Old kernels send lists of lines."""
    if isinstance(value, (list, tuple)):
        return clean("".join(part if isinstance(part, str) else _scalar(part) for part in value))
    return _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return clean(value)
        case bool() | float():
            return str(value)
        case int():
            return _digits(value)
        case _:
            return f"[{_name(value)} left out]"


def _left_out(value: object) -> str:
    """What stands where a text should be and there is none."""
    return "[null left out]" if value is None else ""


def _key(value: object) -> str:
    return _scalar(value) or str(value)


def _tags(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, (list, tuple)) else [value] if isinstance(value, str) else []
    return tuple(clean(name)[:_MAX_TAG_CHARS] for name in names[:_MAX_TAGS] if isinstance(name, str))


def _traceback(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(_text(line) for line in value) if isinstance(value, (list, tuple)) else (_text(value),)


def _is_writable(value: int) -> bool:
    return value.bit_length() <= _MAX_NUMBER_BITS


def _digits(value: int) -> str:
    return str(value) if _is_writable(value) else f"[a number of {value.bit_length()} bits left out]"


def _name(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_SAFE else None
