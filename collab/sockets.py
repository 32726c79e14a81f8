"""The one WebSocket: who may come in, then `Room.serve`, and out again when the access ends."""

import logging
import math
from datetime import UTC, datetime
from typing import Final

import anyio
from starlette.websockets import WebSocket, WebSocketState

from collab.auth import Caller, ForeignOrigin, NotSignedIn
from collab.connection import Connection
from collab.model import NotebookId, Role
from collab.notebook import SCHEMA
from collab.origins import page_origin
from collab.room import Room
from collab.services import Services
from collab.sharing import role_of
from collab.store.store import NoNotebook, StoreError
from collab.websocket import BrowserSocket
from collab.wire import CLOSE_BUSY, CLOSE_FORBIDDEN, CLOSE_NO_NOTEBOOK, CLOSE_SIGN_IN, CLOSE_WRONG_EPOCH

log = logging.getLogger(__name__)

_MAX_REASON_BYTES: Final = 123  # RFC 6455, 5.5


class _Refused(Exception):
    """Whoever knocks is told why: a close code of the socket and a sentence."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def notebook_socket(websocket: WebSocket) -> None:
    """Whoever has no place here is refused before anything is accepted. Our own page, and a script that showed a
    token, are let in as far as to be told why: a browser learns a close code only from a socket that was accepted."""
    services: Services = websocket.state.services
    id = NotebookId(websocket.path_params["id"])
    try:
        caller, role = await _admit(websocket, services, id)
    except ForeignOrigin:
        await websocket.close(CLOSE_FORBIDDEN)
        return
    except (_Refused, StoreError) as error:
        await websocket.accept()
        code = error.code if isinstance(error, _Refused) else CLOSE_BUSY
        await _close(websocket, code, str(error))
        return
    await websocket.accept()
    connection = Connection(BrowserSocket(websocket), caller.user, role)
    try:
        async with services.rooms.use(id) as room:
            _check_epoch(websocket, room)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch_access, services, caller, room, connection)
                await room.serve(connection)
                tasks.cancel_scope.cancel()
        code, reason = connection.ended or (1000, "")
    except _Refused as refused:
        code, reason = refused.code, refused.reason
    except NoNotebook as error:
        code, reason = CLOSE_NO_NOTEBOOK, str(error)
    except StoreError as error:
        code, reason = CLOSE_BUSY, str(error)
    await _close(websocket, code, reason)


async def _admit(websocket: WebSocket, services: Services, id: NotebookId) -> tuple[Caller, Role]:
    """The one way in, for every WebSocket (outputs.md S2): the host was checked by `origins`; here come the origin,
    the session, the role, and the schema. Raises ForeignOrigin and _Refused."""
    page = page_origin(websocket.state.host, services.config)
    headers = websocket.headers
    try:
        caller = await services.auth.caller(headers, websocket.cookies, page, changes=True)
    except NotSignedIn as error:
        if headers.get("origin") != page and "authorization" not in headers:
            raise ForeignOrigin from error
        raise _Refused(CLOSE_SIGN_IN, str(error)) from error
    row = await services.store.notebook(id)
    role = None if row is None else await services.auth.role(caller, id)
    if row is None or role is None or row.trashed is not None:
        # Who has no role learns nothing, not even that the notebook exists.
        raise _Refused(CLOSE_NO_NOTEBOOK, "There is no such notebook, or you have no access to it.")
    schema = websocket.query_params.get("schema", str(SCHEMA))
    if schema != str(SCHEMA):
        raise _Refused(CLOSE_WRONG_EPOCH, f"This page speaks schema {schema:.8}; the server speaks {SCHEMA}.")
    return caller, role


def _check_epoch(websocket: WebSocket, room: Room) -> None:
    """Before any sync message is exchanged (crdt.md X6)."""
    epoch = websocket.query_params.get("epoch", str(room.epoch))
    if epoch != str(room.epoch):
        raise _Refused(CLOSE_WRONG_EPOCH, "The notebook was rebuilt; reload the page.")


async def _watch_access(services: Services, caller: Caller, room: Room, connection: Connection) -> None:
    """Acts when the access changes and in the moment in which it expires (crdt.md V1)."""
    try:
        while True:
            connection.access_changed.clear()
            over = await services.auth.session_ends(caller)
            now = datetime.now(UTC)
            if over is not None and over <= now:
                connection.close(CLOSE_SIGN_IN, "Your session has ended; sign in again.")
                return
            grants = await services.auth.grants(caller, room.id)
            role = role_of(grants, now)
            if role is None:
                connection.close(CLOSE_FORBIDDEN, "Your access to this notebook has ended.")
                return
            room.change_role(connection, role)
            ends = [grant.expires for grant in grants if grant.expires is not None and grant.expires > now]
            ends += [] if over is None else [over]
            with anyio.move_on_after((min(ends) - now).total_seconds() + 0.01 if ends else math.inf):
                await connection.access_changed.wait()
    except StoreError as error:
        connection.close(CLOSE_BUSY, str(error))


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    if (
        websocket.client_state is WebSocketState.DISCONNECTED
        or websocket.application_state is WebSocketState.DISCONNECTED
    ):
        return
    try:
        await websocket.close(code, _short(reason))
    except RuntimeError:
        log.debug("A browser left while its socket was being closed")


def _short(reason: str) -> str:
    """As much of it as a close frame holds."""
    encoded = reason.encode()
    if len(encoded) <= _MAX_REASON_BYTES:
        return reason
    return encoded[: _MAX_REASON_BYTES - len("…".encode())].decode(errors="ignore") + "…"
