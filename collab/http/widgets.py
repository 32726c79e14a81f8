"""Large parts of the state of widgets, for whoever may read the notebook: a message on the socket only names them."""

import re
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collab.http._attachment import attachment
from collab.http._request import access_of, services_of
from collab.model import Role

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


async def large(request: Request) -> Response:
    access = await access_of(request, Role.VIEWER, "Reading widgets")
    sha256 = request.path_params["sha256"]
    room = services_of(request).rooms.get(access.notebook.id)
    known = _SHA256.fullmatch(sha256) is not None and room is not None and room.runs is not None
    content = room.runs.large(sha256) if known and room is not None and room.runs is not None else None
    if content is None:
        raise HTTPException(404, "This part of a widget has been replaced meanwhile.")
    # Named by its content: it never changes. Private, as it belongs to a notebook.
    headers = {**attachment(sha256[:12], ""), "Cache-Control": "private, max-age=31536000, immutable"}
    return Response(content, media_type="application/octet-stream", headers=headers)


routes = [Route("/api/notebooks/{id}/widgets/{sha256}", large)]
