"""Rooms: the defects W1-W11 that we do not have (crdt.md section 4), saving, failing, roles over an open socket."""

import asyncio
import gc
import inspect
import random
import time
import weakref
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pycrdt import Array, Doc, Map, Provider, Text
from pycrdt.websocket import YRoom
from pycrdt.websocket.yutils import put_updates

from collab import notebook
from collab.comm_asks import CommSent, ModelsWanted
from collab.commands import ROLE_FOR, Command, Compare, Interrupt
from collab.connection import Connection
from collab.events import Event, Notice, Refused
from collab.journal import RoomClosed
from collab.model import MAX_DOCUMENT_BYTES, MAX_UPDATE_BYTES, CellId, Role, User, UserId
from collab.notebook import SERVER_ORIGIN, NewCell, NotebookDoc, create, roots, source_sha256
from collab.room import Room, load_doc
from collab.wire import (
    CLOSE_BUSY,
    CLOSE_FAILED,
    CLOSE_FORBIDDEN,
    CLOSE_MALFORMED,
    CLOSE_NO_NOTEBOOK,
    CLOSE_REFUSED,
    CLOSE_RESTARTING,
    CLOSE_TOO_LARGE,
    QUERY_AWARENESS,
    Presence,
    awareness,
    comm_frame,
    sync_step1,
    sync_step2,
    sync_update,
    varbytes,
    varuint,
)
from tests.collab.docs import content
from tests.support.benches import ID, new_notebook, open_bench
from tests.support.clock import JUMPING
from tests.support.logs import MemoryLog
from tests.support.runs import FakeRuns
from tests.support.sockets import FakeSocket
from tests.support.tabs import Tab

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


def write(room: Room, text: str, cell: str = "a") -> None:
    """By the server, in a transaction of its own."""
    source = roots(room.doc).cells[cell]["source"]
    with room.doc.transaction(origin=SERVER_ORIGIN):
        notebook.append(source, text)


def source_of(doc: NotebookDoc, cell: str = "a") -> str:
    return notebook.cell_source(doc, CellId(cell))


async def eventually(condition: Callable[[], bool]) -> None:
    """On the jumping clock: looks again after every other step of the loop, and takes no time of ours."""
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - nobody would set the event
            await anyio.sleep(0.001)


def shows(tab: Tab, text: str) -> Callable[[], bool]:
    return lambda: tab.source() == text


async def empty(room: Room) -> None:
    await eventually(lambda: not room.connections)


async def over(tab: Tab) -> tuple[int, str]:
    """Until its Connection has ended."""
    await eventually(lambda: tab.connection.ended is not None)
    await checkpoint()
    assert tab.connection.ended is not None
    return tab.connection.ended


# -- W1 to W11 ---------------------------------------------------------------------------------------------------------


async def test_w1_seventy_thousand_updates_in_one_tick_reach_every_connection_and_the_log() -> None:
    async with open_bench() as bench:
        tabs = [await bench.join(), await bench.join()]
        source = roots(bench.room.doc).cells["a"]["source"]
        for number in range(70_000):
            with bench.room.doc.transaction(origin=SERVER_ORIGIN):
                source.insert(0, f"{number % 10}")
        await bench.room.commit()
        expected = source_of(bench.room.doc)
        assert len(expected) == 70_003
        for tab in tabs:
            await tab.until(shows(tab, expected))
        assert source_of(await bench.stored()) == expected


async def test_w2_a_stalled_reader_gets_every_update_in_order_without_a_task_for_each() -> None:
    async with open_bench() as bench:
        stalled, other = await bench.join(), await bench.join()
        stalled.socket.stall()
        tasks = len(asyncio.all_tasks())
        for number in range(500):
            write(bench.room, f"{number},")
            await bench.room.commit()
        assert len(asyncio.all_tasks()) == tasks
        assert stalled.socket.waiting == 1
        assert stalled.updates == []
        stalled.socket.go_on()
        await stalled.until(lambda: len(stalled.updates) == 500)
        assert stalled.updates == other.updates
        assert stalled.source() == other.source()


async def test_w2_what_a_reader_cannot_take_is_replaced_by_one_diff() -> None:
    async with open_bench() as bench:
        stalled, other = await bench.join(), await bench.join()
        stalled.socket.stall()
        for number in range(5000):
            write(bench.room, f"{number},")
            await bench.room.commit()
        assert len(other.updates) == 5000
        assert stalled.connection.behind
        stalled.socket.go_on()
        await stalled.until(lambda: stalled.source() == other.source())
        assert len(stalled.updates) < 10
        write(bench.room, "and on")
        await stalled.until(lambda: stalled.source().endswith("and on"))
        assert content(stalled.doc) == content(bench.room.doc)


async def test_w2_one_who_stays_behind_is_closed_and_can_come_back() -> None:
    async with open_bench() as bench:
        stalled = await bench.join()
        stalled.socket.stall()
        for _ in range(1100):
            write(bench.room, "x")
            await bench.room.commit()
        assert (await over(stalled))[0] == CLOSE_BUSY
        again = await bench.join(Tab(user=stalled.user))
        assert again.source() == source_of(bench.room.doc)


async def test_w2_events_are_never_dropped_so_who_does_not_take_them_is_closed() -> None:
    async with open_bench() as bench:
        stalled, other = await bench.join(), await bench.join()
        stalled.socket.stall()
        for number in range(1500):
            bench.room.tell(Notice(f"{number}"))
        assert (await over(stalled))[0] == CLOSE_BUSY
        await other.until(lambda: len(other.told("notice")) == 1500)


async def test_w3_a_connection_that_raises_on_send_ends_alone() -> None:
    async with open_bench() as bench:
        observers = len(bench.room.doc._subscriptions)
        broken, stalled, healthy = await bench.join(), await bench.join(), await bench.join()
        stalled.socket.stall()
        write(bench.room, "waits")  # in the writer of `stalled` when its socket breaks
        await bench.room.commit()
        broken.socket.broken = stalled.socket.broken = True
        stalled.socket.go_on()
        for _ in range(10):
            write(bench.room, "x")
            await bench.room.commit()
        await over(broken)
        await over(stalled)
        assert healthy.source() == source_of(bench.room.doc) == source_of(await bench.stored())
        assert bench.room.connections == (healthy.connection,)
        assert len(bench.room.doc._subscriptions) == observers


async def test_w4_closing_in_the_middle_of_a_burst_keeps_all_that_was_accepted() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        await tab.until_saved()
        bench.log.hold()
        for _ in range(200):
            tab.type("x")
        write(bench.room, "")
        await eventually(lambda: source_of(bench.room.doc) == tab.source())
        assert tab.acknowledged < tab.sent
        asyncio.get_running_loop().call_later(5, bench.log.release)
    assert source_of(await bench.stored()) == "one" + 200 * "x"
    assert tab.connection.ended == (CLOSE_RESTARTING, "The notebook is being closed.")


async def test_w4_what_can_never_be_saved_does_not_keep_a_room_from_closing() -> None:
    loop = asyncio.get_running_loop()
    async with open_bench() as bench:
        tab = await bench.join()
        bench.log.hold()
        tab.type("x")
        await anyio.sleep(1)
        began = loop.time()
    assert loop.time() - began < 15
    assert tab.acknowledged < tab.sent
    assert source_of(await bench.stored()) == "one"


GARBAGE: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", CLOSE_MALFORMED),
    "an unknown kind": (b"\x07", CLOSE_MALFORMED),
    "an event": (b"\x65" + varbytes(b"{}"), CLOSE_MALFORMED),
    "an unknown sync message": (b"\x00\x03\x00", CLOSE_MALFORMED),
    "a length beyond the end": (b"\x00\x02\xff\xff\x03abc", CLOSE_MALFORMED),
    "bytes after the end": (sync_update(b"\x00\x00") + b"x", CLOSE_MALFORMED),
    "a number without an end": (b"\xff" * 20, CLOSE_MALFORMED),
    "a state vector of half a billion clients": (sync_step1(varuint(1 << 28) + b"\x01\x01"), CLOSE_MALFORMED),
    "an update of half a billion clients": (sync_update(varuint(1 << 28) + b"\x01\x01\x01\x00"), CLOSE_MALFORMED),
    "a state vector that breaks off": (sync_step1(b"\x02\xff\xff\xff\xff\x0f\x01"), CLOSE_MALFORMED),
    "an update that is none": (sync_update(b"\x01\x05hello world, this is no update"), CLOSE_REFUSED),
    "presence that is a list": (b"\x01" + varbytes(b"\x01\x05\x01" + varbytes(b"[]")), CLOSE_MALFORMED),
    "presence that is not JSON": (b"\x01" + varbytes(b"\x01\x05\x01" + varbytes(b"{'a'}")), CLOSE_MALFORMED),
    "presence with NaN": (b"\x01" + varbytes(b"\x01\x05\x01" + varbytes(b'{"cell": NaN}')), CLOSE_MALFORMED),
    "presence with infinity": (b"\x01" + varbytes(b"\x01\x05\x01" + varbytes(b'{"cell": 1e999}')), CLOSE_MALFORMED),
    "a presence clock near the end of numbers": (
        b"\x01" + varbytes(b"\x01\x05" + varuint(2**53 - 1) + varbytes(b"{}")),
        CLOSE_MALFORMED,
    ),
    "a command that is not JSON": (b"\x64" + varbytes(b"{"), CLOSE_MALFORMED),
    "a command of 3 MB": (b"\x64" + varbytes(b'"' + b"x" * (3 << 20) + b'"'), CLOSE_TOO_LARGE),
    "an edit that is too large": (sync_update(b"\x00\x00" + b"x" * (MAX_UPDATE_BYTES + 1)), CLOSE_TOO_LARGE),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_w5_garbage_closes_its_sender_with_a_reason_and_nobody_else(name: str) -> None:
    frame, code = GARBAGE[name]
    async with open_bench() as bench:
        hostile, other, third = await bench.join(), await bench.join(), await bench.join()
        before = len(other.heard)
        hostile.socket.push(frame)
        ended, reason = await over(hostile)
        assert ended == code
        assert reason.endswith(".")
        other.type(" more")
        await other.until_saved()
        await third.until(lambda: third.source() == "one more")
        assert content(bench.room.doc) == content(other.doc)
        assert all(payload[0] != 0 for payload in other.heard[before:])


async def test_w5_a_command_that_goes_wrong_on_the_server_is_refused_and_ends_nothing() -> None:
    runs = FakeRuns()
    async with open_bench(runs=runs) as bench:
        tab = await bench.join()
        runs.error = KeyError("a bug")
        tab.command({"type": "interrupt", "request": 7})
        await tab.until(lambda: bool(tab.told("refused")))
        assert tab.connection.ended is None


@pytest.mark.parametrize("role", Role)
async def test_w11_widgets_are_read_by_everyone_and_driven_by_who_may_run(role: Role) -> None:
    runs = FakeRuns()
    async with open_bench(runs=runs) as bench:
        tab = await bench.join(Tab(role=role))
        drive = {"type": "comm_msg", "comm": "s", "id": "m1", "cell": "a", "data": {"method": "update"}}
        tab.socket.push(comm_frame(drive, (b"bytes",)))
        tab.socket.push(comm_frame({"type": "models", "request": 1, "models": ["s"]}))
        await eventually(lambda: any(isinstance(ask, ModelsWanted) for ask, _ in runs.comms))
        driven = [ask for ask, _ in runs.comms if isinstance(ask, CommSent)]
        assert (len(driven), tab.connection.ended) == (role >= Role.RUNNER, None)


async def test_w5_what_goes_wrong_with_one_frame_ends_its_sender_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        live, get_update = bench.room.doc, Doc.get_update

        def panic(doc: NotebookDoc, state: bytes | None = None) -> bytes:
            if doc is live and state is not None:
                raise PanicException("index out of bounds")
            return get_update(doc, state)

        monkeypatch.setattr(Doc, "get_update", panic)
        tab.socket.push(sync_step1(tab.doc.get_state()))
        assert await over(tab) == (CLOSE_FAILED, "This went wrong on the server; its log says why.")
        monkeypatch.undo()
        other.type("!")
        await other.until_saved()
        assert not bench.room.over


async def test_w6_presence_is_complete_when_one_has_joined() -> None:
    async with open_bench() as bench:
        first, second = await bench.join(), await bench.join()
        first.announce({"cell": "a", "mode": "edit"})
        second.announce({"cell": "b"})
        await first.until(lambda: set(first.presence) == {first.client, second.client})
        began = asyncio.get_running_loop().time()
        newcomer = await bench.join()
        assert newcomer.presence == first.presence
        assert asyncio.get_running_loop().time() - began < 1


async def test_w7_a_socket_that_is_gone_takes_its_presence_with_it() -> None:
    async with open_bench() as bench:
        gone, other = await bench.join(), await bench.join()
        gone.announce()
        await other.until(lambda: gone.client in other.presence)
        began = asyncio.get_running_loop().time()
        gone.socket.leave()
        await other.until(lambda: gone.client not in other.presence)
        assert asyncio.get_running_loop().time() - began < 1


async def test_w7_nobody_speaks_for_another_client() -> None:
    async with open_bench() as bench:
        victim, hostile = await bench.join(), await bench.join()
        victim.announce({"cell": "a"})
        await hostile.until(lambda: victim.client in hostile.presence)
        before = hostile.presence[victim.client]
        hostile.clock = 50
        hostile.announce({"cell": "b"}, client=victim.client)
        hostile.socket.push(awareness([Presence(victim.client, 99, None)]))
        hostile.announce({"cell": "b"})
        hostile.announce({"cell": "a"}, client=hostile.client + 500)  # a second id of one's own
        await victim.until(lambda: hostile.client in victim.presence)
        newcomer = await bench.join()
        assert newcomer.presence[victim.client] == before
        assert set(newcomer.presence) == {victim.client, hostile.client}


async def test_w8_presence_is_stamped_and_cut_to_what_there_is() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        tab.announce({"user": {"name": "Somebody else", "role": "owner"}, "cell": "a", "extra": 1, "mode": "edit"})
        await other.until(lambda: tab.client in other.presence)
        user = {"id": tab.user.id, "name": tab.user.name, "color": "#123456", "guest": True, "role": "editor"}
        state = {"user": user, "cell": "a", "cursor": None, "mode": "edit"}
        assert other.presence[tab.client].state == state


async def test_w8_presence_is_never_sent_on_when_it_is_too_large() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        tab.announce({"cursor": {"anchor": {"x": "y" * 5000}, "head": {}}})
        assert (await over(tab))[0] == CLOSE_MALFORMED
        assert other.presence == {}


async def test_w8_a_hundred_states_a_second_are_told_as_twenty() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        await anyio.sleep(1)
        before = len(other.heard)
        for number in range(100):
            tab.announce({"cell": f"c{number}"})
            await anyio.sleep(0.01)
        await other.until(lambda: tab.client in other.presence and other.presence[tab.client].clock == 100)
        assert len(other.heard) - before <= 23


async def test_w10_an_author_hears_no_echo_and_a_viewer_changes_nothing() -> None:
    async with open_bench() as bench:
        author, other, viewer = await bench.join(), await bench.join(), await bench.join(Tab(role=Role.VIEWER))
        author.type("!")
        await author.until_saved()
        await other.until(lambda: other.source() == "one!")
        assert author.updates == []
        rows = bench.log.rows(ID)
        assert [row.user for row in rows] == ["", author.user.id]
        viewer.type("?")
        assert (await over(viewer))[0] == CLOSE_FORBIDDEN
        assert bench.log.rows(ID) == rows
        assert source_of(bench.room.doc) == "one!"


async def test_w11_a_large_notebook_that_is_joined_does_not_delay_another_room() -> None:
    log = MemoryLog()
    log.add(ID, large_notebook())
    joined: list[int] = []

    async def open_and_join() -> None:
        async with open_bench(log) as large:
            heard: list[bytes] = []
            socket = FakeSocket(lambda payload: heard.append(payload[:2]))
            socket.push(sync_step1(b"\x00"))
            socket.push(sync_step2(b"\x00\x00"))
            large.tasks.start_soon(large.room.serve, Connection(socket, Tab().user, Role.EDITOR))
            await eventually(lambda: b"\x00\x01" in heard)
            joined.append(len(large.room.doc.get_update()))

    async with open_bench() as bench, anyio.create_task_group() as tasks:
        writer, reader = await bench.join(), await bench.join()
        tasks.start_soon(open_and_join)
        longest = 0.0
        for number in range(40):
            # Of this thread's own time: what else runs on the machine does not count.
            began = time.thread_time()
            writer.type("x")
            await reader.until(shows(reader, "one" + "x" * (number + 1)))
            longest = max(longest, time.thread_time() - began)
    assert joined[0] > 10_000_000
    assert longest < 0.05, f"{longest * 1000:.0f} ms"


def large_notebook() -> bytes:
    """10 MB, most of it outputs."""
    doc: NotebookDoc = Doc()
    opened = roots(doc)
    create(doc, "Large", [NewCell(CellId(f"c{number}"), "code", "x = 1\n" * 20) for number in range(200)])
    with doc.transaction(origin=SERVER_ORIGIN):
        for number in range(200):
            text = Text("a line of output\n" * 3100)
            opened.outputs[f"c{number}"] = Array([Map({"output_type": "stream", "name": "stdout", "text": text})])
    return doc.get_update()


# -- R1, P11 -----------------------------------------------------------------------------------------------------------


def test_r1_what_we_override_of_yroom_is_there() -> None:
    expected = {
        "serve": ["self", "channel"],
        "_broadcast_updates": ["self"],
        "_watch_ready": ["self"],
        "_run_provider": ["self"],
        "send_server_awareness": ["self", "type", "changes"],
        "stop": ["self"],
    }
    assert {name: list(inspect.signature(getattr(YRoom, name)).parameters) for name in expected} == expected
    start = inspect.getsource(YRoom._start)
    assert "self._watch_ready" in start
    assert "self._broadcast_updates" in start
    assert start.rstrip().endswith("self._task_group.start_soon(self._run_provider)")


async def test_r1_a_running_room_has_no_put_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    subscribed: list[object] = []
    observe = Doc.observe

    def spy(doc: NotebookDoc, callback: Any) -> Any:
        subscribed.append(getattr(callback, "func", callback))
        return observe(doc, callback)

    monkeypatch.setattr(Doc, "observe", spy)
    async with open_bench() as bench:
        await bench.join()
        assert bench.room._changed in subscribed
        assert put_updates not in subscribed


async def test_a_room_that_is_closed_at_once_ends_in_peace_and_knows_every_edit() -> None:
    async with open_bench() as bench:
        pass
    async with open_bench(bench.log) as bench:
        write(bench.room, "!")
    assert source_of(await bench.stored()) == "one!"


async def test_p11_a_closed_room_is_collected_and_its_gate_and_docs_with_it() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        tab.type("x")
        await tab.until_saved()
        assert bench.room._gate is not None
        gate = weakref.ref(bench.room._gate), weakref.ref(bench.room._gate.doc)
        tab.socket.leave()
        await empty(bench.room)
        gc.collect()
        assert [ref() for ref in gate] == [None, None]
        room = weakref.ref(bench.room), weakref.ref(bench.room.doc)
    del bench, tab
    gc.collect()
    assert [ref() for ref in room] == [None, None]


# -- joining -----------------------------------------------------------------------------------------------------------


async def test_x1_what_a_newcomer_hears_and_in_which_order() -> None:
    async with open_bench(runs=FakeRuns()) as bench:
        tab = await bench.join()
        assert [event["type"] for event in tab.events[:3]] == ["joined", "runtime_changed", "queue_changed"]
        kinds = [tuple(payload[:2]) if payload[0] == 0 else payload[0] for payload in tab.heard]
        assert kinds[:5] == [101, (0, 0), 1, 101, 101]
        assert (0, 1) in kinds[5:]


async def test_x2_nobody_gets_what_is_not_in_the_log_yet() -> None:
    async with open_bench() as bench:
        early = await bench.join()
        bench.log.hold()
        write(bench.room, " not saved")
        late = bench.enter()
        late.socket.push(bytes((QUERY_AWARENESS,)))
        await late.until(lambda: sum(payload[0] == 1 for payload in late.heard) == 2)
        assert not late.synced
        assert early.source() == "one"
        bench.log.release()
        await late.until(lambda: late.source() == "one not saved")
        await early.until(lambda: early.source() == "one not saved")


async def test_x2_questions_do_not_pile_up_while_nothing_can_be_saved() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        await tab.until_saved()
        bench.log.hold()
        write(bench.room, "!")
        for _ in range(100):
            tab.socket.push(sync_step1(b"\x00"))
        tab.socket.push(bytes((QUERY_AWARENESS,)))
        heard = len(tab.heard)
        await tab.until(lambda: len(tab.heard) > heard)
        bench.log.release()
        await tab.until(lambda: tab.source() == "one!")
        assert sum(payload[:2] == b"\x00\x01" for payload in tab.heard) == 2


async def test_x3_some_frame_comes_before_a_stock_client_gives_up() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        heard = len(tab.heard)
        await anyio.sleep(60)
        assert len(tab.heard) - heard >= 4


@pytest.mark.parametrize("raised", [0, 1], ids=["as a stock client", "as our page, which raises its clock"])
async def test_a3_one_who_comes_back_at_once_is_seen_at_once(raised: int) -> None:
    async with open_bench() as bench:
        other, first = await bench.join(), await bench.join()
        first.announce({"cell": "a"})
        await other.until(lambda: first.client in other.presence)
        first.socket.leave()
        await other.until(lambda: first.client not in other.presence)
        again = await bench.join(Tab(user=first.user))
        again.client, again.clock = first.client, first.clock - 1 + raised
        again.announce({"cell": "b"})
        await other.until(lambda: first.client in other.presence)


async def test_a3_one_who_comes_back_before_the_old_socket_is_dead_is_not_taken_away_with_it() -> None:
    async with open_bench() as bench:
        other, old = await bench.join(), await bench.join()
        old.announce({"cell": "a"})
        await other.until(lambda: old.client in other.presence)
        again = await bench.join(Tab(user=old.user))
        again.client, again.clock = old.client, old.clock
        again.announce({"cell": "b"})
        await other.until(lambda: other.presence[old.client].clock == 2)
        old.socket.leave()
        await eventually(lambda: old.connection not in bench.room.connections)
        await anyio.sleep(1)
        assert old.client in other.presence


async def test_a1_a_new_name_reaches_everyone_and_moving_on_does_too() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        tab.announce({"cell": "a"})
        await other.until(lambda: tab.client in other.presence)
        bench.room.restamp(User(tab.user.id, "Renamed", tab.user.color, True))
        tab.announce({"cell": "b"})  # with the clock it has; the server's is ahead by now
        await other.until(lambda: _cell_and_name(other, tab) == ("b", "Renamed"))
        tab.announce({"cell": "a"})
        await other.until(lambda: _cell_and_name(other, tab) == ("a", "Renamed"))
        assert tab.told("renamed")


def _cell_and_name(tab: Tab, of: Tab) -> tuple[object, object]:
    state: Any = tab.presence[of.client].state
    return state["cell"], state["user"]["name"]


async def test_a1_what_stock_clients_send_back_is_no_news() -> None:
    """They send on every state that they hear, their own stamped one included: no frame may breed another."""
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        tab.announce({"cell": "a"})
        await other.until(lambda: tab.client in other.presence)
        bench.room.restamp(User(tab.user.id, "Renamed", tab.user.color, True))
        await tab.until(lambda: _cell_and_name(tab, tab)[1] == "Renamed")
        await anyio.sleep(1)
        heard = len(other.heard)
        for one in (tab, other):
            one.socket.push(awareness(one.presence.values()))
        await anyio.sleep(1)
        assert len(other.heard) == heard


# -- acknowledging -----------------------------------------------------------------------------------------------------


async def test_d4_nothing_is_acknowledged_before_its_commit() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        await tab.until_saved()
        bench.log.hold()
        sent = tab.sent
        for _ in range(20):
            tab.type("x")
        await eventually(lambda: source_of(bench.room.doc) == tab.source())
        assert tab.acknowledged == sent
        assert other.source() == "one"
        bench.log.release()
        await tab.until_saved()
        assert tab.acknowledged == sent + 20
        assert other.source() == tab.source()


async def test_d5_what_adds_nothing_is_acknowledged_after_the_commit_that_may_hold_it() -> None:
    async with open_bench() as bench:
        first, second = await bench.join(), await bench.join()
        await first.until_saved()
        await second.until_saved()
        bench.log.hold()
        before = first.doc.get_state()
        first.type("x")
        update = first.doc.get_update(before)
        second.socket.push(sync_update(update))  # the same edit, from somebody else
        second.sent += 1
        await anyio.sleep(0.1)
        assert (first.acknowledged, second.acknowledged) == (1, 1)
        bench.log.release()
        await first.until_saved()
        await second.until_saved()
        assert len(bench.log.rows(ID)) == 2
        second.socket.push(sync_update(update))
        second.sent += 1
        await second.until_saved()
        assert len(bench.log.rows(ID)) == 2


async def test_d6_a_gap_is_asked_for_and_only_its_filling_is_acknowledged() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        await tab.until_saved()
        states = [tab.doc.get_state()]
        tab._live = False  # it loses a frame
        tab.type("1")
        states.append(tab.doc.get_state())
        tab._live = True
        tab.type("2")
        await tab.until_saved()
        await other.until(lambda: other.source() == "one12")
        assert source_of(await bench.stored()) == "one12"
        assert content(bench.room.doc) == content(tab.doc)


async def test_d6_who_always_leaves_gaps_is_sent_away() -> None:
    async with open_bench() as bench:
        tab = bench.enter(Tab(answers=False))
        stranger = Tab()
        stranger.doc.apply_update(new_notebook())
        for number in range(5):
            lost = stranger.doc.get_state()
            stranger.type(f"{number}")
            state = stranger.doc.get_state()
            assert lost != state
            stranger.type("x")
            tab.socket.push(sync_step2(stranger.doc.get_update(state)))
        assert (await over(tab))[0] == CLOSE_BUSY
        assert source_of(bench.room.doc) == "one"


async def test_d7_while_nothing_can_be_saved_everyone_is_told_and_then_sent_away() -> None:
    loop, tab, other = asyncio.get_running_loop(), Tab(), Tab()
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - whenever it comes, it ends the block
        async with open_bench() as bench:
            await bench.join(tab)
            await bench.join(other)
            bench.log.trouble = "The disk is full."
            began = loop.time()
            tab.type("!")
            await anyio.sleep_forever()
    assert 5 <= loop.time() - began < 8
    assert {event["reason"] for event in other.told("cannot_save")} == {"The disk is full."}
    assert tab.connection.ended == other.connection.ended == (CLOSE_BUSY, "The notebook cannot be saved at the moment.")
    assert tab.acknowledged < tab.sent
    assert source_of(await bench.stored()) == "one"


async def test_d7_a_short_trouble_loses_nothing_and_ends_nobody() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        await tab.until_saved()
        bench.log.trouble = "The disk is full."
        tab.type("!")
        await tab.until(lambda: len(tab.told("cannot_save")) == 2)
        assert tab.acknowledged < tab.sent
        assert other.source() == "one"
        bench.log.trouble = ""
        await tab.until_saved()
        await other.until(lambda: other.source() == "one!")
        assert source_of(await bench.stored()) == "one!"


async def test_a_deleted_notebook_ends_its_room_at_once() -> None:
    loop = asyncio.get_running_loop()
    log = MemoryLog()
    log.add(ID, new_notebook())
    tab = Tab()
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - whenever it comes, it ends the block
        async with open_bench(log) as bench:
            await bench.join(tab)
            log.delete(ID)
            began = loop.time()
            tab.type("!")
            await anyio.sleep_forever()
    assert tab.connection.ended == (CLOSE_NO_NOTEBOOK, "The notebook was deleted.")
    assert loop.time() - began < 1


async def test_who_waits_for_a_commit_is_told_when_the_room_ends_first() -> None:
    refusals: list[str] = []

    async def wait(room: Room) -> None:
        try:
            await room.commit()
        except RoomClosed as error:
            refusals.append(str(error))

    async with anyio.create_task_group() as tasks:
        async with open_bench() as bench:
            bench.log.hold()
            write(bench.room, "!")
            tasks.start_soon(wait, bench.room)
            await eventually(lambda: bench.log.appends == 1)
        await wait(bench.room)
    assert refusals == 2 * ["The notebook was closed meanwhile; try again."]


async def test_p4_a_panic_in_the_doc_ends_the_room_and_keeps_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """pycrdt's panics are BaseExceptions: what does not expect them takes the process down."""

    class PanicException(BaseException):
        pass

    tab, other = Tab(), Tab()
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - whenever it comes, it ends the block
        async with open_bench() as bench:
            await bench.join(tab)
            await bench.join(other)
            live, apply = bench.room.doc, Doc.apply_update

            def panic(doc: NotebookDoc, update: bytes) -> None:
                if doc is live:
                    raise PanicException("called `Option::unwrap()` on a `None` value")
                apply(doc, update)

            monkeypatch.setattr(Doc, "apply_update", panic)
            tab.type("!")
            await anyio.sleep_forever()
    assert tab.connection.ended == other.connection.ended == (CLOSE_RESTARTING, "The notebook is being loaded again.")
    assert tab.acknowledged < tab.sent
    assert source_of(await bench.stored()) == "one"


async def test_a_tab_more_than_there_may_be_is_sent_away_and_comes_in_when_one_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collab.room.MAX_CONNECTIONS", 2)
    async with open_bench() as bench:
        first, second = await bench.join(), await bench.join()
        third = bench.enter()
        assert (await over(third))[0] == CLOSE_BUSY
        first.type("!")
        await first.until_saved()
        first.socket.leave()
        await eventually(lambda: len(bench.room.connections) == 1)
        await bench.join()
        assert second.connection.ended is None


# -- the gate ----------------------------------------------------------------------------------------------------------


async def test_v6_a_refusal_ends_the_sender_and_the_next_edit_of_others_goes_on() -> None:
    async with open_bench() as bench:
        hostile, other = await bench.join(), await bench.join()
        hostile.doc.get("outputs", type=Map)["a"] = "forged"
        assert (await over(hostile))[0] == CLOSE_REFUSED
        other.type("!")
        await other.until_saved()
        assert source_of(await bench.stored()) == "one!"
        assert content(bench.room.doc)["outputs"] == {}


def compare(tab: Tab, **sources: str) -> None:
    shown = {cell: source_sha256(text) for cell, text in sources.items()}
    tab.command({"type": "compare", "state": b64encode(tab.doc.get_state()).decode(), "sources": shown})


async def test_d11_a_browser_that_shows_another_text_under_the_same_state_is_told_and_begins_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_bench() as bench:
        drifted, other = await bench.join(), await bench.join(Tab(role=Role.VIEWER))
        compare(other, a="one", b="two", gone="?")
        compare(drifted, a="one", b="tw\u00f6")
        assert await over(drifted) == (CLOSE_REFUSED, "This page showed another text than what is saved.")
        assert drifted.told("differs") == [{"type": "differs", "cells": ["b"]}]
        assert "another text" in caplog.text
        assert other.connection.ended is None
        assert other.told("differs") == []


async def test_d11_edits_that_are_on_their_way_are_no_drift() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        bench.log.hold()
        other.type("!")
        compare(tab, a="one")  # it has not heard of the edit yet
        bench.log.release()
        await tab.until(lambda: tab.source() == "one!")
        assert tab.connection.ended is None


@pytest.mark.parametrize("state", [b"\x01", b"\xff" * 40])
async def test_a_state_vector_that_is_none_ends_its_sender_alone(state: bytes) -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        tab.command({"type": "compare", "state": b64encode(state).decode(), "sources": {}})
        assert (await over(tab))[0] == CLOSE_MALFORMED
        other.type("!")
        await other.until_saved()


async def test_v4_what_needs_repair_is_repaired_for_everyone() -> None:
    async with open_bench() as bench:
        tab, other = await bench.join(), await bench.join()
        tab.type("x\r\ny\0")
        await tab.until_saved()
        await other.until(lambda: other.source() == "onex\ny\ufffd")
        await tab.until(lambda: tab.source() == other.source())
        assert [row.user for row in bench.log.rows(ID)] == ["", tab.user.id, ""]


async def test_outputs_do_not_count_when_a_notebook_becomes_too_large() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        with bench.room.doc.transaction(origin=SERVER_ORIGIN):
            for number in range(40):
                text = Text("x" * 256_000)
                roots(bench.room.doc).outputs[f"c{number}"] = Array([Map({"output_type": "stream", "text": text})])
        await bench.room.commit()
        assert len(bench.room.doc.get_update()) > MAX_DOCUMENT_BYTES
        tab.type("still here")
        await tab.until_saved()
        again = await bench.join()
        again.type("!")
        await again.until_saved()
        assert source_of(await bench.stored()) == "onestill here!"


async def test_v8_what_browsers_write_has_a_limit_and_one_can_go_below_it_again() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        for _ in range(8):
            tab.type("x" * 1_000_000)
        await tab.until_saved()
        over_it = await bench.join()
        over_it.type("y" * 900_000)
        assert (await over(over_it))[0] == CLOSE_TOO_LARGE
        source = roots(tab.doc).cells["a"]["source"]
        del source[0:500_000]
        tab.type("z" * 400_000)
        await tab.until_saved()
        assert tab.connection.ended is None
        assert content(await bench.stored()) == content(tab.doc)


async def test_what_the_server_writes_does_not_pile_up_for_a_gate_that_nobody_needs() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        tab.type("!")
        await tab.until_saved()
        for _ in range(30):
            with bench.room.doc.transaction(origin=SERVER_ORIGIN):
                roots(bench.room.doc).outputs["a"] = Array([Map({"text": Text("x" * 100_000)})])
            await bench.room.commit()
        assert sum(map(len, bench.room._unfollowed)) <= 1 << 20
        tab.type("?")
        await tab.until_saved()
        assert content(bench.room.doc) == content(tab.doc)


async def test_t10_no_bytes_of_an_editor_break_a_room() -> None:
    rng = random.Random(10)
    log = MemoryLog()
    log.add(ID, new_notebook())
    async with open_bench(log) as bench:
        honest = await bench.join()
        outcomes: set[int] = set()
        for number in range(400):
            hostile = Tab(answers=False, follows=False)
            hostile.doc.apply_update(bench.room.doc.get_update())
            state = hostile.doc.get_state()
            hostile.type("x", rng.choice("ab"))
            update = bytearray(hostile.doc.get_update(state if rng.random() < 0.7 else b"\x00"))
            for _ in range(rng.randint(0, 3)):
                at = rng.randrange(len(update) + 1)
                fresh = rng.choice(
                    [rng.randbytes(rng.randint(0, 4)), varuint(rng.choice([2**28, 2**31, 2**53, 2**63]))]
                )
                update[at : at + rng.randint(0, 2)] = fresh
            hostile.socket.push(rng.choice([sync_update, sync_step2])(bytes(update)))
            hostile.socket.push(sync_step1(bytes(update[:20])))
            hostile.socket.leave()
            await bench.room.serve(hostile.connection)
            outcomes.add(hostile.connection.ended[0] if hostile.connection.ended else 0)
            if number % 50 == 0:
                honest.type("!")
                await honest.until_saved()
        await bench.room.commit()
        await honest.until(lambda: content(honest.doc) == content(bench.room.doc))
        assert not bench.room.over
        assert content(await bench.stored()) == content(bench.room.doc)
        assert source_of(bench.room.doc).count("!") == 8
        assert {CLOSE_MALFORMED, CLOSE_REFUSED} <= outcomes


# -- T11: every role x every frame and command, before and after the role changes --------------------------------------


RUNTIMES = {kind: role for kind, role in ROLE_FOR.items() if kind is not Compare}


def _commands() -> list[tuple[dict[str, Any], Role]]:
    bodies: dict[str, dict[str, Any]] = {
        "RunCells": {"type": "run_cells", "cells": "all"},
        "CancelRuns": {"type": "cancel_runs", "cells": ["a"]},
        "Interrupt": {"type": "interrupt"},
        "Restart": {"type": "restart"},
        "StartRuntime": {"type": "start_runtime"},
        "ShutDownRuntime": {"type": "shut_down_runtime"},
        "ClearOutputs": {"type": "clear_outputs", "cells": "all"},
        "AnswerInput": {"type": "answer_input", "cell": "a", "value": "x"},
        "Complete": {"type": "complete", "code": "x", "cursor": 1},
        "Inspect": {"type": "inspect", "code": "x", "cursor": 1},
        "ExtendRuntime": {"type": "extend_runtime"},
        "ResetRuntime": {"type": "reset_runtime", "folder": True},
        "ResetAllRuntimes": {"type": "reset_all_runtimes"},
        "ChooseRuntime": {"type": "choose_runtime", "kernel": "python3"},
        "AttachRuntime": {"type": "attach_runtime", "url": "http://localhost:1", "token": "x"},
        "DetachRuntime": {"type": "detach_runtime"},
        "Invoke": {"type": "invoke", "cell": "a", "name": "f", "args": "[]", "kwargs": "{}"},
        "ColabReply": {"type": "colab_reply", "reply": 1, "value": "1"},
    }
    # Comparing is for everybody, and between the tab and the Room.
    assert set(bodies) == {kind.__name__ for kind in RUNTIMES}
    return [(bodies[kind.__name__], role) for kind, role in RUNTIMES.items()]


@pytest.mark.parametrize("change", [False, True], ids=["as it joined", "after a change"])
@pytest.mark.parametrize("role", Role)
async def test_t11_every_role_and_every_command(role: Role, change: bool) -> None:
    runs = FakeRuns()
    async with open_bench(runs=runs) as bench:
        other = {Role.OWNER: Role.VIEWER}.get(role, Role.OWNER)
        tab = await bench.join(Tab(role=other if change else role))
        if change:
            bench.room.change_role(tab.connection, role)
            assert tab.told("role_changed") == [{"type": "role_changed", "role": role.word}]
        wanted: list[type[Command]] = []

        def answers(count: int) -> Callable[[], bool]:
            return lambda: len(runs.requests) + len(tab.told("refused")) == count

        for number, (body, needed) in enumerate(_commands()):
            tab.command(body | {"request": number})
            await eventually(answers(number + 1))
            if role >= needed:
                wanted.append(type(runs.requests[-1][0]))
            else:
                told = tab.told("refused")[-1]
                assert (told["request"], told["command"]) == (number, body["type"])
                assert f"needs the role {needed.word}; yours is {role.word}." in told["reason"]
        assert [type(command) for command, _ in runs.requests] == wanted
        assert [ROLE_FOR[kind] <= role for kind in wanted] == [True] * len(wanted)
        assert len(wanted) == sum(needed <= role for needed in RUNTIMES.values())
        assert tab.connection.ended is None


@pytest.mark.parametrize("change", [False, True], ids=["as it joined", "after a change"])
@pytest.mark.parametrize("role", Role)
async def test_t11_every_role_and_every_frame(role: Role, change: bool) -> None:
    async with open_bench() as bench:
        writer = await bench.join()
        other = {Role.OWNER: Role.VIEWER}.get(role, Role.OWNER)
        tab = bench.enter(Tab(role=other if change else role, answers=False))
        if change:
            await tab.until(lambda: bool(tab.events))
            bench.room.change_role(tab.connection, role)
            await anyio.sleep(6)  # what was on its way at that moment is dropped, and ends nobody
        tab.socket.push(sync_step1(b"\x00"))
        await tab.until_synced()
        tab.announce({"cell": "a"})
        await writer.until(lambda: tab.client in writer.presence)
        state: Any = writer.presence[tab.client].state
        assert state["user"]["role"] == role.word
        tab.socket.push(bytes((QUERY_AWARENESS,)))
        await tab.until(lambda: tab.client in tab.presence)
        before = tab.doc.get_state()
        tab.type("step2 ")
        tab.socket.push(sync_step2(tab.doc.get_update(before)))
        before = tab.doc.get_state()
        tab.type("update")
        tab.socket.push(sync_update(tab.doc.get_update(before)))
        if role >= Role.EDITOR:
            await writer.until(lambda: writer.source() == "onestep2 update")
            assert tab.connection.ended is None
            assert bench.log.rows(ID)[-1].user == tab.user.id
        else:
            assert (await over(tab))[0] == CLOSE_FORBIDDEN
            assert source_of(bench.room.doc) == "one"
            assert len(bench.log.rows(ID)) == 1


@pytest.mark.parametrize("value", [{"type": "fly"}, [], {"type": "run_cells"}, {"type": "complete", "cursor": -1}])
async def test_a_command_that_is_none_is_refused_with_the_reason(value: object) -> None:
    runs = FakeRuns()
    async with open_bench(runs=runs) as bench:
        tab = await bench.join(Tab(role=Role.OWNER))
        tab.command(value)
        await tab.until(lambda: bool(tab.told("refused")))
        assert runs.requests == []
        assert tab.connection.ended is None


async def test_a_refusal_names_its_request_however_late_it_comes() -> None:
    late: list[Callable[[Event], None]] = []

    class Slow(FakeRuns):
        def request(self, command: Command, user: User, answer: Callable[[Event], None]) -> None:
            late.append(answer)
            super().request(command, user, answer)

    runs = Slow()
    async with open_bench(runs=runs) as bench:
        tab = await bench.join()
        tab.command({"type": "interrupt", "request": 7})
        await eventually(lambda: len(late) == 1)
        runs.refusal = "Nothing runs."
        tab.command({"type": "start_runtime", "request": 8})
        await tab.until(lambda: len(tab.told("refused")) == 1)
        late[0](Refused("It did not work."))
        await tab.until(lambda: len(tab.told("refused")) == 2)
        assert tab.told("refused") == [
            {"type": "refused", "reason": "Nothing runs.", "request": 8, "command": "start_runtime"},
            {"type": "refused", "reason": "It did not work.", "request": 7, "command": "interrupt"},
        ]


async def test_x7_a_command_comes_after_the_edits_that_were_sent_before_it() -> None:
    seen: list[str] = []

    class Reading(FakeRuns):
        def request(self, command: Command, user: User, answer: Any) -> None:
            assert command == Interrupt()
            seen.append(source_of(bench.room.doc))

    async with open_bench(runs=Reading()) as bench:
        tab = await bench.join()
        tab.type(" last key")
        tab.command({"type": "interrupt"})
        await eventually(lambda: bool(seen))
        assert seen == ["one last key"]


class StockChannel:
    """How pycrdt's own Provider reaches a Room."""

    path = "stock"

    def __init__(self) -> None:
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.socket = FakeSocket(self._heard.put_nowait)

    def __aiter__(self) -> "StockChannel":
        return self

    async def __anext__(self) -> bytes:
        return await self._heard.get()

    async def send(self, message: bytes) -> None:
        self.socket.push(message)

    async def recv(self) -> bytes:
        return await self._heard.get()


async def test_t17_a_stock_provider_joins_edits_and_stays() -> None:
    async with open_bench() as bench:
        tab = await bench.join()
        channel, doc = StockChannel(), Doc[Any]()
        roots(doc)
        connection = Connection(channel.socket, Tab().user, Role.EDITOR)
        bench.tasks.start_soon(bench.room.serve, connection)
        async with Provider(doc, channel) as provider:
            await provider.synced.wait()
            assert source_of(doc) == "one"
            roots(doc).cells["a"]["source"].insert(3, " from stock")
            await tab.until(lambda: tab.source() == "one from stock")
            await anyio.sleep(60)
            tab.type("!")
            await eventually(lambda: source_of(doc) == "one from stock!")
            assert connection.ended is None


async def test_people_are_named_once_however_many_tabs_they_have() -> None:
    user = User(UserId("u"), "Ada", "#112233", False)
    async with open_bench() as bench:
        await bench.join(Tab(user=user))
        await bench.join(Tab(user=user))
        assert bench.room.people == [user]


async def test_a_long_log_is_read_in_portions_and_gives_the_same_doc() -> None:
    doc = await load_doc([new_notebook()])
    updates = [doc.get_update()]
    doc.observe(lambda event: updates.append(bytes(event.update)))
    for number in range(20_000):
        source = roots(doc).cells["a"]["source"]
        source.insert(len(source), f"{number % 10}")
    began = time.thread_time()
    again = await load_doc(updates)
    assert content(again) == content(doc)
    assert time.thread_time() - began < 1
