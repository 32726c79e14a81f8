"""Commands for scripts: the same as on the socket, one a request."""

from typing import Final

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab.commands import ROLE_FOR, BadCommand, ColabReply, Compare, Complete, Inspect, Invoke, parse_command
from collab.events import Event, Refused
from collab.http._request import access_of, object_of, services_of
from collab.model import Role
from collab.room import CommandRefused
from collab.sharing import allows, refusal

_OUTCOME_WITHIN_S: Final = 60.0


async def command(request: Request) -> Response:
    access = await access_of(request, Role.VIEWER, "Sending commands")
    value = await object_of(request, 4 << 20)
    try:
        parsed = parse_command({"request": 0} | value)
    except BadCommand as error:
        raise HTTPException(400, str(error)) from error
    if not allows(access.role, parsed):
        raise HTTPException(403, refusal(access.role, parsed, ROLE_FOR[type(parsed)]))
    if isinstance(parsed, (Compare, Complete, Inspect, Invoke, ColabReply)):
        raise HTTPException(400, "The answer to this command comes as an event; send it on the socket.")
    async with services_of(request).rooms.use(access.notebook.id) as room:
        if room.runs is None:
            raise HTTPException(503, "This server has no runtime.")
        told: list[Event] = []
        try:
            done = room.runs.request(parsed, access.caller.user, told.append)
        except CommandRefused as error:
            raise HTTPException(409, str(error)) from error
        if done is not None:
            with anyio.move_on_after(_OUTCOME_WITHIN_S):
                await done.wait()
        for event in told:
            if isinstance(event, Refused):
                raise HTTPException(409, event.reason)
        await room.commit()
    return JSONResponse({}, 202)


routes = [Route("/api/notebooks/{id}/commands", command, methods=["POST"])]
