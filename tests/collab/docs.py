"""What the tests of Docs share: an honest client, and a Doc's content as one value to compare."""

from collections.abc import Iterable
from typing import Any

from pycrdt import Doc

from collab.notebook import ROOT_NAMES, NotebookDoc, roots


class Client:
    """Somebody's copy of a Notebook."""

    def __init__(self, state: bytes) -> None:
        self.doc: NotebookDoc = copy_of([state])


def copy_of(updates: Iterable[bytes]) -> NotebookDoc:
    doc: NotebookDoc = Doc()
    roots(doc)
    for update in updates:
        doc.apply_update(update)
    return doc


def content(doc: NotebookDoc) -> dict[str, Any]:
    opened = roots(doc)
    return {name: getattr(opened, name).to_py() for name in ROOT_NAMES}
