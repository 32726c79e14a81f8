"""How notebooks come into being: empty, from a file, as a copy. Blobs are stored before the document names them."""

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
from pycrdt import Doc

from collab import ipynb, notebook
from collab.model import CellId, NotebookId
from collab.notebook import NewCell, NotebookDoc
from collab.store.blobs import Blobs
from collab.store.store import NotebookRow, Store

WELCOME: Final = Path(__file__).parent / "welcome.ipynb"


@dataclass(slots=True)
class _Made:
    """A document that was built in a thread: its bytes, what a search finds, and the Blobs it names."""

    update: bytes
    title: str
    text: str
    blobs: set[str] = field(default_factory=set)


async def create_empty(store: Store, title: str) -> NotebookRow:
    """One empty code cell, as every notebook begins."""
    doc: NotebookDoc = Doc()
    notebook.create(doc, title, [NewCell(CellId(secrets.token_hex(4)), "code")])
    return await _store(store, _made(doc, set()))


async def import_notebook(store: Store, blobs: Blobs, data: bytes, title: str = "") -> NotebookRow:
    """Raises ipynb.BadNotebook."""
    return await _store(store, await anyio.to_thread.run_sync(_build, blobs, data, title))


async def copy_notebook(store: Store, blobs: Blobs, state: bytes, title: str, outputs: bool = True) -> NotebookRow:
    """A notebook of its own with the same content; run marks become those of an imported file."""

    def build() -> _Made:
        return _build(blobs, ipynb.to_bytes(content_of(state, blobs, outputs)), title)

    return await _store(store, await anyio.to_thread.run_sync(build))


async def import_path(store: Store, blobs: Blobs, path: Path) -> NotebookRow:
    """The notebook of a file: made at the first time, found again while the file is the same.

    A changed file becomes a new notebook: the one there is may have been edited (crdt.md G8).
    """
    data = await anyio.to_thread.run_sync(path.read_bytes)
    key = os.path.abspath(path)  # noqa: ASYNC240 - asks no disk
    digest = hashlib.sha256(data).hexdigest()
    known = await store.imported(key)
    if known is not None and known[1] == digest:
        row = await store.notebook(known[0])
        if row is not None and row.trashed is None:
            return row
    row = await import_notebook(store, blobs, data, path.stem)
    await store.set_imported(key, row.id, digest)
    return row


def content_of(state: bytes, blobs: Blobs, outputs: bool = True) -> dict[str, object]:
    """The notebook as nbformat has it. Reads Blobs: call it in a thread."""
    doc: NotebookDoc = Doc()
    notebook.roots(doc)
    doc.apply_update(state)
    return ipynb.to_notebook(doc, blobs.get, outputs)


def _build(blobs: Blobs, data: bytes, title: str) -> _Made:
    names: set[str] = set()

    def put(blob: bytes) -> str:
        name = blobs.put(blob)
        names.add(name)
        return name

    doc: NotebookDoc = Doc()
    ipynb.write_into(doc, ipynb.read(data), title or notebook.UNTITLED, put)
    return _made(doc, names)


def _made(doc: NotebookDoc, blobs: set[str]) -> _Made:
    return _Made(doc.get_update(), notebook.title(doc), notebook.search_text(doc), blobs)


async def _store(store: Store, made: _Made) -> NotebookRow:
    row = NotebookRow(
        NotebookId(secrets.token_urlsafe(9).replace("-", "a").replace("_", "b")), made.title, 1, datetime.now(UTC)
    )
    await store.create(row, made.update, made.text, made.blobs)
    return row
