"""Who am I, under which name, and until when."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab.auth import Caller, cookie_name
from collab.events import user_json
from collab.http._request import caller_of, object_of, page_of, services_of


async def me(request: Request) -> Response:
    return JSONResponse(_me(await caller_of(request)))


async def rename(request: Request) -> Response:
    caller = await caller_of(request)
    services = services_of(request)
    name = (await object_of(request)).get("name")
    try:
        user = await services.auth.rename(caller.user, name if isinstance(name, str) else "")
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    for room in services.rooms.all:
        room.restamp(user)
    return JSONResponse(_me(Caller(user, caller.link)))


async def sign_out(request: Request) -> Response:
    """Open sockets of the session end with it."""
    caller = await caller_of(request)
    services = services_of(request)
    await services.auth.sign_out(caller)
    for room in services.rooms.all:
        for connection in room.connections:
            connection.access_changed.set()
    response = Response(status_code=204)
    page = page_of(request)
    response.delete_cookie(cookie_name(page), secure=page.startswith("https:"), httponly=True, samesite="lax")
    return response


def _me(caller: Caller) -> dict[str, object]:
    return user_json(caller.user) | {"owner": caller.is_owner}


routes = [
    Route("/api/me", me),
    Route("/api/me", rename, methods=["PATCH"]),
    Route("/api/me/session", sign_out, methods=["DELETE"]),
]
