"""The notebook's log, from beside the server."""

from pathlib import Path

from collab.compaction import pack, rebuilt
from collab.model import NotebookId
from collab.room import load_doc
from collab.store.sqlite import open_sqlite


class Log:
    def __init__(self, data: Path, notebook: str) -> None:
        self._database = data / "collab.sqlite"
        self._id = NotebookId(notebook)

    async def compact(self) -> None:
        async with open_sqlite(self._database) as store:
            found = await store.load(self._id)
            await store.compact(self._id, found.epoch, found.seq, pack(found.updates).snapshot)

    async def rebuild(self) -> bool:
        """A new epoch; only while no server runs."""
        async with open_sqlite(self._database) as store:
            found = await store.load(self._id)
            doc = await load_doc(found.updates)
            return await store.rebase(self._id, found.epoch, found.seq, doc.get_update(), rebuilt(doc))
