"""The last state of a Notebook's widgets, for who opens it when the kernel is gone: a Blob that the document names.

Stored when a kernel ends, when a file is made, when the Room closes, and now and then; never for each change.
"""

import logging
from typing import Final

import anyio
from anyio import to_thread

from collab.comms import Comms
from collab.notebook import SERVER_ORIGIN, WIDGETS, roots
from collab.room import Room
from collab.store.blobs import Blobs
from collab.store.store import Store, StoreError
from collab.widget_files import Pointer, bounded, pointer_json, read_pointer, read_stored, to_bytes, to_saved, views_of

log = logging.getLogger(__name__)

_EVERY_S: Final = 30.0
_LAST_WRITE_S: Final = 10.0


class WidgetStore:
    def __init__(self, room: Room, comms: Comms, store: Store, blobs: Blobs) -> None:
        self._room = room
        self._comms = comms
        self._store = store
        self._blobs = blobs
        self._saved = 0
        self._turn = anyio.Lock()

    async def load(self) -> None:
        """What there was when the Room was last open, as of a kernel that is gone."""
        pointer = read_pointer(self._room.doc)
        saved = await to_thread.run_sync(read_stored, pointer, self._blobs.get)
        self._comms.restore(saved, pointer.session)
        self._saved = self._comms.changes

    async def save(self) -> None:
        """Returns when what there is by now is stored; what cannot be is said in the log, and tried again later."""
        async with self._turn:
            changes = self._comms.changes
            if changes == self._saved or self._room.over:
                return
            views = views_of(self._room.doc)
            self._comms.widgets.forget(views)
            saved, left_out = bounded(to_saved(self._comms.widgets, views))
            content, session = to_bytes(saved), self._comms.session
            try:
                sha256 = await to_thread.run_sync(self._blobs.put, content) if saved else ""
                if sha256:
                    await self._store.add_blob(self._room.id, sha256)
            except (OSError, StoreError) as error:
                log.error("Widgets cannot be stored", extra={"notebook": self._room.id, "reason": str(error)})
                return
            self._name(Pointer(sha256, len(content), session, left_out) if sha256 else None)
            self._saved = changes

    def _name(self, pointer: Pointer | None) -> None:
        meta, text = roots(self._room.doc).meta, pointer_json(pointer) if pointer is not None else None
        if meta.get(WIDGETS) == text:
            return
        with self._room.doc.transaction(origin=SERVER_ORIGIN):
            if text is None:
                del meta[WIDGETS]
            else:
                meta[WIDGETS] = text

    async def save_forever(self) -> None:
        try:
            while True:
                await anyio.sleep(_EVERY_S)
                await self.save()
        finally:
            with anyio.move_on_after(_LAST_WRITE_S, shield=True):
                await self.save()
