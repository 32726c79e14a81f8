"""The Jupyter server that a Notebook is attached to, when it is: checked, used from then on, remembered in the store.

Its token is in the store and in requests to that server, and nowhere else: in no document, event, log or export.
"""

import json
import logging

from collab.jupyter_server import Address, read_address
from collab.room import Room
from collab.runtime import Runtime
from collab.store.store import Store, StoreError

log = logging.getLogger(__name__)

_KEY = "attached"


class Attachment:
    def __init__(self, room: Room, runtime: Runtime, store: Store, allowed: tuple[str, ...]) -> None:
        self.server: Address | None = None
        self.is_possible = bool(allowed)
        self._room = room
        self._runtime = runtime
        self._store = store
        self._allowed = allowed

    @property
    def title(self) -> str:
        """In a sentence."""
        return f"the Jupyter server at {self.server.url}" if self.server is not None else "the kernel gateway"

    async def check(self, url: str, token: str) -> Address:
        """Raises BadAddress, and RuntimeFailed when there is no Jupyter server, or one that wants another token."""
        server = read_address(url, token, self._allowed)
        await self._runtime.check(server)
        return server

    async def attach(self, server: Address) -> None:
        """The caller has ended the kernel there was. Raises StoreError, and then nothing has changed."""
        await self._store.remember(self._room.id, _KEY, json.dumps({"url": server.url, "token": server.token}))
        self._use(server)

    async def detach(self) -> None:
        """Raises StoreError."""
        await self._store.remember(self._room.id, _KEY, "")
        self._use(None)

    async def restore(self) -> None:
        """As the server before us left it."""
        try:
            kept = await self._store.remembered(self._room.id, _KEY)
        except StoreError as error:
            log.warning("A runtime cannot be looked up", extra={"notebook": self._room.id, "reason": str(error)})
            return
        if kept:
            value = json.loads(kept)
            self._use(Address(value["url"], value["token"]))

    def _use(self, server: Address | None) -> None:
        self.server = server
        self._runtime.use(server)
