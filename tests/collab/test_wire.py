"""Frames: what is read is what was written, and no bytes whatever bring out anything but a frame or BadFrame."""

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collab import wire
from collab.commands import BadCommand, parse_command
from collab.events import Acknowledged
from collab.model import MAX_JSON_DEPTH
from collab.wire import (
    AwarenessFrame,
    BadFrame,
    CommandFrame,
    Presence,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    parse_frame,
    parse_json,
    varbytes,
    varuint,
)

UPDATE = bytes.fromhex("0101d2a59a8b0a00040105736f75726365056869210000")
STATE_VECTOR = bytes.fromhex("0201050207")
COMMAND = {"type": "run_cells", "cells": ["a", "b"], "sources": {"a": "0" * 64}, "request": 3}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
presences = st.builds(
    Presence,
    st.integers(0, 2**53 - 1),
    st.integers(0, 2**48),
    st.none() | st.dictionaries(st.text(max_size=8), json_values, max_size=4),
)


def frames() -> list[bytes]:
    states: list[dict[str, Any] | None] = [{"cell": "a", "cursor": {"anchor": {}, "head": {}}}, None]
    return [
        wire.sync_step1(STATE_VECTOR),
        wire.sync_step2(UPDATE),
        wire.sync_update(UPDATE),
        wire.awareness([Presence(7, 1, states[0]), Presence(2**53 - 1, 2, states[1])]),
        bytes((wire.QUERY_AWARENESS,)),
        bytes((wire.COMMAND,)) + varbytes(json.dumps(COMMAND).encode()),
        bytes((wire.COMMAND,)) + json.dumps(COMMAND).encode(),
    ]


def test_what_is_read_is_what_was_written() -> None:
    assert [parse_frame(frame) for frame in frames()] == [
        SyncStep1(STATE_VECTOR),
        SyncStep2(UPDATE),
        SyncUpdate(UPDATE),
        AwarenessFrame(
            (
                Presence(7, 1, {"cell": "a", "cursor": {"anchor": {}, "head": {}}}),
                Presence(2**53 - 1, 2, None),
            )
        ),
        QueryAwareness(),
        CommandFrame(COMMAND),
        CommandFrame(COMMAND),
    ]


@given(st.lists(presences, max_size=5))
def test_presence_survives_the_way(clients: list[Presence]) -> None:
    assert parse_frame(wire.awareness(clients)) == AwarenessFrame(tuple(clients))


def test_p21_characters_and_bytes_of_presence_count_the_same() -> None:
    assert wire.awareness([Presence(1, 1, {"name": "é🙂"})]).isascii()


@given(st.integers(0, 2**53 - 1), st.binary(max_size=300))
def test_numbers_and_bytes_survive_the_way(number: int, data: bytes) -> None:
    reader = wire._Reader(varuint(number) + varbytes(data))
    assert (reader.varuint(), reader.varbytes()) == (number, data)
    reader.end()


def test_an_event_is_a_frame_of_its_own_kind_and_no_browser_may_send_one() -> None:
    frame = wire.event_frame(Acknowledged(3))
    assert frame == b"\x65" + varbytes(b'{"type": "acknowledged", "frames": 3}')
    with pytest.raises(BadFrame):
        parse_frame(frame)


@settings(max_examples=400)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\x00")
@example(b"\x64{{")
@example(b"\x01\x01\xff")
@example(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")
def test_x8_any_bytes_are_a_frame_or_a_bad_frame(data: bytes) -> None:
    assert _reason(data).endswith(".")


@settings(max_examples=600)
@given(st.sampled_from(range(7)), st.randoms(use_true_random=False))
def test_x8_a_frame_that_was_damaged_is_a_frame_or_a_bad_frame(which: int, rng: random.Random) -> None:
    data = bytearray(frames()[which])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0 if at < len(data):
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = varuint(rng.choice([127, 128, 2**28, 2**32, 2**53, 2**63, 2**80]))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + rng.randint(1, 4)]
            case _:
                data[at:at] = rng.randbytes(rng.randint(1, 9))
    assert _reason(bytes(data)).endswith(".")


def _reason(data: bytes) -> str:
    """Why it is refused, or that it is not."""
    try:
        frame = parse_frame(data)
        if isinstance(frame, CommandFrame):
            parse_command(frame.value)
    except (BadFrame, BadCommand) as error:
        return str(error)
    return "Taken."


@pytest.mark.parametrize(
    "frame",
    [
        *(frame + b"\0" for frame in frames()[:6]),
        *(frame[:-1] for frame in frames()),
        b"\x00\x07" + varbytes(UPDATE),
        b"\x02",
        b"\x66" + varbytes(b"{}"),
        b"\x01" + varbytes(varuint(2**40)),
        b"\x01" + varbytes(b"\x01\x05\x01" + varbytes(b'"text"')),
        b"\x64" + varbytes(b'{"a": "\\ud800"}'),
        b"\x64" + varbytes(b'{"a": NaN}'),
        b"\x64" + varbytes(b'{"a": -1e400}'),
        b"\x64" + varbytes(b'{"a": \xff}'),
    ],
    ids=lambda frame: frame.hex()[:24],
)
def test_what_is_no_frame(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        parse_frame(frame)


def test_x8_a_count_is_checked_before_room_is_made_for_it() -> None:
    for payload in (varuint(2**28) + b"\x01\x01", varuint(2**31) + b"\x00" * 1000):
        for make in (wire.sync_step1, wire.sync_step2, wire.sync_update):
            with pytest.raises(BadFrame, match="count"):
                parse_frame(make(payload))


def test_json_has_a_depth_and_a_number_of_parts() -> None:
    nested = b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH
    assert parse_json(nested) is not None
    with pytest.raises(BadFrame, match="deeper"):
        parse_json(b"[" + nested + b"]")
    with pytest.raises(BadFrame, match="deeper"):
        parse_json(b"[" * 100_000)
    with pytest.raises(BadFrame, match="parts"):
        parse_json(b"[" + b",".join([b"[]"] * 100_000) + b"]")
    assert parse_json(b'{"a": "[[[[", "b": [1, {"c": null}]}') == {"a": "[[[[", "b": [1, {"c": None}]}


@given(json_values)
def test_json_is_what_json_is(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
