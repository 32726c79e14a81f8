"""Connection: what comes in is checked message by message, what goes out never waits and has bounds."""

import asyncio
import json
import random
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from collab.commands import Interrupt
from collab.connection import CheckedFrame, Closed, Connection, websocket_frame
from collab.events import Notice
from collab.model import MAX_PRESENCE_BYTES, Role, User, UserId
from collab.wire import (
    CLOSE_BUSY,
    CLOSE_FORBIDDEN,
    CLOSE_MALFORMED,
    CLOSE_TOO_LARGE,
    AwarenessFrame,
    BadFrame,
    Presence,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    awareness,
    event_frame,
    sync_step1,
    sync_step2,
    sync_update,
    varbytes,
)
from tests.support.benches import open_bench
from tests.support.clock import JUMPING
from tests.support.sockets import FakeSocket, payload_of

pytestmark = pytest.mark.anyio

USER = User(UserId("u"), "Ada", "#112233", False)
UPDATE = b"\x00\x00"
NOTICE = event_frame(Notice("x"))


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


class Wired:
    """A Connection, and what its other side heard."""

    def __init__(self, role: Role = Role.EDITOR) -> None:
        self.heard: list[bytes] = []
        self.socket = FakeSocket(self.heard.append)
        self.connection = Connection(self.socket, USER, role)

    async def received(self, *frames: bytes) -> list[CheckedFrame]:
        """What `recv` lets through of these, until the other side is gone or was sent away."""
        for frame in frames:
            self.socket.push(frame)
        self.socket.leave()
        passed: list[CheckedFrame] = []
        try:
            while True:
                passed.append(await self.connection.recv())
        except Closed:
            return passed


def command(value: object) -> bytes:
    return b"\x64" + varbytes(json.dumps(value).encode())


# -- in ------------------------------------------------------------------------------------------------------------


async def test_an_editor_may_send_every_frame_there_is() -> None:
    wired = Wired()
    told = Presence(5, 1, {"cell": "a"})
    passed = await wired.received(
        sync_step1(b"\x00"),
        sync_step2(UPDATE),
        sync_update(UPDATE),
        awareness([told]),
        b"\x03",
        command({"type": "interrupt"}),
    )
    assert passed == [
        SyncStep1(b"\x00"),
        SyncStep2(UPDATE),
        SyncUpdate(UPDATE),
        AwarenessFrame((told,)),
        QueryAwareness(),
        Interrupt(),
    ]
    assert wired.connection.update_frames == 2
    assert wired.connection.ended is None


async def test_v2_a_readers_step2_is_dropped_and_its_update_ends_it() -> None:
    for role in (Role.VIEWER, Role.COMMENTER, Role.RUNNER):
        wired = Wired(role)
        passed = await wired.received(sync_step2(UPDATE), b"\x03", sync_update(UPDATE), b"\x03")
        assert passed == [QueryAwareness()]
        assert wired.connection.ended == (
            CLOSE_FORBIDDEN,
            f"Editing a notebook needs the role editor; yours is {role.word}.",
        )


async def test_what_was_on_its_way_when_a_role_was_lowered_is_dropped_and_ends_nobody() -> None:
    wired = Wired(Role.EDITOR)
    wired.connection.change_role(Role.VIEWER)
    assert await wired.received(sync_update(UPDATE), b"\x03") == [QueryAwareness()]
    assert wired.connection.ended is None


async def test_who_still_writes_long_after_the_role_was_lowered_is_sent_away() -> None:
    wired = Wired(Role.EDITOR)
    wired.connection.change_role(Role.VIEWER)
    await anyio.sleep(6)
    assert await wired.received(sync_update(UPDATE), b"\x03") == []
    assert wired.connection.ended is not None
    assert wired.connection.ended[0] == CLOSE_FORBIDDEN


async def test_v1_a_role_counts_from_the_moment_it_changes() -> None:
    wired = Wired(Role.VIEWER)
    wired.socket.push(command({"type": "interrupt", "request": 1}))
    wired.socket.push(b"\x03")
    assert await wired.connection.recv() == QueryAwareness()
    wired.connection.change_role(Role.RUNNER)
    wired.socket.push(command({"type": "interrupt", "request": 2}))
    assert await wired.connection.recv() == Interrupt()
    wired.connection.change_role(Role.RUNNER)
    wired.connection.change_role(Role.VIEWER)
    assert await wired.received(command({"type": "interrupt", "request": 3})) == []
    events = [json.loads(payload[payload.index(b"{") :]) for payload in wired.heard]
    assert [(event["type"], event.get("request", event.get("role"))) for event in events] == [
        ("refused", 1),
        ("role_changed", "runner"),
        ("role_changed", "viewer"),
        ("refused", 3),
    ]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", CLOSE_MALFORMED),
        (
            b"\x01" + varbytes(b"\x01\x05\x01" + varbytes(b"{" + b" " * (MAX_PRESENCE_BYTES + 64) + b"}")),
            CLOSE_MALFORMED,
        ),
        (awareness([Presence(5, 1, {"x": "y" * 300_000})]), CLOSE_TOO_LARGE),
        (command({"type": "complete", "code": "x" * (2 << 20)}), CLOSE_TOO_LARGE),
        (sync_update(b"\x00\x00" + bytes(1 << 20)), CLOSE_TOO_LARGE),
        (sync_step2(b"\x00\x00" + bytes(8 << 20)), CLOSE_TOO_LARGE),
        (sync_step1(b"\x00" + bytes(300_000)), CLOSE_MALFORMED),
        (b"\x65" + varbytes(b"{}"), CLOSE_MALFORMED),
    ],
    ids=lambda value: value.hex()[:12] if isinstance(value, bytes) else str(value),
)
async def test_v8_what_is_too_large_or_malformed_ends_its_sender(frame: bytes, code: int) -> None:
    wired = Wired()
    assert await wired.received(frame, b"\x03") == []
    assert wired.connection.ended is not None
    assert wired.connection.ended[0] == code


async def test_a_socket_that_sends_text_is_closed() -> None:
    class Text(FakeSocket):
        async def receive(self) -> bytes | None:
            raise BadFrame("Frames are binary.")

    connection = Connection(Text(print), USER, Role.EDITOR)
    with pytest.raises(Closed):
        await connection.recv()
    assert connection.ended == (CLOSE_MALFORMED, "Frames are binary.")


async def test_nothing_comes_after_a_close() -> None:
    wired = Wired()
    wired.connection.close(CLOSE_BUSY, "first")
    wired.connection.close(CLOSE_FORBIDDEN, "second")
    assert await wired.received(b"\x03") == []
    assert wired.connection.ended == (CLOSE_BUSY, "first")
    wired.connection.post(NOTICE)
    assert wired.heard == []


async def test_one_who_sends_much_is_read_slowly() -> None:
    loop, wired = asyncio.get_running_loop(), Wired()
    began = loop.time()
    assert len(await wired.received(*[b"\x03"] * 4000)) == 4000
    assert loop.time() - began < 0.1
    began = loop.time()
    await wired.received(*[b"\x03"] * 2000)
    assert 1.9 < loop.time() - began < 2.1
    began = loop.time()
    await wired.received(*[sync_update(bytes(1 << 20))] * 10)
    assert 0.6 < loop.time() - began < 0.8


@pytest.mark.parametrize(
    "frame", [b"\x03", sync_step2(UPDATE), command({"type": "interrupt"})], ids=["taken", "dropped", "refused"]
)
async def test_one_who_sends_much_at_once_lets_others_run_in_between(frame: bytes) -> None:
    """A socket that has more to give gives it without waiting, and the loop would see nobody else meanwhile."""
    wired, steps = Wired(Role.VIEWER), 0
    for _ in range(3200):
        wired.socket.push(frame)
    wired.socket.leave()

    async def live() -> None:
        nonlocal steps
        while True:
            steps += 1
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live)
        await wired.connection.run(lambda frame: None)
        tasks.cancel_scope.cancel()
    assert steps >= 200


async def test_what_is_encoded_for_one_alone_slows_it_down_too() -> None:
    loop, wired = asyncio.get_running_loop(), Wired()
    for _ in range(20):
        wired.connection.charge(8 << 20)
    began = loop.time()
    await wired.received(b"\x03")
    assert 6 < loop.time() - began < 7


async def test_no_bytes_whatever_bring_out_anything_but_frames_and_an_end() -> None:
    rng = random.Random(5)
    good = [
        sync_step1(b"\x01\x05\x07"),
        sync_step2(UPDATE),
        sync_update(UPDATE),
        awareness([Presence(5, 1, {"cell": "a", "cursor": {"anchor": {}, "head": {}}})]),
        b"\x03",
        command({"type": "run_cells", "cells": ["a"], "sources": {"a": "0"}, "request": 1}),
    ]
    kinds: set[type] = set()
    for number in range(3000):
        wired = Wired(rng.choice(list(Role)))
        frame = bytearray(rng.choice(good))
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(frame) + 1)
            frame[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
        passed = await wired.received(bytes(frame) if number % 4 else rng.randbytes(rng.randint(0, 40)))
        kinds |= {type(item) for item in passed}
        if wired.connection.ended is not None:
            assert wired.connection.ended[0] in (CLOSE_MALFORMED, CLOSE_FORBIDDEN)
    assert {SyncStep1, SyncStep2, SyncUpdate, AwarenessFrame, QueryAwareness} <= kinds


# -- out -----------------------------------------------------------------------------------------------------------


async def test_what_goes_out_keeps_its_order_when_the_reader_goes_on() -> None:
    wired = Wired()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wired.connection.write)
        wired.connection.post(b"1")
        wired.socket.stall()
        wired.connection.post(b"2")
        wired.connection.post(b"3")
        await anyio.sleep(1)
        wired.connection.post(b"4")
        assert wired.heard == [b"1"]
        wired.socket.go_on()
        await anyio.sleep(1)
        wired.connection.post(b"5")
        assert wired.heard == [b"1", b"2", b"3", b"4", b"5"]
        tasks.cancel_scope.cancel()


async def test_of_presence_only_the_latest_of_each_waits() -> None:
    wired = Wired()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wired.connection.write)
        wired.socket.stall()
        wired.connection.post(b"first")
        await anyio.sleep(1)
        for number in range(5000):
            told = [Presence(number % 3, number, {"cell": f"{number}"})]
            wired.connection.post_presence(told, awareness(told), websocket_frame(awareness(told)))
        wired.socket.go_on()
        await anyio.sleep(1)
        expected = [
            Presence(client, number, {"cell": f"{number}"}) for client, number in ((0, 4998), (1, 4999), (2, 4997))
        ]
        assert wired.heard == [b"first", awareness(expected)]
        tasks.cancel_scope.cancel()


async def test_r3_one_diff_stands_for_what_was_dropped_and_is_asked_for_once() -> None:
    wired = Wired()
    asked: list[bytes] = []
    wired.connection.on_free = lambda: asked.append(wired.connection.state_before_gap)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wired.connection.write)
        wired.socket.stall()
        for number in range(1100):
            wired.connection.post_update(b"u%d" % number, b"", b"state %d" % number)
        assert wired.connection.behind
        wired.connection.post(NOTICE)
        wired.socket.go_on()
        for _ in range(20):
            await anyio.sleep(1)
            wired.connection.post(NOTICE)  # the diff waits for a commit; there is more to write meanwhile
        assert asked == [b"state 0"]
        wired.connection.caught_up(b"diff")
        assert not wired.connection.behind
        wired.connection.post_update(b"after", websocket_frame(b"after"), b"later")
        await anyio.sleep(1)
        assert wired.heard[-2:] == [b"diff", b"after"]
        assert b"u1" not in wired.heard
        tasks.cancel_scope.cancel()


async def test_a_state_that_is_larger_than_the_queue_still_gets_through() -> None:
    wired = Wired()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wired.connection.write)
        wired.socket.stall()
        wired.connection.post(b"in the writer")
        await anyio.sleep(1)
        wired.connection.post(bytes(40 << 20))
        assert wired.connection.ended is None
        wired.socket.go_on()
        await anyio.sleep(1)
        assert [len(payload) for payload in wired.heard] == [13, 40 << 20]
        tasks.cancel_scope.cancel()


async def test_one_who_is_gone_is_closed_by_the_next_frame() -> None:
    wired = Wired()
    wired.socket.broken = True
    wired.connection.post(NOTICE)
    assert wired.connection.ended is not None
    assert wired.connection.ended[0] == CLOSE_BUSY


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 1 << 20])
def test_a_frame_is_as_rfc_6455_has_it(size: int) -> None:
    from websockets.frames import Frame, Opcode

    payload = bytes(size)
    frame = websocket_frame(payload)
    assert frame == Frame(Opcode.BINARY, payload).serialize(mask=False)
    assert payload_of(frame) == payload


# -- with a Room ---------------------------------------------------------------------------------------------------


async def test_t13_a_slow_reader_of_ten_megabytes_ends_equal_and_holds_nobody_up() -> None:
    from collab.notebook import SERVER_ORIGIN, roots

    async with open_bench() as bench:
        slow, other = await bench.join(), await bench.join()
        slow.socket.stall()
        source = roots(bench.room.doc).cells["a"]["source"]
        for number in range(100):
            with bench.room.doc.transaction(origin=SERVER_ORIGIN):
                source.insert(0, f"{number}" * 50_000)
            await bench.room.commit()
            assert len(other.source()) == len(source)
            waiting = slow.connection._queued_bytes + slow.connection._update_bytes
            assert waiting <= (4 << 20) + 200_000
        slow.socket.go_on()
        await slow.until(lambda: slow.source() == other.source())
