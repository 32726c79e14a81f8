# ruff: noqa: E501 - the table of refusals reads best with one case a line
import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment

from collab.gate import Admitted, Gap, Gate, Nothing, Refused, TooLarge, _clock
from collab.model import CellId
from collab.notebook import (
    SERVER_ORIGIN,
    NewCell,
    NotebookDoc,
    cell_source,
    create,
    insert_cell,
    order,
    repair,
    replace,
    roots,
    set_title,
    title,
)
from collab.wire import varuint
from tests.collab.docs import Client, content, copy_of

A, B, C = CellId("a"), CellId("b"), CellId("c")


def notebook() -> NotebookDoc:
    doc: NotebookDoc = Doc()
    roots(doc)
    create(doc, "Notes", [NewCell(A, "code", "one"), NewCell(B, "markdown", "two")], rng=random.Random(1))
    return doc


class Bench:
    """A live Doc, its Gate, and one client that is up to date."""

    def __init__(self) -> None:
        self.live = notebook()
        self.gate = Gate(self.live.get_update(), self.live.client_id)
        self.client = Client(self.live.get_update())

    def judge(self, edit: Callable[[NotebookDoc], object]) -> Any:
        before = self.client.doc.get_state()
        edit(self.client.doc)
        verdict = self.gate.admit(self.client.doc.get_update(before))
        if isinstance(verdict, Admitted):
            self.live.apply_update(verdict.update)
        assert content(self.live) == content(self.gate.doc)
        return verdict


@pytest.fixture
def bench() -> Bench:
    return Bench()


def cell(**fields: Any) -> Any:
    whole = {
        "type": "code",
        "source": Text("x"),
        "position": "V1",
        "metadata": Map({}),
        "attachments": Map({}),
    }
    return Map({key: value for key, value in (whole | fields).items() if value is not None})


def source(doc: NotebookDoc, id: str = "a") -> Text:
    text = roots(doc).cells[id]["source"]
    assert isinstance(text, Text)
    return text


def put(root: str, key: str, value: Any) -> Callable[[NotebookDoc], None]:
    def edit(doc: NotebookDoc) -> None:
        getattr(roots(doc), root)[key] = value() if callable(value) else value

    return edit


ALLOWED: list[tuple[str, Callable[[NotebookDoc], object]]] = [
    ("typing", lambda doc: replace(source(doc), 0, 1, "\U0001f600")),
    ("a new cell", lambda doc: insert_cell(doc, NewCell(C, "raw", "three", {"tags": "[]"}, {"a.png": "{}"}), B)),
    ("deleting a cell", lambda doc: roots(doc).cells.pop("a")),
    ("another type", lambda doc: roots(doc).cells["a"].update({"type": "raw"})),
    ("a move", lambda doc: roots(doc).cells["a"].update({"position": "z1"})),
    ("cell metadata", lambda doc: roots(doc).cells["a"]["metadata"].update({"tags": '["x"]'})),
    ("a plain value in metadata", lambda doc: roots(doc).cells["a"]["metadata"].update({"tags": ["x", {"n": 1}]})),
    ("an attachment", lambda doc: roots(doc).cells["b"]["attachments"].update({"a.png": '{"image/png": "aaaa"}'})),
    ("the title", lambda doc: set_title(doc, "Other")),
    ("the metadata", lambda doc: roots(doc).meta.update({"metadata": '{"a": 1}', "language": "R", "kernelspec": "ir"})),
]


@pytest.mark.parametrize("edit", [edit for _, edit in ALLOWED], ids=[name for name, _ in ALLOWED])
def test_what_an_editor_does_is_admitted(bench: Bench, edit: Callable[[NotebookDoc], object]) -> None:
    assert isinstance(verdict := bench.judge(edit), Admitted)
    assert not verdict.needs_repair
    assert content(bench.live) == content(bench.client.doc)


def there_and_back(doc: NotebookDoc) -> None:
    insert_cell(doc, NewCell(C, "code", "x"))
    del roots(doc).cells["c"]
    roots(doc).cells["a"]["metadata"]["k"] = "1"
    del roots(doc).cells["a"]["metadata"]["k"]


def undone_deletion(doc: NotebookDoc) -> None:
    del roots(doc).cells["a"]
    roots(doc).cells["a"] = cell(source=Text("one"))


def undone_deletion_of_an_edited_cell(doc: NotebookDoc) -> None:
    source(doc, "a").insert(0, "edited ")
    del roots(doc).cells["a"]
    roots(doc).cells["a"] = cell(source=Text("edited one"))


def test_a_cell_made_and_deleted_within_one_update_is_admitted(bench: Bench) -> None:
    assert isinstance(bench.judge(there_and_back), Admitted)


@pytest.mark.parametrize("edit", [undone_deletion, undone_deletion_of_an_edited_cell])
def test_a_deletion_undone_within_one_update_is_admitted(bench: Bench, edit: Callable[[NotebookDoc], None]) -> None:
    """As it comes from a page that was offline. What others wrote in the cell meanwhile is gone (S6)."""
    assert isinstance(bench.judge(edit), Admitted)
    assert content(bench.live) == content(bench.client.doc)


def test_v5_an_edit_of_a_cell_that_is_gone_is_admitted(bench: Bench) -> None:
    with bench.live.transaction(origin=SERVER_ORIGIN):
        before = bench.live.get_state()
        del roots(bench.live).cells["a"]
    bench.gate.follow(bench.live.get_update(before))
    assert isinstance(bench.judge(lambda doc: source(doc).insert(0, "late ")), Admitted)
    assert order(bench.live) == [B]


def wrong_root(name: str, kind: type[Any]) -> Callable[[NotebookDoc], None]:
    def edit(doc: NotebookDoc) -> None:
        stranger: Doc[Any] = Doc()
        root = stranger.get(name, type=kind)
        if isinstance(root, Text):
            root.insert(0, "x")
        elif isinstance(root, Array):
            root.append(1)
        elif isinstance(root, XmlFragment):
            root.children.append(XmlElement("p"))
        else:
            root["x"] = 1
        doc.apply_update(stranger.get_update())

    return edit


def bold_cell(doc: NotebookDoc) -> None:
    put("cells", "c", cell)(doc)
    source(doc, "c").insert(0, "x", {"b": True})


NESTED = "[" * 70 + "]" * 70

REFUSED: list[tuple[str, Callable[[NotebookDoc], object], str]] = [
    ("outputs", put("outputs", "a", lambda: Array([])), "Only the server writes outputs."),
    ("runs", put("runs", "a", lambda: Map({"state": "finished"})), "Only the server writes runs."),
    ("an unknown root", wrong_root("spam", Map), "A notebook has no 'spam'."),
    ("an unknown text root", wrong_root("spam", Text), "A notebook has no 'spam'."),
    ("cells as an array", wrong_root("cells", Array), "'cells' is a map."),
    ("cells as a text", wrong_root("cells", Text), "'cells' is a map."),
    ("cells as XML", wrong_root("cells", XmlFragment), "'cells' is a map."),
    ("meta as an array", wrong_root("meta", Array), "'meta' is a map."),
    ("outputs as an array", wrong_root("outputs", Array), "Only the server writes outputs."),
    ("runs as a text", wrong_root("runs", Text), "Only the server writes runs."),
    ("the schema", put("meta", "schema", 2), "'schema' of a notebook cannot be changed."),
    ("an unknown meta key", put("meta", "spam", "x"), "'spam' of a notebook cannot be changed."),
    ("a title that is no text", put("meta", "title", 5), "The notebook's title is a text."),
    ("a shared title", put("meta", "title", lambda: Text("x")), "The notebook's title is a text."),
    ("a title of 10,000 characters", put("meta", "title", "x" * 10_000), "The notebook's title is too long."),
    ("metadata that is no JSON", put("meta", "metadata", "{"), "The notebook's metadata is not JSON of at most 64 levels."),
    ("metadata that is a list", put("meta", "metadata", "[]"), "The notebook's metadata is a JSON object."),
    ("a plain cell", put("cells", "c", {"type": "code"}), "Cell 'c' is not a map."),
    ("a number for a cell", put("cells", "c", 5), "Cell 'c' is not a map."),
    ("a Doc for a cell", put("cells", "c", Doc), "Cell 'c' is not a map."),
    ("an id with a space", put("cells", "c d", cell), "'c d' is no cell id."),
    ("an id with a line end", put("cells", "c\n", cell), "'c\n' is no cell id."),
    ("an empty id", put("cells", "", cell), "'' is no cell id."),
    ("a long id", put("cells", "x" * 65, cell), f"'{'x' * 64}' is no cell id."),
    ("no type", put("cells", "c", lambda: cell(type=None)), "Cell 'c' has no type."),
    ("no source", put("cells", "c", lambda: cell(source=None)), "Cell 'c' has no source."),
    ("no position", put("cells", "c", lambda: cell(position=None)), "Cell 'c' has no position."),
    ("no metadata", put("cells", "c", lambda: cell(metadata=None)), "Cell 'c' has no metadata."),
    ("no attachments", put("cells", "c", lambda: cell(attachments=None)), "Cell 'c' has no attachments."),
    ("a field too many", put("cells", "c", lambda: cell(outputs=Array([]))), "A cell has no 'outputs'."),
    ("an unknown type", put("cells", "c", lambda: cell(type="sql")), "Cell 'c' is neither code nor markdown nor raw."),
    ("a plain source", put("cells", "c", lambda: cell(source="x")), "The source of cell 'c' is not a shared text."),
    ("an array for a source", put("cells", "c", lambda: cell(source=Array(["x"]))), "The source of cell 'c' is not a shared text."),
    ("plain metadata", put("cells", "c", lambda: cell(metadata={})), "The metadata of cell 'c' is not a map."),
    ("a text for attachments", put("cells", "c", lambda: cell(attachments=Text())), "The attachments of cell 'c' is not a map."),
    ("a number for a position", put("cells", "c", lambda: cell(position=1)), "The position of cell 'c' is not a short text."),
    ("a huge position", put("cells", "c", lambda: cell(position="1" * 5000)), "The position of cell 'c' is not a short text."),
    ("shared metadata", put("cells", "c", lambda: cell(metadata=Map({"a": Map({})}))), "The metadata of cell 'c', 'a', is not JSON."),
    ("deep metadata", put("cells", "c", lambda: cell(metadata=Map({"a": NESTED}))), "The metadata of cell 'c', 'a', is nested too deeply."),
    ("a replaced source", lambda doc: roots(doc).cells["a"].update({"source": Text("y")}), "The source of cell 'a' was replaced instead of edited."),
    ("a removed source", lambda doc: roots(doc).cells["a"].pop("source"), "The source of cell 'a' was replaced instead of edited."),
    ("replaced metadata", lambda doc: roots(doc).cells["a"].update({"metadata": Map({})}), "The metadata of cell 'a' was replaced instead of edited."),
    ("replaced attachments", lambda doc: roots(doc).cells["a"].update({"attachments": {}}), "The attachments of cell 'a' was replaced instead of edited."),
    ("an unknown field", lambda doc: roots(doc).cells["a"].update({"author": "eve"}), "The author of cell 'a' was replaced instead of edited."),
    ("a removed type", lambda doc: roots(doc).cells["a"].pop("type"), "Cell 'a' lost its type."),
    ("a removed position", lambda doc: roots(doc).cells["a"].pop("position"), "Cell 'a' lost its position."),
    ("a wrong type", lambda doc: roots(doc).cells["a"].update({"type": "heading"}), "Cell 'a' is neither code nor markdown nor raw."),
    ("bold text", lambda doc: source(doc).insert(0, "x", {"bold": True}), "The source of cell 'a' is plain text."),
    ("a format", lambda doc: source(doc).format(0, 2, {"bold": True}), "The source of cell 'a' is plain text."),
    ("an embed", lambda doc: source(doc).insert_embed(0, {"image": "x"}), "The source of cell 'a' is plain text."),
    ("bold text in a new cell", bold_cell, "The source of cell 'c' is plain text."),
    ("a map in metadata", lambda doc: roots(doc).cells["a"]["metadata"].update({"k": Map({})}), "The metadata of cell 'a', 'k', is not JSON."),
    ("bytes in metadata", lambda doc: roots(doc).cells["a"]["metadata"].update({"k": b"x"}), "The metadata of cell 'a', 'k', is not JSON."),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_t10_hostile_updates_are_refused(bench: Bench, edit: Callable[[NotebookDoc], object], reason: str) -> None:
    before = content(bench.live)
    assert bench.judge(edit) == Refused(reason)
    assert content(bench.gate.doc) == before
    # The Gate goes on as if nothing had happened.
    other = Client(bench.live.get_update())
    state = other.doc.get_state()
    source(other.doc).insert(0, "x")
    assert isinstance(bench.gate.admit(other.doc.get_update(state)), Admitted)


def test_too_many_cells(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.gate.MAX_CELLS", 3)
    assert isinstance(bench.judge(put("cells", "c", cell)), Admitted)
    assert bench.judge(put("cells", "d", cell)) == Refused("A notebook has at most 3 cells.")


def test_v7_nobody_speaks_for_the_server(bench: Bench) -> None:
    forger: NotebookDoc = Doc(client_id=bench.live.client_id)
    forger.apply_update(bench.live.get_update())
    source(forger).insert(0, "x")
    assert bench.gate.admit(forger.get_update(bench.live.get_state())) == Refused("The update speaks for the server.")


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 20, b"\x01\x01\x01\x00\x04\x01"])
def test_garbage_is_refused(bench: Bench, data: bytes) -> None:
    assert bench.gate.admit(data) == Refused("The update cannot be decoded.")
    assert content(bench.gate.doc) == content(bench.live)


def test_random_damage_never_raises(bench: Bench) -> None:
    rng = random.Random(10)
    whole = bench.live.get_update()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        verdict = bench.gate.admit(bytes(data))
        if isinstance(verdict, Admitted):
            bench.live.apply_update(verdict.update)
        assert content(bench.gate.doc) == content(bench.live)


def test_what_is_known_is_nothing(bench: Bench) -> None:
    update = bench.client.doc.get_update()
    assert bench.gate.admit(update) == Nothing()
    assert bench.gate.admit(b"\x00\x00") == Nothing()
    assert isinstance(bench.judge(lambda doc: roots(doc).cells.pop("a")), Admitted)
    assert bench.gate.admit(bench.client.doc.get_update()) == Nothing()


def test_t6_a_gap_is_told_and_filled(bench: Bench) -> None:
    doc = bench.client.doc
    states = [doc.get_state()]
    for text in "xyz":
        source(doc).insert(0, text)
        states.append(doc.get_state())
    assert bench.gate.admit(doc.get_update(states[1])) == Gap()
    assert content(bench.gate.doc) == content(bench.live)
    verdict = bench.gate.admit(doc.get_update(states[0]))
    assert isinstance(verdict, Admitted)
    bench.live.apply_update(verdict.update)
    assert content(bench.live) == content(doc)
    assert cell_source(bench.live, A) == "zyxone"


def test_a_deletion_of_what_never_came_is_a_gap(bench: Bench) -> None:
    updates: list[bytes] = []
    bench.client.doc.observe(lambda event: updates.append(event.update))
    text = source(bench.client.doc)
    text.insert(0, "xy")
    del text[0:1]
    assert bench.gate.admit(updates[1]) == Gap()
    filled = bench.gate.admit(bench.client.doc.get_update(bench.live.get_state()))
    assert isinstance(filled, Admitted)
    bench.live.apply_update(filled.update)
    assert cell_source(bench.live, A) == "yone"


def test_what_waits_cannot_hang_itself_on_the_servers_writing(bench: Bench) -> None:
    """A forged update that builds on what the server is about to write must not get into the Gate unjudged."""
    future: NotebookDoc = Doc(client_id=bench.live.client_id)
    future.apply_update(bench.live.get_update())
    roots(future).outputs["a"] = Array([])
    forger: NotebookDoc = Doc()
    forger.apply_update(future.get_update())
    state = forger.get_state()
    roots(forger).outputs["a"].append("forged")
    assert bench.gate.admit(forger.get_update(state)) == Gap()
    before = bench.live.get_state()
    with bench.live.transaction(origin=SERVER_ORIGIN):
        roots(bench.live).outputs["a"] = Array([])
    bench.gate.follow(bench.live.get_update(before))
    assert content(bench.gate.doc) == content(bench.live)


@pytest.mark.parametrize(
    "edit",
    [
        lambda doc: source(doc).insert(0, "a\r\n"),
        lambda doc: source(doc).insert(0, "\0"),
        lambda doc: put("cells", "c", lambda: cell(source=Text("a\rb")))(doc),
        lambda doc: roots(doc).cells["a"].update({"position": roots(doc).cells["b"]["position"]}),
        lambda doc: roots(doc).cells["a"].update({"position": "A0"}),
        lambda doc: roots(doc).cells["a"].update({"position": "z" * 65}),
        lambda doc: put("cells", "c", lambda: cell(position=roots(doc).cells["b"]["position"]))(doc),
        lambda doc: roots(doc).meta.update({"title": "x" * 300}),
    ],
)
def test_v4_slips_are_admitted_and_then_repaired(bench: Bench, edit: Callable[[NotebookDoc], object]) -> None:
    verdict = bench.judge(edit)
    assert isinstance(verdict, Admitted)
    assert verdict.needs_repair
    before = bench.live.get_state()
    repair(bench.live)
    bench.gate.follow(bench.live.get_update(before))
    assert repair(bench.live) == frozenset()
    assert len(title(bench.live)) <= 200
    assert isinstance(verdict := bench.judge(lambda doc: source(doc, "b").insert(0, "x")), Admitted)
    assert not verdict.needs_repair


def test_positions_are_counted_through_moves_and_deletions(bench: Bench) -> None:
    move = bench.judge(lambda doc: roots(doc).cells["a"].update({"position": "z1"}))
    assert isinstance(move, Admitted)
    assert not move.needs_repair
    assert bench.judge(lambda doc: roots(doc).cells.pop("a")) == Admitted(bench.gate._since[-1])
    same = bench.judge(lambda doc: roots(doc).cells["b"].update({"position": "z1"}))
    assert isinstance(same, Admitted)
    assert not same.needs_repair


def test_the_state_is_packed_now_and_then(bench: Bench) -> None:
    for _ in range(5):
        assert isinstance(bench.judge(lambda doc: source(doc).insert(0, "x" * 100_000)), Admitted)
    assert len(bench.gate._since) < 5
    assert isinstance(bench.judge(put("outputs", "a", 1)), Refused)
    assert len(cell_source(bench.gate.doc, A)) == 500_003


def edit_at_random(doc: NotebookDoc, rng: random.Random) -> None:
    ids = order(doc)
    match rng.randrange(8):
        case 0:
            insert_cell(doc, NewCell(CellId(f"c{rng.getrandbits(40)}"), "code", "née \U0001f600"), rng=rng)
        case 1 if len(ids) > 2:
            del roots(doc).cells[rng.choice(ids)]
        case 2 if ids:
            roots(doc).cells[rng.choice(ids)]["type"] = rng.choice(["code", "markdown", "raw"])
        case 3 if ids:
            roots(doc).cells[rng.choice(ids)]["metadata"][rng.choice("abc")] = rng.choice(["1", '"x"'])
        case 4:
            roots(doc).meta["title"] = f"T{rng.randrange(9)}"
        case _ if ids:
            text = source(doc, rng.choice(ids))
            size = len(str(text))
            start = rng.randint(0, size)
            replace(
                text,
                start,
                min(size, start + rng.randint(0, 3)),
                rng.choice(["", "x", "\u0301é", "\U0001f469\u200d\U0001f680"]),
            )


def hostile(client: Client, rng: random.Random) -> bytes:
    before = client.doc.get_state()
    # Not what does nothing when a text happens to be empty.
    rng.choice([row for row in REFUSED if row[0] != "a format"])[1](client.doc)
    return client.doc.get_update(before)


@pytest.mark.parametrize("seed", range(60))
def test_t23_out_of_order_duplicate_and_refused_updates(seed: int) -> None:
    """Live Doc, Gate, replay of the log and honest clients end equal."""
    rng = random.Random(seed)
    live = notebook()
    gate = Gate(live.get_update(), live.client_id)
    log = [live.get_update()]
    clients = [Client(live.get_update()) for _ in range(3)]
    wires: list[list[bytes]] = [[] for _ in clients]

    def take(verdict: Any, sender: Client) -> None:
        match verdict:
            case Admitted(update):
                live.apply_update(update)
                log.append(update)
            case Gap():
                take(gate.admit(sender.doc.get_update(gate.doc.get_state())), sender)
            case Refused(reason):
                raise AssertionError(reason)

    for _ in range(120):
        nth = rng.randrange(len(clients))
        client = clients[nth]
        match rng.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                # Not a diff: one would carry deletions whose replacements are still on their way.
                subscription = client.doc.observe(lambda event, wire=wires[nth]: wire.append(event.update))
                edit_at_random(client.doc, rng)
                client.doc.unobserve(subscription)
            case 5 | 6 | 7 if wires[nth]:
                update = rng.choice(wires[nth])  # any order, also again
                if rng.random() < 0.7:
                    wires[nth].remove(update)
                take(gate.admit(update), client)
            case 8:
                villain = Client(live.get_update())
                if not {"a", "b"} <= set(order(live)):
                    continue
                assert isinstance(gate.admit(hostile(villain, rng)), Refused)
            case _:
                before = live.get_state()
                with live.transaction(origin=SERVER_ORIGIN):
                    roots(live).runs["a"] = Map({"state": "running", "count": rng.randrange(9)})
                    repair(live, rng)
                update = live.get_update(before)
                gate.follow(update)
                log.append(update)
        assert content(gate.doc) == content(live)
        if rng.random() < 0.2:
            client.doc.apply_update(live.get_update(client.doc.get_state()))
    for client in clients:
        take(gate.admit(client.doc.get_update(gate.doc.get_state())), client)
    for client in clients:
        client.doc.apply_update(live.get_update(client.doc.get_state()))
    replay = copy_of(log)
    assert [content(doc) for doc in (gate.doc, replay, *(client.doc for client in clients))] == [content(live)] * 5


def test_v8_a_notebook_has_a_size_and_may_always_shrink(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.gate.MAX_DOCUMENT_BYTES", 10_000)

    def write(text: str) -> Callable[[NotebookDoc], object]:
        return lambda doc: roots(doc).cells["a"]["source"].insert(0, text)

    def cut(count: int) -> Callable[[NotebookDoc], object]:
        def edit(doc: NotebookDoc) -> None:
            del roots(doc).cells["a"]["source"][0:count]

        return edit

    for _ in range(3):  # what was deleted does not count
        assert isinstance(bench.judge(write("x" * 6000)), Admitted)
        assert isinstance(bench.judge(cut(6000)), Admitted)
    assert isinstance(bench.judge(write("x" * 9500)), Admitted)
    before = content(bench.live)
    assert bench.judge(write("y" * 2000)) == TooLarge()
    assert content(bench.live) == before
    bench.client = Client(bench.live.get_update())
    assert isinstance(bench.judge(cut(5000)), Admitted)
    assert isinstance(bench.judge(write("y" * 2000)), Admitted)


def test_one_that_was_imported_too_large_may_shrink_and_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.gate.MAX_DOCUMENT_BYTES", 10_000)
    doc = notebook()
    roots(doc).cells["a"]["source"].insert(0, "x" * 20_000)
    client = Client(doc.get_update())
    gate = Gate(doc.get_update(), doc.client_id)
    state = client.doc.get_state()
    del roots(client.doc).cells["a"]["source"][0:100]
    assert isinstance(gate.admit(client.doc.get_update(state)), Admitted)
    state = client.doc.get_state()
    roots(client.doc).cells["a"]["source"].insert(0, "y" * 200)
    assert gate.admit(client.doc.get_update(state)) == TooLarge()


def test_outputs_do_not_count(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab.gate.MAX_DOCUMENT_BYTES", 10_000)
    with bench.live.transaction(origin=SERVER_ORIGIN):
        roots(bench.live).outputs["a"] = Array([Map({"text": Text("x" * 50_000)})])
    bench.gate = Gate(bench.live.get_update(), bench.live.client_id)
    bench.client = Client(bench.live.get_update())
    assert isinstance(bench.judge(lambda doc: roots(doc).cells["a"]["source"].insert(0, "y" * 5000)), Admitted)
    assert bench.judge(lambda doc: roots(doc).cells["a"]["source"].insert(0, "y" * 6000)) == TooLarge()


def test_p11_a_closed_gate_is_collected_and_so_are_the_docs_it_threw_away() -> None:
    doc = notebook()
    gate = Gate(doc.get_update(), doc.client_id)
    first = weakref.ref(gate.doc)
    hostile = Client(doc.get_update())
    hostile.doc.get("outputs", type=Map)["a"] = "forged"
    assert isinstance(gate.admit(hostile.doc.get_update(doc.get_state())), Refused)
    last, itself = weakref.ref(gate.doc), weakref.ref(gate)
    gc.collect()
    assert first() is None
    assert last() is not None
    gate.close()
    del gate
    gc.collect()
    assert (itself(), last()) == (None, None)


def test_a_quirk_that_would_part_the_gate_from_the_live_doc_is_refused(bench: Bench) -> None:
    """yrs takes over a clock out of this update that the event of the same transaction does not mention."""
    broken = bytes.fromhex("0101808080808080801085fbe7e7090084aab6c5afb2abcb0b00017800")
    state = bench.gate.doc.get_state()
    assert isinstance(bench.gate.admit(broken), Refused)
    assert bench.gate.doc.get_state() == state


@given(
    st.dictionaries(st.integers(0, 2**53 - 1) | st.integers(0, 300), st.integers(1, 2**32 - 1), max_size=20), st.data()
)
def test_a_clock_is_found_whatever_stands_beside_it(clocks: dict[int, int], data: st.DataObject) -> None:
    vector = varuint(len(clocks)) + b"".join(varuint(client) + varuint(clock) for client, clock in clocks.items())
    wanted = data.draw(st.sampled_from([*clocks, 5]) | st.integers(0, 2**53 - 1))
    assert _clock(vector, wanted) == clocks.get(wanted, 0)


def test_an_id_that_ends_like_another_is_not_taken_for_it() -> None:
    short = 2**45 + 12345
    long = short << 7 | 1  # its bytes are one more, and then those of the short one
    vector = varuint(2) + varuint(long) + varuint(7) + varuint(short) + varuint(9)
    assert varuint(long).endswith(varuint(short))
    assert (_clock(vector, short), _clock(vector, long)) == (9, 7)
    assert _clock(varuint(1) + varuint(long) + varuint(7), short) == 0
