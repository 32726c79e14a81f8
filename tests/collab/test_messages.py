"""Messages become values, and nothing that a kernel could send raises."""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map

from collab.messages import (
    Clear,
    Comm,
    CommInfo,
    Display,
    Failure,
    KernelEvent,
    Other,
    Prompt,
    Reply,
    Result,
    Started,
    Status,
    Stream,
    Tags,
    bundle,
    message_id,
    parent_id,
    sanitise,
    to_event,
)

TYPES = (
    *("stream", "display_data", "update_display_data", "execute_result", "error", "clear_output", "execute_input"),
    *("status", "input_request", "execute_reply", "comm_msg", ""),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from(["\ud83d", "\udc00x", 2**63, -(2**64), 2**10_000])
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers() | st.none() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = ("name", "text", "data", "metadata", "transient", "traceback", "ename", "evalue", "wait", "execution_count")


def message(kind: object, content: object) -> Mapping[str, object]:
    return {"header": {"msg_type": kind, "msg_id": "m"}, "content": content}


def deep(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = {"a": [value]}
    return value


def texts(event: KernelEvent) -> list[str]:
    match event:
        case Stream(_, text):
            return [text]
        case Display(data, metadata, display_id) | Result(data, metadata, display_id):
            return [*data, *data.values(), metadata, display_id]
        case Failure(ename, evalue, traceback):
            return [ename, evalue, *traceback]
        case Reply(status, _, ename, evalue):
            return [status, ename, evalue]
        case Status(text) | Prompt(text) | Other(text):
            return [text]
        case Comm(kind):
            return [kind]
        case CommInfo(comms):
            return [*comms]
        case Tags(add, remove):
            return [*add, *remove]
        case Clear() | Started():
            return []


@pytest.mark.parametrize(
    ("kind", "content", "event"),
    [
        ("comm_open", {"comm_id": "c"}, Comm("comm_open")),
        ("comm_info_reply", {"comms": {"a": {}, "b": 5}}, CommInfo(("a", "b"))),
        ("comm_info_reply", {"comms": 5}, CommInfo(())),
        ("stream", {"name": "stdout", "text": "a"}, Stream("stdout", "a")),
        ("stream", {"name": "stderr", "text": ["a\n", "b"]}, Stream("stderr", "a\nb")),
        ("stream", {"name": "stdlog", "text": 5}, Stream("stdout", "5")),
        ("stream", {"name": "stdout"}, Stream("stdout", "[null left out]")),
        ("stream", {"text": {"a": 1}}, Stream("stdout", "[dict left out]")),
        ("display_data", {"data": {"text/plain": "x"}}, Display({"text/plain": "x"}, "{}", "", False)),
        (
            "update_display_data",
            {"data": {"text/plain": ["x", "y"]}, "metadata": {"w": 1}, "transient": {"display_id": "d"}},
            Display({"text/plain": "xy"}, '{"w": 1}', "d", True),
        ),
        (
            "execute_result",
            {"data": {"text/plain": "x"}, "metadata": {}, "execution_count": 3},
            Result({"text/plain": "x"}, "{}", "", 3),
        ),
        ("error", {"ename": "E", "evalue": "v", "traceback": ["a", "b"]}, Failure("E", "v", ("a", "b"))),
        ("error", {"ename": "E", "evalue": "v", "traceback": "all"}, Failure("E", "v", ("all",))),
        ("clear_output", {"wait": True}, Clear(True)),
        ("clear_output", {}, Clear(False)),
        ("execute_input", {"execution_count": 7, "code": ""}, Started(7)),
        ("execute_input", {"execution_count": True}, Started(None)),
        ("status", {"execution_state": "idle"}, Status("idle")),
        ("input_request", {"prompt": "name: ", "password": True}, Prompt("name: ", True)),
        ("execute_reply", {"status": "ok", "execution_count": 2}, Reply("ok", 2, "", "")),
        ("execute_reply", {"status": "error", "ename": "E", "evalue": "v"}, Reply("error", None, "E", "v")),
        ("execute_reply", None, Reply("error", None, "", "")),
        ("something_else", {"data": {}}, Other("something_else")),
        (None, {}, Other("")),
    ],
)
def test_messages_become_events(kind: object, content: object, event: KernelEvent) -> None:
    assert to_event(message(kind, content)) == event


def test_ids() -> None:
    assert message_id(message("stream", {})) == "m"
    assert parent_id({"parent_header": {"msg_id": "p"}}) == "p"
    assert parent_id({"parent_header": None}) == "" == message_id({})


@pytest.mark.parametrize("content", [None, 5, "text", [1]])
@pytest.mark.parametrize("kind", ["stream", "display_data", "execute_result", "error"])
def test_an_output_without_content_says_so(kind: str, content: object) -> None:
    event = to_event(message(kind, content))
    assert isinstance(event, Failure)
    assert kind in event.evalue


def test_values_are_as_the_schema_has_them() -> None:
    png = base64.b64encode(bytes(range(100))).decode()
    wrapped = "\n".join(png[at : at + 20] for at in range(0, len(png), 20)) + "\n"
    data = bundle(
        {
            "image/png": wrapped,
            "image/jpeg": b"\xff\xd8",
            "image/svg+xml": ["<svg>\n", "</svg>"],
            "application/json": {"big": 2**70, "nan": math.nan, "text": "\ud800"},
            "application/vnd.vega.v5+json": [1, None],
            "text/html": ["<b>", "x</b>"],
            "text/plain": None,
            "text/x-object": {"a": 1},
            7: "seven",
        }
    )
    assert data["image/png"] == png
    assert data["image/jpeg"] == "/9g="
    assert data["image/svg+xml"] == "<svg>\n</svg>"
    assert data["application/json"] == '{"big": 1180591620717411303424, "nan": null, "text": "\ufffd"}'
    assert data["application/vnd.vega.v5+json"] == "[1, null]"
    assert data["text/html"] == "<b>x</b>"
    assert data["text/plain"] == "[null left out]"
    assert data["text/x-object"] == '{"a": 1}'
    assert data["7"] == "seven"


def test_data_that_is_no_bundle_says_so() -> None:
    event = to_event(message("display_data", {"data": ["x"], "metadata": ["y"]}))
    assert event == Display(
        {"text/plain": "[A display whose data is list, not a mime bundle]"},
        '{"note": "[metadata that is list left out]"}',
    )


def test_sanitise() -> None:
    assert sanitise({1: 2**53, None: 2**53 + 1, 2.5: -(2**63)}) == {
        "1": 2**53,
        "None": "9007199254740993",
        "2.5": "-9223372036854775808",
    }
    assert sanitise(2**63, exact=True) == 2**63
    assert sanitise(10**5000) == sanitise(10**5000, exact=True) == "[a number of 16610 bits left out]"
    assert sanitise([math.nan, math.inf, -math.inf, 1.5, True, None]) == [None, None, None, 1.5, True, None]
    assert sanitise(("a", ("b",))) == ["a", ["b"]]
    assert sanitise("a\ud83d") == "a\ufffd"
    assert sanitise({"a\ud83d": "\ud83d\ude00"}) == {"a\ufffd": "😀"}
    assert sanitise([b"x", {1}, object()]) == ["[bytes left out]", "[set left out]", "[object left out]"]


def test_depth_is_cut_with_a_note() -> None:
    assert sanitise(deep(32)) == deep(32)
    assert "[nested too deeply]" in json.dumps(sanitise(deep(5000)))
    assert "[nested too deeply]" in bundle({"application/json": deep(5000)})["application/json"]
    event = to_event(message("stream", {"text": deep(5000)}))
    assert event == Stream("stdout", "[dict left out]")


@given(st.sampled_from(TYPES) | ANYTHING, st.dictionaries(st.sampled_from(FIELDS), ANYTHING) | ANYTHING)
@settings(max_examples=150, deadline=None)
def test_nothing_raises_and_every_text_can_be_stored(kind: object, content: object) -> None:
    for text in texts(to_event(message(kind, content))):
        text.encode()


@given(ANYTHING)
@settings(max_examples=100, deadline=None)
def test_what_is_sanitised_can_be_stored(value: object) -> None:
    doc: Doc[Any] = Doc()
    held: Map[Any] = doc.get("held", type=Map)
    held["value"] = sanitise(value)
    json.dumps(sanitise(value, exact=True), allow_nan=False)


@given(st.dictionaries(st.sampled_from(["header", "content", "parent_header"]), ANYTHING))
def test_messages_of_any_form_are_taken(any: dict[str, object]) -> None:
    to_event(any)
    message_id(any)
    parent_id(any)
