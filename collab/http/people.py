"""Who am I, and under which name."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab.auth import Caller
from collab.events import user_json
from collab.http._request import caller_of, object_of, services_of


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


def _me(caller: Caller) -> dict[str, object]:
    return user_json(caller.user) | {"owner": caller.is_owner}


routes = [Route("/api/me", me), Route("/api/me", rename, methods=["PATCH"])]
