"""Frames of the one WebSocket: kinds 0 sync and 1 awareness as y-websocket speaks them, 100 command, 101 event,
102 comm: a JSON header and binary buffers, both ways.

Pure functions from bytes to values and back. Every length is checked against what is left of the frame:
pycrdt's own decoder returns a short slice without complaint (crdt.md X8).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collab.events import Event, event_json
from collab.model import MAX_JSON_DEPTH

SYNC: Final = 0
AWARENESS: Final = 1
QUERY_AWARENESS: Final = 3
COMMAND: Final = 100
EVENT: Final = 101
COMM: Final = 102

STEP1: Final = 0
STEP2: Final = 1
UPDATE: Final = 2

# Final for a y-websocket client when between 4400 and 4499; anything else means: try again.
CLOSE_MALFORMED: Final = 4400
CLOSE_SIGN_IN: Final = 4401
CLOSE_FORBIDDEN: Final = 4403
CLOSE_NO_NOTEBOOK: Final = 4404
CLOSE_WRONG_EPOCH: Final = 4409
CLOSE_TOO_LARGE: Final = 4413
CLOSE_REFUSED: Final = 4422
CLOSE_FAILED: Final = 1011
CLOSE_RESTARTING: Final = 1012
CLOSE_BUSY: Final = 1013

MAX_COMM_BUFFERS: Final = 10_000

# More brackets than any command, presence state or notebook's metadata has.
_MAX_BRACKETS: Final = 100_000
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


class BadFrame(ValueError):
    """Bytes that are no frame of ours; the message says why, for the close reason."""


@dataclass(frozen=True, slots=True)
class SyncStep1:
    state_vector: bytes


@dataclass(frozen=True, slots=True)
class SyncStep2:
    update: bytes


@dataclass(frozen=True, slots=True)
class SyncUpdate:
    update: bytes


@dataclass(frozen=True, slots=True)
class Presence:
    """One client's state; None means that it left."""

    client: int
    clock: int
    state: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class AwarenessFrame:
    clients: tuple[Presence, ...]


@dataclass(frozen=True, slots=True)
class QueryAwareness:
    pass


@dataclass(frozen=True, slots=True)
class CommandFrame:
    value: object


@dataclass(frozen=True, slots=True)
class CommFrame:
    """`header` is read by `comm_asks`."""

    header: object
    buffers: tuple[bytes, ...]


Frame = SyncStep1 | SyncStep2 | SyncUpdate | AwarenessFrame | QueryAwareness | CommandFrame | CommFrame


def parse_frame(data: bytes) -> Frame:
    """Raises BadFrame for anything that is not exactly one whole frame a browser may send."""
    reader = _Reader(data)
    kind = reader.varuint()
    if kind == SYNC:
        sub = reader.varuint()
        payload = reader.varbytes()
        reader.end()
        match sub:
            case 0:
                _check_count(payload, 2)  # client and clock
                return SyncStep1(payload)
            case 1:
                _check_count(payload, 3)  # number of structs, client and clock
                return SyncStep2(payload)
            case 2:
                _check_count(payload, 3)
                return SyncUpdate(payload)
            case _:
                raise BadFrame(f"Sync message {sub} does not exist.")
    if kind == AWARENESS:
        inner = _Reader(reader.varbytes())
        reader.end()
        count = inner.varuint()
        clients = tuple(inner.presence() for _ in range(min(count, len(data))))
        inner.end()
        return AwarenessFrame(clients)
    if kind == QUERY_AWARENESS:
        reader.end()
        return QueryAwareness()
    if kind == COMMAND:
        # The JSON comes as a lib0 varString; a script may send it bare. `{{` begins no JSON, so this cannot clash.
        rest = reader.rest()
        if rest[:1] == b"{" and rest[1:2] != b"{":
            return CommandFrame(parse_json(rest))
        text = reader.varbytes()
        reader.end()
        return CommandFrame(parse_json(text))
    if kind == COMM:
        header = parse_json(reader.varbytes())
        count = reader.varuint()
        if count > MAX_COMM_BUFFERS:
            raise BadFrame(f"A comm message has at most {MAX_COMM_BUFFERS:,} buffers.")
        buffers = tuple(reader.varbytes() for _ in range(count))
        reader.end()
        return CommFrame(header, buffers)
    raise BadFrame(f"Frame kind {kind} does not exist.")


def _check_count(payload: bytes, least: int) -> None:
    """pycrdt makes room for as many clients as a payload claims to have: five bytes could cost half a gigabyte."""
    inner = _Reader(payload)
    if inner.varuint() * least > len(inner.rest()):
        raise BadFrame("A count in the frame is larger than the frame.")


def parse_json(text: bytes) -> object:
    """JSON of at most MAX_JSON_DEPTH levels that JavaScript can read, without lone surrogates. Raises BadFrame."""
    brackets = text.translate(None, _NO_BRACKETS)
    if len(brackets) > _MAX_BRACKETS:
        raise BadFrame("The JSON has too many parts.")
    depth = 0
    for bracket in brackets:  # an upper bound: brackets inside strings count too
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            raise BadFrame(f"JSON is nested deeper than {MAX_JSON_DEPTH} levels.")
    try:
        value: object = json.loads(text)
        # Python reads NaN and 1e999 and would send them on as what no browser can parse.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, UnicodeError, RecursionError) as error:
        raise BadFrame("The payload is not valid JSON.") from error
    return value


def sync_step1(state_vector: bytes) -> bytes:
    return bytes((SYNC, STEP1)) + varbytes(state_vector)


def sync_step2(update: bytes) -> bytes:
    return bytes((SYNC, STEP2)) + varbytes(update)


def sync_update(update: bytes) -> bytes:
    return bytes((SYNC, UPDATE)) + varbytes(update)


def awareness(clients: Iterable[Presence]) -> bytes:
    """JSON is ASCII-escaped, so that characters and bytes count the same (crdt.md P21)."""
    parts = [
        varuint(item.client) + varuint(item.clock) + varbytes(json.dumps(item.state).encode("ascii"))
        for item in clients
    ]
    return bytes((AWARENESS,)) + varbytes(varuint(len(parts)) + b"".join(parts))


def event_frame(event: Event) -> bytes:
    return bytes((EVENT,)) + varbytes(event_json(event).encode("ascii"))


def comm_frame(header: Mapping[str, object], buffers: Sequence[bytes] = ()) -> bytes:
    text = json.dumps(header, ensure_ascii=False).encode()
    return bytes((COMM,)) + varbytes(text) + varuint(len(buffers)) + b"".join(map(varbytes, buffers))


def varuint(number: int) -> bytes:
    """lib0's variable-length unsigned integer."""
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)


def varbytes(data: bytes) -> bytes:
    return varuint(len(data)) + data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def varuint(self) -> int:
        number = shift = 0
        while True:
            if self._at >= len(self._data):
                raise BadFrame("The frame ends in the middle of a number.")
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if number >= 2**53:
                    raise BadFrame("A number in the frame is too large.")
                return number
            if shift > 56:
                raise BadFrame("A number in the frame is too long.")

    def varbytes(self) -> bytes:
        length = self.varuint()
        if length > len(self._data) - self._at:
            raise BadFrame("A length in the frame is larger than the frame.")
        self._at += length
        return self._data[self._at - length : self._at]

    def presence(self) -> Presence:
        client, clock = self.varuint(), self.varuint()
        state = parse_json(self.varbytes())
        if state is not None and not isinstance(state, dict):
            raise BadFrame("A presence state is a JSON object or null.")
        return Presence(client, clock, state)

    def rest(self) -> bytes:
        return self._data[self._at :]

    def end(self) -> None:
        if self._at != len(self._data):
            raise BadFrame("The frame has bytes after its end.")
