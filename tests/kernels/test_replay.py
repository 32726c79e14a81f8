import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernelhost.messages import make, status
from kernelhost.replay import Overtaken, Reader, Replay
from kernelhost.wire import Message


def parent(id: str, kind: str = "execute_request") -> bytes:
    return json.dumps({"msg_id": id, "msg_type": kind}).encode()


def stream(text: str, id: str = "") -> Message:
    return make("iopub", "stream", {"name": "stdout", "text": text}, parent("run"), id=id)


def reply(run: str) -> Message:
    return make("shell", "execute_reply", {"status": "ok"}, parent(run))


def read(reader: Reader) -> list[Message]:
    found = []
    while (item := reader.next()) is not None:
        found.append(item)
    return found


def test_a_reader_gets_what_is_everybodys_and_its_own_and_nothing_twice() -> None:
    replay = Replay()
    reader, other = Reader(replay, "a", 0), Reader(replay, "b", 0)
    items = [stream("1"), reply("x"), stream("2")]
    for item, session in zip(items, (None, "a", None), strict=True):
        replay.add(item, session)
    assert (read(reader), read(reader), read(other)) == (items, [], [items[0], items[2]])
    replay.add(items[0])
    assert read(reader) == [items[0]]


def test_a_message_counts_as_dealt_with_when_the_next_is_asked_for() -> None:
    replay = Replay()
    reader = Reader(replay, "a", 0)
    replay.add(stream("1"))
    replay.add(stream("2"))
    reader.next()
    assert reader.at == 0
    reader.next()
    assert reader.at == 1
    reader.next()
    assert reader.at == 2


def test_h9_a_passing_message_is_for_those_who_are_there() -> None:
    replay = Replay()
    there = Reader(replay, "a", 0)
    replay.add(status("restarting"), passing=True)
    late = Reader(replay, "b", 0)
    assert [item.type for item in read(there)] == ["status"]
    assert read(late) == []


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=60), st.integers(5000, 20_000), st.integers(1, 30))
def test_the_ring_keeps_the_newest_within_its_bounds(sizes: list[int], max_bytes: int, max_messages: int) -> None:
    replay = Replay(max_bytes, max_messages)
    added = [stream("x" * size) for size in sizes]
    for item in added:
        replay.add(item)
    assert replay.seq - replay.dropped <= max_messages
    assert replay.size <= max_bytes or replay.seq - replay.dropped == 1
    kept = read(Reader(replay, "a", replay.dropped))
    assert kept == added[replay.dropped :]
    assert kept[-1:] == added[-1:]
    assert replay.size >= sum(item.size for item in kept)


def test_tiny_messages_are_bounded_by_what_they_cost() -> None:
    replay = Replay(max_bytes=100_000)
    for _ in range(1000):
        replay.add(stream(""))
    assert replay.seq - replay.dropped < 150


def test_a_reader_that_the_ring_overtakes_is_told() -> None:
    replay = Replay(max_messages=2)
    reader = Reader(replay, "a", 0)
    for text in "123":
        replay.add(stream(text))
    with pytest.raises(Overtaken):
        reader.next()


def test_h14_who_comes_back_gets_all_that_was_kept_even_while_more_comes() -> None:
    replay = Replay(max_messages=3)
    items = [stream(text) for text in "12345"]
    for item in items[:3]:
        replay.add(item)
    reader = Reader(replay, "a", replay.dropped)
    for item in items[3:]:
        replay.add(item)
    assert read(reader) == items


def test_e3_who_goes_on_after_an_output_still_gets_the_reply_that_came_before_it() -> None:
    replay = Replay()
    answer = reply("run")
    replay.add(answer, "a")
    replay.add(stream("late", id="here"))
    place = replay.place_of("here")
    assert place == 2
    assert replay.unfinished_replies(place, "a") == [answer]
    assert replay.unfinished_replies(place, "b") == []


@pytest.mark.parametrize("idle_first", [True, False])
def test_e3_a_reply_is_dealt_with_when_its_idle_came_too(idle_first: bool) -> None:
    replay = Replay()
    both = [(reply("run"), "a"), (status("idle", parent("run")), None)]
    for item, session in reversed(both) if idle_first else both:
        replay.add(item, session)
    replay.add(stream("next", id="here"))
    assert replay.unfinished_replies(3, "a") == []


def test_an_answered_question_is_not_asked_again() -> None:
    replay = Replay()
    question = make("stdin", "input_request", {"prompt": "?"}, parent("run"))
    replay.add(question, "a")
    assert read(Reader(replay, "a", 0)) == [question]
    replay.retire_question("a")
    assert read(Reader(replay, "a", 0)) == []
