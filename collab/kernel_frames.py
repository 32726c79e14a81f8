"""The frames of Jupyter's kernel WebSocket: ours go out as v1, and both forms are read (kernels.md H3, H4)."""

import json
import logging
import struct
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from collab.runtime import KernelMessage

log = logging.getLogger(__name__)

V1: Final = "v1.kernel.websocket.jupyter.org"


def encode(channel: str, header: Mapping[str, object], content: Mapping[str, object]) -> bytes:
    """A v1 frame."""
    parts = (channel.encode(), *(json.dumps(part).encode() for part in (header, {}, {}, content)))
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def encode_text(channel: str, header: Mapping[str, object], content: Mapping[str, object]) -> str:
    """The older form, for servers that do not know v1."""
    value = {"channel": channel, "header": header, "parent_header": {}, "metadata": {}, "content": content}
    return json.dumps(value | {"buffers": []})


def decode(frame: bytes | str, v1: bool = True) -> KernelMessage | None:
    """None for what is no message. Binary frames of servers without v1 are of the older form, with buffers behind."""
    try:
        if isinstance(frame, bytes) and not v1:
            start, stop = _older_text(frame)
            frame = frame[start:stop].decode()
        if isinstance(frame, str):
            value = json.loads(frame)
            header, parent = value.get("header"), value.get("parent_header")
            return _message(value.get("channel"), header, parent, value.get("content"), value.get("metadata"))
        (count,) = struct.unpack_from("<Q", frame)
        if not 6 <= count <= 10_000:
            return None
        offsets = struct.unpack_from(f"<{count}Q", frame, 8)
        parts = [frame[start:stop] for start, stop in pairwise(offsets)]
        header, parent, content = json.loads(parts[1]), json.loads(parts[2]), _content(parts[4])
        return _message(parts[0].decode(), header, parent, content, _content(parts[3]))
    except (ValueError, struct.error, AttributeError, RecursionError) as error:
        log.warning("A message of the gateway cannot be read", extra={"reason": str(error)})
        return None


def _older_text(frame: bytes) -> tuple[int, int]:
    """Where its JSON stands."""
    (count,) = struct.unpack_from("!I", frame)
    (start,) = struct.unpack_from("!I", frame, 4)
    stop = struct.unpack_from("!I", frame, 8)[0] if count > 1 else len(frame)
    return start, stop


def _content(text: bytes) -> object:
    """None where it is no JSON that Python takes: who reads the message says what was left out."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    except RecursionError:
        return None
    try:  # Python refuses numbers of thousands of digits
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 1000 else digits)
    except (ValueError, RecursionError):
        return None


def _message(channel: object, header: object, parent: object, content: object, metadata: object) -> KernelMessage:
    name = channel if isinstance(channel, str) else "shell"
    return KernelMessage(name, _mapping(header), _mapping(parent), content, _mapping(metadata))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
