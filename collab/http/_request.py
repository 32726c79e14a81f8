"""What every route begins with: who asks, what their role on the notebook is, and the JSON they sent."""

from dataclasses import dataclass
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request

from collab.auth import Caller, ForeignOrigin, NotSignedIn
from collab.model import NotebookId, Role
from collab.origins import page_origin
from collab.services import Services
from collab.sharing import refusal
from collab.store.store import NotebookRow
from collab.wire import BadFrame, parse_json

_SAFE_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Access:
    notebook: NotebookRow
    caller: Caller
    role: Role


def services_of(request: Request) -> Services:
    return cast(Services, request.state.services)


def page_of(request: Request) -> str:
    """The origin of our own page under the host that was asked for."""
    return page_origin(request.state.host, services_of(request).config)


async def caller_of(request: Request) -> Caller:
    """Raises HTTPException 401 and 403."""
    auth = services_of(request).auth
    changes = request.method not in _SAFE_METHODS
    try:
        return await auth.caller(request.headers, request.cookies, page_of(request), changes)
    except NotSignedIn as error:
        raise HTTPException(401, str(error)) from error
    except ForeignOrigin as error:
        raise HTTPException(403, str(error)) from error


async def owner_of(request: Request, doing: str) -> Caller:
    caller = await caller_of(request)
    if not caller.is_owner:
        raise HTTPException(403, f"{doing} is for the owner of this server.")
    return caller


async def access_of(request: Request, needed: Role, doing: str, trashed: bool = False) -> Access:
    """Raises HTTPException 404 for whoever has no role: they learn nothing, not even that the notebook exists."""
    caller = await caller_of(request)
    services = services_of(request)
    id = NotebookId(request.path_params["id"])
    row = await services.store.notebook(id)
    role = None if row is None else await services.auth.role(caller, id)
    if row is None or role is None or (row.trashed is not None and role is not Role.OWNER):
        raise HTTPException(404, "There is no such notebook, or you have no access to it.")
    if role < needed:
        raise HTTPException(403, refusal(role, doing, needed))
    if row.trashed is not None and not trashed:
        raise HTTPException(409, "The notebook is in the trash; restore it first.")
    return Access(row, caller, role)


def look_again(services: Services, id: NotebookId) -> None:
    """Who may do what on the Notebook has changed: sockets that are open act on it at once."""
    room = services.rooms.get(id)
    for connection in () if room is None else room.connections:
        connection.access_changed.set()


async def body_of(request: Request, limit: int) -> bytes:
    """Raises HTTPException 413."""
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise HTTPException(413, f"More than {limit >> 20} MB were sent; that is the most there may be.")
        parts.append(chunk)
    return b"".join(parts)


async def object_of(request: Request, limit: int = 1 << 20) -> dict[str, object]:
    """The body as a JSON object; an empty body is an empty one. Raises HTTPException 400 and 413."""
    body = await body_of(request, limit)
    try:
        value = parse_json(body) if body.strip() else {}
    except BadFrame as error:  # the same bounds as on the socket
        raise HTTPException(400, "The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise HTTPException(400, "The body is a JSON object.")
    return value


def flag_of(request: Request, name: str, default: bool) -> bool:
    """Raises HTTPException 400."""
    text = request.query_params.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise HTTPException(400, f"'{name}' is true or false.")
    return text == "true"
