"""Kernel messages on a WebSocket, in both of Jupyter's codecs, and as ZMQ parts. Pure functions.

Header, parent header, metadata and content stay the bytes they came as; only the header is read.
`v1.kernel.websocket.jupyter.org` is always binary and little-endian; the older codec is JSON text, and binary with a
big-endian table when there are buffers (kernels.md H3, H4).
"""

import itertools
import json
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

V1: Final = "v1.kernel.websocket.jupyter.org"
CHANNELS: Final = ("shell", "control", "stdin", "iopub")
_MAX_PARTS: Final = 10_000
_NEEDED: Final = {"username": "", "session": "", "version": "5.3"}


class BadMessage(ValueError):
    """Bytes that are no message; the text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """The four JSON parts are UTF-8 bytes as the sender wrote them."""

    channel: str
    header: bytes
    parent: bytes
    metadata: bytes
    content: bytes
    buffers: tuple[bytes, ...] = ()
    id: str = field(default="", compare=False)
    type: str = field(default="", compare=False)
    parent_id: str = field(default="", compare=False)
    parent_type: str = field(default="", compare=False)

    @property
    def size(self) -> int:
        return (
            len(self.header) + len(self.parent) + len(self.metadata) + len(self.content) + sum(map(len, self.buffers))
        )

    def part(self, name: str) -> dict[str, object]:
        """`content`, `metadata`, `header` or `parent` decoded; empty when it is no object."""
        return _object(getattr(self, name))


@dataclass(frozen=True, slots=True)
class Encoded:
    """A message in the form of v1, by a side of ours: who passes it on in that form need not read it."""

    data: bytes

    @property
    def channel(self) -> str:
        start, stop = struct.unpack_from("<2Q", self.data, 8)
        return self.data[start:stop].decode()

    def decode(self) -> Message:
        """Raises BadMessage."""
        return decode_parts(self.data)


def message(
    channel: str, header: bytes, parent: bytes, metadata: bytes, content: bytes, buffers: tuple[bytes, ...] = ()
) -> Message:
    """Raises BadMessage when the header is not one."""
    head = _object(header)
    above = _object(parent)
    id, kind = head.get("msg_id"), head.get("msg_type")
    if not isinstance(id, str) or not isinstance(kind, str):
        raise BadMessage("A message's header has a msg_id and a msg_type.")
    parent_id, parent_type = above.get("msg_id"), above.get("msg_type")
    return Message(
        channel,
        header,
        parent if above else b"{}",
        metadata or b"{}",
        content or b"{}",
        buffers,
        id,
        kind,
        parent_id if isinstance(parent_id, str) else "",
        parent_type if isinstance(parent_type, str) else "",
    )


def decode_v1(data: bytes) -> Message:
    """Raises BadMessage."""
    item = decode_parts(data)
    for part in (item.metadata, item.content):
        _check_json(part)
    return item


def decode_parts(data: bytes) -> Message:
    """As `decode_v1`, of one who has checked what it sends. Raises BadMessage."""
    if len(data) < 8:
        raise BadMessage("The frame is too short.")
    (count,) = struct.unpack_from("<Q", data)
    if not 6 <= count <= _MAX_PARTS or len(data) < 8 * (count + 1):
        raise BadMessage("The frame's table does not fit.")
    offsets = struct.unpack_from(f"<{count}Q", data, 8)
    if offsets[0] != 8 * (count + 1) or list(offsets) != sorted(offsets) or offsets[-1] > len(data):
        raise BadMessage("The frame's offsets do not fit.")
    parts = [data[start:stop] for start, stop in itertools.pairwise(offsets)]
    channel = parts[0].decode("utf-8", "replace") or "shell"
    return message(channel, parts[1], parts[2], parts[3], parts[4], tuple(parts[5:]))


def encode_v1(item: Message) -> bytes:
    parts = (item.channel.encode(), item.header, item.parent, item.metadata, item.content, *item.buffers)
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def decode_legacy(data: bytes | str) -> Message:
    """Raises BadMessage."""
    buffers: tuple[bytes, ...] = ()
    if isinstance(data, bytes):
        if len(data) < 4:
            raise BadMessage("The frame is too short.")
        (count,) = struct.unpack_from("!I", data)
        if not 1 <= count <= _MAX_PARTS or len(data) < 4 * (count + 1):
            raise BadMessage("The frame's table does not fit.")
        offsets = [*struct.unpack_from(f"!{count}I", data, 4), len(data)]
        if offsets != sorted(offsets):
            raise BadMessage("The frame's offsets do not fit.")
        text, *rest = (data[start:stop] for start, stop in itertools.pairwise(offsets))
        buffers = tuple(rest)
    else:
        text = data.encode("utf-8", "replace")
    value = _object(text)
    if not isinstance(value.get("header"), dict):
        raise BadMessage("A message has a header.")
    channel = value.get("channel")
    header, parent, metadata, content = (
        _bytes(value.get(key)) for key in ("header", "parent_header", "metadata", "content")
    )
    channel = channel if isinstance(channel, str) and channel else "shell"
    return message(channel, header, parent, metadata, content, buffers)


def encode_legacy(item: Message, binary: bool = True) -> bytes | str:
    """JSON text, or binary when there are buffers; with `binary` false the buffers are left out."""
    text = (
        b'{"channel": ' + json.dumps(item.channel).encode()
        + b', "header": ' + item.header
        + b', "parent_header": ' + item.parent
        + b', "metadata": ' + item.metadata
        + b', "content": ' + item.content
        + b', "buffers": [], "msg_id": ' + json.dumps(item.id).encode()
        + b', "msg_type": ' + json.dumps(item.type).encode() + b"}"
    )  # fmt: skip
    if not item.buffers or not binary:
        return text.decode("utf-8", "replace")
    parts = (text, *item.buffers)
    offsets = [4 * (len(parts) + 1)]
    for part in parts[:-1]:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"!{len(parts) + 1}I", len(parts), *offsets) + b"".join(parts)


def completed(item: Message) -> Message:
    """A client's message with all that kernels want of a header: they drop one that lacks it, and answer nothing. So
    they do with one whose signature they have seen, as those of clients without a clock may have.
    Raises BadMessage for halves of characters, which JSON can spell and no kernel can answer to."""
    head = item.part("header")
    needed = _NEEDED | {"date": datetime.now(UTC).isoformat()}
    lacking = {key: value for key, value in needed.items() if not isinstance(head.get(key), str)}
    if b"\\u" in item.header:
        try:
            json.dumps(head, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise BadMessage("A message's header is text, without halves of characters.") from error
    return replace(item, header=json.dumps(head | lacking).encode()) if lacking else item


def _check_json(data: bytes) -> None:
    """Raises BadMessage: a kernel answers nothing to what it cannot read, and the client would wait for ever."""
    try:
        json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadMessage("A message's parts are JSON.") from error


def _object(data: bytes) -> dict[str, object]:
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _bytes(value: object) -> bytes:
    return json.dumps(value if isinstance(value, dict) else {}).encode()
