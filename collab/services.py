"""What the routes and the socket work with: made once in `app`, passed to every request in its `state`."""

from dataclasses import dataclass

from collab.auth import Auth
from collab.config import Config
from collab.ports import Ports
from collab.rooms import Rooms
from collab.secrets import Secrets
from collab.store.blobs import Blobs
from collab.store.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    config: Config
    store: Store
    blobs: Blobs
    rooms: Rooms
    auth: Auth
    secrets: Secrets
    ports: Ports
