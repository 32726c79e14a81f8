"""Long logs become short, lose nothing, and stay long when anything is doubtful."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pycrdt import Array, Doc, Map, Text

from collab.compaction import Compactor, Growth, Pack, Packed, Unsound, pack, pack_elsewhere, rebuilt
from collab.model import CellId, NotebookId
from collab.notebook import SERVER_ORIGIN, NotebookDoc, append, cell_source, roots
from collab.room import Room, load_doc
from collab.rooms import Rooms
from collab.store.store import Log, LogEntry, StoreError, UpdateLog
from tests.support.benches import ID, new_notebook
from tests.support.clock import JUMPING
from tests.support.logs import MemoryLog

pytestmark = pytest.mark.anyio
CELL = CellId("a")


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


async def pack_here(updates: Sequence[bytes]) -> Packed:
    return pack(updates)


def compactor_of(store: UpdateLog, pack: Pack = pack_here) -> Compactor:
    async def never(id: NotebookId, found: Log, end: bytes, start: bytes) -> None:
        raise AssertionError("There is no reason for a new epoch.")

    async def nothing(id: NotebookId, named: frozenset[str]) -> None:
        assert id == ID

    return Compactor(store, pack, never, nothing)


class Typed:
    """A Notebook that somebody types into, update by update."""

    def __init__(self) -> None:
        first = new_notebook()
        self.log = MemoryLog()
        self.log.add(ID, first)
        self.doc: NotebookDoc = Doc()
        roots(self.doc)
        self.doc.apply_update(first)
        self.updates: list[bytes] = []
        self.doc.observe(lambda event: self.updates.append(bytes(event.update)))

    def type(self, text: str) -> None:
        append(roots(self.doc).cells[CELL]["source"], text)

    async def save(self) -> None:
        entries, self.updates = [LogEntry("ada", update) for update in self.updates], []
        await self.log.append(ID, 1, entries)


@asynccontextmanager
async def compacting(compactor: Compactor) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(compactor.run)
        yield
        tasks.cancel_scope.cancel()


async def settled(growth: Growth) -> None:
    with anyio.fail_after(600):
        while growth.updates:  # noqa: ASYNC110 - nobody would set the event
            await anyio.sleep(0.01)


async def test_t22_a_log_that_grew_meanwhile_reads_the_same_and_is_short() -> None:
    typed = Typed()
    for number in range(300):
        typed.type(f"{number} ")
    await typed.save()

    async def pack_while_typing(updates: Sequence[bytes]) -> Packed:
        typed.type("meanwhile")
        await typed.save()
        return pack(updates)

    growth = Growth.of(await typed.log.load(ID))
    async with compacting(compactor := compactor_of(typed.log, pack_while_typing)):
        compactor.want(ID, growth)
        await settled(growth)
    found = await typed.log.load(ID)
    assert (found.has_snapshot, len(found.updates)) == (True, 2)
    again = await load_doc(found.updates)
    assert cell_source(again, CELL) == cell_source(typed.doc, CELL)
    assert again.get_state() == typed.doc.get_state()


async def test_t7_a_hundred_kilobytes_that_a_thousand_runs_replaced_leave_under_twice_their_size() -> None:
    doc: NotebookDoc = Doc()
    outputs = roots(doc).outputs
    updates = [new_notebook()]
    doc.apply_update(updates[0])
    doc.observe(lambda event: updates.append(bytes(event.update)))
    rng = random.Random(1)
    outputs[CELL] = Array([])
    for _ in range(1_000):
        with doc.transaction(origin=SERVER_ORIGIN):
            outputs[CELL].clear()
            outputs[CELL].append(Map({"output_type": "stream", "text": Text(rng.randbytes(50_000).hex())}))
    assert sum(map(len, updates)) > 100_000_000
    assert len(pack(updates).snapshot) < 200_000


async def test_a_snapshot_that_reads_differently_never_counts(caplog: pytest.LogCaptureFixture) -> None:
    typed = Typed()
    typed.type("kept")
    await typed.save()
    before = await typed.log.load(ID)

    async def unsound(updates: Sequence[bytes]) -> Packed:
        raise Unsound("It reads differently.")

    growth = Growth.of(before)
    async with compacting(compactor := compactor_of(typed.log, unsound)):
        compactor.want(ID, growth)
        await settled(growth)
    assert await typed.log.load(ID) == before
    assert "stays as it is" in caplog.text


async def test_a_log_that_cannot_be_replayed_or_has_a_gap_is_unsound() -> None:
    with pytest.raises(Unsound, match="cannot be replayed"):
        pack([b"\x01\x02 no update"])
    typed = Typed()
    for text in ("one", "two", "three"):
        typed.type(text)
    first, _, third = typed.updates
    with pytest.raises(Unsound, match="predecessors are missing"):
        pack([*(await typed.log.load(ID)).updates, first, third])


async def test_a_store_that_fails_and_a_notebook_that_is_gone_hold_nobody_up() -> None:
    typed = Typed()
    typed.type("more")
    await typed.save()
    first, second, third = Growth(5, 5), Growth(5, 5), Growth(5, 5)

    class Failing(MemoryLog):
        async def compact(self, *_: object) -> None:
            raise StoreError("The disk is full.")

    failing = Failing()
    failing.add(ID, new_notebook())
    async with compacting(compactor := compactor_of(failing)):
        compactor.want(ID, first)
        await settled(first)
        failing.delete(ID)
        compactor.want(ID, second)
        await settled(second)
    async with compacting(compactor := compactor_of(typed.log)):
        compactor.want(ID, third)
        await settled(third)
    assert (await typed.log.load(ID)).has_snapshot


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)
async def test_a_process_of_its_own_packs_the_same() -> None:
    typed = Typed()
    typed.type("elsewhere")
    await typed.save()
    updates = (await typed.log.load(ID)).updates
    packed = await load_doc([(await pack_elsewhere(updates)).snapshot])
    assert (cell_source(packed, CELL), packed.get_state()) == ("oneelsewhere", typed.doc.get_state())
    with pytest.raises(Unsound):
        await pack_elsewhere([b"no update"])


@pytest.mark.parametrize(("updates", "much"), [(999, False), (1_000, True)])
def test_an_open_notebook_is_packed_when_much_was_logged(updates: int, much: bool) -> None:
    assert Growth(updates, 100, 0).is_much is much


def test_what_is_much_grows_with_the_snapshot() -> None:
    assert Growth(1, 3 << 20, 1 << 20).is_much
    assert not Growth(1, 3 << 20, 2 << 20).is_much


async def test_a_notebook_is_packed_while_open_and_after_its_last_reader_and_reads_the_same() -> None:
    store = MemoryLog()
    store.add(ID, new_notebook())
    async with Rooms(store, None, 30.0, pack_here).running() as rooms:
        async with rooms.use(ID) as room:
            await write(room, 1_100)
            await settled(room.growth)
            found = await store.load(ID)
            assert (found.has_snapshot, found.tail) == (True, ())
            await write(room, 150)
            growth = room.growth
        await settled(growth)
        found = await store.load(ID)
        assert (found.tail, len(store.rows(ID))) == ((), 1_251)
        async with rooms.use(ID) as room:
            assert cell_source(room.doc, CELL) == "one" + "x" * 1_250
            assert room.growth == Growth(0, 0, found.snapshot_bytes)


async def write(room: Room, times: int) -> None:
    for _ in range(times):
        append(roots(room.doc).cells[CELL]["source"], "x")
        await room.commit()


async def test_packing_stops_with_the_server(tmp_path: Path) -> None:
    store = MemoryLog()
    store.add(ID, new_notebook())
    begun = anyio.Event()

    async def endless(updates: Sequence[bytes]) -> Packed:
        begun.set()
        await anyio.sleep_forever()
        return Packed(b"")

    with anyio.fail_after(600):
        async with Rooms(store, None, 1.0, endless).running() as rooms:
            async with rooms.use(ID) as room:
                await write(room, 150)
            await begun.wait()
    assert len((await store.load(ID)).updates) == 151


# -- epochs -----------------------------------------------------------------------------------------------------------


def grown(sessions: int) -> list[bytes]:
    """A notebook of hundreds of sessions: little text, a long past."""
    rng = random.Random(1)
    updates = [new_notebook()]
    doc: NotebookDoc = Doc()
    roots(doc)
    doc.apply_update(updates[0])
    for _ in range(sessions):
        session: NotebookDoc = Doc()
        roots(session)
        session.apply_update(doc.get_update())
        before = session.get_state()
        text = roots(session).cells[CELL]["source"]
        text.insert(rng.randrange(len(text) + 1), rng.choice("abcdef"))
        if rng.random() < 0.9:
            at = rng.randrange(len(text))
            del text[at : at + 1]
        updates.append(session.get_update(before))
        doc.apply_update(updates[-1])
    return updates


def test_g3_a_document_that_outgrew_its_content_is_worth_a_new_epoch() -> None:
    few, many = grown(3), grown(2_001)
    assert pack(few).start is None
    packed = pack(many)
    assert packed.start is not None
    assert len(packed.start) < len(packed.snapshot) / 4
    old, new = Doc(), Doc()  # type: Doc[Any], Doc[Any]
    for doc, update in ((old, packed.snapshot), (new, packed.start)):
        roots(doc)
        doc.apply_update(update)
    for name in ("cells", "outputs", "runs", "meta"):
        assert getattr(roots(new), name).to_py() == getattr(roots(old), name).to_py()
    assert cell_source(new, CELL) == cell_source(old, CELL)


def test_a_rebuilt_document_has_the_same_kinds_of_things_in_it() -> None:
    doc: NotebookDoc = Doc()
    opened = roots(doc)
    doc.apply_update(new_notebook())
    opened.cells[CELL]["metadata"]["tags"] = ["a", {"b": 1.5}]
    opened.outputs[CELL] = Array([Map({"output_type": "stream", "text": Text("🐳\n"), "data": Map({"a": "b"})})])
    again: NotebookDoc = Doc()
    fresh = roots(again)
    again.apply_update(rebuilt(doc))
    (output,) = fresh.outputs[CELL]
    assert (type(output), type(output["text"]), type(output["data"])) == (Map, Text, Map)
    assert fresh.outputs.to_py() == opened.outputs.to_py()
    assert fresh.cells.to_py() == opened.cells.to_py()
    assert isinstance(fresh.cells[CELL]["source"], Text)


def test_s7_a_rebuilt_document_leaves_out_what_belonged_to_cells_that_are_gone() -> None:
    doc: NotebookDoc = Doc()
    opened = roots(doc)
    doc.apply_update(new_notebook())
    for cell in (CELL, "gone"):
        opened.outputs[cell] = Array([Map({"output_type": "stream", "text": Text("x" * 2_000_000)})])
        opened.runs[cell] = Map({"state": "finished"})
    packed = pack([doc.get_update()])
    assert packed.start is None  # twice as large is no reason
    again: NotebookDoc = Doc()
    fresh = roots(again)
    again.apply_update(rebuilt(doc))
    assert (set(fresh.outputs.keys()), set(fresh.runs.keys())) == ({CELL}, {CELL})


async def test_a_new_epoch_begins_only_when_nobody_has_the_notebook_open() -> None:
    store = MemoryLog()
    store.add(ID, new_notebook())

    async def outgrown(updates: Sequence[bytes]) -> Packed:
        doc = await load_doc(updates)
        return Packed(doc.get_update(), rebuilt(doc))

    async with Rooms(store, None, 30.0, outgrown).running() as rooms:
        async with rooms.use(ID) as room:
            await write(room, 1_100)
            await settled(room.growth)
            assert (await store.load(ID)).epoch == 1
            await write(room, 150)
            growth = room.growth
        await settled(growth)
        found = await store.load(ID)
        assert (found.epoch, len(found.updates)) == (2, 1)
        async with rooms.use(ID) as room:
            assert (room.epoch, cell_source(room.doc, CELL)) == (2, "one" + "x" * 1_250)
            await write(room, 1)
        end = await store.epoch_end(ID, 1)
        assert end is not None
        assert cell_source(await load_doc([end]), CELL) == "one" + "x" * 1_250
