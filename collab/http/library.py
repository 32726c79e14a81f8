"""The list of notebooks, making one, and changing what the list says about one."""

import re
from datetime import UTC, datetime
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab import imports, notebook
from collab.http._request import access_of, body_of, caller_of, flag_of, object_of, owner_of, services_of
from collab.ipynb import BadNotebook, set_omits_outputs
from collab.model import Role
from collab.sharing import refusal, role_of
from collab.store.store import Found

_NOTHING: Final = re.compile(rb"\s*(\{\s*\})?\s*")


async def listing(request: Request) -> Response:
    caller = await caller_of(request)
    store = services_of(request).store
    trash = flag_of(request, "trash", False)
    if caller.link is not None:
        row = await store.notebook(caller.link.notebook)
        found = [] if row is None or trash or row.trashed is not None else [Found(row)]
        entries = [_entry(item, caller.link.role) for item in found]
    else:
        user = None if caller.is_owner else caller.user.id
        words = request.query_params.get("q", "")[:200]
        entries = []
        for item in await store.notebooks(user, words, trash):
            role = Role.OWNER if caller.is_owner else role_of(item.grants, datetime.now(UTC))
            if role is not None and (role is Role.OWNER or not trash):
                entries.append(_entry(item, role))
    return JSONResponse({"notebooks": entries})


def _entry(found: Found, role: Role) -> dict[str, object]:
    row = found.notebook
    entry: dict[str, object] = {"id": row.id, "title": row.title, "updated": row.updated.isoformat(), "role": role.word}
    return entry | ({"snippet": found.snippet} if found.snippet else {})


async def create(request: Request) -> Response:
    await owner_of(request, "Making notebooks")
    services = services_of(request)
    data = await body_of(request, services.config.upload_bytes)
    title = request.query_params.get("title", "").strip()
    if _NOTHING.fullmatch(data):
        row = await imports.create_empty(services.store, title or notebook.UNTITLED)
    else:
        try:
            row = await imports.import_notebook(services.store, services.blobs, data, title)
        except BadNotebook as error:
            raise HTTPException(400, str(error)) from error
    return JSONResponse({"id": row.id, "title": row.title}, 201)


async def change(request: Request) -> Response:
    access = await access_of(request, Role.EDITOR, "Changing a notebook", trashed=True)
    value = await object_of(request)
    title, trashed = value.get("title"), value.get("trashed")
    if title is not None and not (isinstance(title, str) and title.strip()):
        raise HTTPException(400, "A title is a text that is not empty.")
    omits = value.get("omits_outputs")
    if omits is not None and not isinstance(omits, bool):
        raise HTTPException(400, "'omits_outputs' is true or false.")
    if trashed is not None and not isinstance(trashed, bool):
        raise HTTPException(400, "'trashed' is true or false.")
    if trashed is not None and access.role < Role.OWNER:
        raise HTTPException(403, refusal(access.role, "Using the trash", Role.OWNER))
    services = services_of(request)
    id = access.notebook.id
    if isinstance(title, str):
        async with services.rooms.use(id) as room:
            notebook.set_title(room.doc, title)
            await room.commit()
            await services.store.index(id, notebook.title(room.doc), notebook.search_text(room.doc))
    if isinstance(omits, bool):
        async with services.rooms.use(id) as room:
            set_omits_outputs(room.doc, omits)
            await room.commit()
    if isinstance(trashed, bool):
        await services.store.trash(id, datetime.now(UTC) if trashed else None)
        if trashed:
            async with services.rooms.use(id) as room:
                if room.runs is not None:
                    await room.runs.end(access.caller.user)
            await services.rooms.close(id)
    return JSONResponse({"id": id})


async def delete(request: Request) -> Response:
    services = services_of(request)
    access = await access_of(request, Role.OWNER, "Deleting a notebook", trashed=True)
    if access.notebook.trashed is None:
        raise HTTPException(409, "Only notebooks in the trash can be deleted for good.")
    await services.rooms.close(access.notebook.id)
    await services.store.delete(access.notebook.id)
    return Response(status_code=204)


async def copy(request: Request) -> Response:
    services = services_of(request)
    access = await access_of(request, Role.VIEWER, "Copying a notebook")
    if not access.caller.is_owner:
        raise HTTPException(403, "Guests have no notebooks of their own here; download this one instead.")
    async with services.rooms.use(access.notebook.id) as room:
        if room.runs is not None:
            await room.runs.settle()
        state = room.doc.get_update()
        title = notebook.title(room.doc)
    row = await imports.copy_notebook(
        services.store, services.blobs, state, f"Copy of {title}", not services.config.omit_outputs
    )
    return JSONResponse({"id": row.id, "title": row.title}, 201)


routes = [
    Route("/api/notebooks", listing),
    Route("/api/notebooks", create, methods=["POST"]),
    Route("/api/notebooks/{id}", change, methods=["PATCH"]),
    Route("/api/notebooks/{id}", delete, methods=["DELETE"]),
    Route("/api/notebooks/{id}/copy", copy, methods=["POST"]),
]
