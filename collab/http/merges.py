"""Work that was done offline in an earlier epoch of a notebook, and comes back after it was rebuilt."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab import merging
from collab.http._request import access_of, body_of, services_of
from collab.merging import RefusedWork
from collab.model import Role

_GONE: Final = "The notebook was rebuilt too long ago for these edits to be merged; keep them as recovered work."


async def merge(request: Request) -> Response:
    """The body is a Yjs update: all that the browser has of that epoch."""
    services = services_of(request)
    access = await access_of(request, Role.EDITOR, "Editing a notebook")
    text = request.query_params.get("epoch", "")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise HTTPException(400, "'epoch' is the number of the epoch that the edits were made in.")
    epoch = int(text)
    work = await body_of(request, services.config.upload_bytes)
    id = access.notebook.id
    async with services.rooms.use(id) as room:
        if epoch == room.epoch:
            raise HTTPException(409, "The notebook is in this epoch still; send the edits on the socket.")
        end = await services.store.epoch_end(id, epoch)
        if end is None:
            raise HTTPException(410, _GONE)
        try:
            outcome = merging.merge(*merging.copy_of(end, work), room.doc)
        except RefusedWork as error:
            raise HTTPException(422, str(error)) from error
        await room.commit()
    unmerged = [
        {"cell": lost.cell, "type": lost.type, "source": lost.source, "why": lost.why} for lost in outcome.unmerged
    ]
    return JSONResponse({"merged": outcome.merged, "unmerged": unmerged})


routes = [Route("/api/notebooks/{id}/merge", merge, methods=["POST"])]
