import json
import struct
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernelhost.wire import BadMessage, Message, completed, decode_legacy, decode_v1, encode_legacy, encode_v1, message

HEADER = {"msg_id": "a1", "msg_type": "execute_request", "username": "", "session": "", "version": "5.4"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), json_values, max_size=4)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    header = draw(objects) | {"msg_id": draw(st.text()), "msg_type": draw(st.text())}
    parts = [header, draw(objects), draw(objects), draw(objects)]
    channel = draw(st.sampled_from(["shell", "control", "stdin", "iopub"]))
    head, above, metadata, content = (json.dumps(part).encode() for part in parts)
    return message(channel, head, above, metadata, content, tuple(draw(st.lists(st.binary()))))


def v1_frame(*parts: bytes) -> bytes:
    ends = [8 * (len(parts) + 2)]
    for part in parts:
        ends.append(ends[-1] + len(part))
    return struct.pack(f"<{len(ends) + 1}Q", len(ends), *ends) + b"".join(parts)


def decoded(item: Message) -> list[object]:
    """What a client can tell apart; the legacy codec may write the same JSON in other words."""
    parts = [json.loads(part) for part in (item.header, item.parent, item.metadata, item.content)]
    return [item.channel, *parts, item.buffers, item.id, item.type, item.parent_id, item.parent_type]


@given(messages())
def test_h4_v1_keeps_every_byte(item: Message) -> None:
    again = decode_v1(encode_v1(item))
    assert again == item
    assert decoded(again) == decoded(item)


@given(messages())
def test_h3_legacy_keeps_every_value_and_every_buffer(item: Message) -> None:
    frame = encode_legacy(item)
    assert isinstance(frame, bytes if item.buffers else str)
    assert decoded(decode_legacy(frame)) == decoded(item)


@given(messages())
def test_h3_legacy_without_binary_frames_is_text_that_lacks_only_the_buffers(item: Message) -> None:
    frame = encode_legacy(item, binary=False)
    assert isinstance(frame, str)
    assert decoded(decode_legacy(frame))[:5] == decoded(item)[:5]
    assert json.loads(frame)["buffers"] == []


def test_h3_the_legacy_table_is_big_endian_and_counts_from_the_start_of_the_frame() -> None:
    item = message("iopub", json.dumps(HEADER).encode(), b"{}", b"{}", b'{"a": 1}', (b"one", b"", b"three"))
    frame = encode_legacy(item)
    assert isinstance(frame, bytes)
    (count,) = struct.unpack_from("!I", frame)
    offsets = [*struct.unpack_from(f"!{count}I", frame, 4), len(frame)]
    text, *buffers = (frame[start:stop] for start, stop in pairwise(offsets))
    assert count == 4
    assert buffers == [b"one", b"", b"three"]
    assert json.loads(text) == {
        "channel": "iopub",
        "header": HEADER,
        "parent_header": {},
        "metadata": {},
        "content": {"a": 1},
        "buffers": [],
        "msg_id": "a1",
        "msg_type": "execute_request",
    }


def test_h4_the_v1_table_is_little_endian_and_ends_with_the_end() -> None:
    item = message("shell", json.dumps(HEADER).encode(), b"{}", b"{}", b'{"a": 1}', (b"xyz",))
    assert encode_v1(item) == v1_frame(b"shell", json.dumps(HEADER).encode(), b"{}", b"{}", b'{"a": 1}', b"xyz")


@pytest.mark.parametrize("buffers", [None, {}, [], "absent"])
@pytest.mark.parametrize("parent", [None, {}, "absent"])
def test_h5_tolerates_what_clients_leave_out(buffers: object, parent: object) -> None:
    value = {"header": HEADER, "buffers": buffers, "parent_header": parent}
    item = decode_legacy(json.dumps({key: part for key, part in value.items() if part != "absent"}))
    assert decoded(item) == ["shell", HEADER, {}, {}, {}, (), "a1", "execute_request", "", ""]


@pytest.mark.parametrize("given", [{}, {"username": None, "session": 5, "version": []}, {"version": "5.0"}])
def test_h5_a_header_that_kernels_would_drop_is_completed(given: dict[str, object]) -> None:
    """ipykernel answers nothing at all to a header without these."""
    head = {"msg_id": "a1", "msg_type": "execute_request"} | given
    item = completed(decode_legacy(json.dumps({"header": head})))
    version = given["version"] if isinstance(given.get("version"), str) else "5.3"
    completed_head = json.loads(item.header)
    assert datetime.fromisoformat(completed_head.pop("date")).tzinfo is not None
    assert completed_head == {**head, "username": "", "session": "", "version": version}
    assert completed(item) is item


def test_h5_the_same_message_from_clients_without_a_clock_is_another() -> None:
    """A kernel answers nothing to a signature that it has seen."""
    item = decode_legacy(json.dumps({"header": {key: value for key, value in HEADER.items() if key != "date"}}))
    assert completed(item).header != completed(item).header


@pytest.mark.parametrize("field", ["msg_id", "session"])
def test_h5_half_a_character_in_a_header_is_refused(field: str) -> None:
    """JSON can spell it, and no kernel can answer to it."""
    text = json.dumps(HEADER | {field: "\ud800"})
    for item in (decode_legacy(f'{{"header": {text}}}'), decode_v1(v1_frame(b"shell", text.encode(), *good[2:]))):
        with pytest.raises(BadMessage, match="header is text"):
            completed(item)
    whole = json.dumps(HEADER | {field: "\U0001f600"})
    assert completed(decode_legacy(f'{{"header": {whole}}}')).part("header")[field] == "\U0001f600"


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"header": null}',
        '{"header": {"msg_id": 1, "msg_type": "x"}}',
        '{"header": {"msg_id": "x"}}',
        "[" * 100_000,
        b"",
        b"\0\0\0",
        b"\0\0\0\0",
        struct.pack("!I", 1),
        struct.pack("!II", 1, 2**31),
        struct.pack("!III", 2, 12, 4) + b"{}",
        struct.pack("!I", 2**32 - 1),
    ],
)
def test_h5_a_legacy_frame_that_cannot_be_parsed_is_refused(frame: str | bytes) -> None:
    with pytest.raises(BadMessage):
        decode_legacy(frame)


good = (b"shell", json.dumps(HEADER).encode(), b"{}", b"{}", b"{}")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 6),
        struct.pack("<Q", 2**63),
        struct.pack("<7Q", 6, 56, 48, 64, 72, 80, 88) + b"x" * 40,
        v1_frame(*good)[:-1],
        v1_frame(*good[:4]),
        v1_frame(b"shell", b"not json", b"{}", b"{}", b"{}"),
        v1_frame(b"shell", b"\xff", b"{}", b"{}", b"{}"),
        v1_frame(*good[:3], b"{}", b"{not json"),
        v1_frame(*good[:3], b"[", b"{}"),
        struct.pack("<7Q", 6, 0, 0, 0, 0, 0, 0),
    ],
)
def test_h5_a_v1_frame_that_cannot_be_parsed_is_refused(frame: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_v1(frame)


@given(st.binary(max_size=200))
def test_h5_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    for decode in (decode_v1, decode_legacy):
        try:
            decode(data)
        except BadMessage:
            pass
