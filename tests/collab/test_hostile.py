# ruff: noqa: E501 - the tables read best with one case a line
"""One bad client never hurts another: whatever it sends, it is sent away with a reason that its page can show, or taken
for what it is; the others go on, and the document stays valid.

What single updates are refused is in `test_gate`; here they come over a connection, beside two honest people.
`scripts/fuzz` runs other seeds of the last test.
"""

import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import nbformat
import pytest
from anyio.lowlevel import checkpoint
from pycrdt import Array, Doc, Map, Text

from collab import ipynb, notebook
from collab.connection import MAX_FRAME_BYTES
from collab.model import MAX_CELLS, MAX_PRESENCE_BYTES, MAX_UPDATE_BYTES, CellId, Role
from collab.notebook import NotebookDoc, roots
from collab.wire import (
    CLOSE_BUSY,
    CLOSE_FORBIDDEN,
    CLOSE_MALFORMED,
    CLOSE_REFUSED,
    CLOSE_TOO_LARGE,
    COMMAND,
    Presence,
    awareness,
    sync_step1,
    sync_step2,
    sync_update,
    varbytes,
    varuint,
)
from tests.collab.docs import content
from tests.collab.serving import TOKEN, Served, closing, made
from tests.support.benches import Bench, open_bench
from tests.support.clock import JUMPING
from tests.support.tabs import Tab

pytestmark = pytest.mark.anyio

DEEP = "[" * 5000 + "]" * 5000


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


# -- what hostile people write into a Doc ------------------------------------------------------------------------------


def cell(**changes: Any) -> Map[Any]:
    fields: dict[str, Any] = {"type": "code", "source": Text("x"), "position": "Z", "metadata": Map({})}
    return Map(
        {key: value for key, value in (fields | {"attachments": Map({})} | changes).items() if value is not None}
    )


def put(key: str, make: Callable[[], object], root: str = "cells") -> Callable[[NotebookDoc], None]:
    def edit(doc: NotebookDoc) -> None:
        doc.get(root, type=Map)[key] = make()

    return edit


def wrong_root(name: str, kind: type[Any]) -> Callable[[NotebookDoc], None]:
    """What another Doc, in which the root has this type, would send."""

    def edit(doc: NotebookDoc) -> None:
        stranger: Doc[Any] = Doc()
        root = stranger.get(name, type=kind)
        root.insert(0, "x") if isinstance(root, Text) else root.append("x")
        doc.apply_update(stranger.get_update())

    return edit


def many_cells(doc: NotebookDoc) -> None:
    """A million would be larger than a frame may be; these are as many as fit, and too many."""
    cells = roots(doc).cells
    with doc.transaction():
        for number in range(MAX_CELLS + 1):
            cells[f"c{number}"] = cell(source=Text(), position=f"{number}Z")


def deep_metadata(doc: NotebookDoc) -> None:
    roots(doc).cells["a"]["metadata"]["deep"] = DEEP


EDITS: dict[str, tuple[Callable[[NotebookDoc], object], int, str]] = {
    "outputs": (put("a", lambda: Array([]), "outputs"), CLOSE_REFUSED, "Only the server writes outputs."),
    "an output of a cell": (
        put("a", lambda: Array([Map({"output_type": "stream", "text": Text("forged")})]), "outputs"),
        CLOSE_REFUSED,
        "Only the server writes outputs.",
    ),
    "run marks": (put("a", lambda: Map({"state": "running"}), "runs"), CLOSE_REFUSED, "Only the server writes runs."),
    "outputs as a text": (wrong_root("outputs", Text), CLOSE_REFUSED, "Only the server writes outputs."),
    "cells as an array": (wrong_root("cells", Array), CLOSE_REFUSED, "'cells' is a map."),
    "cells as a text": (wrong_root("cells", Text), CLOSE_REFUSED, "'cells' is a map."),
    "meta as an array": (wrong_root("meta", Array), CLOSE_REFUSED, "'meta' is a map."),
    "a root of its own": (wrong_root("mine", Array), CLOSE_REFUSED, "A notebook has no 'mine'."),
    "the schema": (put("schema", lambda: 2, "meta"), CLOSE_REFUSED, "'schema' of a notebook cannot be changed."),
    "an unknown type of cell": (
        put("c", lambda: cell(type="sql")),
        CLOSE_REFUSED,
        "Cell 'c' is neither code nor markdown nor raw.",
    ),
    "a cell that is none": (put("c", lambda: "cell"), CLOSE_REFUSED, "Cell 'c' is not a map."),
    "a cell without a source": (put("c", lambda: cell(source=None)), CLOSE_REFUSED, "Cell 'c' has no source."),
    "an id that is none": (put("../c", cell), CLOSE_REFUSED, "'../c' is no cell id."),
    "more cells than there may be": (many_cells, CLOSE_REFUSED, "A notebook has at most 10000 cells."),
    "metadata without a floor": (deep_metadata, CLOSE_REFUSED, "The metadata of cell 'a', 'deep', is nested too deeply."),
    "a name without an end": (
        put("c", lambda: cell(metadata=Map({"é" * 3000: DEEP}))),
        CLOSE_REFUSED,
        f"The metadata of cell 'c', '{'é' * 40}', is nested too deeply.",
    ),
}  # fmt: skip


def presence(*told: Presence) -> bytes:
    return awareness(told)


def told(state: bytes, client: int = 5, clock: int = 1) -> bytes:
    """A presence frame with a state of these bytes."""
    return b"\x01" + varbytes(b"\x01" + varuint(client) + varuint(clock) + varbytes(state))


def command(text: str) -> bytes:
    return bytes((COMMAND,)) + varbytes(text.encode())


FRAMES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", CLOSE_MALFORMED, "The frame ends in the middle of a number."),
    "noise": (b"\x2a" + random.Random(1).randbytes(300), CLOSE_MALFORMED, "Frame kind 42 does not exist."),
    "a text": (b"GET / HTTP/1.1\r\n\r\n", CLOSE_MALFORMED, "Frame kind 71 does not exist."),
    "an event of the server": (b"\x65" + varbytes(b"{}"), CLOSE_MALFORMED, "Frame kind 101 does not exist."),
    "authentication, as y-protocols has it": (b"\x02\x00\x00", CLOSE_MALFORMED, "Frame kind 2 does not exist."),
    "a sync message that does not exist": (b"\x00\x03\x00", CLOSE_MALFORMED, "Sync message 3 does not exist."),
    "a sync message far off": (b"\x00" + varuint(2**40) + b"\x00", CLOSE_MALFORMED, f"Sync message {2**40} does not exist."),
    "a number that goes on and on": (b"\x80" * 60, CLOSE_MALFORMED, "A number in the frame is too long."),
    "a number beyond those of JavaScript": (b"\x00\x01" + varuint(2**53), CLOSE_MALFORMED, "A number in the frame is too large."),
    "a length beyond the end": (b"\x00\x02" + varuint(2**40) + b"x", CLOSE_MALFORMED, "A length in the frame is larger than the frame."),
    "more than the frame": (sync_update(b"\x00\x00") + b"!", CLOSE_MALFORMED, "The frame has bytes after its end."),
    "a state of a billion clients": (sync_step1(varuint(2**30) + b"\x01\x01"), CLOSE_MALFORMED, "A count in the frame is larger than the frame."),
    "an update of a billion structs": (sync_update(varuint(2**30) + b"\x01\x01"), CLOSE_MALFORMED, "A count in the frame is larger than the frame."),
    "a frame beyond all bounds": (sync_update(bytes(MAX_FRAME_BYTES)), CLOSE_TOO_LARGE, "This message is too large."),
    "an edit that is too large": (sync_update(b"\x00\x00" + bytes(2 << 20)), CLOSE_TOO_LARGE, "One edit is too large."),
    "presence too large": (
        presence(Presence(5, 1, {"cell": "x" * 2 * MAX_PRESENCE_BYTES})),
        CLOSE_MALFORMED,
        "A presence state is too large.",
    ),
    "presence too large once it is written out": (
        told(json.dumps({"cursor": {"anchor": {"x": "é" * 1500}, "head": {}}}, ensure_ascii=False).encode()),
        CLOSE_MALFORMED,
        "A presence state is at most 4096 bytes.",
    ),
    "presence that is a number": (told(b"1"), CLOSE_MALFORMED, "A presence state is a JSON object or null."),
    "presence without a floor": (told(DEEP.encode()), CLOSE_MALFORMED, "JSON is nested deeper than 64 levels."),
    "presence with half a character": (told(b'{"cell": "\\ud800"}'), CLOSE_MALFORMED, "The payload is not valid JSON."),
    "presence that is no UTF-8": (told(b'{"cell": "\xff"}'), CLOSE_MALFORMED, "The payload is not valid JSON."),
    "a clock at the end of numbers": (told(b"{}", clock=2**53 - 1), CLOSE_MALFORMED, "The clock of a presence state is too large."),
    "a clock just too large": (told(b"{}", clock=2**48 + 1), CLOSE_MALFORMED, "The clock of a presence state is too large."),
    "a client id beyond numbers": (told(b"{}", client=2**53), CLOSE_MALFORMED, "A number in the frame is too large."),
    "a command without a floor": (command(f'{{"type": {DEEP}}}'), CLOSE_MALFORMED, "JSON is nested deeper than 64 levels."),
    "a command of brackets": (command("[" + "[]," * 60_000 + "[]]"), CLOSE_MALFORMED, "The JSON has too many parts."),
    "a command that is no number": (command('{"type": "interrupt", "request": NaN}'), CLOSE_MALFORMED, "The payload is not valid JSON."),
    "a command that is too large": (command(json.dumps({"type": "x" * (3 << 20)})), CLOSE_TOO_LARGE, "This message is too large."),
}  # fmt: skip


# -- and what comes of it ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def beside_others() -> AsyncIterator[tuple[Bench, Tab]]:
    """A hostile tab beside two honest ones, who were not disturbed and go on."""
    async with open_bench() as bench:
        hostile, one, other = await bench.join(), await bench.join(), await bench.join()
        one.announce({"cell": "a", "mode": "edit"})
        await other.until(lambda: one.client in other.presence)
        yield bench, hostile
        write_somewhere(one)
        write_somewhere(other)
        await one.until_saved()
        await other.until_saved()
        await one.until(lambda: content(one.doc) == content(other.doc) == content(bench.room.doc))
        assert {tab.connection.ended for tab in (one, other)} == {None}
        assert [told for tab in (one, other) for told in tab.events if told["type"] in ("refused", "cannot_save")] == []
        assert one.presence[one.client] == other.presence[one.client]
        assert content(await bench.stored()) == content(bench.room.doc)
        is_valid(bench.room.doc)


def write_somewhere(tab: Tab) -> None:
    """Somebody who may edit may delete any cell, too."""
    cells = roots(tab.doc).cells
    if not len(cells):
        cells["a"] = cell()
    cells[min(cells.keys())]["source"].insert(0, "and on ")


def is_valid(doc: NotebookDoc) -> None:
    """As a file, and as a notebook: nothing of it needs repair, and every cell has a place of its own."""
    nbformat.validate(ipynb.to_notebook(doc, lambda sha256: b""))
    cells: dict[str, Any] = roots(doc).cells.to_py() or {}
    assert len({value["position"] for value in cells.values()}) == len(cells)
    assert not notebook.repair(doc)


async def sent_away(tab: Tab) -> tuple[int, str]:
    with anyio.fail_after(60):
        while tab.connection.ended is None:  # noqa: ASYNC110 - on the jumping clock, which takes no time
            await anyio.sleep(0.001)
    await checkpoint()
    code, reason = tab.connection.ended
    assert is_shown(reason), reason
    return code, reason


def is_shown(reason: str) -> bool:
    """Whether a page can show it: a sentence."""
    return (reason[:1].isupper() or reason[:1] == "'") and reason.endswith(".")


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("wrap", [sync_update, sync_step2], ids=["as an edit", "as work of before"])
async def test_an_edit_that_no_page_makes_is_refused(name: str, wrap: Callable[[bytes], bytes]) -> None:
    edit, code, reason = EDITS[name]
    async with beside_others() as (bench, hostile):
        forger: NotebookDoc = Doc()
        forger.apply_update(bench.room.doc.get_update())
        before = content(bench.room.doc)
        edit(forger)
        update = forger.get_update(bench.room.doc.get_state())
        if wrap is sync_update and len(update) > MAX_UPDATE_BYTES:
            code, reason = CLOSE_TOO_LARGE, "One edit is too large."
        hostile.socket.push(wrap(update))
        assert await sent_away(hostile) == (code, reason)
        assert content(bench.room.doc) == before


@pytest.mark.parametrize("name", FRAMES)
async def test_a_frame_that_is_none_ends_its_sender(name: str) -> None:
    frame, code, reason = FRAMES[name]
    async with beside_others() as (_, hostile):
        hostile.socket.push(frame)
        assert await sent_away(hostile) == (code, reason)


async def test_an_id_that_is_taken_leaves_one_cell() -> None:
    """As undoing a deletion looks the same, it is taken for one."""
    async with beside_others() as (bench, hostile):
        roots(hostile.doc).cells["a"] = cell(source=Text("another"))
        await hostile.until_saved()
        assert sorted(roots(bench.room.doc).cells.keys()) == ["a", "b"]
        assert notebook.cell_source(bench.room.doc, CellId("a")) == "another"
        await hostile.until(lambda: content(hostile.doc) == content(bench.room.doc))


async def test_a_million_cells_come_as_far_as_there_may_be_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.gate.MAX_CELLS", 250)
    async with beside_others() as (bench, hostile):
        for start in range(0, 1_000_000, 100):
            with hostile.doc.transaction():
                for number in range(start, start + 100):
                    roots(hostile.doc).cells[f"c{number}"] = cell(source=Text(), position=f"{number}Z")
            if len(roots(hostile.doc).cells) > 250:
                break
            await hostile.until_saved()
        assert await sent_away(hostile) == (CLOSE_REFUSED, "A notebook has at most 250 cells.")
        assert len(roots(bench.room.doc).cells) == 202


async def test_the_largest_clock_there_may_be_sends_nobody_away_who_sends_it_on() -> None:
    """As stock clients do with whatever they hear of others; the server raises it by one when it tells something."""
    async with beside_others() as (bench, hostile):
        stock = await bench.join()
        hostile.socket.push(told(b'{"cell": "a"}', client=hostile.client, clock=2**48))
        hostile.socket.push(told(b'{"cell": "b"}', client=hostile.client, clock=2**48))
        await stock.until(lambda: stock.clocks.get(hostile.client) == 2**48 + 1)
        stock.socket.push(presence(stock.presence[hostile.client]))
        stock.announce({"cell": "b"})
        await hostile.until(lambda: stock.client in hostile.presence)
        assert stock.connection.ended is None
        hostile.socket.push(told(b"{}", client=hostile.client, clock=2**48 + 2))
        assert await sent_away(hostile) == (CLOSE_MALFORMED, "The clock of a presence state is too large.")


async def test_presence_forged_in_anothers_name_is_told_to_nobody() -> None:
    async with beside_others() as (bench, hostile):
        (victim,) = bench.room._presence.everyone
        hostile.socket.push(presence(Presence(victim.client, victim.clock + 1, {"cell": "b"})))
        hostile.socket.push(presence(Presence(victim.client, victim.clock + 9, None)))
        hostile.announce({"cell": "b", "user": {"id": "id of somebody", "name": "Owner", "role": "owner"}})
        await hostile.until(lambda: hostile.client in hostile.presence)
        shown = hostile.presence[hostile.client].state
        assert shown is not None
        assert shown["user"] == {
            "id": hostile.user.id,
            "name": hostile.user.name,
            "color": hostile.user.color,
            "guest": True,
            "role": "editor",
        }
        assert bench.room._presence.everyone[0] == victim
        assert hostile.connection.ended is None


def test_a_reason_longer_than_a_close_frame_is_cut_between_characters(served: Served, owner: httpx.Client) -> None:
    id = made(owner, notebook={"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    with served.socket(f"/api/notebooks/{id}/socket", {"authorization": f"Bearer {TOKEN}"}) as websocket:
        forger: NotebookDoc = Doc()
        edit, code, reason = EDITS["a name without an end"]
        edit(forger)
        websocket.send(sync_update(forger.get_update()))
        assert len(reason.encode()) > 123
        ended, said = closing(websocket)
        assert (ended, said[-1], len(said.encode())) == (code, "…", 123)
        assert reason.startswith(said[:-1])


async def test_a_reader_that_writes_is_sent_away() -> None:
    async with beside_others() as (bench, _):
        reader = await bench.join(Tab(role=Role.VIEWER))
        before = content(bench.room.doc)
        reader.socket.push(sync_step2(reader.doc.get_update()))
        roots(reader.doc).cells["a"]["type"] = "raw"
        assert (await sent_away(reader))[0] == CLOSE_FORBIDDEN
        assert content(bench.room.doc) == before


# -- whatever comes ----------------------------------------------------------------------------------------------------

GIVEN = os.environ.get("COLLAB_FUZZ_SEEDS")
SEEDS = range(*map(int, GIVEN.split("-"))) if GIVEN else range(8)
CODES = (CLOSE_MALFORMED, CLOSE_FORBIDDEN, CLOSE_TOO_LARGE, CLOSE_REFUSED, CLOSE_BUSY)
NUMBERS = [0, 1, 127, 128, 2**14, 2**28, 2**31, 2**32, 2**48, 2**53 - 1, 2**53, 2**63, 2**64]


def real_frames(bench: Bench, rng: random.Random, client: int) -> list[bytes]:
    """What a page would send now, of every kind."""
    doc: NotebookDoc = Doc()
    roots(doc)
    doc.apply_update(bench.room.doc.get_update())
    frames: list[bytes] = [sync_step1(doc.get_state()), sync_step2(doc.get_update(bench.room.doc.get_state()))]
    doc.observe(lambda event: frames.append(sync_update(bytes(event.update))))
    cells = roots(doc).cells
    id = rng.choice(sorted(cells.keys()))
    cells[f"new{rng.randrange(10**6)}"] = cell(source=Text("🙂 ü"), position=f"{rng.randrange(10**6)}Z")
    cells[id]["source"].insert(0, rng.choice(["x", "🙂", "a\r\nb", "漢字" * 50]))
    cells[id]["metadata"]["tags"] = '["a"]'
    cells[id]["type"] = rng.choice(["code", "markdown", "raw"])
    cells[id]["position"] = rng.choice([str(value["position"]) for value in cells.values()])
    roots(doc).meta["title"] = "A title"
    if len(cells) > 10:
        del cells[rng.choice(sorted(cells.keys()))]
    state: dict[str, object]
    state = {"cell": id, "mode": "edit", "cursor": {"anchor": {"type": None}, "head": {"type": None}}}
    frames += [presence(Presence(client, rng.randrange(100), state)), presence(Presence(client, 100, None)), b"\x03"]
    frames += [
        command(json.dumps(value))
        for value in [
            {"type": "run_cells", "cells": "all", "request": 1},
            {"type": "interrupt", "request": 2},
            {"type": "complete", "code": "pri", "cursor": 3},
            {"type": "compare", "state": "AA==", "sources": {id: "0" * 64}},
        ]
    ]
    return frames


def damaged(frames: Sequence[bytes], rng: random.Random) -> bytes:
    """One of them with up to four changes; as it is, now and then."""
    frame = bytearray(rng.choice(frames))
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(len(frame) + 1)
        match rng.randrange(7):
            case 0:
                frame[at : at + 1] = bytes((rng.randrange(256),))
            case 1:
                del frame[at : at + rng.randint(1, 20)]
            case 2:
                frame[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                frame[at : at + rng.randint(0, 5)] = varuint(rng.choice(NUMBERS))
            case 4:
                other = rng.choice(frames)
                frame[at:] = other[rng.randrange(len(other) + 1) :]
            case 5:
                frame[:2] = bytes((rng.choice([0, 0, 0, 1, 2, 3, 100, 101, 102]), rng.randrange(4)))
            case _:
                frame *= 2
    if frame[:1] == b"\x00" and rng.random() < 0.5:
        # Its length made right again, so that what is inside is looked at.
        return bytes(frame[:2]) + varbytes(bytes(frame[3:]))
    return bytes(frame)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_one_sends_nobody_else_is_disturbed(seed: int) -> None:
    rng = random.Random(seed)
    ends: Counter[int] = Counter()
    async with beside_others() as (bench, first):
        first.socket.leave()
        honest = await bench.join()
        for _ in range(60):
            hostile = Tab(role=rng.choice([Role.EDITOR] * 5 + list(Role)), answers=False, follows=False)
            bench.enter(hostile)
            for _ in range(rng.randint(1, 8)):
                hostile.socket.push(damaged(real_frames(bench, rng, hostile.client), rng))
                for _ in range(rng.randrange(3)):
                    await checkpoint()
            hostile.socket.leave()
            write_somewhere(honest)
            await honest.until_saved()
            await honest.until(lambda: hostile.connection not in bench.room.connections)  # noqa: B023
            if hostile.connection.ended is not None:
                code, reason = hostile.connection.ended
                ends[code] += 1
                assert code in CODES
                assert is_shown(reason), reason
        assert honest.connection.ended is None
        assert not bench.room.over
    assert ends.total() > 10
