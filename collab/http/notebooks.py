"""One notebook: what it is, and taking it away as a file."""

from typing import Final

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab import imports, notebook
from collab.events import RuntimeChanged, user_json
from collab.http._attachment import attachment
from collab.http._request import access_of, flag_of, services_of
from collab.ipynb import export as export_as
from collab.model import Role

_TYPES: Final = {
    "ipynb": "application/x-ipynb+json",
    "py": "text/x-python; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
}


async def info(request: Request) -> Response:
    services = services_of(request)
    access = await access_of(request, Role.VIEWER, "Opening a notebook")
    row, user = access.notebook, access.caller.user
    room = services.rooms.get(row.id)
    runtime = RuntimeChanged("none")
    if room is not None and room.runs is not None:
        runtime = next((event for event in room.runs.snapshot() if isinstance(event, RuntimeChanged)), runtime)
    label = services.auth.output_label
    return JSONResponse(
        {
            "id": row.id,
            "title": row.title if room is None else notebook.title(room.doc),
            "role": access.role.word,
            "epoch": row.epoch,
            "updated": row.updated.isoformat(),
            "trashed": row.trashed is not None,
            "people": [] if room is None else [user_json(person) for person in room.people],
            "runtime": {
                "status": runtime.status,
                "kernel": runtime.kernel,
                "session": runtime.session,
                "reason": runtime.reason,
            },
            "output_label": {kind: label(row.id, user.id, kind, row.epoch) for kind in ("live", "stored")},
        }
    )


async def export(request: Request) -> Response:
    services = services_of(request)
    access = await access_of(request, Role.VIEWER, "Downloading a notebook")
    format = request.query_params.get("format", "ipynb")
    if format not in _TYPES:
        raise HTTPException(400, f"'{format:.20}' is no format; there are {', '.join(_TYPES)}.")
    outputs = flag_of(request, "outputs", True) and not services.config.omit_outputs
    async with services.rooms.use(access.notebook.id) as room:
        if room.runs is not None:
            await room.runs.settle()
        state, title = room.doc.get_update(), notebook.title(room.doc)

    def make() -> bytes:
        content = imports.content_of(state, services.blobs, outputs)
        return export_as(content, format, title)  # type: ignore[arg-type]

    data = await anyio.to_thread.run_sync(make)
    return Response(data, media_type=_TYPES[format], headers=attachment(title, f".{format}"))


routes = [Route("/api/notebooks/{id}", info), Route("/api/notebooks/{id}/export", export)]
