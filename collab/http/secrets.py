"""The caller's own secrets. Nobody else's are ever seen here, whatever their role."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collab.http._request import access_of, caller_of, object_of, services_of
from collab.model import NotebookId, Role
from collab.secrets import BadSecret, NoSuchSecret

# Neither the browser nor anything in between keeps what is in such an answer.
_KEEP_NOTHING: Final = {"Cache-Control": "no-store"}
_GONE: Final = "You have no secret of this name; it may have been deleted in another tab."
_BODY_BYTES: Final = 256 << 10


async def listed(request: Request) -> Response:
    caller = await caller_of(request)
    notebook = request.query_params.get("notebook")
    found = await services_of(request).secrets.names(caller.user.id, NotebookId(notebook) if notebook else None)
    body = [{"name": name, "changed": changed.isoformat(), "granted": granted} for name, changed, granted in found]
    return JSONResponse({"secrets": body}, headers=_KEEP_NOTHING)


async def value(request: Request) -> Response:
    caller = await caller_of(request)
    try:
        text = await services_of(request).secrets.read(caller.user.id, request.path_params["name"])
    except NoSuchSecret as error:
        raise HTTPException(404, _GONE) from error
    except BadSecret as error:
        raise HTTPException(409, str(error)) from error
    return JSONResponse({"value": text}, headers=_KEEP_NOTHING)


async def put(request: Request) -> Response:
    caller = await caller_of(request)
    text = (await object_of(request, _BODY_BYTES)).get("value")
    try:
        if not isinstance(text, str):
            raise BadSecret("'value' is a string.")
        await services_of(request).secrets.set(caller.user.id, request.path_params["name"], text)
    except BadSecret as error:
        raise HTTPException(400, str(error)) from error
    return Response(status_code=204)


async def delete(request: Request) -> Response:
    caller = await caller_of(request)
    try:
        await services_of(request).secrets.delete(caller.user.id, request.path_params["name"])
    except NoSuchSecret as error:
        raise HTTPException(404, _GONE) from error
    return Response(status_code=204)


async def grant(request: Request) -> Response:
    """PUT lets code of the Notebook read it when this person runs it; DELETE ends that."""
    access = await access_of(request, Role.RUNNER, "Letting a notebook read a secret")
    granted = request.method == "PUT"
    try:
        await services_of(request).secrets.grant(
            access.caller.user.id, request.path_params["name"], access.notebook.id, granted
        )
    except NoSuchSecret as error:
        raise HTTPException(404, _GONE) from error
    return Response(status_code=204)


routes = [
    Route("/api/secrets", listed),
    Route("/api/secrets/{name}", value, methods=["GET"]),
    Route("/api/secrets/{name}", put, methods=["PUT"]),
    Route("/api/secrets/{name}", delete, methods=["DELETE"]),
    Route("/api/notebooks/{id}/secrets/{name}", grant, methods=["PUT", "DELETE"]),
]
