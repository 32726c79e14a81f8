"""Keystrokes that are known by their bytes: a gate that knows them says of every update what one says that does not."""

import random
from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from collab import notebook
from collab.gate import Admitted, Gate, Nothing, Refused
from collab.keystrokes import Keystrokes

SEEDS = range(6)
STEPS = 200


class Typist:
    """A browser: its Doc, and the updates that it has not sent yet."""

    def __init__(self, state: bytes) -> None:
        self.doc: Doc[Any] = Doc()
        self.cells = self.doc.get("cells", type=Map)
        self.doc.apply_update(state)
        self.unsent: list[bytes] = []
        self._own = False
        self.doc.observe(lambda event: self.unsent.append(bytes(event.update)) if self._own else None)
        self._at = 0
        self._cell = ""

    def hear(self, update: bytes) -> None:
        self.doc.apply_update(update)

    def act(self, rng: random.Random) -> None:
        self._own = True
        try:
            self._act(rng)
        finally:
            self._own = False

    def _act(self, rng: random.Random) -> None:
        ids = sorted(self.cells.keys())
        kind = rng.random()
        if kind < 0.02 or not ids:
            self.cells[f"{rng.getrandbits(40):x}"] = new_cell(f"{rng.getrandbits(60):o}1")
        elif kind < 0.04 and len(ids) > 2:
            del self.cells[rng.choice(ids)]
        elif kind < 0.06:
            self.cells[rng.choice(ids)]["type"] = rng.choice(("code", "markdown"))
        else:
            self._type(rng, ids, kind < 0.15)

    def _type(self, rng: random.Random, ids: list[str], elsewhere: bool) -> None:
        if elsewhere or self._cell not in ids:
            self._cell = rng.choice(ids)
            self._at = rng.randrange(len(self.cells[self._cell]["source"]) + 1)
        text = self.cells[self._cell]["source"]
        plain = str(text).isascii()  # offsets are bytes here, and must not lie within a character
        self._at = min(self._at, len(text)) if plain else len(text)
        if rng.random() < 0.1 and self._at and plain:
            self._at -= 1
            del text[self._at : self._at + 1]
        elif rng.random() < 0.05:
            self._at = len(text)
            text += rng.choice(("é", "😀", "\r", "\0", "word"))
            self._at = len(text)
        else:
            text.insert(self._at, rng.choice("abc \n"))
            self._at += 1


def new_cell(position: str) -> Map[Any]:
    return Map({"type": "code", "source": Text("x"), "position": position, "metadata": Map({}), "attachments": Map({})})


def start() -> bytes:
    doc: Doc[Any] = Doc()
    cells = notebook.roots(doc).cells
    for number in range(4):
        cells[f"c{number}"] = new_cell(f"{number + 1}")
    return doc.get_update()


class Without(Keystrokes):
    """Knows none."""

    def goes_on(self, update: bytes) -> str | None:
        return None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_gate_that_knows_keystrokes_judges_as_one_that_does_not(seed: int) -> None:
    rng = random.Random(seed)
    begin = start()
    quick, slow = Gate(begin), Gate(begin)
    slow._keystrokes = Without()
    live: Doc[Any] = Doc()
    notebook.roots(live)
    live.apply_update(begin)
    typists = [Typist(begin) for _ in range(3)]
    known = 0
    for _ in range(STEPS):
        typist = rng.choice(typists) if rng.random() < 0.3 else typists[0]
        typist.act(rng)
        if rng.random() < 0.02 and typist.unsent:
            typist.unsent.append(rng.choice(typist.unsent))  # a duplicate
        while typist.unsent:
            update = typist.unsent.pop(0)
            if rng.random() < 0.03:
                for broken in mutants(update, rng):
                    assert type(quick.admit(broken)) is type(slow.admit(broken))
            later = len(quick._later)
            verdicts = quick.admit(update), slow.admit(update)
            known += len(quick._later) > later
            assert type(verdicts[0]) is type(verdicts[1])
            match verdicts:
                case Admitted(mine, repair), Admitted(_, other_repair):
                    assert repair == other_repair
                    live.apply_update(mine)
                    for other in typists:
                        if other is not typist:
                            other.hear(mine)
                case _:
                    assert isinstance(verdicts[0], Nothing | Refused)
        if rng.random() < 0.05:
            server: Doc[Any] = Doc()
            server.apply_update(live.get_update())
            before = server.get_state()
            server.get("outputs", type=Map)["c0"] = "something"
            written = server.get_update(before)
            for gate in (quick, slow):
                gate.follow(written)
            live.apply_update(written)
            for other in typists:
                other.hear(written)
    assert known > STEPS / 10
    for gate in (quick, slow):
        assert notebook.clocks(gate.doc.get_state()) == notebook.clocks(live.get_state())
        assert gate.doc.get("cells", type=Map).to_py() == live.get("cells", type=Map).to_py()


def mutants(update: bytes, rng: random.Random) -> list[bytes]:
    """Those that no Doc takes: what one takes would have to go to everybody."""
    found = []
    for _ in range(10):
        broken = bytearray(update)
        broken[rng.randrange(len(broken))] = rng.randrange(256)
        judged = Gate(start())
        if len(broken) > 4 and isinstance(judged.admit(bytes(broken)), Refused):
            found.append(bytes(broken))
        judged.close()
    return found


def typed(doc: Doc[Any], at: int, letter: str) -> bytes:
    before = doc.get_state()
    doc.get("cells", type=Map)["c0"]["source"].insert(at, letter)
    return doc.get_update(before)


def test_the_next_keystroke_is_known_and_nothing_that_only_looks_like_it() -> None:
    doc: Doc[Any] = Doc()
    doc.get("cells", type=Map)
    doc.apply_update(start())
    first, second, third = (typed(doc, at, letter) for at, letter in enumerate("abc"))
    keystrokes = Keystrokes()
    assert keystrokes.goes_on(second) is None
    keystrokes.note(first)
    assert keystrokes.goes_on(third) is None  # one is missing
    for cut in range(len(second)):
        assert keystrokes.goes_on(second[:cut]) is None
    assert keystrokes.goes_on(second + b"\x00") is None
    assert keystrokes.goes_on(second) == "b"
    assert keystrokes.goes_on(second) is None  # a duplicate
    assert keystrokes.goes_on(third) == "c"
    elsewhere = typed(doc, 0, "d")
    assert keystrokes.goes_on(elsewhere) is None


def test_nothing_is_known_after_more_than_texts_has_changed() -> None:
    doc: Doc[Any] = Doc()
    doc.get("cells", type=Map)
    doc.apply_update(start())
    gate = Gate(start_of(doc))
    for at, letter in enumerate("abc"):
        assert isinstance(gate.admit(typed(doc, at, letter)), Admitted)
    assert len(gate._later) == 2
    other: Doc[Any] = Doc()
    other.get("cells", type=Map)
    other.apply_update(start_of(doc))
    before = other.get_state()
    del other.get("cells", type=Map)["c0"]
    assert isinstance(gate.admit(other.get_update(before)), Admitted)
    assert isinstance(gate.admit(typed(doc, 3, "d")), Admitted)
    assert gate._later == []
    assert sorted(gate.doc.get("cells", type=Map).keys()) == ["c1", "c2", "c3"]


def start_of(doc: Doc[Any]) -> bytes:
    return doc.get_update()
