"""Large outputs that were replaced free their space: Blobs that a Notebook has not named for a day go."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from anyio import to_thread

from collab.compaction import Sweep
from collab.model import NotebookId
from collab.store.blobs import Blobs
from collab.store.store import Library

# What is younger may be on its way into the document.
_KEPT: Final = timedelta(days=1)


def sweep_with(store: Library, blobs: Blobs) -> Sweep:
    async def sweep(id: NotebookId, named: frozenset[str]) -> None:
        """Raises StoreError and OSError."""
        before = datetime.now(UTC) - _KEPT
        unused = await store.keep_blobs(id, named, before)
        await to_thread.run_sync(partial(blobs.remove, unused, before.timestamp()))

    return sweep
