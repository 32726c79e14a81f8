"""What is in the notebooks that are opened: many cells at once, or a history of many small edits. Always the same.

Ends with a mark, by which a client knows that all of it is there: some servers send the first half of nothing.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Final

from pycrdt import Doc, Text

from bench.load.author import Schema, changes, put_cells
from bench.load.client import join, leave, mark
from bench.load.schedule import calm
from bench.peers.document_servers import Server
from collab.wire import sync_update

END: Final = mark(9_999_999)
_WORDS: Final = ("data", "frame", "model", "train", "loss", "plot", "mean", "axis", "group", "value", "index", "score")
_UNDER_WAY: Final = 200  # updates that were sent and not heard of yet
_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Content:
    updates: tuple[bytes, ...]
    state: bytes  # vector, of whoever has all of it


def cells(schema: Schema, count: int) -> Content:
    """Of five to fifteen lines each, put in fifty at a time."""
    rng = random.Random(count)
    doc: Doc[Any] = Doc()
    updates = []
    for start in range(0, count, 50):
        sources = [_source(rng) for _ in range(min(50, count - start))]
        updates.append(changes(doc, lambda sources=sources: put_cells(doc, schema, sources, rng)))  # type: ignore[misc]
    return _ended(doc, schema, updates, rng)


def history(schema: Schema, edits: int) -> Content:
    """What three people type into thirty cells: words and lines at some place, of which a part is deleted again."""
    rng = random.Random(edits)
    doc: Doc[Any] = Doc()
    texts: list[Text] = []
    updates = [changes(doc, lambda: texts.extend(put_cells(doc, schema, [_source(rng) for _ in range(30)], rng)))]
    heard: list[bytes] = []
    subscription = doc.observe(lambda event: heard.append(bytes(event.update)))
    while len(heard) < edits:
        text = rng.choice(texts)
        at = rng.randrange(len(text) + 1)
        for letter in " ".join(rng.choices(_WORDS, k=rng.randrange(1, 8))):
            text.insert(at, letter)
            at += 1
            if rng.random() < 0.08:  # a slip
                at -= 1
                del text[at : at + 1]
        if rng.random() < 0.2 and len(text) > 200:
            start = rng.randrange(len(text) - 40)
            del text[start : start + rng.randrange(5, 40)]
    doc.unobserve(subscription)
    return _ended(doc, schema, updates + heard, rng)


def _ended(doc: Doc[Any], schema: Schema, updates: list[bytes], rng: random.Random) -> Content:
    updates.append(changes(doc, lambda: put_cells(doc, schema, [f"# {END}"], rng)))
    return Content(tuple(updates), doc.get_state())


def _source(rng: random.Random) -> str:
    lines = [f"{rng.choice(_WORDS)} = {' + '.join(rng.choices(_WORDS, k=4))}" for _ in range(rng.randrange(5, 15))]
    return "\n".join(lines)


async def fill(server: Server, room: str, content: Content) -> None:
    """Writes it through a socket, no faster than it is taken, until another person has all of it."""
    address = await asyncio.to_thread(server.address, room)
    writer, reader = await join(address), await join(address, END.encode())
    async with asyncio.timeout(_WITHIN_S):
        for number, update in enumerate(content.updates, 1):
            writer.send(sync_update(update))
            if number % _UNDER_WAY == 0:
                await writer.caught_up(content.state)
        await reader.there
    await leave([writer, reader])
    await asyncio.sleep(server.settle_s)
    await calm(server)
