"""Whether a server that starts has to open this Notebook by itself, as the store has it: yes at once, no when it has
stayed so."""

import logging
from typing import Final

import anyio

from collab.model import NotebookId
from collab.store.store import Store, StoreError

log = logging.getLogger(__name__)

_NOT_LIVE_AFTER_S: Final = 2.0


class Liveness:
    def __init__(self, notebook: NotebookId, store: Store) -> None:
        self._notebook = notebook
        self._store = store
        self._live = False
        self._changed = anyio.Event()
        self._noted: bool | None = None

    def set(self, live: bool) -> None:
        self._live = live
        self._changed.set()

    async def note_forever(self) -> None:
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            if self._live == self._noted:
                continue
            if not self._live:
                with anyio.move_on_after(_NOT_LIVE_AFTER_S):
                    await self._changed.wait()
                    continue
            await self._note(self._live)

    async def note_live(self) -> None:
        """Returns when the store has it."""
        if not self._noted:
            await self._note(True)

    async def close(self, live: bool) -> None:
        if self._noted and not live:
            with anyio.CancelScope(shield=True):
                await self._note(False)

    async def _note(self, live: bool) -> None:
        self._noted = live
        try:
            await self._store.set_live(self._notebook, live)
        except StoreError as error:
            self._noted = None
            log.warning("A live notebook could not be noted", extra={"notebook": self._notebook, "reason": str(error)})
