"""What widgets need beside the socket, for whoever may read the notebook: large parts of their state, which messages
only name, and JavaScript from the kernel's environment. The page passes both on to frames."""

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
_MODULE: Final = re.compile(r"(?:@[a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")


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


async def module(request: Request) -> Response:
    access = await access_of(request, Role.VIEWER, "Reading widgets")
    name = request.query_params.get("name", "")
    room = services_of(request).rooms.get(access.notebook.id)
    runs = room.runs if room is not None else None
    source = await runs.widget_module(name) if runs is not None and _MODULE.fullmatch(name) else None
    if source is None:
        raise HTTPException(404, "There is no such widget module beside the kernel.")
    return Response(source, media_type="application/octet-stream", headers=attachment("module", ".js"))


routes = [
    Route("/api/notebooks/{id}/widgets/{sha256}", large),
    Route("/api/notebooks/{id}/widget-modules", module),
]
