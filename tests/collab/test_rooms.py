"""Rooms: opened once from the log, closed when nobody needs them, and opened again after they failed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pycrdt import Doc

from collab import notebook
from collab.connection import Connection
from collab.journal import RoomClosed
from collab.model import CellId, NotebookId
from collab.notebook import SERVER_ORIGIN, NewCell, NotebookDoc, append, cell_source, create, roots, set_title
from collab.room import Room
from collab.rooms import Rooms
from collab.store.store import LogEntry, NoNotebook, StoreError
from collab.wire import CLOSE_BUSY, CLOSE_RESTARTING
from tests.support.benches import ID, new_notebook
from tests.support.clock import JUMPING
from tests.support.logs import MemoryLog
from tests.support.runs import FakeRuns
from tests.support.tabs import Tab

pytestmark = pytest.mark.anyio
GRACE_S = 30.0


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


class House:
    """Rooms on a store in memory, with what runs in each."""

    def __init__(self) -> None:
        self.store = MemoryLog()
        self.store.add(ID, new_notebook())
        self.runs: list[FakeRuns] = []
        self.live = False
        self.rooms = Rooms(self.store, self._runs_of, GRACE_S)

    def _runs_of(self, room: Room) -> FakeRuns:
        self.runs.append(FakeRuns(self.live))
        return self.runs[-1]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[anyio.abc.TaskGroup]:
        async with anyio.create_task_group() as tasks:
            async with self.rooms.running():
                yield tasks
            tasks.cancel_scope.cancel()

    async def serve(self, connection: Connection) -> None:
        async with self.rooms.use(ID) as room:
            await room.serve(connection)

    @property
    def opened(self) -> int:
        return len(self.runs)

    async def source(self) -> str:
        async with self.rooms.use(ID) as room:
            return cell_source(room.doc, CellId("a"))


async def eventually(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(600):
        while not condition():  # noqa: ASYNC110 - nobody would set the event
            await anyio.sleep(0.01)


def write(room: Room, text: str) -> None:
    with room.doc.transaction(origin=SERVER_ORIGIN):
        append(roots(room.doc).cells["a"]["source"], text)


async def test_r5_two_joiners_of_a_closed_room_share_one_load() -> None:
    house = House()
    async with house.open() as tasks:
        tabs = [Tab(), Tab(), Tab()]
        for tab in tabs:
            tasks.start_soon(house.serve, tab.connection)
        for tab in tabs:
            await tab.until_synced()
        assert (house.opened, house.store.loads) == (1, 1)
        assert {tab.source() for tab in tabs} == {"one"}


async def test_x5_not_everything_is_loaded_at_once_when_everyone_comes_back() -> None:
    house = House()
    ids = [NotebookId(f"n{number}") for number in range(50)]
    for id in ids:
        house.store.add(id, new_notebook())
    opened: list[NotebookId] = []

    async def look(id: NotebookId) -> None:
        async with house.rooms.use(id):
            opened.append(id)

    async with house.open() as tasks:
        for id in ids:
            tasks.start_soon(look, id)
        await eventually(lambda: len(opened) == 50)
    assert house.store.most_loading == 8


async def test_a_room_closes_when_nobody_came_back_within_the_grace() -> None:
    house = House()
    async with house.open() as tasks:
        tab = Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        await anyio.sleep(10 * GRACE_S)
        assert house.rooms.get(ID) is not None
        tab.socket.leave()
        await anyio.sleep(0.9 * GRACE_S)
        back = Tab(user=tab.user)
        tasks.start_soon(house.serve, back.connection)
        await back.until_synced()
        await anyio.sleep(2 * GRACE_S)
        assert house.opened == 1
        back.socket.leave()
        await eventually(lambda: house.rooms.get(ID) is None)
        again = Tab()
        tasks.start_soon(house.serve, again.connection)
        await again.until_synced()
        assert house.opened == 2


async def test_a_room_that_was_only_looked_into_closes_too() -> None:
    house = House()
    async with house.open():
        assert await house.source() == "one"
        await eventually(lambda: house.rooms.get(ID) is None)


async def test_w9_the_last_tab_leaves_during_a_run_and_its_outputs_are_kept() -> None:
    house = House()
    async with house.open() as tasks:
        tab = Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        house.runs[0].live = True
        tab.socket.leave()
        await anyio.sleep(20 * GRACE_S)
        room = house.rooms.get(ID)
        assert room is not None
        write(room, " and its output")
        await room.commit()
        house.runs[0].live = False
        del room
        await eventually(lambda: house.rooms.get(ID) is None)
        assert await house.source() == "one and its output"
        assert house.opened == 2


async def test_one_who_joins_while_the_room_closes_waits_for_the_next_one() -> None:
    house = House()
    async with house.open() as tasks:
        tab = Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        house.store.hold()
        tab.type("!")
        await eventually(lambda: house.store.appends == 1)
        tasks.start_soon(house.rooms.close, ID)
        late = Tab()
        tasks.start_soon(house.serve, late.connection)
        await checkpoint()
        house.store.release()
        await late.until_synced()
        assert late.source() == "one!"
        assert house.opened == 2
        assert tab.connection.ended == (CLOSE_RESTARTING, "The notebook is being closed.")


async def test_closing_while_a_room_is_in_use_says_so_to_whoever_writes_into_it() -> None:
    house = House()
    async with house.open():
        async with house.rooms.use(ID) as room:
            await house.rooms.close(ID)
            write(room, "lost")
            with pytest.raises(RoomClosed):
                await room.commit()
        assert await house.source() == "one"


async def test_r6_a_room_that_failed_is_loaded_again_by_the_next_join() -> None:
    house = House()
    async with house.open() as tasks:
        tab = Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        tab.type("!")
        await tab.until_saved()
        house.runs[0].break_down(RuntimeError("a bug"))
        await eventually(lambda: tab.connection.ended is not None)
        assert tab.connection.ended is not None
        assert tab.connection.ended[0] == CLOSE_RESTARTING
        again = Tab()
        tasks.start_soon(house.serve, again.connection)
        await again.until_synced()
        assert again.source() == "one!"
        assert house.opened == 2


async def test_p4_a_panic_in_one_room_ends_neither_the_others_nor_the_server() -> None:
    class PanicException(BaseException):
        pass

    other_id = NotebookId("other")
    house = House()
    house.store.add(other_id, new_notebook())
    async with house.open() as tasks:
        tab, other = Tab(), Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        async with house.rooms.use(other_id) as room:
            tasks.start_soon(room.serve, other.connection)
            await other.until_synced()
            house.runs[0].break_down(PanicException("index out of bounds"))
            await eventually(lambda: tab.connection.ended is not None)
            other.type("!")
            await other.until_saved()
        assert await house.source() == "one"


async def test_d7_what_was_not_saved_comes_back_with_the_tabs_that_wrote_it(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    async with house.open() as tasks:
        tab = Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        house.store.trouble = "The disk is full."
        tab.type("!")
        await eventually(lambda: tab.connection.ended is not None)
        assert tab.connection.ended == (CLOSE_BUSY, "The notebook cannot be saved at the moment.")
        await eventually(lambda: house.rooms.get(ID) is None)
        assert "A room is given up, as it cannot be saved" in caplog.text
        assert "Traceback" not in caplog.text
        house.store.trouble = ""
        back = Tab(user=tab.user)
        back.doc.apply_update(tab.doc.get_update())
        tasks.start_soon(house.serve, back.connection)
        await back.until_synced()
        await back.until_saved()
        assert [row.user for row in house.store.rows(ID)] == ["", tab.user.id]
        assert await house.source() == "one!"


async def test_d7_a_run_goes_on_by_itself_when_its_room_could_not_be_saved() -> None:
    house = House()
    house.live = True
    async with house.open():
        async with house.rooms.use(ID) as room:
            house.store.trouble = "The disk is full."
            write(room, "output")
            await eventually(lambda: room.over)
        await anyio.sleep(20)
        house.store.trouble = ""
        await eventually(lambda: house.opened >= 2 and house.runs[-1].serving)
        assert await house.source() == "one"


async def test_a_notebook_that_was_live_is_opened_when_the_server_starts() -> None:
    house = House()
    house.live = True
    house.store.live = {ID, NotebookId("gone")}
    async with house.open():
        assert house.opened == 1
        assert house.rooms.get(ID) is not None
    assert house.store.live == {ID, NotebookId("gone")}


async def test_what_is_live_is_noted_and_so_is_that_it_is_over() -> None:
    house = House()
    async with house.open(), house.rooms.use(ID) as room:
        house.store.live.add(ID)  # whoever runs something says so itself, before it runs
        write(room, "ran within a moment")
        await room.commit()
        await eventually(lambda: ID not in house.store.live)
    house = House()
    house.live = True
    async with house.open():
        await house.source()
    assert house.store.live == {ID}


async def test_a_log_that_cannot_be_read_closes_one_notebook_only() -> None:
    house = House()
    broken = NotebookId("broken")
    house.store.add(broken, b"this is no update")
    house.store.live = {broken, ID}
    async with house.open():
        assert house.rooms.get(ID) is not None
        with pytest.raises(StoreError, match="cannot be read"):
            async with house.rooms.use(broken):
                pass
        with pytest.raises(NoNotebook):
            async with house.rooms.use(NotebookId("gone")):
                pass
        assert await house.source() == "one"


async def test_ending_the_server_saves_everything_and_tells_everyone() -> None:
    house = House()
    tab = Tab()
    async with house.open() as tasks:
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        for _ in range(100):
            tab.type("x")
        await tab.until(lambda: tab.acknowledged > 1)
        async with house.rooms.use(ID) as room:
            await eventually(lambda: cell_source(room.doc, CellId("a")) == tab.source())
    assert tab.connection.ended == (CLOSE_RESTARTING, "The server is being stopped.")
    with pytest.raises(StoreError, match="being stopped"):
        async with house.rooms.use(ID):
            pass
    assert b"".join(row.data for row in house.store.rows(ID)).count(b"x") >= 100


async def test_the_library_knows_title_and_text_soon_after_an_edit_and_not_with_every_key() -> None:
    house = House()
    async with house.open() as tasks:
        tab = Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        await anyio.sleep(10)
        assert house.store.indexed[ID] == ("Notes", "Notes\none\ntwo")  # a server that was killed may have left it out
        for _ in range(40):
            tab.type("x")
            await anyio.sleep(0.1)
        assert house.store.indexed[ID] == ("Notes", "Notes\none\ntwo")
        await anyio.sleep(2)
        assert house.store.indexed[ID] == ("Notes", f"Notes\n{tab.source()}\ntwo")
        async with house.rooms.use(ID) as room:
            set_title(room.doc, "Other")
        for _ in range(80):
            tab.type("x")
            await anyio.sleep(0.1)
        assert house.store.indexed[ID][0] == "Other"  # also of one who never pauses


async def test_a_quiet_room_does_not_read_its_notebook_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[NotebookDoc] = []
    order = notebook.order

    def look(doc: NotebookDoc) -> list[CellId]:
        looked.append(doc)
        return order(doc)

    monkeypatch.setattr(notebook, "order", look)
    house = House()
    async with house.open() as tasks, house.rooms.use(ID) as room:
        tab = Tab()
        tasks.start_soon(house.serve, tab.connection)
        await tab.until_synced()
        await anyio.sleep(3600)
        tab.socket.leave()
        await anyio.sleep(3600)
        assert len(looked) == 1
        write(room, "!")
        await room.commit()
        await anyio.sleep(3600)
        assert len(looked) == 2
        assert house.store.indexed[ID] == ("Notes", notebook.search_text(room.doc))


async def test_w11_a_notebook_of_ten_thousand_cells_is_indexed_in_between() -> None:
    house = House()
    doc: NotebookDoc = Doc()
    roots(doc)
    create(doc, "Long", [NewCell(CellId(f"c{number}"), "code", "x = 1\n" * 5) for number in range(10_000)])
    house.store.add(ID, doc.get_update())
    steps = 0

    async def live() -> None:
        nonlocal steps
        while True:
            steps += 1
            await checkpoint()

    async with house.open(), house.rooms.use(ID) as room:
        set_title(room.doc, "Longer")
        await room.commit()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live)
            await room_noted(house, room)
            tasks.cancel_scope.cancel()
    assert house.store.indexed[ID][1] == notebook.search_text(room.doc)
    assert steps >= 90


async def room_noted(house: House, room: Room) -> None:
    """As when an edit has become quiet."""
    [open] = house.rooms._open.values()
    assert open.room is room
    await house.rooms._note(open)


async def test_a_cancelled_join_does_not_keep_the_room_open() -> None:
    house = House()
    async with house.open():
        with anyio.move_on_after(0):
            await house.source()
        await anyio.sleep(3 * GRACE_S)
        assert house.rooms.all == []


async def test_the_log_names_who_wrote_what() -> None:
    house = House()
    async with house.open() as tasks:
        ada, bob = Tab("Ada"), Tab("Bob")
        for tab in (ada, bob):
            tasks.start_soon(house.serve, tab.connection)
            await tab.until_synced()
        ada.type("a")
        await ada.until_saved()
        bob.type("b")
        await bob.until_saved()
        async with house.rooms.use(ID) as room:
            write(room, "c")
            await room.commit()
    rows = house.store.rows(ID)
    assert [row.user for row in rows] == ["", "id of Ada", "id of Bob", ""]
    assert all(isinstance(row, LogEntry) for row in rows)


async def test_where_too_many_are_open_one_that_nobody_uses_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.rooms.MAX_ROOMS", 2)
    house = House()
    first, second, third = (NotebookId(name) for name in ("first", "second", "third"))
    for id in (first, second, third):
        house.store.add(id, new_notebook())
    async with house.open(), house.rooms.use(first):
        async with house.rooms.use(second):
            with pytest.raises(StoreError, match="opens when another is closed"):
                async with house.rooms.use(third):
                    pass
        async with house.rooms.use(third):
            assert house.rooms.get(second) is None
            assert house.rooms.get(first) is not None
