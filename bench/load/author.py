"""Somebody who types: a cell of their own, and edits of it as bytes that were made before they are sent.

Written by hand after Yjs' format, as the encoding of 100,000 edits by a library would take as long as the round.
"""

import random
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from pycrdt import Array, Doc, Map, Text

from bench.load.client import MARK_BYTES, mark
from collab.positions import spread
from collab.wire import sync_update, varbytes, varuint

_TEXT_AFTER: Final = 0x84  # a piece of text behind another


class Schema(Enum):
    """How a server's notebooks are laid out; where it does not care, ours."""

    COLLAB = "collab"
    JUPYTER = "jupyter"


def put_cells(doc: Doc[Any], schema: Schema, sources: list[str], rng: random.Random) -> list[Text]:
    """New cells, and their texts."""
    with doc.transaction():
        if schema is Schema.JUPYTER:
            cells = doc.get("cells", type=Array)
            first = len(cells)
            cells.extend([_jupyter_cell(source, rng) for source in sources])
            return [cells[at]["source"] for at in range(first, first + len(sources))]
        root = doc.get("cells", type=Map)
        ids = [f"{rng.getrandbits(64):016x}" for _ in sources]
        for id, source, position in zip(ids, sources, spread(len(ids), "", "", rng), strict=True):
            root[id] = Map(
                {
                    "type": "code",
                    "source": Text(source),
                    "position": position,
                    "metadata": Map({}),
                    "attachments": Map({}),
                }
            )
        return [root[id]["source"] for id in ids]


def _jupyter_cell(source: str, rng: random.Random) -> Map[Any]:
    return Map(
        {
            "cell_type": "code",
            "id": f"{rng.getrandbits(64):016x}",
            "source": Text(source),
            "metadata": Map({}),
            "outputs": Array([]),
            "execution_count": None,
            "execution_state": "idle",
        }
    )


class Author:
    def __init__(self, schema: Schema, rng: random.Random) -> None:
        self._doc: Doc[Any] = Doc()
        (text,) = put_cells(self._doc, schema, ["# "], rng)
        text += "-"
        self.start: Final = self._doc.get_update()
        self._client = varuint(self._doc.client_id)
        self._clock = _only_clock(self._doc.get_state())

    def edit(self, number: int) -> bytes:
        """The message that appends the mark of that number."""
        client, clock = self._client, self._clock
        self._clock += MARK_BYTES
        place = client + varuint(clock) + bytes((_TEXT_AFTER,)) + client + varuint(clock - 1)
        update = b"\x01\x01" + place + varbytes(mark(number).encode()) + b"\x00"
        return sync_update(update)


def changes(doc: Doc[Any], change: Callable[[], None]) -> bytes:
    """The update that a change makes."""
    heard: list[bytes] = []
    subscription = doc.observe(lambda event: heard.append(bytes(event.update)))
    change()
    doc.unobserve(subscription)
    (update,) = heard
    return update


def _only_clock(state: bytes) -> int:
    """Of a state vector that knows one client."""
    numbers, number, shift = [], 0, 0
    for byte in state:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    assert numbers[0] == 1
    return numbers[2]
