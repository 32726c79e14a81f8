"""The rules of widgets (outputs.md section 9): collab/widgets.py, widget_values.py, captures.py, comm_throttle.py."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.captures import MAX_OUTPUTS, MAX_STREAM_CHARS, Captures
from collab.comm_asks import CommSent, ModelsWanted, parse_comm
from collab.comm_throttle import MAX_OUTSTANDING, Throttle
from collab.messages import Clear, Display, Failure, Result, Stream
from collab.widget_values import (
    MAX_INLINE_BYTES,
    MAX_RELEASED_BYTES,
    BadBuffers,
    Large,
    LargeValues,
    join,
    references,
    split,
)
from collab.widgets import Changed, Closed, Echoed, Opened, Proposed, TooMuch, Widgets
from collab.wire import BadFrame, CommFrame, comm_frame, parse_frame


def slider(value: int = 0, **more: Any) -> dict[str, Any]:
    return {"state": {"_model_name": "IntSliderModel", "value": value} | more}


def with_slider(value: int = 0) -> Widgets:
    widgets = Widgets()
    assert widgets.open("s", slider(value), ()) == [Opened("s")]
    return widgets


def update(**state: Any) -> dict[str, Any]:
    return {"method": "update", "state": state}


# -- values ---------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_what_is_split_joins_again(state: dict[str, Any]) -> None:
    parts = split(state)
    assert join(parts.value, [list(path) for path in parts.paths], parts.buffers) == state


def test_buffers_come_into_their_places_also_where_the_kernel_left_the_key_out() -> None:
    state = {"a": {"b": [1]}, "c": {}}
    assert join(state, [["a", "b", 1], ["c", "d"]], [b"x", b"y"]) == {"a": {"b": [1, b"x"]}, "c": {"d": b"y"}}


@pytest.mark.parametrize("paths", [None, [5], [[]], [["a", "b"]], [["x", 1, 2]], [[["a"]]]])
def test_buffers_without_a_place_are_refused(paths: object) -> None:
    with pytest.raises(BadBuffers):
        join({"a": 1, "x": []}, paths, [b"1"])


def test_what_no_browser_can_read_is_replaced_and_what_is_too_deep_refused() -> None:
    assert join({"a": float("nan"), "b": "\ud800"}, [], []) == {"a": None, "b": "\ufffd"}
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(BadBuffers, match="deeper"):
        join({"a": deep}, [], [])


def test_models_are_named_in_states_and_in_what_output_widgets_captured() -> None:
    view = {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "c"}}}
    assert sorted(references({"a": "IPY_MODEL_a", "b": ["x", {"y": "IPY_MODEL_b"}], "outputs": [view]})) == [
        "a",
        "b",
        "c",
    ]


def test_w9_large_values_are_kept_once_and_for_as_long_as_they_are_named() -> None:
    values, text = LargeValues(), "e" * (MAX_INLINE_BYTES + 1)
    first, second = values.take_in({"_esm": text}), values.take_in({"_esm": text})
    assert isinstance(first["_esm"], Large)
    assert (second, values.total_bytes) == (first, len(text))
    values.let_go(first)
    assert values.total_bytes == len(text)
    values.let_go(second)
    assert (values.total_bytes, values.get(second["_esm"].sha256)) == (
        0,
        text.encode(),
    )  # a browser may be about to ask
    assert values.whole(values.take_in({"_esm": text})) == {"_esm": text}


def test_released_values_are_bounded() -> None:
    values = LargeValues()
    for number in range(40):
        values.hold(str(number), bytes(1 << 20))
    kept = [number for number in range(40) if values.get(str(number)) is not None]
    assert kept == list(range(40 - (MAX_RELEASED_BYTES >> 20), 40))


# -- models ---------------------------------------------------------------------------------------------------------


def test_w2_the_kernel_corrects_what_a_browser_proposed() -> None:
    widgets = with_slider()
    assert widgets.propose("s", "m1", update(value=999), ()) == [Proposed("s", ("value",), "m1")]
    assert widgets.models["s"].state["value"] == 999
    assert widgets.echo("s", update(value=999), (), "m1") == [Echoed("s", "m1", {"value": 999}, ("value",))]
    assert widgets.update("s", update(value=50), ()) == [Changed("s", ("value",))]
    assert widgets.models["s"].state["value"] == 50


def test_w2_of_two_people_the_last_one_counts_and_only_its_echo_is_news_to_others() -> None:
    widgets = with_slider()
    widgets.propose("s", "ada", update(value=10), ())
    widgets.propose("s", "bo", update(value=20), ())
    assert widgets.echo("s", update(value=10), (), "ada") == [Echoed("s", "ada", {"value": 10}, ())]
    assert widgets.models["s"].state["value"] == 20
    assert widgets.echo("s", update(value=20), (), "bo") == [Echoed("s", "bo", {"value": 20}, ("value",))]
    assert widgets.models["s"].state["value"] == 20


def test_an_echo_behind_a_correction_wins_again() -> None:
    """Ada pulled too far (999, clamped to 50) and then sent 30: the kernel ends at 30."""
    widgets = with_slider()
    widgets.propose("s", "m1", update(value=999), ())
    widgets.propose("s", "m2", update(value=30), ())
    widgets.echo("s", update(value=999), (), "m1")
    widgets.update("s", update(value=50), ())
    widgets.idle("m1")
    assert widgets.models["s"].state["value"] == 50
    assert widgets.echo("s", update(value=30), (), "m2") == [Echoed("s", "m2", {"value": 30}, ("value",))]
    assert widgets.models["s"].state["value"] == 30


def test_w3_a_kernel_that_does_not_echo_has_taken_it_all_the_same() -> None:
    widgets = with_slider()
    widgets.propose("s", "m1", update(value=999), ())
    widgets.update("s", update(value=50), ())
    assert widgets.idle("m1") == [Echoed("s", "m1", {"value": 50}, ("value",))]
    assert widgets.idle("m1") == []


def test_an_idle_after_the_echo_says_nothing() -> None:
    widgets = with_slider()
    widgets.propose("s", "m1", update(value=1), ())
    widgets.echo("s", update(value=1), (), "m1")
    assert widgets.idle("m1") == []


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    return draw(st.lists(st.tuples(st.sampled_from(["ada", "bo", "kernel", "take"]), st.integers(0, 120)), max_size=30))


@given(histories())
def test_every_order_of_people_and_kernel_ends_at_the_kernels_value(history: list[tuple[str, int]]) -> None:
    """The kernel takes messages in the order they were sent, echoes each and clamps to 100."""
    widgets, kernel, sent = with_slider(), 0, 0
    queue: list[tuple[str, str, int]] = []
    seen = {"ada": 0, "bo": 0}  # what a browser shows: its own at once, others' and the kernel's as they come
    waits: dict[str, str] = {}

    def take() -> None:
        nonlocal kernel
        author, message, value = queue.pop(0)
        kernel = value
        hear(widgets.echo("s", update(value=value), (), message), author)
        if value > 100:
            kernel = 100
            hear(widgets.update("s", update(value=100), ()), "")
        hear(widgets.idle(message), author)

    def hear(news: list[Any], author: str) -> None:
        for item in news:
            for person in seen:
                match item:
                    case Echoed(_, message, state, newest):
                        if (person == author or newest) and waits.get(person, message) == message:
                            waits.pop(person, None)
                            seen[person] = state["value"]
                    case Proposed(_, _, message):
                        if person != author and person not in waits:
                            seen[person] = widgets.models["s"].state["value"]
                    case Changed():
                        seen[person] = widgets.models["s"].state["value"]

    for who, value in history:
        if who == "take":
            if queue:
                take()
        elif who == "kernel":
            kernel = min(value, 100)
            hear(widgets.update("s", update(value=kernel), ()), "")
        else:
            sent += 1
            message = f"{who}-{sent}"
            queue.append((who, message, value))
            seen[who], waits[who] = value, message
            hear(widgets.propose("s", message, update(value=value), ()), who)
    while queue:
        take()
    assert (widgets.models["s"].state["value"], seen) == (kernel, {"ada": kernel, "bo": kernel})


def test_w1_a_view_reaches_all_that_its_models_name_once() -> None:
    widgets = Widgets()
    widgets.open("box", slider(children=["IPY_MODEL_a", "IPY_MODEL_b"]), ())
    widgets.open("a", slider(layout="IPY_MODEL_l"), ())
    widgets.open("b", slider(layout="IPY_MODEL_l", self="IPY_MODEL_box"), ())
    widgets.open("l", slider(), ())
    widgets.open("other", slider(), ())
    assert sorted(widgets.reachable(["box", "nobody"])) == ["a", "b", "box", "l"]


def test_w8_states_of_a_kernel_that_is_found_again_replace_what_was_stored() -> None:
    widgets = Widgets()
    widgets.open("gone", slider(), ())
    widgets.open("s", slider(1), ())
    widgets.disconnect()
    told = {"states": {"s": slider(7, icon={}), "new": slider()}, "buffer_paths": [["s", "state", "icon", "png"]]}
    assert widgets.states(told, (b"png",)) == [Changed("s", ("_model_name", "value", "icon")), Opened("new")]
    assert {id: (model.is_live, model.state["value"]) for id, model in widgets.models.items()} == {
        "gone": (False, 0),
        "s": (True, 7),
        "new": (True, 0),
    }
    assert widgets.models["s"].state["icon"] == {"png": b"png"}


def test_w8_what_a_dead_kernel_left_goes_when_nothing_shows_it() -> None:
    widgets = Widgets()
    widgets.open("box", slider(children=["IPY_MODEL_s"]), ())
    widgets.open("s", slider(), ())
    widgets.open("t", slider(), ())
    widgets.disconnect()
    widgets.forget(["box"])
    assert sorted(widgets.models) == ["box", "s"]


def test_w9_the_older_half_makes_room_unless_something_shows_it() -> None:
    widgets = Widgets(max_models=4)
    for id in "abcd":
        widgets.open(id, slider(), ())
    assert widgets.is_full
    widgets.make_room(["b"])
    assert list(widgets.models) == ["b", "c", "d"]


def test_w9_bounds() -> None:
    widgets = Widgets(max_models=2, max_bytes=200_000)
    widgets.open("a", slider(), ())
    widgets.open("b", slider(text="x" * 90_000), ())
    widgets.open("b", slider(text="y" * 90_000), ())  # opened again: the first one does not count any more
    with pytest.raises(TooMuch, match="at most 2 widgets"):
        widgets.open("c", slider(), ())
    with pytest.raises(TooMuch, match="MB together"):
        widgets.update("a", update(text="z" * 190_000), ())
    assert widgets.close("a") == [Closed("a")]
    assert widgets.total_bytes < 100_000


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["open", "update", "close"]), JSON), max_size=20))
def test_nothing_is_left_of_models_that_are_closed(steps: list[tuple[str, str, Any]]) -> None:
    widgets = Widgets()
    for id, what, value in steps:
        match what:
            case "open":
                widgets.open(id, {"state": {"value": value}}, ())
            case "update":
                widgets.update(id, update(other=value, large=str(value) * 20_000), ())
            case _:
                widgets.close(id)
    for id in list(widgets.models):
        widgets.close(id)
    assert widgets.total_bytes == 0


def test_files_that_somebody_chose_are_the_kernels_alone() -> None:
    widgets = Widgets()
    widgets.open("u", {"state": {"_model_name": "FileUploadModel", "value": []}}, ())
    chosen = {"state": {"value": [{"name": "a.txt", "size": 6}]}, "buffer_paths": [["value", 0, "content"]]}
    widgets.propose("u", "m1", chosen, (b"secret",))
    assert widgets.models["u"].state["value"] == [{"name": "a.txt", "size": 6, "content": b""}]


# -- Output widgets -------------------------------------------------------------------------------------------------


def text(value: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": value}


def captured(*events: Any) -> list[dict[str, Any]]:
    captures = Captures()
    for event in events:
        captures.take("o", event)
    return captures.outputs("o")


def test_w7_the_last_one_that_listens_has_the_output_until_it_stops() -> None:
    captures = Captures()
    captures.listen("outer", "run")
    captures.listen("inner", "run")
    assert captures.listener("run") == "inner"
    captures.listen("inner", "")
    assert captures.listener("run") == "outer"
    captures.listen("outer", "")
    assert captures.listener("run") is None


def test_w7_outputs_are_as_nbformat_has_them() -> None:
    assert captured(
        Stream("stdout", "a"),
        Stream("stdout", "b\n"),
        Stream("stderr", "c"),
        Display({"application/json": '{"a": 1}', "text/plain": "x"}, '{"m": 1}'),
        Result({"text/plain": "4"}, count=3),
        Failure("E", "v", ("line",)),
    ) == [
        text("ab\n"),
        text("c", "stderr"),
        {
            "output_type": "display_data",
            "data": {"application/json": {"a": 1}, "text/plain": "x"},
            "metadata": {"m": 1},
        },
        {"output_type": "execute_result", "data": {"text/plain": "4"}, "metadata": {}, "execution_count": 3},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["line"]},
    ]


def test_w7_clear_with_wait_waits_for_the_next_output() -> None:
    captures = Captures()
    assert captures.take("o", Stream("stdout", "old"))
    assert not captures.take("o", Clear(True))
    assert captures.outputs("o") == [text("old")]
    assert captures.take("o", Stream("stdout", "new"))
    assert captures.outputs("o") == [text("new")]
    assert captures.take("o", Clear(False))
    assert captures.outputs("o") == []


def test_w7_a_carriage_return_overwrites_and_a_display_is_updated_in_its_place() -> None:
    assert captured(
        Stream("stdout", "10%\r20%\r"),
        Stream("stdout", "30%"),
        Display({"text/plain": "a"}, display_id="d"),
        Display({"text/plain": "b"}, display_id="d", update=True),
        Display({"text/plain": "c"}, display_id="nobody", update=True),
    ) == [text("30%"), {"output_type": "display_data", "data": {"text/plain": "b"}, "metadata": {}}]


def test_w7_what_the_kernel_sets_is_added_to() -> None:
    captures = Captures()
    captures.replace("o", [text("said by Python\n")])
    captures.take("o", Stream("stdout", "captured"))
    assert captures.outputs("o") == [text("said by Python\ncaptured")]
    captures.replace("o", "nonsense")
    assert captures.outputs("o") == []


def test_w7_what_is_captured_is_bounded() -> None:
    many = captured(*(Display({"text/plain": str(number)}) for number in range(MAX_OUTPUTS + 5)))
    assert (len(many), many[0]["data"]) == (MAX_OUTPUTS, {"text/plain": "5"})
    (stream,) = captured(*(Stream("stdout", "x" * 1023 + "\n") for _ in range(5 * MAX_STREAM_CHARS // 1024)))
    assert len(stream["text"]) <= 3 * MAX_STREAM_CHARS
    assert stream["text"].startswith("[An Output widget keeps")


# -- towards the kernel ---------------------------------------------------------------------------------------------


def test_updates_wait_for_a_busy_kernel_and_become_one_for_each_model() -> None:
    throttle = Throttle()
    assert throttle.update("a", "m1", {"value": 1}) is None
    assert [(item.model, item.id, item.state) for item in throttle.take()] == [("a", "m1", {"value": 1})]
    assert throttle.update("a", "m2", {"value": 2, "other": 1}) is None
    assert throttle.update("b", "m3", {"value": 3}) is None
    assert throttle.update("a", "m4", {"value": 4}) == "m2"
    assert throttle.take() == []
    throttle.idle("m1")
    waiting = [(item.model, item.id, item.state) for item in throttle.take()]
    assert waiting == [("a", "m4", {"value": 4, "other": 1}), ("b", "m3", {"value": 3})]


def test_what_waits_goes_before_a_message_that_must_not_overtake_it() -> None:
    throttle = Throttle()
    throttle.update("a", "m1", {"value": 1})
    throttle.take()
    throttle.update("a", "m2", {"value": 2})
    assert [item.id for item in throttle.take(at_once=True)] == ["m2"]


def test_so_many_messages_wait_for_a_kernel() -> None:
    throttle = Throttle()
    for number in range(MAX_OUTSTANDING):
        assert not throttle.is_full
        throttle.sent(str(number))
    assert throttle.is_full
    throttle.idle("0")
    assert not throttle.is_full


# -- frames ---------------------------------------------------------------------------------------------------------

SENT: dict[str, Any] = {"type": "comm_msg", "comm": "s", "id": "m1", "cell": "c1", "data": {"method": "update"}}


def parsed(header: object, *buffers: bytes) -> object:
    frame = parse_frame(comm_frame(header, buffers))  # type: ignore[arg-type]
    assert isinstance(frame, CommFrame)
    return parse_comm(frame)


def test_comm_frames_carry_a_header_and_buffers() -> None:
    assert parsed(SENT, b"\x00\xff", b"") == CommSent("comm_msg", "s", "m1", "c1", SENT["data"], (b"\x00\xff", b""))  # type: ignore[arg-type]
    assert parsed({"type": "models", "request": 3, "models": ["a", "b"]}) == ModelsWanted(3, ("a", "b"))


@pytest.mark.parametrize(
    "header",
    [
        [],
        {},
        SENT | {"type": "execute_request"},
        SENT | {"comm": ""},
        SENT | {"comm": "x" * 129},
        SENT | {"id": "white space"},
        SENT | {"cell": 5},
        SENT | {"data": []},
        SENT | {"type": "comm_open"},
        SENT | {"type": "comm_open", "target": "a\nb"},
        {"type": "models", "request": "1", "models": []},
        {"type": "models", "request": 1, "models": [5]},
        {"type": "models", "request": 1, "models": ["a"] * 1001},
    ],
)
def test_what_is_no_comm_message_is_refused(header: object) -> None:
    with pytest.raises(BadFrame):
        parsed(header)


@given(st.binary(max_size=60))
def test_no_comm_frame_raises_anything_else(data: bytes) -> None:
    try:
        frame = parse_frame(b"\x66" + data)
        assert isinstance(frame, CommFrame)
        parse_comm(frame)
    except BadFrame:
        pass
