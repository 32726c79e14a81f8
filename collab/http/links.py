"""Links that let others in: made, listed and revoked by the owner. A link's token is shown once and never again."""

from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab.http._request import access_of, look_again, object_of, page_of, services_of
from collab.model import Role


async def create(request: Request) -> Response:
    access = await access_of(request, Role.OWNER, "Sharing a notebook")
    value = await object_of(request)
    try:
        role = Role.parse(value.get("role"))
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    if role is Role.OWNER:
        raise HTTPException(400, "A link cannot make an owner; the highest role of a link is editor.")
    expires = _expires(value.get("expires"))
    id = access.notebook.id
    link, token = await services_of(request).auth.make_link(id, role, expires)
    url = f"{page_of(request)}/n/{id}?link={token}"
    body = {"id": link.id, "token": token, "url": url, "role": role.word, "expires": _text(expires)}
    return JSONResponse(body, 201)


async def listing(request: Request) -> Response:
    access = await access_of(request, Role.OWNER, "Seeing links")
    links = await services_of(request).store.links(access.notebook.id)
    return JSONResponse(
        {"links": [{"id": link.id, "role": link.role.word, "expires": _text(link.expires)} for link in links]}
    )


async def revoke(request: Request) -> Response:
    access = await access_of(request, Role.OWNER, "Revoking a link")
    services = services_of(request)
    if not await services.store.revoke(access.notebook.id, request.path_params["link"]):
        raise HTTPException(404, "There is no such link; it may have been revoked before.")
    look_again(services, access.notebook.id)
    return Response(status_code=204)


def _expires(value: object) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None:
        raise HTTPException(400, "'expires' is a time in ISO 8601, such as 2030-01-31T12:00:00Z.")
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise HTTPException(400, "'expires' lies beyond the year 9999.") from error
    if at <= datetime.now(UTC):
        raise HTTPException(400, "'expires' lies in the past.")
    return at


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


routes = [
    Route("/api/notebooks/{id}/links", create, methods=["POST"]),
    Route("/api/notebooks/{id}/links", listing),
    Route("/api/notebooks/{id}/links/{link}", revoke, methods=["DELETE"]),
]
