"""The frames of Jupyter's kernel WebSocket: ours go out as v1, and both forms are read (kernels.md H3, H4)."""

import json
import logging
import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from collab.runtime import KernelMessage

log = logging.getLogger(__name__)

V1: Final = "v1.kernel.websocket.jupyter.org"


def encode(
    channel: str, header: Mapping[str, object], content: Mapping[str, object], buffers: Sequence[bytes] = ()
) -> bytes:
    """A v1 frame."""
    parts = (channel.encode(), *(json.dumps(part).encode() for part in (header, {}, {}, content)), *buffers)
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def encode_older(
    channel: str, header: Mapping[str, object], content: Mapping[str, object], buffers: Sequence[bytes] = ()
) -> bytes | str:
    """The older form, for servers that do not know v1; binary when there are buffers."""
    value = {"channel": channel, "header": header, "parent_header": {}, "metadata": {}, "content": content}
    text = json.dumps(value | {"buffers": []})
    if not buffers:
        return text
    parts = (text.encode(), *buffers)
    offsets = [4 * (len(parts) + 1)]
    for part in parts[:-1]:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"!{len(offsets) + 1}I", len(parts), *offsets) + b"".join(parts)


def decode(frame: bytes | str, v1: bool = True) -> KernelMessage | None:
    """None for what is no message. Binary frames of servers without v1 are of the older form, with buffers behind."""
    try:
        buffers: tuple[bytes, ...] = ()
        if isinstance(frame, bytes) and not v1:
            text, *rest = _older_parts(frame)
            frame, buffers = text.decode(), tuple(rest)
        if isinstance(frame, str):
            value = json.loads(frame)
            header, parent = value.get("header"), value.get("parent_header")
            content, metadata = value.get("content"), value.get("metadata")
            return _message(value.get("channel"), header, parent, content, metadata, buffers)
        (count,) = struct.unpack_from("<Q", frame)
        if not 6 <= count <= 10_000:
            return None
        offsets = struct.unpack_from(f"<{count}Q", frame, 8)
        parts = [frame[start:stop] for start, stop in pairwise(offsets)]
        header, parent, content = json.loads(parts[1]), json.loads(parts[2]), _content(parts[4])
        return _message(parts[0].decode(), header, parent, content, _content(parts[3]), tuple(parts[5:]))
    except (ValueError, struct.error, AttributeError, RecursionError) as error:
        log.warning("A message of the gateway cannot be read", extra={"reason": str(error)})
        return None


def _older_parts(frame: bytes) -> list[bytes]:
    """Its JSON, and the buffers behind."""
    (count,) = struct.unpack_from("!I", frame)
    offsets = struct.unpack_from(f"!{count}I", frame, 4) if 1 <= count <= len(frame) // 4 else (0,)
    return [frame[start:stop] for start, stop in pairwise((*offsets, len(frame)))]


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


def _message(
    channel: object, header: object, parent: object, content: object, metadata: object, buffers: tuple[bytes, ...]
) -> KernelMessage:
    name = channel if isinstance(channel, str) else "shell"
    return KernelMessage(name, _mapping(header), _mapping(parent), content, _mapping(metadata), buffers)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
