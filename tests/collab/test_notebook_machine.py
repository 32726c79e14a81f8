"""A notebook under everything that people and the server do to it at the same time: after the server's repair the order
is total and was not changed by it, no cell is there twice, there is room between any two, and all end equal."""

import random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pycrdt import Doc, Map, Text

from collab import notebook
from collab.model import CELL_TYPES, MAX_POSITION_CHARS, CellId
from collab.notebook import NewCell, NotebookDoc, order, repair, roots
from collab.positions import between, is_position
from tests.collab.docs import content

PEERS = range(2)
# What a page makes, and what no page makes but comes all the same.
STRANGE = st.sampled_from(["", "0", "V", "V0", "V1", "V10", "é", "z" * 64, "z" * 70, "zzzzz", "A-B"])
TEXTS = st.text("ab\r\n\0🙂é", max_size=8)


class Shared(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rng = random.Random(1)
        self.made = 0
        self.server: NotebookDoc = Doc()
        notebook.create(self.server, cells=[NewCell(CellId("first"), "code", "one")], rng=self.rng)
        self.peers: list[NotebookDoc] = [Doc() for _ in PEERS]
        for peer in self.peers:
            roots(peer)
            peer.apply_update(self.server.get_update())
        self.deleted: set[str] = set()  # for good: nobody undoes anything here

    def new_id(self) -> CellId:
        self.made += 1
        return CellId(f"c{self.made}")

    def any_cell(self, doc: NotebookDoc, at: int) -> Any:
        ids = order(doc)
        return roots(doc).cells[ids[at % len(ids)]] if ids else None

    def put(self, doc: NotebookDoc, position: str, text: str) -> None:
        fields = {"type": "code", "source": Text(text), "position": position}
        roots(doc).cells[self.new_id()] = Map(fields | {"metadata": Map({}), "attachments": Map({})})

    # -- people ------------------------------------------------------------------------------------------------------

    @rule(who=st.sampled_from(PEERS), at=st.integers(0, 20), text=TEXTS, count=st.integers(1, 12))
    def insert_in_one_gap(self, who: int, at: int, text: str, count: int) -> None:
        """Each before the last: what makes keys long."""
        doc = self.peers[who]
        keys = [key for key, _ in notebook._ordered(doc)]
        at %= len(keys) + 1
        low = keys[at - 1] if at else ""
        high = keys[at] if at < len(keys) else ""
        if any(key and not is_position(key) for key in (low, high)) or (high and low >= high):
            return  # a page asks for a repair by writing, and this is what it waits for
        for _ in range(count):
            high = between(low, high, self.rng)
            self.put(doc, high, text)

    @rule(who=st.sampled_from(PEERS), positions=st.lists(STRANGE, min_size=1, max_size=4), text=TEXTS)
    def insert_strangely(self, who: int, positions: list[str], text: str) -> None:
        for position in positions:
            self.put(self.peers[who], position, text)

    @rule(who=st.sampled_from(PEERS), one=st.integers(0, 20), other=st.integers(0, 20))
    def move_onto_another(self, who: int, one: int, other: int) -> None:
        moved, target = self.any_cell(self.peers[who], one), self.any_cell(self.peers[who], other)
        if moved is not None:
            moved["position"] = str(target["position"])

    @rule(
        who=st.sampled_from(PEERS), at=st.integers(0, 20), start=st.integers(0, 30), gone=st.integers(0, 5), text=TEXTS
    )
    def write(self, who: int, at: int, start: int, gone: int, text: str) -> None:
        cell = self.any_cell(self.peers[who], at)
        if cell is not None:
            length = len(str(cell["source"]))
            start = min(start, length)
            notebook.replace(cell["source"], start, min(length, start + gone), text)

    @rule(who=st.sampled_from(PEERS), at=st.integers(0, 20), kind=st.sampled_from([*CELL_TYPES, "sql"]))
    def turn(self, who: int, at: int, kind: str) -> None:
        cell = self.any_cell(self.peers[who], at)
        if cell is not None:
            cell["type"] = kind

    @rule(who=st.sampled_from(PEERS), at=st.integers(0, 20))
    def delete(self, who: int, at: int) -> None:
        ids = order(self.peers[who])
        if ids:
            self.deleted.add(ids[at % len(ids)])
            del roots(self.peers[who]).cells[ids[at % len(ids)]]

    @rule(who=st.sampled_from(PEERS))
    def exchange(self, who: int) -> None:
        """With the server, which repairs what came."""
        peer = self.peers[who]
        self.server.apply_update(peer.get_update(self.server.get_state()))
        self.repair()
        peer.apply_update(self.server.get_update(peer.get_state()))

    # -- the server --------------------------------------------------------------------------------------------------

    @rule(before=st.none() | st.integers(0, 20), text=TEXTS)
    def insert_as_the_server(self, before: int | None, text: str) -> None:
        ids = order(self.server)
        target = None if before is None or not ids else ids[before % len(ids)]
        id = notebook.insert_cell(self.server, NewCell(self.new_id(), "code", text), target, self.rng)
        now = order(self.server)
        assert now.index(id) == (len(ids) if target is None else ids.index(target))
        assert [other for other in now if other != id] == ids

    @rule(title=st.text("a\n\0 ", max_size=300))
    def entitle(self, title: str) -> None:
        notebook.set_title(self.server, title)

    def repair(self) -> None:
        before = [id for id in order(self.server) if notebook.CELL_ID.fullmatch(id)]
        repair(self.server, self.rng)
        assert order(self.server) == before
        state = self.server.get_state()
        assert repair(self.server, self.rng) == frozenset()
        assert self.server.get_state() == state

    # -- what holds always -------------------------------------------------------------------------------------------

    @invariant()
    def the_server_is_sound(self) -> None:
        keys = [key for key, _ in notebook._ordered(self.server)]
        assert keys == sorted(set(keys))
        assert all(is_position(key) and len(key) <= MAX_POSITION_CHARS for key in keys)
        for low, high in zip(["", *keys], [*keys, ""], strict=True):
            assert between(low, high, self.rng) > low
        cells: dict[str, Any] = roots(self.server).cells.to_py() or {}
        for value in cells.values():
            assert set(value) == {"type", "source", "position", "metadata", "attachments"}
            assert value["type"] in CELL_TYPES
            assert value["source"] == notebook.clean_source(value["source"])

    @invariant()
    def no_one_sees_a_cell_twice(self) -> None:
        for doc in (self.server, *self.peers):
            ids = order(doc)
            assert len(ids) == len(set(ids)) == len(roots(doc).cells)

    @precondition(lambda self: self.made > 3)
    @rule()
    def come_together(self) -> None:
        """Everyone with the server, and once more with what it repaired for the others."""
        for who in (*PEERS, *PEERS):
            self.exchange(who)
        assert all(content(peer) == content(self.server) for peer in self.peers)
        assert all(order(peer) == order(self.server) for peer in self.peers)
        assert self.deleted.isdisjoint(order(self.server))


Shared.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestShared = Shared.TestCase
